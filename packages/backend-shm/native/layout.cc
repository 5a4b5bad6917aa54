#include "layout.h"

#include <algorithm>
#include <bit>

namespace stockpile {

static u64 roundUp(u64 n, u64 to) { return (n + to - 1) / to * to; }

Layout layoutOf(const Geometry& g) {
  Layout l;
  l.participants = 2 * kHeaderBytes;
  l.stats = l.participants + kParticipants * sizeof(Participant);
  l.shards = l.stats + kParticipants * sizeof(ParticipantStats);
  l.index = roundUp(l.shards + u64(g.shards) * sizeof(ShardHeader), 4096);
  l.ghost = l.index + u64(g.shards) * g.bucketsPerShard * kBucketWords * 8;
  l.locks = roundUp(l.ghost + u64(g.shards) * g.ghostPerShard * 4, 64);
  l.events = l.locks + u64(g.shards) * g.locksPerShard * sizeof(LockEntry);
  l.rings = roundUp(l.events + u64(g.shards) * g.eventsPerShard * sizeof(EventSlot), 4096);
  l.total = l.rings + u64(g.shards) * (g.smallBytes + g.mainBytes);
  return l;
}

Geometry geometryFor(const SizeWish& wish) {
  Geometry g;
  const u64 bytes = wish.bytes;
  if (bytes < kMinSegmentBytes || bytes > kMaxSegmentBytes) return g;
  const bool dictionary = wish.flags & kNeverEvicts;
  g.flags = wish.flags & kKnownFlags;
  // 4 MB a shard: recovery of one takes well under a millisecond. A dictionary has fewer, for larger values
  const u64 perShard = (dictionary ? 8ull : 4ull) << 20;
  u64 shards = std::clamp<u64>(std::bit_floor(std::max<u64>(bytes / perShard, 1)), bytes < (4u << 20) ? 1 : 4, 64);
  while (bytes / shards > (32ull << 20) && shards < 4096) shards *= 2;
  g.shards = u32(shards);
  const u64 objects = std::max<u64>(bytes / (std::max<u32>(wish.meanItemBytes, 16) + sizeof(RecordHeader)), 64);
  g.bucketsPerShard = u32(std::bit_ceil(std::max<u64>(2 * objects / kBucketWords / shards, 8)));
  g.ghostPerShard = dictionary ? 8 : u32(std::bit_ceil(std::max<u64>(objects / shards, 8)));
  g.locksPerShard = g.eventsPerShard = bytes < (8u << 20) ? 128 : 512;
  const u64 fixed = layoutOf(g).total;
  if (fixed + shards * 64 * 1024 > bytes) return Geometry{};
  const u64 ringBytes = (bytes - fixed) / shards / 4096 * 4096;
  g.smallBytes = dictionary ? 4096 : std::max<u64>(ringBytes / 10 / 4096 * 4096, 4096);
  g.mainBytes = ringBytes - g.smallBytes;
  // a dictionary moves its live records to make room, and so needs room to move them
  g.reserveBytes = (dictionary ? g.mainBytes / 8 : std::min<u64>(64 * 1024, g.mainBytes / 16)) / 8 * 8;
  g.pinnedBytes = std::min<u64>(g.mainBytes * std::min<u32>(wish.pinnedPercent, 25) / 100, 1u << 20);
  g.segmentBytes = layoutOf(g).total;
  return g;
}

bool isSound(const Geometry& g) {
  const auto powerOfTwo = [](u64 n) { return n > 0 && std::has_single_bit(n); };
  return (g.flags & ~kKnownFlags) == 0 && powerOfTwo(g.shards) && g.shards <= 4096 && powerOfTwo(g.bucketsPerShard) &&
         g.bucketsPerShard <= 1u << 28 && powerOfTwo(g.ghostPerShard) && g.ghostPerShard >= 4 &&
         g.ghostPerShard <= 1u << 28 && powerOfTwo(g.locksPerShard) && g.locksPerShard >= 8 &&
         g.locksPerShard <= 65536 && powerOfTwo(g.eventsPerShard) && g.eventsPerShard >= 64 &&
         g.eventsPerShard <= 65536 && g.smallBytes >= 64 && g.mainBytes >= 64 && g.smallBytes % 8 == 0 &&
         g.mainBytes % 8 == 0 && g.smallBytes < 1ull << 32 && g.mainBytes < 1ull << 32 && g.reserveBytes % 8 == 0 &&
         g.reserveBytes <= g.mainBytes / 2 && g.pinnedBytes <= g.mainBytes / 2 &&
         (!(g.flags & kNeverEvicts) || g.reserveBytes >= 4 * sizeof(RecordHeader)) &&
         layoutOf(g).total == g.segmentBytes && g.segmentBytes <= kMaxSegmentBytes;
}

}  // namespace stockpile
