// The torture's shared model: who wrote what, who holds what, who was killed. It outlives every process in it.
#pragma once

#include "audit.h"

namespace lab {

constexpr u32 kWriters = 4;       // the last one is never killed
constexpr u32 kSurvivor = kWriters - 1;
constexpr u32 kComers = 2;        // come and go in a segment of lifetime 'processes'
constexpr u32 kOwnKeys = 40;      // per writer: only it writes them
constexpr u32 kOwnPinned = 8;     // the first of them, never evicted
constexpr u32 kSharedKeys = 200;  // everybody does everything to them
constexpr u32 kSums = 8;
constexpr u32 kTortureLocks = 6;

struct World {
  a32 stop;
  a32 dictionary;
  struct {
    a64 acked, intended;
  } own[kWriters][kOwnKeys];
  struct {
    a64 acked, begun;
  } sums[kWriters][kSums];
  struct {
    a32 holder;  // pid
    a64 fence;
  } locks[kTortureLocks];
  a64 sequence;
  a64 gets, sets, otherOperations, increments, locked, busy, events, eventsLost, snapshots, attached, made;
  a64 worstNs, worstBareNs;  // of the survivor: without the time that it waited for a processor; with it
  a64 slow;                  // survivor's operations over 30 ms
  a64 worstAttachNs;
  a32 complaints;
  char complaint[8][256];
};

std::string ownName(u32 writer, u32 key);
std::string sumName(u32 sum);
void complain(World& w, const std::string& what);

/** Works until it is told to stop, or killed. `countdown`: also dies at its n-th kill point. */
int beWriter(World& w, const OpenOptions& options, u32 me, u64 seed, int64_t countdown);
int beComer(World& w, const OpenOptions& options, u64 seed, int64_t countdown);

}  // namespace lab
