// What the binding uses of the engine: one attached segment, and the operations on it.
// No operation allocates, calls into JavaScript or blocks for more than kMaxBlockNs while it holds a lock.
#pragma once

#include <cstring>
#include <string>

#include "layout.h"

namespace stockpile {

/** How an operation ended. The binding hands the number to JavaScript (src/native.ts has the same list). */
enum Rc : int {
  kOk = 0,
  kMiss = -1,        // absent, or the condition of the write does not hold because of it
  kExists = -2,      // add: there is a live entry
  kChanged = -3,     // compare: version or bytes differ
  kNotHeld = -4,     // the fence is not that of the lock's holder now
  kNotNumber = -5,   // increment: the entry is no number record
  kTooLarge = -6,    // key or record over the limit
  kFull = -7,        // never-evicting segment without room
  kPinnedFull = -8,  // the budget of what is never evicted is used up
  kBusyShard = -9,   // the owner of the shard is alive and did not let go in time
  kLost = -10,       // somebody took our lock, or the slot: stop using the mapping
  kTableFull = -11,  // no free entry in the set of the lock table
  kHeld = -12,       // lock: somebody else holds it
  kOrphaned = -13,   // the file was unlinked or replaced: attach again by name
  kBadKey = -14,     // empty or over kMaxKeyBytes
};

/**
 * Longest time for which an operation blocks the thread because of an owner that is stopped. One that only lacks a
 * processor is given half a second; one in another PID namespace, where that cannot be seen, a fifth.
 */
constexpr u64 kMaxBlockNs = 20'000'000;

struct Key {
  const u8* data;
  u32 bytes;
  u64 hash;
};

struct Value {
  Kind kind = kBytes;
  u8 flags = 0;  // RecordFlags
  u16 codec = 0;
  u32 bytes = 0;
  const u8* data = nullptr;
  double number = 0;  // kNumber: then data is the tail beside it
};

/** When a store takes place. */
enum class If { kAlways, kAbsent, kPresent, kVersion, kSameBytes, kFenced };

constexpr u64 kKeepTtl = ~0ull;

struct StoreOptions {
  u64 ttlMs = 0;  // 0 never expires; kKeepTtl keeps that of the entry
  If when = If::kAlways;
  u64 version = 0;            // kVersion: the version; kFenced: the fence
  const u8* expected = nullptr;  // kSameBytes: the bytes of the value; of a number record, tail then float64
  u32 expectedBytes = 0;
  EventKind event = kSet;
  // for restoring a snapshot
  u64 inserted = 0;
  u32 frequency = 0;
};

/** What a read or write tells of the entry. */
struct Meta {
  u64 version = 0;
  u64 expiresInMs = 0;  // 0 never
  u64 inserted = 0;
  u64 wordIndex = 0;  // of the index area, in words
  u64 word = 0;
  u32 valueBytes = 0;
  Kind kind = kFiller;
  u8 flags = 0;
  u16 codec = 0;
  double number = 0;
};

/** Why a segment could not be had. `code` is the last part of ERR_STOCKPILE_SHM_<code>. */
struct Failure {
  const char* code = nullptr;  // NAME, ABSENT, DIR, OWNER, MODE, KIND, LAYOUT, NO_SPACE, SLOTS, BUSY, SYSTEM, SIZE, NAMESPACE
  int error = 0;               // errno
  std::string detail;          // what was found
  u64 wanted = 0, available = 0, total = 0;  // NO_SPACE, SIZE: bytes
};

struct OpenOptions {
  std::string directory;  // of the segments of this user: made if missing, 0700
  std::string name;
  SizeWish wish;
  bool create = true;
  std::string restoreFrom;  // a snapshot, read when the segment is created; '' for none
};

struct ShardStats {
  u64 items, liveBytes, pinnedBytes, usedBytes, evictedSmall, evictedMain, promoted, reinserted, ghostHits, expired,
      bucketEvicted, recoveries, wipes;
};

/** One lap of enumeration: call until `shard` has reached the number of shards. */
struct ScanCursor {
  u32 shard = 0;
  u32 bucket = 0;
};

struct Event {
  EventKind kind;
  bool local;
  u32 keyBytes;
  u64 version;
  const u8* key;  // valid until the next call
};

class Segment {
 public:
  /** Attaches, or creates. nullptr: `failure` says why. `created` tells which it was. */
  static Segment* open(const OpenOptions& options, Failure& failure);
  /**
   * On private memory, for tests of the policy and of races: no file, any geometry, nobody ever dies. `sharedWith` gives
   * a further participant on the memory of another.
   */
  static Segment* onPrivateMemory(const Geometry& g, u64 firstPosition, Segment* sharedWith = nullptr);
  /** For the same tests: what may enter the small ring, and the largest record, in bytes. False: no memory. */
  bool setLimits(u64 smallLimit, u64 recordLimit);
  /** Removes the file of a name; others keep what they have open. False: there was none. */
  static bool unlinkByName(const std::string& directory, const std::string& name, Failure& failure);
  /** Detaches; with lifetime 'processes' the last one removes the file. Unmaps. */
  ~Segment();
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  Key keyOf(const void* data, u32 bytes) const;

