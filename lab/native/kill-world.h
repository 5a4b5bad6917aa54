// What the kill-point scenarios share: a model of what the segment must hold, kept in memory that outlives the killed.
#pragma once

#include "audit.h"

namespace lab {

constexpr u32 kKeys = 200, kNumbers = 4, kLocks = 4;

/** What is known of one key: acknowledged, and what an operation that did not end may have left. Sequence 0: absent. */
struct Entry {
  u64 acked, maybe;
  u32 open;  // an operation has begun
};

struct Model {
  Entry entries[kKeys];
  struct {
    double acked, maybe;
    u32 open;
  } numbers[kNumbers];
  u64 fences[kLocks];
  u64 lastSequence;
  int64_t clockMs;  // testClockOffsetMs
  u32 snapshotsBegun, snapshotsDone;
  u64 evicted;      // by the shards' counters, before
  double stallMs;   // worst operation after a kill
  u64 lost;         // entries that are gone and were not evicted, worst run
  u32 wipesAllowed;
  char wrong[512];  // what a child found
};

/** a: small; b: over half the reserve; t: mortal; p: pinned bytes; x: for clear; f: the rest, of a few kB. */
std::string nameOf(u32 key);
constexpr u32 kSmallKeys = 0, kBigKeys = 40, kMortalKeys = 56, kPinnedKeys = 64, kClearKeys = 72, kFillKeys = 80;
inline bool isPinned(u32 key) { return key >= kPinnedKeys && key < kClearKeys; }
std::string numberName(u32 number);
std::string lockName(u32 lock);

/** Operations that tell the model before and after. A result that makes no sense ends the process with code 3. */
class Driver {
 public:
  Driver(Segment& segment, Model& model) : s(segment), m(model) {}
  Rc store(u32 key, u32 bytes, StoreOptions options = {});
  void remove(u32 key);
  void touch(u32 key, u64 ttlMs);
  void clearX();
  void increment(u32 number, double by);
  void setNumber(u32 number, double to);
  u64 read(u32 key);  // the version
  u64 lock(u32 lock, u64 ttlMs);
  void unlock(u32 lock, u64 fence);
  void snapshot(const std::string& path);
  void expect(bool good, const char* what);
  Segment& s;
  Model& m;
};

/** Does something in every shard, and returns the worst time of one operation in ms. */
double visitAllShards(Segment& s, Model& m);
/** Reads everything and compares it with the model;
false: `model.wrong` says what. `strict`: nothing may be missing. */
bool compare(Segment& s, Model& m, bool strict, u32 kills);
bool wrong(Model& m, const std::string& what);

}  // namespace lab
