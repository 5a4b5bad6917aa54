#include "torture-world.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <map>

namespace lab {

std::string ownName(u32 writer, u32 key) { return text("o:%u:%u", writer, key); }
std::string sumName(u32 sum) { return text("n:%u", sum); }
static std::string sharedName(u64 key) { return text(key % 10 == 0 ? "x:%lu" : "s:%lu", key); }

void complain(World& w, const std::string& what) {
  const u32 at = w.complaints.fetch_add(1);
  if (at < 8) snprintf(w.complaint[at], sizeof w.complaint[at], "%s", what.c_str());
}

namespace {

void raise(a64& cell, u64 to) {
  u64 known = cell.load();
  while (to > known && !cell.compare_exchange_weak(known, to)) {
  }
}

class Writer {
 public:
  Writer(World& world, const OpenOptions& o, u32 number, u64 seed) : w(world), options(o), me(number), random(seed) {}

  bool attach() {
    const u64 began = monotonicNs();
    Failure failure;
    s = Segment::open(options, failure);
    if (s == nullptr) return complain(w, "attach: " + describe(failure)), false;
    if (s->created()) complain(w, "the segment was made anew");
    if (me == kSurvivor) s->subscribe(), raise(w.worstAttachNs, monotonicNs() - began);
    w.attached.fetch_add(1, std::memory_order_relaxed);
    return true;
  }

  void run() {
    if (!attach()) return;
    for (u32 turn = 0; w.stop.load(std::memory_order_relaxed) == 0; turn++) {
      if (me != kSurvivor) {
        step();
        continue;
      }
      const u64 waited = delay.ns(), began = monotonicNs();
      step();
      const u64 took = monotonicNs() - began;
      if (took > 3'000'000) {
        const u64 unscheduled = delay.ns() - waited;
        const u64 bare = took > unscheduled ? took - unscheduled : 0;
        raise(w.worstBareNs, bare);
        if (bare > 30'000'000) w.slow.fetch_add(1);
      }
      raise(w.worstNs, took);
      if (turn % 64 == 0) listen();
    }
    delete s;
  }

 private:
  void step() {
    const u64 dice = random.below(1000);
    if (dice < 450) readOwn(u32(random.below(kWriters)), u32(random.below(kOwnKeys)));
    else if (dice < 600) readShared();
    else if (dice < 720) writeOwn(u32(random.below(kOwnKeys)));
    else if (dice < 860) changeShared();
    else if (dice < 940) increment(u32(random.below(kSums)));
    else if (dice < 985) lockSome(u32(random.below(kTortureLocks)));
    else if (me != kSurvivor) rare();
  }

  /** A busy answer is allowed (a stopped or unscheduled owner); everything else must be what is expected. */
  bool fine(Rc rc, std::initializer_list<Rc> expected, const char* what) {
    if (rc == kBusyShard) return w.busy.fetch_add(1, std::memory_order_relaxed), false;
    for (const Rc one : expected)
      if (rc == one) return true;
    complain(w, text("%s: %s", what, rcName(rc)));
    return false;
  }

  void readOwn(u32 writer, u32 key) {
    const std::string name = ownName(writer, key);
    auto& cell = w.own[writer][key];
    const u64 least = cell.acked.load();
    const Reading r = readValue(*s, name);
    const u64 most = cell.intended.load();
    w.gets.fetch_add(1, std::memory_order_relaxed);
    if (!fine(r.rc, {kOk, kMiss}, "read")) return;
    const bool kept = key < kOwnPinned || w.dictionary.load() != 0;
    if (r.rc == kMiss) {
      if (least != 0 && kept) complain(w, name + ": gone, and never evicted");
    } else if (r.sequence == 0) {
      complain(w, name + ": corrupt, or another key's value");
    } else if (r.sequence < least || r.sequence > most) {
      complain(w, name + text(": %lu, not from %lu to %lu", r.sequence, least, most));
    }
  }

  void readShared() {
    const std::string name = sharedName(random.below(kSharedKeys));
    const Reading r = readValue(*s, name);
    w.gets.fetch_add(1, std::memory_order_relaxed);
    if (fine(r.rc, {kOk, kMiss}, "read") && r.rc == kOk && r.sequence == 0) complain(w,
        name + ": corrupt, or another key's value");
  }

  void writeOwn(u32 key) {
    auto& cell = w.own[me][key];
    const u64 next = cell.intended.load() + 1;
    cell.intended.store(next);
    const u32 bytes = kLeastValue + u32(random.below(key < kOwnPinned ? 200 : 700));
    const Rc rc = storeValue(*s, ownName(me, key), bytes, next, {}, key < kOwnPinned ? u8(kPinned) : u8(0));
    if (fine(rc, {kOk}, "store")) cell.acked.store(next);
    w.sets.fetch_add(1, std::memory_order_relaxed);
  }

