// The templates of Segment: the lock-free read, and the hand-out of events.
#pragma once

#include "engine.h"
#include "hash.h"
#include "platform.h"

namespace stockpile {

inline u64 Segment::nowMs() const {
  return coarseMs() + mutableHeader()->suspendMs.load(std::memory_order_relaxed);
}

inline Key Segment::keyOf(const void* data, u32 bytes) const {
  const u8* p = static_cast<const u8*>(data);
  return {p, bytes, hashBytes(p, bytes, seed_[0], seed_[1])};
}

/** `now` in segment ms. */
inline void Segment::fillMeta(Meta& meta, const a64* word, u64 value, const Record& record, u64 now) const {
  const u64 at = record.expiresAt();
  meta.expiresInMs = at == 0 ? 0 : at > now ? at - now : 1;
  meta.inserted = record.header->inserted.load(std::memory_order_relaxed);
  meta.wordIndex = u64(word - reinterpret_cast<const a64*>(indexArea()));
  meta.word = value;
  meta.valueBytes = record.valueBytes;
  meta.kind = record.kind;
  meta.flags = record.flags;
  meta.codec = record.codec;
  // a number's version is read before the number: its writer stores them the other way round
  meta.version = record.header->version.load(std::memory_order_acquire);
  if (record.kind == kNumber) {
    const u64 bits = record.number()->load(std::memory_order_relaxed);
    memcpy(&meta.number, &bits, 8);
  }
}

/**
 * The index word and the ring's head are a sequence lock for each record: records do not change once published, and a
 * position never returns. Loaded before and again after the bytes were copied, they say whether the copy is whole.
 */
template <class F>
Rc Segment::read(const Key& key, Meta& meta, F&& consume, bool counted) {
  if (!isKey(key)) return kBadKey;
  if (const Rc rc = stateRc()) return rc;
  const u64 coarse = coarseMs();
  if (coarse >= nextTickMs_) {
    maintain(coarse);
    if (const Rc rc = stateRc()) return rc;
  }
  const u64 now = coarse + mutableHeader()->suspendMs.load(std::memory_order_relaxed);
  Shard& shard = shardOf(key.hash);
  const u64 tag = tagOf(key.hash);
  for (u32 attempt = 0; attempt < 64; attempt++) {
    bool restart = false;
    for (u32 probe = 0; probe < probes() && !restart; probe++) {
      a64* const bucket = bucketAt(shard, key.hash, probe);
      for (u32 i = 0; i < kBucketWords && !restart; i++) {
        const u64 word = bucket[i].load(std::memory_order_acquire);
        if (word >> kTagShift != tag || word == 0) continue;
        const Ring& ring = ringOf(shard, word);
        const u64 head = ring.head->load(std::memory_order_acquire);
        const u64 position = fullPosition(word, head);
        prefetchRecord(ring, position);
        Record record;
        const bool plausible = position - head < ring.capacity && readRecord(ring, position, record);
        const bool match = plausible && record.hash == key.hash && record.keyBytes == key.bytes &&
                           sameRacing(record.key(), key.data, key.bytes);
        const bool expired = match && isExpired(record, now);  // before the check below: the bytes may be another record's soon
        if (match) {
          fillMeta(meta, bucket + i, word, record, now);
          consume(static_cast<const Meta&>(meta), static_cast<const u8*>(record.value()));
        }
        fenceAcquire(bucket[i]);
        const u64 after = bucket[i].load(std::memory_order_relaxed);
        const u64 headAfter = ring.head->load(std::memory_order_relaxed);
        if (((word ^ after) & ~u64(kFrequency)) != 0 || position - headAfter >= ring.capacity) {
          // unchanged, but never in the window: not a race but damage. It is nobody's entry
          restart = ((word ^ after) & ~u64(kFrequency)) != 0 || position - head < ring.capacity;
          if (restart) count(kRetries);
          else count(kBadWords);
          continue;
        }
        if (!match) continue;
        if (!counted) return expired ? kMiss : kOk;
        if (expired) {
          count(kMisses);
          return kMiss;
        }
        if ((after & kFrequency) < 3) {
          u64 expected = after;
          bucket[i].compare_exchange_weak(expected, after + 1, std::memory_order_relaxed);
        }
        count(kHits);
        return kOk;
      }
    }
    if (!restart) {
      if (counted) count(kMisses);
      return kMiss;
    }
  }
  const u8* value = nullptr;
  const Rc rc = readLocked(key, meta, value);
  if (rc == kOk) consume(static_cast<const Meta&>(meta), value);
  if (counted && (rc == kOk || rc == kMiss)) count(rc == kOk ? kHits : kMisses);
  return rc;
}

/** The same for whoever goes through the index: see `read`. */
template <class F>
bool Segment::visit(const Shard& shard, const a64& cell, F&& take) {
  for (u32 attempt = 0; attempt < 64; attempt++) {
    const u64 word = cell.load(std::memory_order_acquire);
    if (word == 0) return false;
    const Ring& ring = ringOf(shard, word);
    const u64 head = ring.head->load(std::memory_order_acquire), position = fullPosition(word, head);
    Record record;
    const bool plausible = position - head < ring.capacity && readRecord(ring, position, record);
    if (plausible) take(static_cast<const Record&>(record), word);
    fenceAcquire(cell);
    if (((word ^ cell.load(std::memory_order_relaxed)) & ~u64(kFrequency)) == 0 &&
        position - ring.head->load(std::memory_order_relaxed) < ring.capacity)
      return plausible;
  }
  return false;
}

/** Merged by time. Only events from before the tails were read: what caused an event is then never behind it. */
template <class F>
u32 Segment::drain(u32 limit, u64& lost, F&& each) {
  lost = 0;
  if (!subscribed_ || stateRc() != kOk) return 0;
  const u64 until = monotonicNs();
  constexpr u32 kMost = 4096;
  u64 tails[kMost];
  for (u32 s = 0; s < geometry_.shards; s++) tails[s] = shards_[s].header->eventTail.load(std::memory_order_acquire);
  u32 given = 0;
  while (given < limit) {
    u32 first = kMost;
    EventHead head{}, candidate{};
    for (u32 s = 0; s < geometry_.shards; s++) {
      if (!nextEvent(s, tails[s], candidate, lost) || candidate.timeNs > until) continue;
      if (first == kMost || candidate.timeNs < head.timeNs) {
        first = s;
        head = candidate;
      }
    }
    if (first == kMost) break;
    // copy the key, then look whether it was overwritten meanwhile
    Shard& shard = shards_[first];
    const u32 mask = geometry_.eventsPerShard - 1;
    const u64 at = cursors_[first];
    const u32 inFirst = head.keyBytes < sizeof(EventSlot::key) ? head.keyBytes : u32(sizeof(EventSlot::key));
    copyRacing(eventKey_, shard.events[at & mask].key, inFirst);
    for (u32 i = 1, done = inFirst; i < head.slots && done < head.keyBytes; i++) {
      const u32 n = head.keyBytes - done < sizeof(EventSlot) ? head.keyBytes - done : u32(sizeof(EventSlot));
      copyRacing(eventKey_ + done, &shard.events[(at + i) & mask], n);
      done += n;
    }
    fenceAcquire(shard.header->eventTail);
    EventHead again{};
    if (!nextEvent(first, tails[first], again, lost) || cursors_[first] != at) continue;
    __atomic_store_n(&cursors_[first], at + head.slots, __ATOMIC_RELAXED);
    if (head.kind == kShardLost) {
      lost++;
      continue;
    }
    given++;
    if (!each(Event{head.kind, head.origin == owner_, head.keyBytes, head.version, eventKey_})) break;
  }
  return given;
}

}  // namespace stockpile
