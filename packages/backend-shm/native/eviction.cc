// Room in the rings, in the shape of S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023):
// new entries pass through a small ring; those that were read meanwhile move to the main ring, which gives its own
// further laps; a ghost remembers the fingerprints of those that left the small ring unread.
#include <algorithm>

#include "engine-inline.h"

namespace stockpile {

constexpr u32 kMostReinsertions = 8;  // per append

u32 Segment::checkOf(u32 size, Kind kind, u8 flags, u32 keyBytes, u32 valueBytes, u64 hash, u64 position) {
  const u64 h = foldedProduct(position ^ 0x9e3779b97f4a7c15, hash ^ (u64(size) << 32 | valueBytes)) ^
                foldedProduct(u64(kind) << 24 | u64(flags) << 16 | keyBytes, 0xd6e8feb86659fd93);
  return u32((h ^ h >> 16 ^ h >> 32 ^ h >> 48) & 0xffff);
}

u64 Segment::freeBytes(const Ring& ring) const {
  return ring.capacity - (ring.tail->load(std::memory_order_relaxed) - ring.head->load(std::memory_order_relaxed));
}

/** A record never straddles the end of the ring: what is left of the lap is filled. */
u64 Segment::bytesWithFiller(const Ring& ring, u64 size) const {
  const u64 offset = ring.tail->load(std::memory_order_relaxed) % ring.capacity;
  return offset + size > ring.capacity ? ring.capacity - offset + size : size;
}

/** Whether a record fits and `spare` bytes are left. An empty ring begins a new lap where that makes it fit. */
bool Segment::hasRoom(Ring& ring, u64 size, u64 spare) {
  if (freeBytes(ring) >= bytesWithFiller(ring, size) + spare) return true;
  if (freeBytes(ring) < ring.capacity || size > ring.capacity) return false;
  if (bytesWithFiller(ring, size) > size) {
    ring.head->store(closeLap(ring, ring.tail->load(std::memory_order_relaxed) & ~u64(7)), std::memory_order_release);
  }
  return true;
}

/** The record, or the filler, at a position that is not the tail. False: the ring is damaged. */
bool Segment::recordAt(const Ring& ring, u64 position, u64 tail, Record& record, bool& filler) const {
  const u64 offset = position % ring.capacity;
  const auto* header = reinterpret_cast<RecordHeader*>(ring.data + offset);
  const u32 size = header->size.load(std::memory_order_relaxed);
  const u32 ckf = header->checkKindFlags.load(std::memory_order_relaxed);
  if (size < 8 || (size & 7) || size > ring.capacity - offset || size > tail - position) return false;
  filler = Kind(ckf >> 16 & 255) == kFiller;
  if (!filler) return readRecord(ring, position, record) && isIntact(record);
  record.size = size;
  return u16(ckf) == checkOf(size, kFiller, 0, 0, 0, 0, position);
}

/** The oldest one. False: the ring is damaged. */
bool Segment::recordAtHead(const Ring& ring, Record& record, bool& filler) const {
  const u64 head = ring.head->load(std::memory_order_relaxed), tail = ring.tail->load(std::memory_order_relaxed);
  return head != tail && recordAt(ring, head, tail, record, filler);
}

/** The index word that points at the record; nullptr: nobody does, it is dead. */
a64* Segment::wordOf(Shard& shard, const Ring& ring, const Record& record) {
  const u64 wanted = wordFor(record.hash, record.position, ring.main, 0);
  for (u32 probe = 0; probe < probes(); probe++) {
    a64* const bucket = bucketAt(shard, record.hash, probe);
    for (u32 i = 0; i < kBucketWords; i++)
      if ((bucket[i].load(std::memory_order_relaxed) & ~u64(kFrequency)) == wanted) return bucket + i;
  }
  return nullptr;
}

u64 Segment::closeLap(Ring& ring, u64 tail) {
  const u64 offset = tail % ring.capacity;
  fenceRelease(*ring.head);
  auto* header = reinterpret_cast<RecordHeader*>(ring.data + offset);
  const u32 left = u32(ring.capacity - offset);
  header->size.store(left, std::memory_order_relaxed);
  header->checkKindFlags.store(checkOf(left, kFiller, 0, 0, 0, 0, tail), std::memory_order_relaxed);
  ring.tail->store(tail + left, std::memory_order_release);
  KILL_POINT();
  return tail + left;
}

/** Where the next record of the ring begins. There is room. */
u64 Segment::beginAppend(Ring& ring, u64 size) {
  u64 tail = ring.tail->load(std::memory_order_relaxed) & ~u64(7);  // read once: somebody may change it meanwhile
  if (tail % ring.capacity + size > ring.capacity) tail = closeLap(ring, tail);
  fenceRelease(*ring.head);  // readers see that head has passed before they see the new bytes
  return tail;
}

void Segment::finishAppend(Ring& ring, u64 position, u64 size) {
  KILL_POINT();
  ring.tail->store(position + size, std::memory_order_release);
  KILL_POINT();
}

/** Copies a record to the tail of `to`, and points its word there. There is room. */
void Segment::moveTo(Ring& to, const Record& record, a64* word, u32 frequency) {
  const u64 position = beginAppend(to, record.size);
  u8* const target = to.data + position % to.capacity;
  copyRacing(target, record.header, record.size);
  KILL_POINT();
  reinterpret_cast<RecordHeader*>(target)->checkKindFlags.store(
      u32(record.flags) << 24 | u32(record.kind) << 16 |
          checkOf(record.size, record.kind, record.flags, record.keyBytes, record.valueBytes, record.hash, position),
      std::memory_order_relaxed);
  finishAppend(to, position, record.size);
  word->store(wordFor(record.hash, position, to.main, frequency), std::memory_order_release);
  KILL_POINT();
}

/** Takes a live entry out of the index; its bytes are free when the head passes. */
void Segment::forget(Shard& shard, a64* word, const Record& record) {
  word->store(0, std::memory_order_release);
  KILL_POINT();
  ShardHeader& h = *shard.header;
  add(h.items, ~0ull);
  add(h.liveBytes, 0 - u64(record.size));
  if (record.flags & kPinned) add(h.pinnedBytes, 0 - u64(record.size));
}

/** The same, and says why. */
void Segment::drop(Shard& shard, a64* word, const Record& record, EventKind kind) {
  forget(shard, word, record);
  if (kind == kExpire) add(shard.header->expired, 1);
  publish(shard, kind, record.key(), record.keyBytes, record.header->version.load(std::memory_order_relaxed));
}

/** Lets the oldest record of the small ring go, or moves it to main. False: damage; the shard was wiped. */
bool Segment::passSmallHead(Shard& shard) {
  Ring& ring = shard.rings[0];
  Record record;
  bool filler = false;
  if (!recordAtHead(ring, record, filler)) return wipe(shard), false;
  a64* const word = filler ? nullptr : wordOf(shard, ring, record);
  if (word != nullptr) {
    if (isExpired(record)) drop(shard, word, record, kExpire);
    else if ((word->load(std::memory_order_relaxed) & kFrequency) > 0 || record.flags & kPinned) {
      if (!makeRoom(shard, shard.rings[1], record.size)) return false;
      moveTo(shard.rings[1], record, word, 0);
      add(shard.header->promoted, 1);
    } else {
      rememberGhost(shard, record.hash);
      KILL_POINT();
      drop(shard, word, record, kEvict);
      add(shard.header->evictedSmall, 1);
    }
  }
  ring.head->store(ring.head->load(std::memory_order_relaxed) + record.size, std::memory_order_release);
  KILL_POINT();
  return true;
}

/** The same for main, whose live records may have another lap. False: damage; the shard was wiped. */
bool Segment::passMainHead(Shard& shard, u32& reinsertions) {
  Ring& ring = shard.rings[1];
  Record record;
  bool filler = false;
  if (!recordAtHead(ring, record, filler)) return wipe(shard), false;
  const auto pass = [&] {
    ring.head->store(ring.head->load(std::memory_order_relaxed) + record.size, std::memory_order_release);
    KILL_POINT();
  };
  a64* const word = filler ? nullptr : wordOf(shard, ring, record);
  if (word == nullptr) return pass(), true;
  if (isExpired(record)) return drop(shard, word, record, kExpire), pass(), true;
  const u32 frequency = u32(word->load(std::memory_order_relaxed) & kFrequency);
  const bool stays = record.flags & kPinned || geometry_.flags & kNeverEvicts;
  if (!stays && (frequency == 0 || reinsertions >= kMostReinsertions)) {
    drop(shard, word, record, kEvict);
    add(shard.header->evictedMain, 1);
    return pass(), true;
  }
  add(shard.header->reinserted, 1);
  if (!stays) reinsertions++;
  const u32 next = stays ? frequency : frequency - 1;
  if (bytesWithFiller(ring, record.size) <= freeBytes(ring)) {
    moveTo(ring, record, word, next);  // reachable at every instant, and nothing is lost by a crash
    return pass(), true;
  }
  // too large for the reserve: it leaves for a moment. A crash here loses this one entry
  if (geometry_.flags & kNeverEvicts) return false;
  const u32 size = record.size;
  if (size > bounceBytes_ || moving_) return drop(shard, word, record, kEvict), pass(), true;
  memcpy(moveBuffer_, record.header, size);
  word->store(0, std::memory_order_release);
  KILL_POINT();
  pass();
  reinsertions = kMostReinsertions;
  moving_ = true;
  bool sound = true;
  const u64 from = ring.head->load(std::memory_order_relaxed);
  // the reserve stays free: what is never evicted must not have to leave on this way
  while (sound && !hasRoom(ring, size, geometry_.reserveBytes))
    sound = passMainHead(shard, reinsertions) &&
            ring.head->load(std::memory_order_relaxed) - from <= 2 * ring.capacity;
  moving_ = false;
  if (!sound) return false;
  record.header = reinterpret_cast<RecordHeader*>(moveBuffer_);
  moveTo(ring, record, word, next);
  return true;
}

/** False: the shard was wiped meanwhile (there is room then), or it never evicts and is full. */
bool Segment::makeRoom(Shard& shard, Ring& ring, u64 size) {
  if (!ring.main) {
    while (!hasRoom(ring, size, 0))
      if (!passSmallHead(shard)) return false;
    return true;
  }
  u32 reinsertions = 0;
  u64 passed = 0;
  while (!hasRoom(ring, size, geometry_.reserveBytes)) {
    const u64 before = ring.head->load(std::memory_order_relaxed);
    // once around without finding enough that is dead
    if (passed > (geometry_.flags & kNeverEvicts ? 1 : 2) * ring.capacity) return false;
    if (!passMainHead(shard, reinsertions)) return false;
    passed += ring.head->load(std::memory_order_relaxed) - before;
  }
  return true;
}

Segment::Ring& Segment::ringFor(Shard& shard, u64 size, u64 hash, bool overwrite) {
  Ring &small = shard.rings[0], &main = shard.rings[1];
  if (geometry_.flags & kNeverEvicts || size > smallLimit_) return main;
  if (overwrite) return small;  // a version that dies young never reaches main
  if (takeGhost(shard, hash)) {
    add(shard.header->ghostHits, 1);
    return main;
  }
  // warm fill: while main has room to spare, nothing has to prove itself
  return freeBytes(main) >= bytesWithFiller(main, size) + geometry_.reserveBytes ? main : small;
}

// 4-way sets of fingerprints, first in first out within a set
void Segment::rememberGhost(Shard& shard, u64 hash) {
  const u32 fingerprint = u32(hash >> 32) | 1;
  a32* const set = shard.ghost + (u32(hash) * 0x9e3779b1u >> 7 & (geometry_.ghostPerShard / 4 - 1)) * 4;
  for (u32 i = 3; i > 0; i--) set[i].store(set[i - 1].load(std::memory_order_relaxed), std::memory_order_relaxed);
  set[0].store(fingerprint, std::memory_order_relaxed);
}

bool Segment::takeGhost(Shard& shard, u64 hash) {
  const u32 fingerprint = u32(hash >> 32) | 1;
  a32* const set = shard.ghost + (u32(hash) * 0x9e3779b1u >> 7 & (geometry_.ghostPerShard / 4 - 1)) * 4;
  for (u32 i = 0; i < 4; i++) {
    if (set[i].load(std::memory_order_relaxed) != fingerprint) continue;
    for (; i < 3; i++) set[i].store(set[i + 1].load(std::memory_order_relaxed), std::memory_order_relaxed);
    set[3].store(0, std::memory_order_relaxed);
    return true;
  }
  return false;
}

/** The budget for what is never evicted is used up: what has expired of it need not wait for the head to pass. */
void Segment::dropExpiredPinned(Shard& shard) {
  const u32 words = geometry_.bucketsPerShard * kBucketWords;
  for (u32 i = 0; i < words; i++) {
    const u64 word = shard.words[i].load(std::memory_order_relaxed);
    Record record;
    if (word == 0 || !recordOf(shard, word, record)) continue;
    if (record.flags & kPinned && isExpired(record)) drop(shard, shard.words + i, record, kExpire);
  }
}

}  // namespace stockpile
