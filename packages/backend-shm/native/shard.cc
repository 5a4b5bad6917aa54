// Who may write to a shard: one owner, named by the lock word itself. The dead are replaced, the living never robbed.
#include "engine-inline.h"

namespace stockpile {

constexpr u64 kSpinNs = 5'000;
constexpr u64 kSleepNs = 2'000'000;
// How long a living owner is waited for: see patienceFor
constexpr u64 kSlowNs = 500'000'000;
constexpr u64 kUnseenNs = 200'000'000;
constexpr u64 kFailFastLaps = 5;  // then others fail at once for so many times that long
constexpr u32 kOwnerMask = ~u32(kWaiters | kRecovering);

Rc Segment::enter(Shard& shard) {
  if (const Rc rc = stateRc()) return rc;
  if (const u64 now = coarseMs(); now >= nextTickMs_) {
    maintain(now);
    if (const Rc rc = stateRc()) return rc;  // of a file that was cut nothing may be touched
  }
  published_ = wakesLocks_ = false;
  u32 free = 0;
  if (shard.header->lock.compare_exchange_strong(free, owner_, std::memory_order_acquire)) return kOk;
  return enterSlowly(shard);
}

Rc Segment::enterSlowly(Shard& shard) {
  a32& lock = shard.header->lock;
  const u64 began = monotonicNs();
  if (shard.busyWord != 0) {
    // its owner was stopped a moment ago: the event loop does not stand still for it at every operation
    if (lock.load(std::memory_order_relaxed) == shard.busyWord && began < shard.busyUntilNs) {
      count(kStopped);
      return kBusyShard;
    }
    shard.busyWord = 0;
  }
  count(kLockWaits);
  u32 mine = owner_, stuck = 0;
  u64 since = began;  // that the lock has had one and the same owner
  for (u64 now = began;; now = monotonicNs()) {
    u32 word = lock.load(std::memory_order_relaxed);
    if (word == 0) {
      if (lock.compare_exchange_weak(word, mine, std::memory_order_acquire)) return kOk;
      continue;
    }
    if (now - began < kSpinNs) {
      pauseCpu();
      continue;
    }
    mine = owner_ | kWaiters;  // others may sleep besides us: whoever has slept wakes the next one
    if (!(word & kWaiters) && !lock.compare_exchange_strong(word, word | kWaiters, std::memory_order_relaxed)) continue;
    word |= kWaiters;
    KILL_POINT();
    futexWait(reinterpret_cast<a32*>(&lock), word, kSleepNs);
    if (lock.load(std::memory_order_relaxed) != word) continue;
    if (word != stuck) {
      stuck = word;
      since = now;
    }
    if (!ownerLives(word)) {
      // the exact word of the dead elects one successor
      if (!lock.compare_exchange_strong(word, owner_ | kWaiters | kRecovering, std::memory_order_acquire)) continue;
      KILL_POINT();
      recover(shard);
      lock.fetch_and(~u32(kRecovering), std::memory_order_relaxed);
      KILL_POINT();
      return kOk;
    }
    const u64 slept = monotonicNs(), waited = slept - since;
    if (slept - began >= kSlowNs || (waited >= kMaxBlockNs && waited >= patienceFor(word))) {
      shard.busyWord = word;
      shard.busyUntilNs = slept + kFailFastLaps * waited;
      count(kStopped);
      return kBusyShard;
    }
  }
}

void Segment::leave(Shard& shard) {
  // a full fence: the wake words are looked at only after what was written is there to see
  const u32 old = shard.header->lock.exchange(0, std::memory_order_seq_cst);
  KILL_POINT();
  if (old & kWaiters) futexWake(&shard.header->lock, 1);
  if ((old & kOwnerMask) != owner_) lost_ = true;
  if (published_) wakeEvents();
  if (wakesLocks_) wakeLocks();
}

/** Of a lock word or a lock entry's owner. */
bool Segment::ownerLives(u32 lockWord) const {
  const u32 slot = lockWord >> kSlotShift & 1023, generation = lockWord >> kGenerationShift;
  if (slot >= kParticipants) return false;
  if ((participant(slot)->generation.load(std::memory_order_relaxed) & 0xfffff) != generation) return false;
  return slot == slot_ || fd_ < 0 || isLocked(fd_, kSlotByte + slot, 1);
}

/** One that was stopped goes on when somebody says so; any other as soon as the machine lets it. */
u64 Segment::patienceFor(u32 lockWord) const {
  const u32 slot = lockWord >> kSlotShift & 1023;
  if (slot >= kParticipants || slot == slot_) return kMaxBlockNs;  // damage: we ourselves do not hold it
  const Participant& p = *participant(slot);
  const auto relaxed = std::memory_order_relaxed;
  if (p.pidNamespace.load(relaxed) != namespaceInode("pid")) return kUnseenNs;  // nobody here can tell
  return isStopped(p.pid.load(relaxed), p.tid.load(relaxed)) ? kMaxBlockNs : kSlowNs;
}

bool Segment::ringsAreSound(Shard& shard) const {
  for (const Ring& ring : shard.rings) {
    const u64 head = ring.head->load(std::memory_order_relaxed), tail = ring.tail->load(std::memory_order_relaxed);
    if (((head | tail) & 7) != 0 || tail - head > ring.capacity) return false;
  }
  return true;
}

/** Idempotent: whoever dies in it leaves the same work to the next. */
void Segment::recover(Shard& shard) {
  count(kRecoveries);
  add(shard.header->recoveries, 1);
  bool sound = ringsAreSound(shard);
  for (u32 r = 0; r < 2 && sound; r++) {
    const Ring& ring = shard.rings[r];
    u64 at = ring.head->load(std::memory_order_relaxed);
    const u64 tail = ring.tail->load(std::memory_order_relaxed);
    while (sound && at != tail) {
      Record record;
      bool filler = false;
      sound = recordAt(ring, at, tail, record, filler);
      at += record.size;
    }
  }
  KILL_POINT();
  if (!sound) {
    wipe(shard);
  } else {
    u64 items = 0, live = 0, pinned = 0;
    const u32 words = geometry_.bucketsPerShard * kBucketWords;
    for (u32 i = 0; i < words; i++) {
      const u64 word = shard.words[i].load(std::memory_order_relaxed);
      if (word == 0) continue;
      const Ring& ring = ringOf(shard, word);
      const u64 head = ring.head->load(std::memory_order_relaxed), tail = ring.tail->load(std::memory_order_relaxed);
      Record record;
      const u32 bucket = i / kBucketWords;
      const bool good = recordOf(shard, word, record) && record.position - head < tail - head && isIntact(record) &&
                        word >> kTagShift == tagOf(record.hash) &&
                        (bucketOf(record.hash, 0) == bucket || bucketOf(record.hash, probes() - 1) == bucket);
      if (!good) {
        shard.words[i].store(0, std::memory_order_release);
        KILL_POINT();
        continue;
      }
      items++;
      live += record.size;
      if (record.flags & kPinned) pinned += record.size;
    }
    shard.header->items.store(items, std::memory_order_relaxed);
    KILL_POINT();
    shard.header->liveBytes.store(live, std::memory_order_relaxed);
    shard.header->pinnedBytes.store(pinned, std::memory_order_relaxed);
  }
  u32 locks = 0;
  for (u32 i = 0; i < geometry_.locksPerShard; i++) locks += shard.locks[i].low.load(std::memory_order_relaxed) != 0;
  shard.header->liveLocks.store(locks, std::memory_order_relaxed);
  // the dead one may have changed an entry and not told of it; a wipe has told already
  if (sound) publish(shard, kShardLost, nullptr, 0, shard.header->serial.load(std::memory_order_relaxed));
  KILL_POINT();
}

/** Empties a damaged shard. Its positions begin anew at random, so that no old index word ever matches again. */
void Segment::wipe(Shard& shard) {
  const u32 words = geometry_.bucketsPerShard * kBucketWords;
  for (u32 i = 0; i < words; i++) shard.words[i].store(0, std::memory_order_relaxed);
  fenceRelease(*shard.rings[0].head);
  KILL_POINT();
  const u64 least = wallMs() * 2048;
  u64 serial = shard.header->serial.load(std::memory_order_relaxed);
  if (serial < createdAtMs_ * 2048 || serial >= 1ull << 53 || serial < least) serial = least;
  shard.header->serial.store(serial, std::memory_order_relaxed);
  // told before the rings are sound again: whoever dies in here leaves a wipe to the next, and at least one is heard of
  add(shard.header->wipes, 1);
  publish(shard, kShardLost, nullptr, 0, serial);
  KILL_POINT();
  for (u32 r = 0; r < 2; r++) {
    const u64 random = hashBytes(reinterpret_cast<const u8*>(&serial), 8, seed_[0] + r, monotonicNs());
    const u64 base = beginningFrom(random);
    // in between the ring is not sound, and nobody points into it: who finds it so wipes again
    shard.rings[r].head->store(base, std::memory_order_release);
    KILL_POINT();
    shard.rings[r].tail->store(base, std::memory_order_release);
  }
  shard.header->items.store(0, std::memory_order_relaxed);
  shard.header->liveBytes.store(0, std::memory_order_relaxed);
  shard.header->pinnedBytes.store(0, std::memory_order_relaxed);
  KILL_POINT();
}

}  // namespace stockpile
