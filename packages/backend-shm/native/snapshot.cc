// Lifetime 'persistent': live entries as a file, each with a checksum of its own. A reader looks for the next good record
// at every 8th byte, so damage costs the records that it hit and no others.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "engine-inline.h"
#include "segment-files.h"

namespace stockpile {

constexpr u64 kSnapshotMagic = 0x70616e736b636f74;  // "tocksnap"
constexpr u32 kSnapshotVersion = 1;
constexpr u32 kRecordMark = 0x31525053;  // "SPR1"
constexpr u32 kEndMark = 0x444e4553;     // "SEND"

struct SnapshotHeader {
  u64 magic;
  u32 version;
  u32 shards;
  u64 wallMs;
  u64 greatestSerial;
  u64 insertions;
  u32 nonce;  // begins every checksum: a value cannot pretend to be a record
  u32 crc;
};
static_assert(sizeof(SnapshotHeader) == 48);

struct SnapshotRecord {
  u32 mark;
  u32 crc;  // of what follows it
  u32 bytes;  // of the record with its padding
  u32 valueBytes;
  u16 keyBytes;
  u16 codec;
  u8 kind;
  u8 flags;
  u8 frequency;
  u8 unused;
  u64 expiresWallMs;  // 0 never
  u64 inserted;
  u64 number;
};
static_assert(sizeof(SnapshotRecord) == 48);

namespace {

class Writer {
 public:
  explicit Writer(int fd) : fd_(fd) { buffer_.reserve(kBuffer + kMaxRecordBytes); }
  u8* room(size_t bytes) {
    if (buffer_.size() + bytes > kBuffer) flush();
    const size_t at = buffer_.size();
    buffer_.resize(at + bytes);
    return buffer_.data() + at;
  }
  void giveBack(size_t bytes) { buffer_.resize(buffer_.size() - bytes); }
  bool flush() {
    for (size_t done = 0; done < buffer_.size() && error_ == 0;) {
      const ssize_t n = write(fd_, buffer_.data() + done, buffer_.size() - done);
      if (n > 0) done += size_t(n);
      else if (errno != EINTR) error_ = n == 0 ? ENOSPC : errno;
    }
    buffer_.clear();
    return error_ == 0;
  }
  int error() const { return error_; }

 private:
  static constexpr size_t kBuffer = 1 << 20;
  int fd_;
  int error_ = 0;
  std::vector<u8> buffer_;
};

}  // namespace

/** Reads a segment beside its own thread: only what `read` may touch, and no statistics. */
struct SnapshotReader {
  Segment& segment;
  u32 nonce;
  u64 segmentNow, wallNow;

  /** One record as the file has it; false: it is gone, or expired. */
  bool copy(Segment::Shard& shard, a64& cell, Writer& out) const {
    size_t bytes = 0;
    const auto undo = [&] {
      out.giveBack(bytes);
      bytes = 0;
    };
    const bool there = Segment::visit(shard, cell, [&](const Segment::Record& record, u64 word) {
      undo();  // of the try before
      const u64 expiresAt = record.expiresAt();
      if (expiresAt != 0 && expiresAt <= segmentNow) return;
      bytes = (sizeof(SnapshotRecord) + record.keyBytes + record.valueBytes + 7) & ~size_t(7);
      u8* const at = out.room(bytes);
      memset(at, 0, sizeof(SnapshotRecord));
      memset(at + bytes - 8, 0, 8);
      auto* const r = reinterpret_cast<SnapshotRecord*>(at);
      r->mark = kRecordMark;
      r->bytes = u32(bytes);
      r->valueBytes = record.valueBytes;
      r->keyBytes = record.keyBytes;
      r->codec = record.codec;
      r->kind = record.kind;
      r->flags = record.flags;
      r->frequency = u8(word & kFrequency);
      r->expiresWallMs = expiresAt == 0 ? 0 : wallNow + (expiresAt - segmentNow);
      r->inserted = record.header->inserted.load(std::memory_order_relaxed);
      if (record.kind == kNumber) r->number = record.number()->load(std::memory_order_relaxed);
      copyRacing(at + sizeof(SnapshotRecord), record.key(), record.keyBytes);
      copyRacing(at + sizeof(SnapshotRecord) + record.keyBytes, record.value(), record.valueBytes);
      r->crc = crc32c(at + 8, bytes - 8, nonce);
    });
    if (!there) undo();
    return bytes > 0;
  }

