// The other writes: remove, touch, increment, clear.
#include <math.h>

#include "engine-inline.h"

namespace stockpile {

Rc Segment::remove(const Key& key) {
  if (!isKey(key)) return kBadKey;
  Shard& shard = shardOf(key.hash);
  if (const Rc rc = enter(shard)) return rc;
  freeLockOf(shard, key);
  const Found found = find(shard, key);
  const bool live = found.word != nullptr && !isExpired(found.record);
  if (found.word != nullptr) drop(shard, found.word, found.record, live ? kDelete : kExpire);
  leave(shard);
  if (live) count(kDeletes);
  return live ? kOk : kMiss;
}

Rc Segment::touch(const Key& key, u64 ttlMs) {
  if (!isKey(key)) return kBadKey;
  Shard& shard = shardOf(key.hash);
  if (const Rc rc = enter(shard)) return rc;
  const Found found = find(shard, key);
  Rc rc = kMiss;
  if (found.word != nullptr && !isExpired(found.record)) {
    const u64 expiresAt = ttlMs == 0 ? 0 : nowMs() + ttlMs, before = found.record.expiresAt();
    const bool longer = expiresAt == 0 || (before != 0 && expiresAt >= before);
    if (longer || found.record.kind == kNumber) {
      found.record.header->expiresAt.store(expiresAt, std::memory_order_relaxed);
      KILL_POINT();
      publish(shard, kTouch, key.data, key.bytes,
              found.record.header->version.load(std::memory_order_relaxed));
      rc = kOk;
    } else if ((rc = copyToBounce(found.record)) == kOk) {
      // a shorter life must change the index word: near caches go by it
      const Value value{found.record.kind, found.record.flags, found.record.codec, found.record.valueBytes, bounce_, 0};
      StoreOptions options;
      options.ttlMs = ttlMs;
      options.when = If::kVersion;
      options.version = found.record.header->version.load(std::memory_order_relaxed);
      options.event = kTouch;
      rc = storeLocked(shard, key, value, options, nullptr);
    }
  }
  leave(shard);
  return rc;
}

Rc Segment::increment(const Key& key, double by, Meta& meta) {
  if (!isKey(key)) return kBadKey;
  Shard& shard = shardOf(key.hash);
  if (const Rc rc = enter(shard)) return rc;
  const Found found = find(shard, key);
  Rc rc = kMiss;
  if (found.word != nullptr && !isExpired(found.record)) {
    rc = kNotNumber;
    if (found.record.kind == kNumber) {
      a64& cell = *found.record.number();
      u64 bits = cell.load(std::memory_order_relaxed);
      double sum;
      memcpy(&sum, &bits, 8);
      sum += by;
      if (isfinite(sum)) {
        memcpy(&bits, &sum, 8);
        const u64 version = nextSerial(shard);
        // number before version, read the other way round: who has the new version never has the old number
        cell.store(bits, std::memory_order_relaxed);
        KILL_POINT();
        found.record.header->version.store(version, std::memory_order_release);
        KILL_POINT();
        freeLockOf(shard, key);
        publish(shard, kIncrement, key.data, key.bytes, version);
        fillMeta(meta, found.word, found.word->load(std::memory_order_relaxed), found.record, nowMs());
        meta.number = sum;
        rc = kOk;
      }
    }
  }
  leave(shard);
  if (rc == kOk) count(kIncrements);
  return rc;
}

Rc Segment::clear(const void* prefix, u32 bytes) {
  const u8* const p = static_cast<const u8*>(prefix);
  constexpr u32 kBucketsAtOnce = 256;  // so that writers wait some ten microseconds at most
  // one event for all of it, in the order of time; also where it comes to an early end, and some is gone
  const auto tell = [&](Rc rc) {
    for (u32 s = 0; s < geometry_.shards; s++) {
      if (enter(shards_[s]) != kOk) continue;
      publish(shards_[s], kClear, p, bytes < kMaxKeyBytes ? bytes : kMaxKeyBytes, 0);
      leave(shards_[s]);
      break;
    }
    return rc;
  };
  for (u32 s = 0; s < geometry_.shards; s++) {
    Shard& shard = shards_[s];
    for (u32 bucket = 0; bucket < geometry_.bucketsPerShard;) {
      if (const Rc rc = enter(shard)) return tell(rc);
      if (bucket == 0) freeLocksBelow(shard, p, bytes);
      for (u32 i = 0; i < kBucketsAtOnce * kBucketWords && bucket < geometry_.bucketsPerShard; i++) {
        a64* const cell = shard.words + u64(bucket) * kBucketWords + i % kBucketWords;
        const u64 word = cell->load(std::memory_order_relaxed);
        if (word != 0) {
          Record record;
          if (!recordOf(shard, word, record)) cell->store(0);
          else if (record.keyBytes >= bytes && memcmp(record.key(), p, bytes) == 0) forget(shard, cell, record);
        }
        if (i % kBucketWords == kBucketWords - 1) bucket++;
      }
      KILL_POINT();
      leave(shard);
    }
  }
  return tell(kOk);
}

}  // namespace stockpile
