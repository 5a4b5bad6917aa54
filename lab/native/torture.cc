// Writers and readers over all operations, killed at random moments 0.5 to 3.5 ms apart and at random kill points. A
// process that is never killed does the same and measures. Half of the time in a cache, half in a dictionary.
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "torture-world.h"

namespace lab {
namespace {

struct Totals {
  u64 kills = 0, ownKills = 0, gets = 0, sets = 0, increments = 0, locked = 0, busy = 0, events = 0, recoveries = 0,
      lost = 0,
      attached = 0, snapshots = 0;
  double worstMs = 0, worstBareMs = 0, controlMs = 0, controlBareMs = 0;
};

struct Crew {
  World& w;
  OpenOptions options, comers;
  u64 seed;
  pid_t pids[kWriters + kComers] = {};

  void start(u32 i, bool fragile) {
    Random random(++seed);
    // half of them also die by themselves, somewhere between two stores
    const int64_t countdown = fragile && random.oneIn(2) ? int64_t(1 + random.below(random.oneIn(2) ? 60 : 3000)) : 0;
    pids[i] = startChild([&, i] {
      return i < kWriters ? beWriter(w, options, i, seed, i == kSurvivor ? 0 : countdown) : beComer(w, comers, seed,
          countdown);
    });
  }
};

void prepare(Crew& crew, bool dictionary) {
  Failure failure;
  unlink(fileOf(crew.options).c_str());
  Segment* const s = Segment::open(crew.options, failure);
  if (s == nullptr) return complain(crew.w, "create: " + describe(failure));
  for (u32 i = 0; i < kSums; i++) storeNumber(*s, sumName(i), 0);
  crew.w.dictionary.store(dictionary);
  delete s;
}

/** What must hold when everybody has gone. */
void inspect(Crew& crew, Totals& totals, u64 kills, Report& report, const char* mode) {
  World& w = crew.w;
  const auto fail = [&](const std::string& what) { report.fail(text("%s: %s", mode, what.c_str())); };
  Failure failure;
  Segment* const s = Segment::open(crew.options, failure);
  if (s == nullptr) return fail("attach afterwards: " + describe(failure));
  if (s->slot() != 0 || s->participantsAlive() != 1) fail("a slot is still taken");
  for (u32 i = 0, left = 64; left > 0; i++, left--) storeValue(*s, text("after:%u", i), 100, 1);
  const std::string audit = LabAccess::audit(*s, false);
  if (!audit.empty()) fail(audit);
  u64 missing = 0, evicted = 0;
  for (u32 shard = 0; shard < s->geometry().shards; shard++) {
    const ShardStats stats = s->shardStats(shard);
    evicted += stats.evictedSmall + stats.evictedMain + stats.bucketEvicted;
    totals.recoveries += stats.recoveries;
    if (stats.wipes != 0) fail(text("shard %u was wiped", shard));
  }
  for (u32 writer = 0; writer < kWriters; writer++) {
    for (u32 key = 0; key < kOwnKeys; key++) {
      const u64 acked = w.own[writer][key].acked.load(), intended = w.own[writer][key].intended.load();
      const Reading r = readValue(*s, ownName(writer, key));
      if (r.rc == kMiss && acked != 0) {
        missing++;
        if (key < kOwnPinned || w.dictionary.load()) fail(ownName(writer, key) + " is lost");
      }
      if (r.rc == kOk && (r.sequence < acked || r.sequence > intended)) fail(ownName(writer,
          key) + " has another value");
    }
  }
  totals.lost += missing;
  if (missing > kills + evicted) fail(text("%lu of our own keys are gone after %lu kills and %lu evictions", missing,
                                           kills, evicted));
  for (u32 sum = 0; sum < kSums; sum++) {
    u64 acked = 0, begun = 0;
    for (u32 writer = 0; writer < kWriters; writer++) acked += w.sums[writer][sum].acked,
        begun += w.sums[writer][sum].begun;
    const Reading r = readValue(*s, sumName(sum));
    if (r.rc != kOk || r.meta.number < double(acked) || r.meta.number > double(begun))
      fail(text("counter %u: %g after %lu acknowledged increments and %lu begun", sum, r.meta.number, acked, begun));
  }
  if (w.snapshots.load() > 0) {
    OpenOptions from = crew.options;
    from.name = "restored";
    Segment* const restored = Segment::open(from, failure);
    if (restored == nullptr) fail("open from a snapshot: " + describe(failure));
    else if (restored->restoreFailures() != 0 || restored->restored() == 0) fail("a damaged snapshot");
    if (restored != nullptr) restored->unlinkNow();
    delete restored;
  }
  delete s;
  if (exists(fileOf(crew.comers))) {
    // the last one was killed: the next to come makes it anew, and takes it away
    Segment* const last = Segment::open(crew.comers, failure);
    if (last == nullptr || !last->created()) fail("a forsaken segment was not made anew");
    delete last;
    if (exists(fileOf(crew.comers))) fail("a file of lifetime 'processes' stayed");
  }
}

/** One stretch; `killing` false is the control. */
void stretch(const Arguments& a, bool dictionary, bool killing, double seconds, u64 wanted, Totals& totals,
             Report& report) {
  World& w = *shared<World>();
  const char* const mode = dictionary ? "dictionary" : "cache";
  Crew crew{w, optionsFor(a.directory + "/shm", "torture", 8u << 20, 512, dictionary ? u32(kNeverEvicts) : 0),
            optionsFor(a.directory + "/shm", "comers", 1u << 20, 512, kProcesses), a.seed * 1'000'000 + dictionary};
  crew.options.restoreFrom = a.directory + "/torture.snapshot";
  unlink(crew.options.restoreFrom.c_str());
  unlink((crew.options.restoreFrom + ".1").c_str());
  mkdir(crew.comers.directory.c_str(), 0700);
  prepare(crew, dictionary);
  for (u32 i = 0; i < kWriters + kComers; i++) crew.start(i, killing);
  Random random(a.seed + 5);
  const u64 end = monotonicNs() + u64(seconds * 1e9);
  u64 kills = 0, progress = 0, progressAt = monotonicNs();
  while (w.complaints.load() == 0 && (killing ? kills < wanted : monotonicNs() < end)) {
    if (killing) {
      usleep(u32(500 + random.below(3000)));
      u32 victim = u32(random.below(kWriters + kComers - 1));
      if (victim >= kSurvivor) victim++;
      kill(crew.pids[victim], SIGKILL);
      kills++;
      totals.kills++;
    } else {
      usleep(1000);
    }
    for (u32 i = 0; i < kWriters + kComers; i++) {
      int status = 0;
      if (waitpid(crew.pids[i], &status, WNOHANG) != crew.pids[i]) continue;
      if (WIFSIGNALED(status) ? WTERMSIG(status) != SIGKILL : !killing || i == kSurvivor || WEXITSTATUS(status) != 0)
        complain(w, text("process %u ended: status %x", i, u32(status)));
      crew.start(i, killing);
    }
    if (w.gets.load() != progress) progress = w.gets.load(), progressAt = monotonicNs();
    if (monotonicNs() - progressAt > 20'000'000'000) complain(w, "nobody gets on: hung");
  }
  w.stop.store(1);
  for (const pid_t pid : crew.pids) {
    const Ending e = awaitChild(pid, 20);
    if (e.hung) complain(w, "a process did not end: hung");
    else if (e.signal != 0 && e.signal != SIGKILL) complain(w, text("a process ended by signal %d", e.signal));
  }
  for (u32 i = 0; i < std::min<u32>(w.complaints.load(), 8); i++) report.fail(text("%s: %s", mode, w.complaint[i]));
  // the self-killed count as well; there cannot have been more than attached
  inspect(crew, totals, killing ? kills + w.attached.load() : 0, report, mode);
  totals.gets += w.gets, totals.sets += w.sets, totals.increments += w.increments, totals.locked += w.locked,
      totals.busy += w.busy;
  totals.events += w.events, totals.attached += w.attached, totals.snapshots += w.snapshots;
  double& worst = killing ? totals.worstMs : totals.controlMs;
  double& bare = killing ? totals.worstBareMs : totals.controlBareMs;
  worst = std::max(worst, double(w.worstNs.load()) / 1e6);
  bare = std::max(bare, double(w.worstBareNs.load()) / 1e6);
  fprintf(stderr, "  %s%s: %lu kills, worst %.1f ms (%.1f without waiting for a processor, %lu over 30), attach "
                  "%.1f ms\n", mode,
          killing ? "" : " (control)", kills, double(w.worstNs.load()) / 1e6, double(w.worstBareNs.load()) / 1e6,
          w.slow.load(), double(w.worstAttachNs.load()) / 1e6);
}

}  // namespace
}  // namespace lab

int main(int argc, char** argv) {
  using namespace lab;
  const Arguments a = readArguments(argc, argv);
  Report report;
  Totals t;
  const u64 kills = a.seconds > 0 ? u64(a.seconds * 120) : a.brief ? 400 : 6000;
  for (const bool dictionary : {false, true}) {
    stretch(a, dictionary, false, a.brief ? 1.5 : 10, 0, t, report);
    stretch(a, dictionary, true, 0, kills / 2, t, report);
  }
  report.injected = text("%s SIGKILLs, and as many deaths at kill points as came by; %s shards recovered",
                         number(t.kills).c_str(), number(t.recoveries).c_str());
  report.checked = text("%s reads, %s stores, %s increments, %s locks, %s events, %s attaches, %s snapshots",
                        number(t.gets).c_str(), number(t.sets).c_str(),
                        number(t.increments).c_str(), number(t.locked).c_str(), number(t.events).c_str(),
                            number(t.attached).c_str(), number(t.snapshots).c_str());
  report.worstStallMs = t.worstBareMs;
  report.notes = text("an unkilled peer's worst operation: %.1f ms, %.1f ms without its own waiting for a "
                      "processor; without kills %.1f and %.1f ms; %lu busy answers, %lu evictable keys gone",
                      t.worstMs, t.worstBareMs, t.controlMs, t.controlBareMs, t.busy, t.lost);
  // contention for processors delays the dying and those who take over as well: the control says how much
  if (t.worstBareMs > 30 && t.worstBareMs > 30 + 2 * t.controlBareMs)
    report.fail(text("an operation stalled for %.1f ms", t.worstBareMs));
  return report.end();
}
