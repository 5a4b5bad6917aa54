// One thread's place in a segment: taken, looked after, given back. Alive is who holds the file lock on its slot's byte.
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vector>

#include "engine-inline.h"

namespace stockpile {

constexpr u64 kTickMs = 1000;

// Segments of lifetime 'processes' that are open in this process: exit() runs no destructors of JavaScript's objects
static pthread_mutex_t openMutex = PTHREAD_MUTEX_INITIALIZER;
static std::vector<Segment*>& openSegments() {
  static auto* const segments = new std::vector<Segment*>();  // never destroyed: exit() may come at any moment
  return *segments;
}

bool Segment::claimSlot(Failure& failure) {
  for (u32 slot = 0; slot < kParticipants; slot++) {
    if (!tryLockByte(fd_, kSlotByte + slot)) continue;
    KILL_POINT();
    becomeParticipant(slot);
    return true;
  }
  failure = {"SLOTS", 0, path_, kParticipants, 0, 0};
  return false;
}

void Segment::becomeParticipant(u32 slot) {
  slot_ = slot;
  Participant& p = *participant(slot);
  stats_ = statsOf(slot);
  for (u32 c = 0; c < kCounters; c++) {
    mutableHeader()->retired[c].fetch_add(stats_->counts[c].load(std::memory_order_relaxed), std::memory_order_relaxed);
    stats_->counts[c].store(0, std::memory_order_relaxed);
  }
  u32 generation = (p.generation.load(std::memory_order_relaxed) + 1) & 0xfffff;
  if (generation == 0) generation = 1;
  p.generation.store(generation, std::memory_order_seq_cst);  // locks of the slot's former owner are dead from here on
  KILL_POINT();
  owner_ = slot << kSlotShift | generation << kGenerationShift;
  p.pid.store(u32(getpid()), std::memory_order_relaxed);
  p.tid.store(u32(gettid()), std::memory_order_relaxed);
  p.pidNamespace.store(namespaceInode("pid"), std::memory_order_relaxed);
  p.attachedMs.store(wallMs(), std::memory_order_relaxed);
  p.state.store(1, std::memory_order_relaxed);
  KILL_POINT();
}

static const pid_t openedBy = getpid();

/** Has exit() take this participant off. */
void Segment::leaveAtExit() {
  pthread_mutex_lock(&openMutex);
  static const bool registered = atexit([] {
    pthread_mutex_lock(&openMutex);
    // a child made by fork() without exec must not give its parent's places back
    if (getpid() == openedBy)
      for (Segment* const segment : openSegments()) segment->leave();
    openSegments().clear();
    pthread_mutex_unlock(&openMutex);
  }) == 0;
  if (registered) openSegments().push_back(this);
  pthread_mutex_unlock(&openMutex);
}

/** About once a second of activity: are we still who we are, and the file still what its name says? */
void Segment::maintain(u64 now) {
  if (fd_ < 0) return;
  nextTickMs_ = now + kTickMs;
  struct stat file;
  if (fstat(fd_, &file) != 0 || u64(file.st_ino) != inode_ || u64(file.st_dev) != device_ ||
      u64(file.st_size) < geometry_.segmentBytes) {
    lost_ = true;  // the descriptor was closed by somebody, or the file was cut: its pages must not be touched
    return;
  }
  if (file.st_nlink == 0) orphaned_ = true;
  a64& suspended = mutableHeader()->suspendMs;
  const u64 slept = suspendedMs();
  u64 known = suspended.load(std::memory_order_relaxed);
  while (slept > known + 1 && !suspended.compare_exchange_weak(known, slept)) {
  }
  participant(slot_)->heartbeatMs.store(wallMs(), std::memory_order_relaxed);
}

bool Segment::unlinkNow() { return fd_ >= 0 && isOurFile(path_.c_str()) && unlink(path_.c_str()) == 0; }

/** Gives the slot back; the last one of lifetime 'processes' removes the file. */
void Segment::leave() {
  if (fd_ < 0 || stats_ == nullptr || lost_) return;
  participant(slot_)->state.store(0, std::memory_order_relaxed);
  KILL_POINT();
  Failure ignored;
  if (!(geometry_.flags & kProcesses) || !takeGate(ignored)) return;
  unlockByte(fd_, kSlotByte + slot_);
  KILL_POINT();
  if (!isLocked(fd_, kSlotByte, kParticipants)) unlinkNow();
  KILL_POINT();
  unlockByte(fd_, kGateByte);
}

Segment::~Segment() {
  if (geometry_.flags & kProcesses) {
    pthread_mutex_lock(&openMutex);
    std::erase(openSegments(), this);
    pthread_mutex_unlock(&openMutex);
  }
  // a descriptor that somebody closed may be somebody else's by now
  struct stat file;
  const bool ours = fd_ >= 0 && fstat(fd_, &file) == 0 && u64(file.st_ino) == inode_ && u64(file.st_dev) == device_;
  if (inode_ == 0 ? fd_ < 0 : !ours) lost_ = true;
  leave();
  if (fd_ >= 0 && (ours || inode_ == 0)) close(fd_);  // frees slot and gate
  if (base_ != nullptr && ownsMapping_) munmap(base_, geometry_.segmentBytes);
  if (bounce_ != nullptr) munmap(bounce_, 2 * bounceBytes_);
  delete[] shards_;
  delete[] cursors_;
}

}  // namespace stockpile
