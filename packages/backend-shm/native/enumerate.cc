// Keys and counts, without any lock.
#include "engine-inline.h"

namespace stockpile {

u32 Segment::scan(ScanCursor& cursor, const void* prefix, u32 prefixBytes, u8* out, u32 room) {
  u32 used = 0;
  if (stateRc() != kOk) cursor.shard = geometry_.shards;
  const u32 most = kBucketWords * (10 + kMaxKeyBytes);  // a bucket is given whole, or with the next call
  while (cursor.shard < geometry_.shards && room - used >= most) {
    Shard& shard = shards_[cursor.shard];
    a64* const bucket = shard.words + u64(cursor.bucket) * kBucketWords;
    for (u32 i = 0; i < kBucketWords; i++) {
      u32 taken = 0;
      const bool there = visit(shard, bucket[i], [&](const Record& record, u64) {
        taken = 0;
        if (record.keyBytes < prefixBytes || record.keyBytes == 0 || isExpired(record) ||
            !sameRacing(record.key(), prefix, prefixBytes))
          return;
        u8* const at = out + used;
        const u64 inserted = record.header->inserted.load(std::memory_order_relaxed);
        memcpy(at, &record.keyBytes, 2);
        memcpy(at + 2, &inserted, 8);
        copyRacing(at + 10, record.key(), record.keyBytes);
        taken = 10 + record.keyBytes;
      });
      if (there) used += taken;
    }
    if (++cursor.bucket == geometry_.bucketsPerShard) {
      cursor.bucket = 0;
      cursor.shard++;
    }
  }
  return used;
}

u64 Segment::items() const {
  u64 sum = 0;
  for (u32 s = 0; s < geometry_.shards; s++) sum += shards_[s].header->items.load(std::memory_order_relaxed);
  return sum;
}

u64 Segment::liveBytes() const {
  u64 sum = 0;
  for (u32 s = 0; s < geometry_.shards; s++) sum += shards_[s].header->liveBytes.load(std::memory_order_relaxed);
  return sum;
}

ShardStats Segment::shardStats(u32 shard) const {
  const ShardHeader& h = *shards_[shard].header;
  const auto of = [](const a64& cell) { return cell.load(std::memory_order_relaxed); };
  const u64 used = of(h.smallTail) - of(h.smallHead) + (of(h.mainTail) - of(h.mainHead));
  return {of(h.items),     of(h.liveBytes), of(h.pinnedBytes), used,          of(h.evictedSmall),  of(h.evictedMain), of(h.promoted),
          of(h.reinserted), of(h.ghostHits), of(h.expired),     of(h.bucketEvicted), of(h.recoveries), of(h.wipes)};
}

u64 Segment::mine(Counter counter) const { return stats_->counts[counter].load(std::memory_order_relaxed); }
void Segment::addMine(Counter counter, u64 by) { count(counter, by); }

u64 Segment::total(Counter counter) const {
  u64 sum = mutableHeader()->retired[counter].load(std::memory_order_relaxed);
  for (u32 slot = 0; slot < kParticipants; slot++)
    sum += statsOf(slot)->counts[counter].load(std::memory_order_relaxed);
  return sum;
}

u32 Segment::participantsAlive() const {
  u32 alive = 1;
  for (u32 slot = 0; fd_ >= 0 && slot < kParticipants; slot++)
    if (slot != slot_ && isLocked(fd_, kSlotByte + slot, 1)) alive++;
  return alive;
}

const char* rcName(Rc rc) {
  static const char* const names[] = {"ok", "miss", "exists", "changed", "not held", "not a number", "too large", "full",
                                      "pinned full", "busy", "lost", "lock table full", "held", "orphaned", "bad key"};
  return rc <= 0 && rc >= kBadKey ? names[-rc] : "?";
}

}  // namespace stockpile
