// An owner that is alive and does not go on: stopped by SIGSTOP in the middle of a write, or while it holds the gate.
// Readers go on, its shard is busy at once, nothing is taken from it; then it goes on, or is killed.
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "audit.h"

namespace lab {
namespace {

struct Times {
  double firstBusyMs = 0, laterBusyMs = 0, readMs = 0, otherMs = 0, recoveryMs = 0;
};

double since(u64 began) { return double(monotonicNs() - began) / 1e6; }

/** Scheduling on a busy machine is not the engine's: the limits below are the caps and this. */
constexpr double kSlackMs = 60;

class Stopped {
 public:
  Stopped(const Arguments& a, Report& r) : options(optionsFor(a.directory + "/shm", "stopped", 4u << 20, 1u << 12)),
      report(r) {
    mkdir(options.directory.c_str(), 0700);
  }

  /** The owner stops at the `point`-th kill point of a store. False: there are fewer. */
  bool ownerOfShard(int64_t point, bool goesOn) {
    begin();
    const pid_t owner = startChild([&] {
      Failure failure;
      Segment* const mine = Segment::open(options, failure);
      if (mine == nullptr) return 2;
      killSignal.store(SIGSTOP);
      killCountdown.store(point);
      const Rc rc = storeValue(*mine, victim, 3000, 2);
      const bool through = killCountdown.exchange(0) > 0;
      delete mine;
      return rc != kOk ? 3 : through ? 4 : 0;
    });
    const bool stopped = awaitStop(owner, 20);
    if (!stopped) {
      kill(owner, SIGKILL);
      waitpid(owner, nullptr, 0);
      end();
      return false;
    }
    const u32 shard = LabAccess::shardIndex(*s, keyOf(*s, victim).hash);
    const u32 word = LabAccess::header(*s, shard).lock.load();
    if (word == 0) {  // after its write: it was stopped without the lock
      kill(owner, SIGCONT);
      awaitChild(owner, 20);
      end();
      return true;
    }
    whileStopped(shard, word);
    kill(owner, goesOn ? SIGCONT : SIGKILL);
    const Ending e = awaitChild(owner, 20);
    if (goesOn && (e.hung || e.signal != 0 ||
                   e.code != 0)) fail(text("point %d: the owner went on and ended with signal %d, code %d", int(point),
                                           e.signal, e.code));
    afterwards(shard, goesOn);
    end();
    return true;
  }

  /** A process that stops between taking the gate and letting go: attaching is busy after 2 s, and nothing is taken. */
  void gate(bool goesOn) {
    begin();
    const pid_t holder = startChild([&] {
      Failure failure;
      killSignal.store(SIGSTOP);
      killCountdown.store(1);  // the first kill point of an attach is behind the gate
      Segment* const mine = Segment::open(options, failure);
      delete mine;
      return mine == nullptr;
    });
    if (!awaitStop(holder, 20)) return fail("no process stopped with the gate");
    // those that are attached feel nothing
    const u64 began = monotonicNs();
    if (storeValue(*s, victim, 100, 3) != kOk ||
        readValue(*s, victim).sequence != 3) fail("a write while the gate was held");
    times.otherMs = std::max(times.otherMs, since(began));
    Failure failure;
    const u64 tried = monotonicNs();
    Segment* const refused = Segment::open(options, failure);
    const double waited = since(tried);
    if (refused != nullptr || std::string(failure.code) != "BUSY") fail("attached through a gate that somebody holds");
    if (waited < 1900 || waited > 2200 + kSlackMs) fail(text("the gate was waited for for %.0f ms", waited));
    kill(holder, goesOn ? SIGCONT : SIGKILL);
    const Ending e = awaitChild(holder, 20);
    if (goesOn && (e.hung || e.code != 0 || e.signal != 0)) fail("who held the gate did not end well");
    Segment* const attached = Segment::open(options, failure);
    if (attached == nullptr) fail("attach after the gate: " + describe(failure));
    else if (attached->created() || readValue(*attached, victim).sequence != 3) fail("the entries are gone");
    delete attached;
    end();
  }

  Times times;
  u64 stops = 0;

 private:
  void begin() {
    Failure failure;
    unlink(fileOf(options).c_str());
    s = Segment::open(options, failure);
    if (s == nullptr) {
      fail("create: " + describe(failure));
      _exit(1);
    }
    for (u32 i = 0; i < 200; i++) storeValue(*s, name(i), 300, 1);
    victim = name(0);
    stops++;
  }
  void end() {
    delete s;
    s = nullptr;
  }
  static std::string name(u32 i) { return text("k:%u", i); }
  void fail(const std::string& what) { report.fail(what); }

