// Clocks that misbehave, in simulated time: this file is the clock_gettime of the engine. The wall clock is set, the
// machine sleeps, the coarse clock has a tick of 10 ms.
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "audit.h"

namespace {

struct Clocks {
  bool simulated = false;
  uint64_t monotonicNs = 1'000'000'000'000;
  uint64_t sleptNs = 0;
  int64_t wallNs = 1'700'000'000'000'000'000;
  uint64_t tickNs = 10'000'000;
} clocks;

timespec of(uint64_t ns) { return {time_t(ns / 1'000'000'000), long(ns % 1'000'000'000)}; }

}  // namespace

// what the executable defines goes before the C library's
extern "C" int clock_gettime(clockid_t clock, timespec* t) noexcept {
  if (!clocks.simulated) return int(syscall(SYS_clock_gettime, clock, t));
  const Clocks& c = clocks;
  if (clock == CLOCK_REALTIME) *t = of(uint64_t(c.wallNs + int64_t(c.monotonicNs + c.sleptNs)));
  else if (clock == CLOCK_BOOTTIME) *t = of(c.monotonicNs + c.sleptNs);
  else if (clock == CLOCK_MONOTONIC_COARSE) *t = of(c.monotonicNs / c.tickNs * c.tickNs);
  else *t = of(c.monotonicNs);
  return 0;
}

namespace lab {
namespace {

constexpr u64 kMs = 1'000'000;
constexpr u64 kHour = 3'600'000;
constexpr u32 kCount = 3000;

struct Life {
  u64 ttlMs = 0;
  u64 setAtMs = 0;  // of real time, the time asleep included
  bool hasten = false;  // stored after a sleep that nobody had noticed yet: it may die early
  bool there = false;
};

u64 realMs() { return (clocks.monotonicNs + clocks.sleptNs) / kMs; }
std::string name(u32 i) { return text("k:%u", i); }

}  // namespace
}  // namespace lab

int main(int argc, char** argv) {
  using namespace lab;
  const Arguments a = readArguments(argc, argv);
  Report report;
  clocks.simulated = true;
  const OpenOptions options = optionsFor(a.directory + "/shm", "clock", 16u << 20, 512);
  mkdir(options.directory.c_str(), 0700);
  Failure failure;
  Segment* const s = Segment::open(options, failure);
  if (s == nullptr) return report.fail("create: " + describe(failure)), report.end();
  Random random(a.seed);
  std::vector<Life> lives(kCount);
  u64 steps = 0, sleeps = 0, reads = 0, early = 0, expired = 0, awakeSinceMs = 0, mostLateMs = 0, gone = 0;
  std::string firstGone;
  const u32 turns = a.brief ? 600'000 : 10'000'000;
  for (u32 turn = 0; turn < turns && report.failed < 6; turn++) {
    clocks.monotonicNs += random.below(8 * kMs);
    if (random.oneIn(2000)) {
      clocks.wallNs += (random.oneIn(2) ? 1 : -1) * int64_t(kHour * kMs);
      steps++;
    }
    if (random.oneIn(15'000)) {
      clocks.sleptNs += random.below(2 * kHour) * kMs;
      sleeps++;
      awakeSinceMs = realMs();
    }
    const u32 i = u32(random.below(kCount));
    Life& life = lives[i];
    if (random.oneIn(3)) {
      StoreOptions o;
      // a tenth lives for hours, a tenth for ever
      o.ttlMs = random.oneIn(10) ? 0 : random.oneIn(10) ? random.below(4 * kHour) + 1 : random.below(20'000) + 1;
      if (storeValue(*s, name(i), 60, turn + 1, o) != kOk) report.fail("a store was refused");
      life = {o.ttlMs, realMs(), realMs() - awakeSinceMs < 2000 && sleeps > 0, true};
      continue;
    }
    Meta meta;
    const bool present = s->read(keyOf(*s, name(i)), meta, [](const Meta&, const u8*) {}) == kOk;
    reads++;
    if (!life.there) {
      if (present) report.fail("an entry came back");
      continue;
    }
    const u64 age = realMs() - life.setAtMs;
    const u64 awake = realMs() - awakeSinceMs;
    if (present && life.ttlMs != 0 && age > life.ttlMs) {
      // what the machine slept through counts from when it woke up
      const u64 late = std::min(age - life.ttlMs, sleeps > 0 ? awake : ~u64(0));
      mostLateMs = std::max(mostLateMs, late);
      if (late > 2000) report.fail(text("an entry of %lu ms was there after %lu ms", life.ttlMs, age));
    }
    if (!present) {
      const bool due = life.ttlMs != 0 && age + 11 >= life.ttlMs;
      if (due) expired++;
      else if (life.hasten) early++;
      else if (gone++ == 0) firstGone = text("an entry of %lu ms was gone after %lu ms", life.ttlMs, age);
      life.there = false;
    }
  }
  u64 evicted = 0;
  for (u32 shard = 0; shard < s->geometry().shards; shard++) {
    const ShardStats stats = s->shardStats(shard);
    evicted += stats.evictedSmall + stats.evictedMain + stats.bucketEvicted;
  }
  if (LabAccess::mutableHeader(*s).suspendMs.load() + 2 * kHour < clocks.sleptNs / kMs)
    report.fail("suspendMs did not follow the sleeps");
  // a lock's deadline goes by the same clock
  if (s->lock(keyOf(*s, "lock"), 1000, false) <= 0) report.fail("no lock");
  clocks.wallNs += int64_t(24 * kHour * kMs);
  if (s->lock(keyOf(*s, "lock"), 1000, false) != kHeld) report.fail("a step of the wall clock ended a lock");
  clocks.monotonicNs += 1020 * kMs;
  if (s->lock(keyOf(*s, "lock"), 1000, false) <= 0) report.fail("a lock outlived its deadline");
  if (gone > evicted) report.fail(firstGone + text("; %lu in all, and %lu were evicted", gone, evicted));
  if (evicted != 0) report.notes = text("%lu were evicted, as rings and buckets demand", evicted);
  delete s;
  report.injected = text("%s steps of the wall clock by an hour, %s sleeps of the machine, a coarse clock of 10 ms",
                         number(steps).c_str(), number(sleeps).c_str());
  report.checked = text("%s reads: %s expired, at most %lu ms late, none before its time but for %s stored "
                        "within 2 s after waking", number(reads).c_str(),
                        number(expired).c_str(), mostLateMs, number(early).c_str());
  return report.end();
}
