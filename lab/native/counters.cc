// 32 processes on one hot record of 64 bytes: exact sums, and nobody is left out.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "audit.h"

namespace lab {
namespace {

constexpr u32 kCrowd = 32;
constexpr const char* kHot = "hot:hits";  // 48 bytes of header, 8 of number, 8 of key

struct Tally {
  a32 ready, go, stop;
  struct alignas(64) {
    a64 increments, compared, gets, busy, worstNs;
  } of[kCrowd];
  a32 complaints;
};

/** With 16 processes for each processor an owner may well stand still for 20 ms: it needs the processor. */
void backOff(a64& busy) {
  busy.fetch_add(1);
  usleep(5000);
}

int work(const OpenOptions& options, Tally& t, u32 me) {
  Failure failure;
  Segment* const s = Segment::open(options, failure);
  if (s == nullptr) return 2;
  auto& mine = t.of[me];
  t.ready.fetch_add(1);
  while (t.go.load() == 0) usleep(500);
  double last = 0;
  u64 lastVersion = 0;
  Random random(me + 1);
  while (t.stop.load(std::memory_order_relaxed) == 0) {
    const u64 began = monotonicNs();
    const u64 dice = random.below(3);
    if (dice == 0) {
      Meta meta;
      const Rc rc = s->increment(keyOf(*s, kHot), 1, meta);
      if (rc == kOk) mine.increments.fetch_add(1);
      else if (rc == kBusyShard) backOff(mine.busy);
      else t.complaints.fetch_add(1);
    } else if (dice == 1) {
      // its value is how often it was changed
      const Reading r = readValue(*s, "compared");
      StoreOptions o;
      o.when = If::kVersion;
      o.version = r.meta.version;
      if (r.rc != kOk || r.sequence == 0) t.complaints.fetch_add(1);
      const Rc rc = storeValue(*s, "compared", 64, r.sequence + 1, o);
      if (rc == kOk) mine.compared.fetch_add(1);
      else if (rc == kBusyShard) backOff(mine.busy);
      else if (rc != kChanged) t.complaints.fetch_add(1);
    } else {
      Meta meta;
      if (s->read(keyOf(*s, kHot), meta, [](const Meta&, const u8*) {}) != kOk) t.complaints.fetch_add(1);
      // seen by one process, neither the number nor its version ever goes back
      if (meta.number < last || meta.version < lastVersion) t.complaints.fetch_add(1);
      last = meta.number;
      lastVersion = meta.version;
      mine.gets.fetch_add(1);
    }
    const u64 took = monotonicNs() - began;
    if (took > mine.worstNs.load()) mine.worstNs.store(took);
  }
  delete s;
  return 0;
}

}  // namespace
}  // namespace lab

int main(int argc, char** argv) {
  using namespace lab;
  const Arguments a = readArguments(argc, argv);
  Report report;
  Tally& t = *shared<Tally>();
  const OpenOptions options = optionsFor(a.directory + "/shm", "counters", 4u << 20, 512);
  mkdir(options.directory.c_str(), 0700);
  Failure failure;
  Segment* const s = Segment::open(options, failure);
  if (s == nullptr) return report.fail("create: " + describe(failure)), report.end();
  storeNumber(*s, kHot, 0);
  storeValue(*s, "compared", 64, 1);
  pid_t pids[kCrowd];
  for (u32 i = 0; i < kCrowd; i++) pids[i] = startChild([&, i] { return work(options, t, i); });
  while (t.ready.load() < kCrowd) usleep(1000);
  const double seconds = a.secondsOr(2, 20);
  t.go.store(1);
  usleep(u32(seconds * 1e6));
  t.stop.store(1);
  for (const pid_t pid : pids) {
    const Ending e = awaitChild(pid, 30);
    if (e.hung || e.signal != 0 || e.code != 0) report.fail(text("a process ended by signal %d with code %d", e.signal,
        e.code));
  }
  u64 increments = 0, compared = 0, gets = 0, busy = 0, worst = 0, least = ~0ull;
  for (auto& one : t.of) {
    increments += one.increments, compared += one.compared, gets += one.gets, busy += one.busy;
    worst = std::max(worst, one.worstNs.load());
    least = std::min({least, one.increments.load(), one.compared.load(), one.gets.load()});
  }
  const Reading hot = readValue(*s, kHot), last = readValue(*s, "compared");
  if (hot.meta.number != double(increments)) report.fail(text("the counter is %.0f after %lu increments",
      hot.meta.number, increments));
  if (last.sequence != compared + 1) report.fail(text("%lu after %lu successful compare-and-sets", last.sequence,
                                                      compared));
  if (t.complaints.load() != 0) report.fail(text("%u operations with another answer", t.complaints.load()));
  if (least == 0) report.fail("a process got nowhere");
  const std::string audit = LabAccess::audit(*s, true);
  if (!audit.empty()) report.fail(audit);
  delete s;
  report.injected = text("%u processes on one hot record for %.0f s", kCrowd, seconds);
  report.checked = text("%s increments, %s compare-and-sets and %s reads: exact sums, the slowest process did "
                        "%s of a kind", number(increments).c_str(),
                        number(compared).c_str(), number(gets).c_str(), number(least).c_str());
  report.notes = text("worst operation %.0f ms with %u processes on %ld processors, %lu busy answers",
                      double(worst) / 1e6, kCrowd, sysconf(_SC_NPROCESSORS_ONLN), busy);
  return report.end();
}