  void whileStopped(u32 shard, u32 word) {
    u32 reads = 0;
    for (u32 i = 0; i < 200; i++) {
      const u64 began = monotonicNs();
      const Reading r = readValue(*s, name(i));
      times.readMs = std::max(times.readMs, since(began));
      // the victim may have its old or its new value
      if (r.rc != kOk || r.sequence == 0) fail(name(i) + " cannot be read");
      reads++;
    }
    // the first write waits as long as it may; the following ones not at all
    bool first = true;
    for (u32 i = 0; i < 200; i++) {
      const bool same = LabAccess::shardIndex(*s, keyOf(*s, name(i)).hash) == shard;
      const u64 began = monotonicNs();
      const Rc rc = storeValue(*s, name(i), 310, 1);
      const double took = since(began);
      if (!same) {
        times.otherMs = std::max(times.otherMs, took);
        if (rc != kOk) fail(text("another shard: %s", rcName(rc)));
        continue;
      }
      if (rc != kBusyShard) fail(text("a write to the stopped shard: %s", rcName(rc)));
      double& worst = first ? times.firstBusyMs : times.laterBusyMs;
      worst = std::max(worst, took);
      if (first && took < 19) fail(text("busy after %.1f ms", took));
      first = false;
    }
    // increments, removals and locks of that shard are busy as well
    Meta meta;
    if (s->increment(keyOf(*s, victim), 1, meta) != kBusyShard || s->remove(keyOf(*s, victim)) != kBusyShard ||
        s->lock(keyOf(*s, victim), 0, false) != kBusyShard)
      fail("another write to the stopped shard");
    const u32 now = LabAccess::header(*s, shard).lock.load();
    if ((now & ~u32(kWaiters)) != (word & ~u32(kWaiters))) fail("the lock of a living owner was taken");
  }

  void afterwards(u32 shard, bool goesOn) {
    // fail fast ends at the latest 100 ms after the shard was found busy, or as soon as its lock has changed
    const u64 began = monotonicNs();
    Rc rc = kBusyShard;
    while (rc == kBusyShard && since(began) < 2000) rc = storeValue(*s, victim, 320, 4);
    times.recoveryMs = std::max(times.recoveryMs, since(began));
    if (rc != kOk || readValue(*s, victim).sequence != 4) fail(text("afterwards: %s", rcName(rc)));
    u32 present = 0;
    for (u32 i = 1; i < 200; i++) present += readValue(*s, name(i)).sequence == 1;
    if (present != 199) fail(text("%u of 199 entries afterwards", present));
    const std::string audit = LabAccess::audit(*s, false);
    if (!audit.empty()) fail(audit);
    const ShardStats stats = s->shardStats(shard);
    if (stats.wipes != 0 || stats.recoveries != (goesOn ? 0u : 1u))
      fail(text("%lu wipes, %lu recoveries", stats.wipes, stats.recoveries));
  }

  OpenOptions options;
  Report& report;
  Segment* s = nullptr;
  std::string victim;
};

}  // namespace
}  // namespace lab

int main(int argc, char** argv) {
  using namespace lab;
  const Arguments a = readArguments(argc, argv);
  Report report;
  Stopped stopped(a, report);
  for (const bool goesOn : {true, false})
    for (int64_t point = 1; report.failed == 0 && stopped.ownerOfShard(point, goesOn); point++) {
    }
  for (u32 turn = 0; turn < (a.brief ? 1 : 3); turn++)
    for (const bool goesOn : {true, false}) stopped.gate(goesOn);
  const Times& t = stopped.times;
  if (t.firstBusyMs > 20 + 2 + kSlackMs) report.fail(text("busy only after %.1f ms", t.firstBusyMs));
  if (t.laterBusyMs > kSlackMs) report.fail(text("a later write waited for %.1f ms", t.laterBusyMs));
  if (t.readMs > kSlackMs || t.otherMs > kSlackMs) report.fail(text("a read took %.1f ms, another shard %.1f ms",
      t.readMs, t.otherMs));
  report.injected = text("SIGSTOP of an owner at each point of a store and of a holder of the gate, %s times, "
                         "then SIGCONT or SIGKILL", number(stopped.stops).c_str());
  report.checked = text("reads go on (worst %.1f ms), the shard is busy after %.1f ms, then within %.2f ms, "
                        "other shards %.1f ms, nothing is taken; free again after %.1f ms",
                        t.readMs, t.firstBusyMs, t.laterBusyMs, t.otherMs, t.recoveryMs);
  report.worstStallMs = std::max({t.firstBusyMs, t.laterBusyMs, t.readMs, t.otherMs});
  return report.end();
}