  u64 writeAll(Writer& out) const {
    u64 count = 0;
    std::vector<std::pair<u64, u32>> order;  // main before small, oldest first: as the rings will be filled again
    for (u32 s = 0; s < segment.geometry_.shards; s++) {
      Segment::Shard& shard = segment.shards_[s];
      order.clear();
      const u32 words = segment.geometry_.bucketsPerShard * kBucketWords;
      for (u32 i = 0; i < words; i++) {
        const u64 word = shard.words[i].load(std::memory_order_relaxed);
        if (word == 0) continue;
        const Segment::Ring& ring = Segment::ringOf(shard, word);
        const u64 age = Segment::fullPosition(word, ring.head->load(std::memory_order_relaxed)) -
                        ring.head->load(std::memory_order_relaxed);
        order.push_back({(ring.main ? 0 : 1ull << 48) + (age & 0xffffffffffff), i});
      }
      std::sort(order.begin(), order.end());
      for (const auto& [_, i] : order) count += copy(shard, shard.words[i], out);
      KILL_POINT();
    }
    return count;
  }
};

bool Segment::snapshot(const std::string& path, Failure& failure) {
  const auto fail = [&](int error) {
    failure = {error == ENOSPC ? "NO_SPACE" : "SYSTEM", error, path, 0, 0, 0};
    return false;
  };
  if (stateRc() != kOk) return fail(ESTALE);
  const std::string temporary = path + "." + std::to_string(getpid()) + "." + std::to_string(slot_) + ".new";
  std::string named;  // '' as long as the file has no name: then nothing is left of it if we are killed
  const int fd = openUnnamed(path.substr(0, path.rfind('/')), named, failure);
  if (fd < 0) return false;
  KILL_POINT();
  SnapshotHeader header{kSnapshotMagic, kSnapshotVersion, geometry_.shards, wallMs(), 0, mutableHeader()->insertions.load(), 0, 0};
  if (getrandom(&header.nonce, sizeof header.nonce, 0) < 0) header.nonce = u32(monotonicNs());
  for (u32 s = 0; s < geometry_.shards; s++)
    header.greatestSerial = std::max(header.greatestSerial, shards_[s].header->serial.load(std::memory_order_relaxed));
  header.crc = crc32c(&header, offsetof(SnapshotHeader, crc));
  Writer out(fd);
  memcpy(out.room(sizeof header), &header, sizeof header);
  const SnapshotReader reader{*this, header.nonce, nowMs(), header.wallMs};
  const u64 count = reader.writeAll(out);
  u64 end[2] = {kEndMark, count};
  memcpy(out.room(sizeof end), end, sizeof end);
  const bool written = out.flush() && fdatasync(fd) == 0;
  const int error = out.error() != 0 ? out.error() : errno;
  KILL_POINT();
  bool taken = false;
  unlink(temporary.c_str());
  const bool complete = written && giveName(fd, named, temporary, failure, taken);
  if (!complete && !named.empty()) unlink(named.c_str());
  close(fd);
  if (!written) return fail(error);
  if (!complete) return false;
  KILL_POINT();
  // the one before stays: at every instant one of the two is whole
  rename(path.c_str(), (path + ".1").c_str());
  KILL_POINT();
  if (rename(temporary.c_str(), path.c_str()) != 0) {
    const int why = errno;
    unlink(temporary.c_str());
    return fail(why);
  }
  KILL_POINT();
  const int directory = ::open(path.substr(0, path.rfind('/') + 1).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory >= 0) {
    fsync(directory);
    close(directory);
  }
  mutableHeader()->snapshotAtMs.store(header.wallMs, std::memory_order_relaxed);
  return true;
}

static bool readFile(const std::string& path, std::vector<u8>& bytes) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return false;
  struct stat file;
  const bool ours = fstat(fd, &file) == 0 && S_ISREG(file.st_mode) && file.st_uid == geteuid() && !(file.st_mode & 022) &&
                    u64(file.st_size) < kMaxSegmentBytes;
  bytes.resize(ours ? size_t(file.st_size) : 0);
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::read(fd, bytes.data() + done, bytes.size() - done);
    if (n == 0 || (n < 0 && errno != EINTR)) break;
    if (n > 0) done += size_t(n);
  }
  bytes.resize(done);
  close(fd);
  return ours;
}