  /**
   * Reads lock-free. `consume(Meta, const u8* value)` may run several times, on bytes that may change under it: it must
   * only copy them, and its last call is the valid one. For kAscii the bytes are the text, for kUtf8 the UTF-8 form.
   */
  template <class F>
  Rc read(const Key& key, Meta& meta, F&& consume, bool counted = true);
  /** The same without the value. `counted`: in frequency and statistics. */
  Rc peek(const Key& key, Meta& meta, bool counted);

  Rc store(const Key& key, const Value& value, const StoreOptions& options, Meta* stored = nullptr);
  Rc remove(const Key& key);
  Rc touch(const Key& key, u64 ttlMs);
  /** Adds in place. kMiss, kNotNumber: nothing happened. A sum that is not finite: kNotNumber. */
  Rc increment(const Key& key, double by, Meta& meta);
  /** Frees the key locks below the prefix, then removes the entries, a few buckets at a time. */
  Rc clear(const void* prefix, u32 bytes);

  /** Copies live keys with the prefix to `out` as { u16 bytes, u64 inserted, key }, from `cursor` on; bytes written. */
  u32 scan(ScanCursor& cursor, const void* prefix, u32 prefixBytes, u8* out, u32 room);
  /** Live entries and their bytes, as counted by the shards (expired ones included until they are met). */
  u64 items() const;
  u64 liveBytes() const;
  ShardStats shardStats(u32 shard) const;
  /** Of all participants, past and present. */
  u64 total(Counter counter) const;
  u64 mine(Counter counter) const;
  void addMine(Counter counter, u64 by);

  /** A fenced lock of one key. > 0: the fence. kHeld; `contend` asks its holder to wake us. ttlMs 0: until released. */
  int64_t lock(const Key& key, u64 ttlMs, bool contend);
  /** Blocks this thread for at most `waitMs`. */
  int64_t lockWaiting(const Key& key, u64 ttlMs, u64 waitMs);
  /** kOk, or kNotHeld. */
  Rc unlock(const Key& key, u64 fence);
  /** The fence of the holder, if it is alive; 0: free; below 0 an Rc. */
  int64_t holder(const Key& key);

  /** From now on this participant reads events; cheap to call again. */
  void subscribe();
  void unsubscribe();
  /**
   * Hands out what has happened since, at most `limit`, in the order of time: what was written after a write had
   * returned comes after it, also across shards; the number handed out. `lost` counts events
   * that were overwritten before they were read (or a shard was wiped). `each(const Event&)` answers whether it takes more.
   */
  template <class F>
  u32 drain(u32 limit, u64& lost, F&& each);
  /** For the thread that sleeps: whether there is something that `drain` has not seen when `tails` was taken. */
  bool hasEvents() const;
  a32* eventWakeWord() const { return &mutableHeader()->eventWake; }
  a32* lockWakeWord() const { return &mutableHeader()->lockWake; }
  a32* invalidationsWord() const { return &mutableHeader()->invalidations; }

  /** For the near cache: the index area, `indexWords()` words of 8 bytes. */
  u8* indexArea() const { return base_ + layout_.index; }
  u64 indexWords() const { return u64(geometry_.shards) * geometry_.bucketsPerShard * kBucketWords; }

  /** Removes the name now. True if it still was this segment's. */
  bool unlinkNow();
  /** Writes all live entries to `path` (temporary file, fdatasync, rename); the previous one becomes path + '.1'. */
  bool snapshot(const std::string& path, Failure& failure);

  u64 nowMs() const;
  static u64 coarseNow();
  bool created() const { return created_; }
  bool orphaned() const { return orphaned_; }
  /** Looks now whether the file is still ours; else about once a second of activity. */
  void checkFile() { maintain(coarseNow()); }
  const Geometry& geometry() const { return geometry_; }
  u64 recordLimit() const { return recordLimit_; }
  u32 slot() const { return slot_; }
  const std::string& path() const { return path_; }
  /** How many entries the snapshot gave, and how many of its records were unreadable. */
  u64 restored() const { return restored_; }
  u64 restoreFailures() const { return restoreFailures_; }
  /** Participants whose slot is locked now, this one included. */
  u32 participantsAlive() const;

#include "engine-private.inc"
};

const char* rcName(Rc rc);

}  // namespace stockpile
