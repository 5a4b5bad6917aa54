// One fenced lock per key, beside the entries: nothing that is evicted, and known by 128 bits of hash, so that two keys
// never share one. An entry whose owner is dead, or whose deadline has passed, is free for the next.
#include "engine-inline.h"

namespace stockpile {

constexpr u32 kSetEntries = 8;
constexpr u64 kProbeNs = 20'000'000;  // the dead wake nobody: sleepers look again

Segment::Fence128 Segment::fenceHash(const Key& key) const {
  // seeded otherwise than the index, so that both halves are new
  return {hashBytes(key.data, key.bytes, seed_[1], seed_[0]) | 1, hashBytes(key.data, key.bytes, ~seed_[0], seed_[1])};
}

/** The namespace of a key ends with its first ':'. */
u64 Segment::spaceOf(const u8* data, u32 bytes) const {
  const void* const colon = bytes == 0 ? nullptr : memchr(data, ':', bytes);
  if (colon == nullptr) return 0;
  return hashBytes(data, u32(static_cast<const u8*>(colon) - data) + 1, seed_[0], ~seed_[1]) | 1;
}

static LockEntry* setOf(LockEntry* table, u32 entries, u64 low) {
  return table + (u32(low >> 32) & (entries / kSetEntries - 1)) * kSetEntries;
}

LockEntry* Segment::entryOf(Shard& shard, const Fence128& hash) const {
  LockEntry* const set = setOf(shard.locks, geometry_.locksPerShard, hash.low);
  for (u32 i = 0; i < kSetEntries; i++)
    if (set[i].low.load(std::memory_order_relaxed) == hash.low &&
        set[i].high.load(std::memory_order_relaxed) == hash.high)
      return set + i;
  return nullptr;
}

bool Segment::entryLives(const LockEntry& entry) const {
  const u64 deadline = entry.deadline.load(std::memory_order_relaxed);
  if (deadline != 0 && deadline <= nowMs()) return false;
  const u32 owner = entry.owner.load(std::memory_order_relaxed);
  return owner == owner_ || ownerLives(owner);
}

void Segment::freeEntry(Shard& shard, LockEntry& entry) {
  if (entry.contended.load(std::memory_order_relaxed) != 0) wakesLocks_ = true;
  entry.low.store(0, std::memory_order_release);
  KILL_POINT();
  const u32 live = shard.header->liveLocks.load(std::memory_order_relaxed);
  if (live > 0) shard.header->liveLocks.store(live - 1, std::memory_order_relaxed);
}

void Segment::freeLockOf(Shard& shard, const Key& key) {
  if (shard.header->liveLocks.load(std::memory_order_relaxed) == 0) return;
  if (LockEntry* const entry = entryOf(shard, fenceHash(key))) freeEntry(shard, *entry);
}

void Segment::freeLocksBelow(Shard& shard, const u8* prefix, u32 bytes) {
  if (shard.header->liveLocks.load(std::memory_order_relaxed) == 0) return;
  const u64 space = spaceOf(prefix, bytes);
  for (u32 i = 0; i < geometry_.locksPerShard; i++) {
    LockEntry& entry = shard.locks[i];
    if (entry.low.load(std::memory_order_relaxed) == 0) continue;
    if (space == 0 || entry.space.load(std::memory_order_relaxed) == space) freeEntry(shard, entry);
  }
}

int64_t Segment::lock(const Key& key, u64 ttlMs, bool contend) {
  if (!isKey(key)) return kBadKey;
  Shard& shard = shardOf(key.hash);
  if (const Rc rc = enter(shard)) return rc;
  const Fence128 hash = fenceHash(key);
  LockEntry* entry = entryOf(shard, hash);
  int64_t answer = kTableFull;
  if (entry != nullptr && entryLives(*entry)) {
    if (contend) entry->contended.store(1, std::memory_order_relaxed);
    answer = kHeld;
    entry = nullptr;
  } else if (entry == nullptr) {
    LockEntry* const set = setOf(shard.locks, geometry_.locksPerShard, hash.low);
    for (u32 i = 0; i < kSetEntries && entry == nullptr; i++)
      if (set[i].low.load(std::memory_order_relaxed) == 0) entry = set + i;
    for (u32 i = 0; i < kSetEntries && entry == nullptr; i++)
      if (!entryLives(set[i])) entry = set + i;
  }
  if (entry != nullptr) {
    if (entry->low.load(std::memory_order_relaxed) != 0) freeEntry(shard, *entry);
    const u64 now = nowMs(), fence = nextSerial(shard);
    const auto relaxed = std::memory_order_relaxed;
    KILL_POINT();
    entry->high.store(hash.high, relaxed);
    entry->owner.store(owner_, relaxed);
    entry->contended.store(0, relaxed);
    entry->fence.store(fence, relaxed);
    entry->deadline.store(ttlMs == 0 ? 0 : now + ttlMs, relaxed);
    entry->since.store(now, relaxed);
    entry->space.store(spaceOf(key.data, key.bytes), relaxed);
    KILL_POINT();
    shard.header->liveLocks.store(shard.header->liveLocks.load(relaxed) + 1, relaxed);
    entry->low.store(hash.low, std::memory_order_release);
    KILL_POINT();
    answer = int64_t(fence);
  }
  leave(shard);
  return answer;
}

int64_t Segment::lockWaiting(const Key& key, u64 ttlMs, u64 waitMs) {
  const u64 end = monotonicNs() + waitMs * 1'000'000;
  a32& word = mutableHeader()->lockWake;
  for (;;) {
    u32 seen = word.load(std::memory_order_acquire);
    // first the bit, then the attempt: who frees the lock in between changes the word, and nobody sleeps
    if (!(seen & 1) && !word.compare_exchange_strong(seen, seen | 1)) continue;
    const int64_t fence = lock(key, ttlMs, true);
    const u64 now = monotonicNs();
    if (fence != kHeld || now >= end) return fence;
    const u64 left = end - now;
    futexWait(&word, seen | 1, left < kProbeNs ? left : kProbeNs);
  }
}

Rc Segment::unlock(const Key& key, u64 fence) {
  if (!isKey(key)) return kBadKey;
  Shard& shard = shardOf(key.hash);
  if (const Rc rc = enter(shard)) return rc;
  LockEntry* const entry = entryOf(shard, fenceHash(key));
  const bool ours = entry != nullptr && entry->fence.load(std::memory_order_relaxed) == fence &&
                    entry->owner.load(std::memory_order_relaxed) == owner_;
  const bool held = ours && entryLives(*entry);
  if (ours) freeEntry(shard, *entry);
  leave(shard);
  return held ? kOk : kNotHeld;
}

int64_t Segment::holder(const Key& key) {
  if (!isKey(key)) return kBadKey;
  Shard& shard = shardOf(key.hash);
  if (const Rc rc = enter(shard)) return rc;
  const LockEntry* const entry = entryOf(shard, fenceHash(key));
  const u64 fence = entry != nullptr && entryLives(*entry) ? entry->fence.load(std::memory_order_relaxed) : 0;
  leave(shard);
  return int64_t(fence);
}

static void wake(a32& word) {
  u32 seen = word.load(std::memory_order_seq_cst);
  while (seen & 1) {
    if (!word.compare_exchange_weak(seen, (seen + 2) & ~1u)) continue;
    futexWake(&word, INT32_MAX);
    return;
  }
}

void Segment::wakeLocks() { wake(mutableHeader()->lockWake); }
void Segment::wakeEvents() { wake(mutableHeader()->eventWake); }

}  // namespace stockpile
