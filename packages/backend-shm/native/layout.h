// The bytes of a segment. docs/shm-layout.md is this file in words; a test compiles its tables against these structs.
// Everything is little-endian, at fixed offsets, without pointers: processes with other C libraries share it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace stockpile {

using u8 = uint8_t;
using u16 = uint16_t;
using u32 = uint32_t;
using u64 = uint64_t;
using a32 = std::atomic<u32>;
using a64 = std::atomic<u64>;
static_assert(a32::is_always_lock_free && a64::is_always_lock_free && sizeof(a64) == 8);

constexpr u64 kMagic = 0x656c69706b636f74;  // "tockpile"
constexpr u32 kLayoutVersion = 1;
constexpr u32 kEndianMark = 0x01020304;
constexpr u64 kHeaderBytes = 4096;
constexpr u32 kParticipants = 256;
constexpr u32 kBucketWords = 8;  // one cache line
constexpr u32 kMaxKeyBytes = 4096;
constexpr u64 kMaxRecordBytes = 8u << 20;

/** What the creator decides; read once with pread, checked, and copied to private memory. */
struct ImmutableHeader {
  u64 magic;
  u32 layoutVersion;
  u32 endianMark;
  u32 pointerBytes;
  u32 flags;  // Flags below
  u64 segmentBytes;
  u32 shards;
  u32 bucketsPerShard;
  u32 ghostPerShard;
  u32 locksPerShard;
  u32 eventsPerShard;
  u32 participants;
  u64 smallBytes;  // per shard
  u64 mainBytes;   // per shard
  u64 reserveBytes;
  u64 pinnedBytes;  // budget per shard
  u64 hashSeed[2];
  u64 createdAtMs;  // wall clock; versions begin at 2048 times this
  u8 bootId[16];
  u64 timeNamespace;  // inode of /proc/self/ns/time, 0 where there is none
  u32 reserved;
  u32 crc;  // crc32c of all bytes before it
};
static_assert(offsetof(ImmutableHeader, segmentBytes) == 24);
static_assert(offsetof(ImmutableHeader, shards) == 32);
static_assert(offsetof(ImmutableHeader, smallBytes) == 56);
static_assert(offsetof(ImmutableHeader, hashSeed) == 88);
static_assert(offsetof(ImmutableHeader, bootId) == 112);
static_assert(offsetof(ImmutableHeader, crc) == 140 && sizeof(ImmutableHeader) == 144);

enum Flags : u32 {
  kNeverEvicts = 1,    // a dictionary: full is an error, and keys have two buckets
  kProcesses = 2,      // lifetime 'processes'
  kPersistent = 4,     // lifetime 'persistent'
  kKnownFlags = 7,
};

/** At 4096. One cache line for each word that many processes look at. */
struct MutableHeader {
  alignas(64) a32 eventWake;      // bit 0: somebody sleeps; the rest counts
  alignas(64) a32 lockWake;       // the same for waiters of key locks
  alignas(64) a32 eventsWanted;   // 1 once anybody has subscribed: until then nobody publishes
  a32 invalidations;              // grows with each region-wide invalidation
  alignas(64) a64 suspendMs;      // how far CLOCK_BOOTTIME has run ahead of CLOCK_MONOTONIC
  a64 snapshotAtMs;               // wall clock of the last snapshot
  alignas(64) a64 retired[16];    // statistics of participants whose slots were used again
  alignas(64) a64 insertions;     // a segment that never evicts numbers its insertions
};
static_assert(offsetof(MutableHeader, lockWake) == 64 && offsetof(MutableHeader, eventsWanted) == 128);
static_assert(offsetof(MutableHeader, invalidations) == 132 && offsetof(MutableHeader, suspendMs) == 192);
static_assert(offsetof(MutableHeader, retired) == 256 && sizeof(MutableHeader) <= kHeaderBytes);

/** At 8192, one per slot. Alive is who holds the lock on byte 2^60 + slot of the file; the rest is for people. */
struct Participant {
  a32 generation;  // 20 bits are used, never 0 once claimed
  a32 pid;
  a32 tid;
  a32 state;  // 0 free, 1 attached
  a64 pidNamespace;
  a64 attachedMs;
  a64 reserved;
  a64 heartbeatMs;
  char command[16];
};
static_assert(sizeof(Participant) == 64);

enum Counter : u32 {
  kHits, kMisses, kNearHits, kSets, kDeletes, kIncrements, kCasFailures, kRetries,
  kLockWaits, kStopped, kRefused, kBadWords, kRecoveries, kCounters = 16
};

/** Written by one participant, read by anybody. */
struct ParticipantStats {
  a64 counts[kCounters];
};
static_assert(sizeof(ParticipantStats) == 128);

/** Who may change a shard: 0, or the bits below. The exchange that takes the lock also names its owner. */
enum LockBits : u32 {
  kWaiters = 1,
  kRecovering = 2,
  kSlotShift = 2,  // 10 bits
  kGenerationShift = 12,  // 20 bits
};