  void changeShared() {
    const u64 key = random.below(kSharedKeys);
    const std::string name = sharedName(key);
    StoreOptions o;
    u32 bytes = kLeastValue + u32(random.below(1500));
    if (random.oneIn(30)) bytes = u32(random.below(s->recordLimit() / 2)) + kLeastValue;
    const u64 sequence = w.sequence.fetch_add(1) + 1;
    switch (random.below(9)) {
      case 0: o.when = If::kAbsent; break;
      case 1: o.when = If::kPresent; break;
      case 2: {
        const Reading r = readValue(*s, name);
        o.when = If::kVersion;
        o.version = r.rc == kOk ? r.meta.version : 0;
        break;
      }
      case 3: o.ttlMs = 20 + random.below(50); break;
      case 4: fine(s->remove(keyOf(*s, name)), {kOk, kMiss}, "remove"); return;
      case 5: fine(s->touch(keyOf(*s, name), random.oneIn(2) ? 0 : 30 + random.below(60'000)), {kOk, kMiss}, "touch");
      return;
      default: break;
    }
    fine(storeValue(*s, name, bytes, sequence, o), {kOk, kExists, kMiss, kChanged}, "store");
    w.sets.fetch_add(1, std::memory_order_relaxed);
  }

  void increment(u32 sum) {
    auto& mine = w.sums[me][sum];
    mine.begun.fetch_add(1);
    Meta meta;
    const Rc rc = s->increment(keyOf(*s, sumName(sum)), 1, meta);
    if (fine(rc, {kOk}, "increment")) mine.acked.fetch_add(1);
    else mine.begun.fetch_sub(1);
    w.increments.fetch_add(1, std::memory_order_relaxed);
  }

  void lockSome(u32 lock) {
    auto& cell = w.locks[lock];
    const Key key = keyOf(*s, text("l:%u", lock));
    const int64_t fence = s->lock(key, 0, random.oneIn(4));
    if (fence <= 0) {
      fine(Rc(fence), {kHeld}, "lock");
      return;
    }
    const u32 pid = u32(getpid()), before = cell.holder.exchange(pid);
    if (before != 0) {
      // whoever died with it leaves its name; it may still be on its way out
      u32 waited = 0;
      while (!isDead(pid_t(before)) && waited++ < 2000) usleep(1000);
      if (!isDead(pid_t(before))) complain(w, text("lock %u: held by two", lock));
    }
    if (u64(fence) <= cell.fence.load()) complain(w, text("lock %u: its fence did not grow", lock));
    cell.fence.store(u64(fence));
    w.locked.fetch_add(1, std::memory_order_relaxed);
    if (random.oneIn(20)) usleep(200);
    cell.holder.store(0);
    fine(s->unlock(key, u64(fence)), {kOk}, "unlock");
  }

  void rare() {
    const u64 dice = random.below(100);
    w.otherOperations.fetch_add(1, std::memory_order_relaxed);
    if (dice < 4) {
      Failure failure;
      if (!s->snapshot(options.restoreFrom, failure)) complain(w, "snapshot: " + describe(failure));
      w.snapshots.fetch_add(1, std::memory_order_relaxed);
    } else if (dice < 20) {
      fine(s->clear("x:", 2), {kOk}, "clear");
    } else if (dice < 30) {
      delete s;
      if (!attach()) _exit(0);
    } else {
      std::vector<u8> keys(200'000);
      ScanCursor cursor;
      while (cursor.shard < s->geometry().shards) s->scan(cursor, "o:", 2, keys.data(), u32(keys.size()));
    }
  }

  /** Per key, the versions of what is heard only grow. */
  void listen() {
    u64 lost = 0;
    w.events.fetch_add(s->drain(4096, lost, [&](const Event& e) {
      if (e.kind == kClear || e.keyBytes == 0) return true;
      const std::string key(reinterpret_cast<const char*>(e.key), e.keyBytes);
      if (key.size() < 3 || key[1] != ':') complain(w, "an event of a key that nobody has");
      u64& last = heard[key];
      if (e.kind == kSet && e.version <= last) complain(w, "events of " + key + " out of order");
      if (e.kind == kSet) last = e.version;
      return true;
    }));
    w.eventsLost.fetch_add(lost);
  }

  World& w;
  const OpenOptions& options;
  u32 me;
  Random random;
  Segment* s = nullptr;
  RunDelay delay;
  std::map<std::string, u64> heard;
};

}  // namespace

int beWriter(World& w, const OpenOptions& options, u32 me, u64 seed, int64_t countdown) {
  killCountdown.store(countdown);
  Writer(w, options, me, seed).run();
  return 0;
}

int beComer(World& w, const OpenOptions& options, u64 seed, int64_t countdown) {
  killCountdown.store(countdown);
  Random random(seed);
  while (w.stop.load(std::memory_order_relaxed) == 0) {
    Failure failure;
    Segment* const s = Segment::open(options, failure);
    if (s == nullptr) {
      complain(w, "come and go: " + describe(failure));
      return 0;
    }
    (s->created() ? w.made : w.attached).fetch_add(1, std::memory_order_relaxed);
    for (u32 i = 0; i < 5; i++) {
      const std::string key = text("c:%lu", random.below(20));
      if (storeValue(*s, key, 100, 1) != kOk) w.busy.fetch_add(1);
      const Reading r = readValue(*s, key);
      if (r.rc == kOk && r.sequence != 1) complain(w, "come and go: a corrupt value");
    }
    delete s;
    usleep(u32(random.below(500)));
  }
  return 0;
}

}  // namespace lab
