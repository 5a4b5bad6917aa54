// What happened to keys: one ring per shard, written under the shard's lock, so that each has a single writer and the
// order of a key is the order of its events. Nobody publishes until somebody has subscribed.
#include "engine-inline.h"

namespace stockpile {

constexpr u32 kMostSlots = 1 + (kMaxKeyBytes - sizeof(EventSlot::key) + sizeof(EventSlot) - 1) / sizeof(EventSlot);

void Segment::publish(Shard& shard, EventKind kind, const u8* key, u32 keyBytes, u64 version) {
  if (mutableHeader()->eventsWanted.load(std::memory_order_relaxed) == 0) return;
  a64& tail = shard.header->eventTail;
  const u64 at = tail.load(std::memory_order_relaxed);
  const u32 mask = geometry_.eventsPerShard - 1;
  EventSlot& slot = shard.events[at & mask];
  const u32 inFirst = keyBytes < sizeof slot.key ? keyBytes : u32(sizeof slot.key);
  const u32 slots = 1 + u32((keyBytes - inFirst + sizeof(EventSlot) - 1) / sizeof(EventSlot));
  const auto relaxed = std::memory_order_relaxed;
  fenceRelease(tail);  // readers see the tail of the event before it before they see these bytes
  slot.ticket.store(at, relaxed);
  slot.kindKeyOrigin.store(u64(owner_) << 32 | u64(keyBytes) << 16 | slots << 8 | kind, relaxed);
  slot.timeNs.store(monotonicNs(), relaxed);
  slot.version.store(version, relaxed);
  if (inFirst > 0) copyRacing(slot.key, key, inFirst);
  for (u32 i = 1, done = inFirst; i < slots; i++) {
    const u32 n = keyBytes - done < sizeof(EventSlot) ? keyBytes - done : u32(sizeof(EventSlot));
    copyRacing(&shard.events[(at + i) & mask], key + done, n);
    done += n;
  }
  KILL_POINT();
  tail.store(at + slots, std::memory_order_release);
  KILL_POINT();
  published_ = true;
}

void Segment::subscribe() {
  if (subscribed_) return;
  // first the flag, then the tails: what is written after this call is heard of
  mutableHeader()->eventsWanted.store(1, std::memory_order_seq_cst);
  for (u32 s = 0; s < geometry_.shards; s++)
    __atomic_store_n(&cursors_[s], shards_[s].header->eventTail.load(std::memory_order_acquire), __ATOMIC_RELAXED);
  subscribed_ = true;
}

void Segment::unsubscribe() { subscribed_ = false; }

bool Segment::hasEvents() const {
  for (u32 s = 0; s < geometry_.shards; s++)
    if (shards_[s].header->eventTail.load(std::memory_order_acquire) != __atomic_load_n(&cursors_[s], __ATOMIC_RELAXED))
      return true;
  return false;
}

/** The event at this reader's cursor, if there is one before `tail`. Moves on, counting, where it was overwritten. */
bool Segment::nextEvent(u32 shardIndex, u64 tail, EventHead& head, u64& lost) {
  Shard& shard = shards_[shardIndex];
  const u64 at = cursors_[shardIndex];
  if (at == tail || tail - at >= 1ull << 63) return false;  // overtaken in this drain: at may be behind the tail it knows
  const EventSlot& slot = shard.events[at & (geometry_.eventsPerShard - 1)];
  const u64 ticket = slot.ticket.load(std::memory_order_relaxed);
  const u64 packed = slot.kindKeyOrigin.load(std::memory_order_relaxed);
  head.timeNs = slot.timeNs.load(std::memory_order_relaxed);
  head.version = slot.version.load(std::memory_order_relaxed);
  fenceAcquire(shard.header->eventTail);
  const u64 now = shard.header->eventTail.load(std::memory_order_relaxed);
  head.kind = EventKind(packed & 255);
  head.slots = u32(packed >> 8 & 255);
  head.keyBytes = u32(packed >> 16 & 0xffff);
  head.origin = u32(packed >> 32);
  // the writer may be at work on the event after the tail: that many slots are never trusted
  const bool kept = now - at <= geometry_.eventsPerShard - kMostSlots && ticket == at && head.slots > 0 &&
                    head.slots <= kMostSlots && head.keyBytes <= kMaxKeyBytes &&
                    head.keyBytes <= sizeof slot.key + u64(head.slots - 1) * sizeof(EventSlot);
  if (kept) return true;
  lost += now - at < u64(1) << 32 ? now - at : 1;
  __atomic_store_n(&cursors_[shardIndex], now, __ATOMIC_RELAXED);
  return false;
}

}  // namespace stockpile
