#include "audit.h"

#include <unordered_map>
#include <unordered_set>

namespace stockpile {

using lab::text;

std::string LabAccess::audit(Segment& s, bool quiet) {
  for (u32 shard = 0; shard < s.geometry_.shards; shard++) {
    const std::string wrong = auditShard(s, shard, quiet);
    if (!wrong.empty()) return text("shard %u: ", shard) + wrong;
  }
  return "";
}

std::string LabAccess::auditShard(Segment& s, u32 index, bool quiet) {
  Segment::Shard& shard = s.shards_[index];
  ShardHeader& h = *shard.header;
  const auto of = [](const a64& cell) { return cell.load(std::memory_order_relaxed); };
  if (h.lock.load() != 0) return text("its lock is %08x, and nobody is at work", h.lock.load());
  if (!s.ringsAreSound(shard)) return "a ring's head and tail are impossible";

  // the rings from head to tail: whole records and fillers, side by side, none across the end
  std::unordered_map<u64, Segment::Record> records[2];
  for (u32 r = 0; r < 2; r++) {
    const Segment::Ring& ring = shard.rings[r];
    const u64 head = ring.head->load(), tail = ring.tail->load();
    for (u64 at = head; at != tail;) {
      const u64 offset = at % ring.capacity;
      const auto* header = reinterpret_cast<RecordHeader*>(ring.data + offset);
      const u32 size = header->size.load(), ckf = header->checkKindFlags.load();
      if (size < 8 || size % 8 != 0 || offset + size > ring.capacity || size > tail - at)
        return text("ring %u, position %lx: size %u", r, at, size);
      if (Kind(ckf >> 16 & 255) == kFiller) {
        if (offset + size != ring.capacity) return text("ring %u: a filler that does not end its lap", r);
      } else {
        Segment::Record record;
        if (!Segment::readRecord(ring, at, record) ||
            u16(ckf) != Segment::checkOf(size, record.kind, record.flags, record.keyBytes, record.valueBytes,
                                         record.hash, at))
          return text("ring %u, position %lx: no whole record", r, at);
        records[r].emplace(at, record);
      }
      at += size;
    }
  }
  const Segment::Ring& main = shard.rings[1];
  // a full dictionary may have moved its records past the end of a lap, for nothing: one filler, below half the reserve
  const u64 reserve = s.geometry_.flags & kNeverEvicts ? s.geometry_.reserveBytes / 2 : s.geometry_.reserveBytes;
  if (quiet && s.freeBytes(main) < reserve) return "the reserve of main is in use";

  // I1: every word points to a whole record in its window, in the bucket and with the tag of its hash
  u64 items = 0, live = 0, pinned = 0;
  std::unordered_set<std::string> keys;
  std::unordered_set<u64> pointedAt;
  for (u32 i = 0; i < s.geometry_.bucketsPerShard * kBucketWords; i++) {
    const u64 word = shard.words[i].load();
    if (word == 0) continue;
    const u32 r = word & kMainRing ? 1 : 0;
    const auto found = records[r].find(Segment::fullPosition(word, shard.rings[r].head->load()));
    if (found == records[r].end()) return text("word %u points to no record", i);
    const Segment::Record& record = found->second;
    if (!pointedAt.insert(found->first << 1 | r).second) return text("two words point to one record (word %u)", i);
    if (word >> kTagShift != Segment::tagOf(record.hash)) return text("word %u has another tag than its record", i);
    const bool dictionary = s.geometry_.flags & kNeverEvicts;
    const u32 bucket = i / kBucketWords;
    if (s.bucketOf(record.hash, 0) != bucket && !(dictionary && s.bucketOf(record.hash, 1) == bucket))
      return text("word %u is in another bucket than its record", i);
    const std::string key(reinterpret_cast<char*>(record.key()), record.keyBytes);
    if (s.keyOf(key.data(), u32(key.size())).hash != record.hash) return "a record whose hash is not that of its key";
    if (LabAccess::shardIndex(s, record.hash) != index) return "a record of another shard";
    if (!keys.insert(key).second) return "two words for the key " + key;
    const u64 version = record.header->version.load();
    if (version > of(h.serial) || version <= s.createdAtMs_ * 2048)
      return text("a version beyond the serial (word %u)", i);
    items++;
    live += record.size;
    if (record.flags & kPinned) pinned += record.size;
  }
  if (items != of(h.items) || live != of(h.liveBytes) || pinned != of(h.pinnedBytes))
    return text("counted %lu items, %lu bytes, %lu pinned; its header says %lu, %lu, %lu",
                items, live,
                pinned, of(h.items), of(h.liveBytes), of(h.pinnedBytes));
  if (!(s.geometry_.flags & kNeverEvicts) && pinned > s.geometry_.pinnedBytes) return "more is pinned than its budget";

  u32 locks = 0;
  for (u32 i = 0; i < s.geometry_.locksPerShard; i++) {
    const LockEntry& entry = shard.locks[i];
    if (entry.low.load() == 0) continue;
    locks++;
    if (entry.fence.load() > of(h.serial)) return "a fence beyond the serial";
    for (u32 j = 0; j < i; j++)
      if (shard.locks[j].low.load() == entry.low.load() && shard.locks[j].high.load() == entry.high.load())
        return "two lock entries for one key";
  }
  if (locks != h.liveLocks.load()) return text("%u locks, its header says %u", locks, h.liveLocks.load());
  return "";
}

}  // namespace stockpile