/** Into a segment that nobody else sees yet. Never fails: what cannot be read is counted, and missing. */
void Segment::restore(const std::string& path) {
  std::vector<u8> file;
  SnapshotHeader header;
  const auto load = [&](const std::string& from) {
    if (!readFile(from, file)) return false;
    if (file.size() >= sizeof header) memcpy(&header, file.data(), sizeof header);
    const bool good = file.size() >= sizeof header && header.magic == kSnapshotMagic &&
                      header.version == kSnapshotVersion && header.crc == crc32c(&header, offsetof(SnapshotHeader, crc));
    if (!good) restoreFailures_++;
    return good;
  };
  if (!load(path) && !load(path + ".1")) return;
  const u64 now = wallMs();
  for (u32 s = 0; s < geometry_.shards; s++) {
    a64& serial = shards_[s].header->serial;
    if (header.greatestSerial < 1ull << 53) serial.store(std::max(serial.load(), header.greatestSerial));
  }
  if (header.insertions < 1ull << 53) mutableHeader()->insertions.store(header.insertions);
  bool damaged = false, ended = false;
  for (size_t at = sizeof header; at + 16 <= file.size() && !ended;) {
    SnapshotRecord r;
    u64 end[2];
    memcpy(end, file.data() + at, sizeof end);
    ended = end[0] == kEndMark && at + 16 == file.size();
    const bool fits = !ended && at + sizeof r <= file.size();
    if (fits) memcpy(&r, file.data() + at, sizeof r);
    const bool good = fits && r.mark == kRecordMark && r.bytes >= sizeof r && (r.bytes & 7) == 0 &&
                      r.bytes <= file.size() - at && r.keyBytes > 0 && r.keyBytes <= kMaxKeyBytes &&
                      sizeof r + r.keyBytes + u64(r.valueBytes) <= r.bytes &&
                      crc32c(file.data() + at + 8, r.bytes - 8, header.nonce) == r.crc;
    if (!good) {
      if (!damaged && !ended) restoreFailures_++;  // one for a run of damage
      damaged = true;
      at += 8;
      continue;
    }
    damaged = false;
    const u8* const key = file.data() + at + sizeof r;
    at += r.bytes;
    if (r.expiresWallMs != 0 && r.expiresWallMs <= now) continue;
    Value value{Kind(r.kind), r.flags, r.codec, r.valueBytes, key + r.keyBytes, 0};
    if (value.kind == kFiller || value.kind > kNumber) continue;
    memcpy(&value.number, &r.number, 8);
    StoreOptions options;
    options.ttlMs = r.expiresWallMs == 0 ? 0 : r.expiresWallMs - now;
    options.inserted = r.inserted;
    options.frequency = r.frequency & u32(kFrequency);
    a64& insertions = mutableHeader()->insertions;  // some were made while the snapshot was written
    if (r.inserted < 1ull << 53) insertions.store(std::max(insertions.load(), r.inserted));
    if (store(keyOf(key, r.keyBytes), value, options) == kOk) restored_++;
    KILL_POINT();
  }
  if (!ended) restoreFailures_++;
}

}  // namespace stockpile
