// Storing a value: under the lock of one shard, complete or not at all.
#include "engine-inline.h"

namespace stockpile {

Segment::Found Segment::find(Shard& shard, const Key& key) {
  const u64 tag = tagOf(key.hash);
  for (u32 probe = 0; probe < probes(); probe++) {
    a64* const bucket = bucketAt(shard, key.hash, probe);
    for (u32 i = 0; i < kBucketWords; i++) {
      const u64 word = bucket[i].load(std::memory_order_relaxed);
      if (word == 0 || word >> kTagShift != tag) continue;
      Found found{bucket + i, {}};
      if (recordOf(shard, word, found.record) && found.record.hash == key.hash && found.record.keyBytes == key.bytes &&
          memcmp(found.record.key(), key.data, key.bytes) == 0)
        return found;
    }
  }
  return {};
}

u64 Segment::nextSerial(Shard& shard) {
  u64 next = shard.header->serial.load(std::memory_order_relaxed) + 1;
  // damaged: a fence below 0, or more than a number of JavaScript holds, would be an error for ever
  if (next <= createdAtMs_ * 2048 || next >= 1ull << 53) next = (wallMs() > createdAtMs_ ? wallMs() : createdAtMs_) * 2048 + 1;
  shard.header->serial.store(next, std::memory_order_relaxed);
  return next;
}

Rc Segment::copyToBounce(const Record& record) {
  const u64 bytes = (record.kind == kNumber ? 8 : 0) + u64(record.valueBytes);
  if (bytes > bounceBytes_) return kTooLarge;
  memcpy(bounce_, record.value(), record.valueBytes);
  return kOk;
}

/** For readers that were disturbed too often. The value is a private copy. */
Rc Segment::readLocked(const Key& key, Meta& meta, const u8*& value) {
  Shard& shard = shardOf(key.hash);
  if (const Rc rc = enter(shard)) return rc;
  const Found found = find(shard, key);
  Rc rc = kMiss;
  if (found.word != nullptr && !isExpired(found.record)) {
    fillMeta(meta, found.word, found.word->load(std::memory_order_relaxed), found.record, nowMs());
    rc = copyToBounce(found.record);
    value = bounce_;
  }
  leave(shard);
  return rc;
}

Rc Segment::peek(const Key& key, Meta& meta, bool counted) {
  return read(key, meta, [](const Meta&, const u8*) {}, counted);
}

Rc Segment::conditionOf(Shard& shard, const Key& key, const StoreOptions& o, const Found& found, bool live) const {
  switch (o.when) {
    case If::kAlways:
      return kOk;
    case If::kAbsent:
      return live ? kExists : kOk;
    case If::kPresent:
      return live ? kOk : kMiss;
    case If::kVersion:
      if (o.version == 0) return live ? kChanged : kOk;  // 0: must be absent
      if (!live) return kMiss;
      return found.record.header->version.load(std::memory_order_relaxed) == o.version ? kOk : kChanged;
    case If::kSameBytes: {
      if (!live) return kMiss;
      const Record& r = found.record;
      const u32 tail = r.kind == kNumber ? 8 : 0;
      if (u64(r.valueBytes) + tail != o.expectedBytes || memcmp(r.value(), o.expected, r.valueBytes) != 0)
        return kChanged;
      if (tail == 0) return kOk;
      const u64 bits = r.number()->load(std::memory_order_relaxed);
      return memcmp(&bits, o.expected + r.valueBytes, 8) == 0 ? kOk : kChanged;
    }
    case If::kFenced: {
      const LockEntry* entry = entryOf(shard, fenceHash(key));
      const bool held = entry != nullptr && entry->owner.load(std::memory_order_relaxed) == owner_ &&
                        entry->fence.load(std::memory_order_relaxed) == o.version && entryLives(*entry);
      return held ? kOk : kNotHeld;
    }
  }
  return kOk;
}

/** What is never evicted has a budget; numbers leave a fifth of it to the rest, such as the times of invalidations. */
Rc Segment::checkPinned(Shard& shard, const Found& found, u32 size, Kind kind) {
  const u64 budget = kind == kNumber ? geometry_.pinnedBytes / 5 * 4 : geometry_.pinnedBytes;
  const auto fits = [&](u64 old) {
    return shard.header->pinnedBytes.load(std::memory_order_relaxed) - old + size <= budget;
  };
  const u64 old = found.word != nullptr && found.record.flags & kPinned ? found.record.size : 0;
  if (fits(old)) return kOk;
  dropExpiredPinned(shard);
  const bool dropped = old != 0 && found.word->load(std::memory_order_relaxed) == 0;
  return fits(dropped ? 0 : old) ? kOk : kPinnedFull;
}

/** An index word for a new key, emptied if it must be. */
a64* Segment::slotFor(Shard& shard, const Key& key, Rc& rc) {
  const bool dictionary = geometry_.flags & kNeverEvicts;
  a64* best = nullptr;
  u32 mostFree = 0;
  for (u32 probe = 0; probe < probes(); probe++) {
    a64* const bucket = bucketAt(shard, key.hash, probe);
    u32 freeWords = 0;
    a64* open = nullptr;
    for (u32 i = 0; i < kBucketWords; i++) {
      if (bucket[i].load(std::memory_order_relaxed) != 0) continue;
      freeWords++;
      open = bucket + i;
    }
    if (freeWords > mostFree) {
      mostFree = freeWords;
      best = open;
    }
  }
  if (best != nullptr) return best;
  // full: what has expired, else the least read, small before main, oldest first
  Record victim;
  u64 worst = ~0ull;
  for (u32 probe = 0; probe < probes(); probe++) {
    a64* const bucket = bucketAt(shard, key.hash, probe);
    for (u32 i = 0; i < kBucketWords; i++) {
      const u64 word = bucket[i].load(std::memory_order_relaxed);
      Record record;
      if (!recordOf(shard, word, record)) {
        bucket[i].store(0, std::memory_order_release);  // damage
        return bucket + i;
      }
      const bool expired = isExpired(record);
      if (!expired && (dictionary || record.flags & kPinned)) continue;
      const Ring& ring = ringOf(shard, word);
      const u64 age = record.position - ring.head->load(std::memory_order_relaxed);
      const u64 rank = expired ? 0 : 1 + ((word & kFrequency) << 50 | (ring.main ? 1ull << 49 : 0) | age);
      if (rank >= worst) continue;
      worst = rank;
      best = bucket + i;
      victim = record;
    }
  }
  if (best == nullptr) {
    rc = dictionary ? kFull : kPinnedFull;
    return nullptr;
  }
  if (worst != 0) add(shard.header->bucketEvicted, 1);
  drop(shard, best, victim, worst == 0 ? kExpire : kEvict);
  return best;
}

Rc Segment::store(const Key& key, const Value& value, const StoreOptions& options, Meta* stored) {
  if (!isKey(key)) return kBadKey;
  Shard& shard = shardOf(key.hash);
  if (const Rc rc = enter(shard)) return rc;
  const Rc rc = storeLocked(shard, key, value, options, stored);
  leave(shard);
  if (rc == kOk) count(kSets);
  else if (rc == kTooLarge) count(kRefused);
  else if (rc == kChanged || rc == kNotHeld) count(kCasFailures);
  return rc;
}

Rc Segment::storeLocked(Shard& shard, const Key& key, const Value& value, const StoreOptions& options, Meta* stored) {
  const bool dictionary = geometry_.flags & kNeverEvicts;
  const u8 flags = dictionary ? 0 : u8(value.flags | (value.kind == kNumber ? u8(kPinned) : 0));
  const u32 size = recordSize(key, value);
  if (size > recordLimit_ || (flags & kPinned && size > geometry_.reserveBytes / 2)) return kTooLarge;
  if (!ringsAreSound(shard)) wipe(shard);
  Found old = find(shard, key);
  const bool live = old.word != nullptr && !isExpired(old.record);
  if (const Rc rc = conditionOf(shard, key, options, old, live)) return rc;
  if (flags & kPinned)
    if (const Rc rc = checkPinned(shard, old, size, value.kind)) return rc;

  u64 expiresAt = 0;
  if (options.ttlMs == kKeepTtl) expiresAt = live ? old.record.expiresAt() : 0;
  else if (options.ttlMs != 0) expiresAt = nowMs() + options.ttlMs;
  const u64 inserted = live ? old.record.header->inserted.load(std::memory_order_relaxed) : options.inserted;
  u32 frequency = options.frequency;
  if (live) {
    const u32 before = u32(old.word->load(std::memory_order_relaxed) & kFrequency);
    frequency = before > 1 ? before : 1;
  }

  Ring& ring = ringFor(shard, size, key.hash, live);
  for (u32 attempt = 0; !makeRoom(shard, ring, size); attempt++)
    if (dictionary || attempt == 2) return kFull;
  old = find(shard, key);  // it may have moved, or left
  Rc rc = kOk;
  a64* const word = old.word != nullptr ? old.word : slotFor(shard, key, rc);
  if (word == nullptr) return rc;

  const u64 version = nextSerial(shard);
  KILL_POINT();
  const u64 position = beginAppend(ring, size);
  auto* header = reinterpret_cast<RecordHeader*>(ring.data + position % ring.capacity);
  const auto relaxed = std::memory_order_relaxed;
  header->size.store(size, relaxed);
  header->checkKindFlags.store(u32(flags) << 24 | u32(value.kind) << 16 |
                                   checkOf(size, value.kind, flags, key.bytes, value.bytes, key.hash, position), relaxed);
  header->valueBytes.store(value.bytes, relaxed);
  header->keyBytesCodec.store(u32(value.codec) << 16 | key.bytes, relaxed);
  header->inserted.store(inserted != 0 ? inserted
                         : dictionary  ? mutableHeader()->insertions.fetch_add(1, relaxed) + 1 : version, relaxed);
  header->hash.store(key.hash, relaxed);
  header->expiresAt.store(expiresAt, relaxed);
  header->version.store(version, relaxed);
  u8* at = reinterpret_cast<u8*>(header) + sizeof(RecordHeader);
  if (value.kind == kNumber) {
    u64 bits;
    memcpy(&bits, &value.number, 8);
    reinterpret_cast<a64*>(at)->store(bits, relaxed);
    at += 8;
  }
  KILL_POINT();
  copyRacing(at, key.data, key.bytes);
  if (value.bytes > 0) copyRacing(at + key.bytes, value.data, value.bytes);
  finishAppend(ring, position, size);
  const u64 newWord = wordFor(key.hash, position, ring.main, frequency);
  word->store(newWord, std::memory_order_release);
  KILL_POINT();

  ShardHeader& h = *shard.header;
  if (old.word == nullptr) add(h.items, 1);
  else {
    add(h.liveBytes, 0 - u64(old.record.size));
    if (old.record.flags & kPinned) add(h.pinnedBytes, 0 - u64(old.record.size));
  }
  KILL_POINT();
  add(h.liveBytes, size);
  if (flags & kPinned) add(h.pinnedBytes, size);
  const bool byUser = options.when != If::kFenced && options.event == kSet;
  if (byUser) freeLockOf(shard, key);  // a creator that is running cannot store any more
  KILL_POINT();
  publish(shard, options.event, key.data, key.bytes, version);
  if (stored != nullptr) {
    Record record;
    record.header = header;
    record.kind = value.kind;
    record.valueBytes = value.bytes;
    record.flags = flags;
    record.codec = value.codec;
    fillMeta(*stored, word, newWord, record, nowMs());
  }
  return kOk;
}

}  // namespace stockpile
