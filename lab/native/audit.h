// Looks at every byte that the engine keeps, when nobody else is at work: the invariants of the specification.
#pragma once

#include "lab.h"

namespace stockpile {

/** A friend of Segment. Only the lab has it. */
struct LabAccess {
  static ShardHeader& header(Segment& s, u32 shard) { return *s.shards_[shard].header; }
  static u64 ringBytes(Segment& s, u32 shard, u32 ring) { return s.shards_[shard].rings[ring].capacity; }
  static u32 shardIndex(Segment& s, u64 hash) { return u32(&s.shardOf(hash) - s.shards_); }
  static u32 owner(Segment& s) { return s.owner_; }
  static MutableHeader& mutableHeader(Segment& s) { return *s.mutableHeader(); }
  static Participant& participant(Segment& s, u32 slot) { return *s.participant(slot); }
  static const Layout& layout(Segment& s) { return s.layout_; }
  static u8* base(Segment& s) { return s.base_; }
  static u64 createdAtMs(Segment& s) { return s.createdAtMs_; }
  static int descriptor(Segment& s) { return s.fd_; }
  static Rc enter(Segment& s, u32 shard) { return s.enter(s.shards_[shard]); }
  static void leave(Segment& s, u32 shard) { s.leave(s.shards_[shard]); }
  static bool takeGate(Segment& s) {
    Failure ignored;
    return s.takeGate(ignored);
  }

  /** What is wrong, '' for nothing. `quiet`: no process has died in it since the last write to each shard. */
  static std::string audit(Segment& s, bool quiet);

 private:
  static std::string auditShard(Segment& s, u32 shard, bool quiet);
};

}  // namespace stockpile
