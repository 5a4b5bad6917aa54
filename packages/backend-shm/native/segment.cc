// From a name to an attached segment, and back. Nobody ever sees a half-built or ownerless file: it gets its name when it
// is complete and its creator is attached.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>

#include "engine-inline.h"
#include "segment-files.h"

namespace stockpile {

constexpr u64 kGateWaitNs = 2'000'000'000;
constexpr u32 kMostAttempts = 64;
constexpr u64 kPopulateBytes = 1ull << 30;

u64 Segment::coarseNow() { return coarseMs(); }

Segment* Segment::open(const OpenOptions& options, Failure& failure) {
  if (!checkName(options.name, failure) || !prepareDirectory(options.directory, options.create, failure)) return nullptr;
  const std::string path = options.directory + "/" + fileNameOf(options.name);
  // another process may remove or make the file at any moment: then the other way is tried
  for (u32 attempt = 0; attempt < kMostAttempts; attempt++) {
    auto* segment = new Segment();
    bool again = false;
    failure = Failure{};
    bool open = segment->attach(path, failure, again);
    if (again && options.create) {
      // one creator at a time: the second would ask for the same bytes again, and there may be room for one only
      const int turn = ::open(options.directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      const u64 end = monotonicNs() + kGateWaitNs;
      while (turn >= 0 && flock(turn, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK && monotonicNs() < end) usleep(1000);
      struct stat named;
      if (lstat(path.c_str(), &named) != 0) {  // else: made meanwhile, so attach
        again = false;
        open = segment->create(options, path, failure, again);
      }
      if (turn >= 0) close(turn);
    }
    if (open) {
      if (segment->geometry_.flags & kProcesses) segment->leaveAtExit();
      return segment;
    }
    segment->path_.clear();
    delete segment;
    if (!again || !options.create) return nullptr;
  }
  failure = {"BUSY", 0, "the file of that name comes and goes", 0, 0, 0};
  return nullptr;
}

bool Segment::takeGate(Failure& failure) {
  const u64 end = monotonicNs() + kGateWaitNs;
  while (!tryLockByte(fd_, kGateByte)) {
    if (errno != EAGAIN && errno != EACCES && errno != EINTR) {
      failure = {"SYSTEM", errno, "file locks (F_OFD_SETLK) do not work in this directory", 0, 0, 0};
      return false;
    }
    if (monotonicNs() > end) {
      failure = {"BUSY", 0, "a process that is attaching or leaving does not go on; it may be stopped", 0, 0, 0};
      return false;
    }
    usleep(1000);
  }
  return true;
}

bool Segment::isOurFile(const char* path) const {
  struct stat named;
  return lstat(path, &named) == 0 && u64(named.st_dev) == device_ && u64(named.st_ino) == inode_;
}

/** `again`: there is no such file (any more). */
bool Segment::attach(const std::string& path, Failure& failure, bool& again) {
  path_ = path;
  fd_ = ::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  if (fd_ < 0) {
    again = errno == ENOENT;
    if (errno == ELOOP) failure = {"KIND", errno, path + " is a symbolic link", 0, 0, 0};
    else if (errno == EISDIR) failure = {"KIND", errno, path + " is a directory", 0, 0, 0};
    else failure = {errno == EACCES ? "OWNER" : again ? "ABSENT" : "SYSTEM", errno, path, 0, 0, 0};
    return false;
  }
  struct stat file;
  if (fstat(fd_, &file) != 0 || !isTrusted(file, path, failure)) return false;
  device_ = file.st_dev;
  inode_ = file.st_ino;
  if (!takeGate(failure)) return false;
  KILL_POINT();
  bool otherBoot = false;
  if (fstat(fd_, &file) != 0 || file.st_nlink == 0) {
    failure = {"ABSENT", 0, path, 0, 0, 0};
    again = true;
    return false;
  }
  if (!readHeader(u64(file.st_size), failure, otherBoot)) return false;
  const bool forsaken = geometry_.flags & kProcesses && !isLocked(fd_, kSlotByte, kParticipants);
  if (otherBoot || forsaken) {
    // nobody can be alive: its last process was killed, or the machine was started anew
    if (isOurFile(path.c_str())) unlink(path.c_str());
    KILL_POINT();
    failure = {"ABSENT", 0, path, 0, 0, 0};
    again = true;
    return false;
  }
  // a hole would be a bus error when it is first touched on a full file system
  if (fallocate(fd_, 0, 0, file.st_size) != 0 && errno == ENOSPC) {
    failure = {"LAYOUT", errno, path + " has holes, and the file system is full", 0, 0, 0};
    return false;
  }
  if (!map(failure, false) || !placed(failure)) return false;
  if (!claimSlot(failure)) return false;
  unlockByte(fd_, kGateByte);
  KILL_POINT();
  maintain(coarseMs());
  return true;
}

/** Copies what the creator decided to private memory, if it is sound. Nothing of it is read from the segment again. */
bool Segment::readHeader(u64 fileBytes, Failure& failure, bool& otherBoot) {
  ImmutableHeader h;
  const auto refuse = [&](const char* what) {
    failure = {"LAYOUT", 0, path_ + ": " + what, 0, 0, 0};
    return false;
  };
  if (pread(fd_, &h, sizeof h, 0) != ssize_t(sizeof h)) return refuse("the file is too short");
  if (h.magic != kMagic) return refuse("not a segment of Stockpile");
  if (h.layoutVersion != kLayoutVersion) return refuse("another layout version");
  if (h.endianMark != kEndianMark || h.pointerBytes != sizeof(void*)) return refuse("made on another architecture");
  if (h.crc != crc32c(&h, offsetof(ImmutableHeader, crc))) return refuse("the header is damaged");
  geometry_ = {h.segmentBytes,   h.flags,          h.shards,         h.bucketsPerShard,
               h.ghostPerShard,  h.locksPerShard,  h.eventsPerShard, h.smallBytes,
               h.mainBytes,      h.reserveBytes,   h.pinnedBytes};
  if (h.participants != kParticipants || !isSound(geometry_)) return refuse("impossible geometry");
  if (geometry_.segmentBytes != fileBytes) return refuse("the file was cut or extended");
  seed_[0] = h.hashSeed[0];
  seed_[1] = h.hashSeed[1];
  createdAtMs_ = h.createdAtMs;
  u8 bootId[16];
  readBootId(bootId);
  otherBoot = memcmp(bootId, h.bootId, sizeof bootId) != 0;
  if (!otherBoot && h.timeNamespace != namespaceInode("time")) {
    failure = {"NAMESPACE", 0, path_ + ": its processes live in another time namespace", 0, 0, 0};
    return false;
  }
  return true;
}

bool Segment::map(Failure& failure, bool anonymous) {
  const u64 bytes = geometry_.segmentBytes;
  const int populate = bytes <= kPopulateBytes && !anonymous ? MAP_POPULATE : 0;
  void* const at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | populate | (anonymous ? MAP_ANONYMOUS : 0),
                        anonymous ? -1 : fd_, 0);
  if (at == MAP_FAILED) {
    failure = {"SYSTEM", errno, "mmap", bytes, 0, 0};
    return false;
  }
  base_ = static_cast<u8*>(at);
  return true;
}

bool Segment::placed(Failure& failure) {
  if (place()) return true;
  failure = {"SYSTEM", errno, "mmap of a private copy of a record", 2 * recordLimit_, 0, 0};
  return false;
}

/** Pointers into the mapping, from the private geometry alone. */
bool Segment::place() {
  layout_ = layoutOf(geometry_);
  const Geometry& g = geometry_;
  shards_ = new Shard[g.shards];
  cursors_ = new u64[g.shards]();
  for (u32 s = 0; s < g.shards; s++) {
    Shard& shard = shards_[s];
    shard.header = reinterpret_cast<ShardHeader*>(base_ + layout_.shards) + s;
    shard.words = reinterpret_cast<a64*>(base_ + layout_.index) + u64(s) * g.bucketsPerShard * kBucketWords;
    shard.ghost = reinterpret_cast<a32*>(base_ + layout_.ghost) + u64(s) * g.ghostPerShard;
    shard.locks = reinterpret_cast<LockEntry*>(base_ + layout_.locks) + u64(s) * g.locksPerShard;
    shard.events = reinterpret_cast<EventSlot*>(base_ + layout_.events) + u64(s) * g.eventsPerShard;
    u8* const rings = base_ + layout_.rings + u64(s) * (g.smallBytes + g.mainBytes);
    shard.rings[0] = {rings, g.smallBytes, &shard.header->smallHead, &shard.header->smallTail, false};
    shard.rings[1] = {rings + g.smallBytes, g.mainBytes, &shard.header->mainHead, &shard.header->mainTail, true};
  }
  const bool dictionary = g.flags & kNeverEvicts;
  const u64 largest = dictionary ? g.reserveBytes / 2 : g.mainBytes / 4;
  return setLimits(g.smallBytes / 2, std::min<u64>(kMaxRecordBytes, largest / 8 * 8));
}

bool Segment::setLimits(u64 smallLimit, u64 recordLimit) {
  if (bounce_ != nullptr) munmap(bounce_, 2 * bounceBytes_);
  bounce_ = nullptr;
  smallLimit_ = smallLimit;
  recordLimit_ = recordLimit;
  bounceBytes_ = recordLimit;
  void* const at =
      mmap(nullptr, 2 * bounceBytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) return false;
  bounce_ = static_cast<u8*>(at);
  moveBuffer_ = bounce_ + bounceBytes_;
  return true;
}

/** Writes the header and the rings' beginnings into a segment of zeros. */
void Segment::initialise(u64 firstPosition) {
  createdAtMs_ = wallMs();
  if (getrandom(seed_, sizeof seed_, 0) != ssize_t(sizeof seed_)) seed_[0] = monotonicNs(), seed_[1] = u64(getpid());
  const Geometry& g = geometry_;
  ImmutableHeader h;
  memset(&h, 0, sizeof h);
  h.magic = kMagic;
  h.layoutVersion = kLayoutVersion;
  h.endianMark = kEndianMark;
  h.pointerBytes = sizeof(void*);
  h.flags = g.flags;
  h.segmentBytes = g.segmentBytes;
  h.shards = g.shards;
  h.bucketsPerShard = g.bucketsPerShard;
  h.ghostPerShard = g.ghostPerShard;
  h.locksPerShard = g.locksPerShard;
  h.eventsPerShard = g.eventsPerShard;
  h.participants = kParticipants;
  h.smallBytes = g.smallBytes;
  h.mainBytes = g.mainBytes;
  h.reserveBytes = g.reserveBytes;
  h.pinnedBytes = g.pinnedBytes;
  h.hashSeed[0] = seed_[0];
  h.hashSeed[1] = seed_[1];
  h.createdAtMs = createdAtMs_;
  readBootId(h.bootId);
  h.timeNamespace = namespaceInode("time");
  h.crc = crc32c(&h, offsetof(ImmutableHeader, crc));
  memcpy(base_, &h, sizeof h);
  mutableHeader()->suspendMs.store(suspendedMs());
  for (u32 s = 0; s < g.shards; s++) {
    Shard& shard = shards_[s];
    shard.header->serial.store(createdAtMs_ * 2048);
    const u64 random = foldedProduct(seed_[0] + s, 0x9e3779b97f4a7c15);
    const u64 base = firstPosition != 0 ? firstPosition : beginningFrom(random);
    for (const Ring& ring : shard.rings) {
      ring.head->store(base);
      ring.tail->store(base);
    }
  }
}

/** `again`: somebody else was first. */
bool Segment::create(const OpenOptions& options, const std::string& path, Failure& failure, bool& again) {
  geometry_ = geometryFor(options.wish);
  if (geometry_.segmentBytes == 0) {
    failure = {"SIZE", 0, "", options.wish.bytes, kMinSegmentBytes, kMaxSegmentBytes};
    return false;
  }
  path_ = path;
  if (fd_ >= 0) close(fd_);
  device_ = inode_ = 0;
  std::string temporary;  // '' where the file has no name yet
  fd_ = openUnnamed(options.directory, temporary, failure);
  if (fd_ < 0) return false;
  KILL_POINT();
  const auto abandon = [&] {
    if (!temporary.empty()) unlink(temporary.c_str());
    return false;
  };
  if (!reserveBytes(fd_, geometry_.segmentBytes, options.directory, failure)) return abandon();
  struct stat file;
  if (fstat(fd_, &file) != 0) return abandon();
  device_ = file.st_dev;
  inode_ = file.st_ino;
  if (!map(failure, false) || !placed(failure)) return abandon();
  KILL_POINT();
  initialise(0);
  if (!claimSlot(failure)) return abandon();
  KILL_POINT();
  created_ = true;
  nextTickMs_ = ~0ull;  // as long as it has no name it would look orphaned
  if (!options.restoreFrom.empty()) restore(options.restoreFrom);
  KILL_POINT();
  if (!giveName(fd_, temporary, path, failure, again)) return abandon();
  KILL_POINT();
  maintain(coarseMs());
  return true;
}

Segment* Segment::onPrivateMemory(const Geometry& g, u64 firstPosition, Segment* sharedWith) {
  auto* segment = new Segment();
  Failure failure;
  segment->geometry_ = g;
  segment->geometry_.segmentBytes = layoutOf(g).total;
  if (sharedWith != nullptr) {
    segment->base_ = sharedWith->base_;
    segment->ownsMapping_ = false;
    segment->seed_[0] = sharedWith->seed_[0];
    segment->seed_[1] = sharedWith->seed_[1];
    segment->createdAtMs_ = sharedWith->createdAtMs_;
  } else if (!segment->map(failure, true)) {
    delete segment;
    return nullptr;
  }
  if (!segment->place()) {
    delete segment;
    return nullptr;
  }
  if (sharedWith == nullptr) segment->initialise(firstPosition);
  static a32 nextSlot{0};
  segment->becomeParticipant(sharedWith == nullptr ? 0 : 1 + nextSlot.fetch_add(1) % (kParticipants - 1));
  segment->nextTickMs_ = ~0ull;
  return segment;
}

bool Segment::unlinkByName(const std::string& directory, const std::string& name, Failure& failure) {
  if (!checkName(name, failure)) return false;
  struct stat made;
  if (lstat(directory.c_str(), &made) != 0) return false;
  if (!prepareDirectory(directory, false, failure)) return false;
  const std::string path = directory + "/" + fileNameOf(name);
  if (unlink(path.c_str()) == 0) return true;
  if (errno != ENOENT) failure = {"SYSTEM", errno, path, 0, 0, 0};
  return false;
}

}  // namespace stockpile