struct ShardHeader {
  // for writers
  a32 lock;
  a32 reserved0;
  a64 serial;  // versions and fences; from createdAtMs * 2048, so below 2^53 until the year 2109
  a64 smallTail;
  a64 mainTail;
  a64 eventTail;
  a32 liveLocks;   // entries of the lock table in use: 0 spares writers the look
  a32 reserved1;
  a64 reserved2[2];
  // for readers
  a64 smallHead;
  a64 mainHead;
  a64 reserved3[6];
  // statistics, written under the lock
  a64 items;
  a64 liveBytes;
  a64 pinnedBytes;
  a64 evictedSmall;
  a64 evictedMain;
  a64 promoted;
  a64 reinserted;
  a64 ghostHits;
  a64 expired;
  a64 bucketEvicted;
  a64 reserved4;
  a64 recoveries;
  a64 wipes;
  a64 reserved5[3];
};
static_assert(sizeof(ShardHeader) == 256 && offsetof(ShardHeader, smallHead) == 64);
static_assert(offsetof(ShardHeader, eventTail) == 32 && offsetof(ShardHeader, items) == 128);

/**
 * An index word; 0 is empty. Bits 63..48 tag (hash >> 48, never 0), 47..3 position in its ring modulo 2^48, 2 the ring
 * (0 small, 1 main), 1..0 how often it was read, up to 3. A position never returns, so a word without the last two
 * bits is a version of its key.
 */
enum WordBits : u64 { kFrequency = 3, kMainRing = 4, kPosition = 0x0000fffffffffff8, kTagShift = 48 };

enum Kind : u8 { kFiller = 0, kBytes = 1, kAscii = 2, kUtf8 = 3, kUtf16 = 4, kNumber = 6 };
enum RecordFlags : u8 { kPinned = 1 };

/** A multiple of 8 bytes, never across the end of its ring. Immutable once published, but for what is said below. */
struct RecordHeader {
  a32 size;           // with header and padding
  a32 checkKindFlags; // u16 check, u8 kind, u8 flags
  a32 valueBytes;
  a32 keyBytesCodec;  // u16 key bytes, u16 free for the application
  a64 inserted;       // number of the first insertion of this key, kept over overwrites
  a64 hash;
  a64 expiresAt;      // ms of the segment's clock, 0 never; may grow in place
  a64 version;        // numbers: changes in place, after the number
};
static_assert(sizeof(RecordHeader) == 48 && offsetof(RecordHeader, version) == 40);
// a filler has only its first 8 bytes; a number record continues with the float64 (8 bytes), then key, then value

struct LockEntry {
  a64 low;  // keyed 128-bit hash of the key; low 0: free. Written last
  a64 high;
  a32 owner;  // slot and generation, as in a shard's lock
  a32 contended;
  a64 fence;
  a64 deadline;  // ms of the segment's clock, 0 never
  a64 since;
  a64 space;  // hash of the key's namespace: clear() frees the locks below it
  a64 reserved;
};
static_assert(sizeof(LockEntry) == 64 && offsetof(LockEntry, fence) == 24 && offsetof(LockEntry, space) == 48);

enum EventKind : u8 { kSet = 1, kDelete = 2, kIncrement = 3, kTouch = 4, kExpire = 5, kEvict = 6, kClear = 7, kShardLost = 8 };

/** Long keys run on into the following slots. */
struct EventSlot {
  a64 ticket;  // the slot's number
  a64 kindKeyOrigin;  // u8 kind, u8 slots that this event takes, u16 key bytes, u32 origin as in a shard's lock
  a64 timeNs;  // CLOCK_MONOTONIC: the order across shards
  a64 version;
  u8 key[96];
};
static_assert(sizeof(EventSlot) == 128 && offsetof(EventSlot, key) == 32);

/** All that is decided at creation. Attachers copy it from the header and believe only their copy. */
struct Geometry {
  u64 segmentBytes = 0;
  u32 flags = 0;
  u32 shards = 0;
  u32 bucketsPerShard = 0;
  u32 ghostPerShard = 0;
  u32 locksPerShard = 0;
  u32 eventsPerShard = 0;
  u64 smallBytes = 0;
  u64 mainBytes = 0;
  u64 reserveBytes = 0;
  u64 pinnedBytes = 0;
};

/** Where everything is, in bytes from the start. */
struct Layout {
  u64 participants, stats, shards, index, ghost, locks, events, rings, total;
};

/** Pure: creator and attacher come to the same answer, and `total` must be the size of the file. */
Layout layoutOf(const Geometry& g);

struct SizeWish {
  u64 bytes = 32u << 20;
  u32 meanItemBytes = 512;
  u32 flags = 0;
  u32 pinnedPercent = 10;
};

/** The geometry for a wish; segmentBytes 0 where it is too small (kMinSegmentBytes). */
Geometry geometryFor(const SizeWish& wish);
constexpr u64 kMinSegmentBytes = 1u << 20;
constexpr u64 kMaxSegmentBytes = 1ull << 40;

/** Whether a geometry read from a file is one that this code may work with. */
bool isSound(const Geometry& g);

}  // namespace stockpile
