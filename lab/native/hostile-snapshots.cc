// Snapshots that are damaged: a flipped bit costs exactly the record that it hits, a cut those that it cut off, and
// open() never fails.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "audit.h"

namespace lab {
namespace {

constexpr u32 kEntries = 80;
// the bytes of a snapshot, as snapshot.cc has them
constexpr u64 kHeader = 48, kRecord = 48, kEnd = 16;

std::string name(u64 i) { return text("k:%lu", i); }

struct Piece {
  u64 from, to;
  std::string key;
};

class Damaged {
 public:
  Damaged(const Arguments& a, Report& r) : report(r), path(a.directory + "/damaged"),
      options(optionsFor(a.directory + "/shm", "damaged", 1u << 20, 1024)) {
    mkdir(options.directory.c_str(), 0700);
    unlink(path.c_str());
    options.restoreFrom = path;
    Failure failure;
    Segment* const s = Segment::open(options, failure);
    if (s == nullptr) return;
    for (u64 i = 0; i < kEntries; i++) {
      StoreOptions o;
      if (i % 9 == 0) o.ttlMs = 3'600'000;
      storeValue(*s, name(i), kLeastValue + u32(i * 5), i + 1, o, i % 10 == 0 ? u8(kPinned) : u8(0));
    }
    storeNumber(*s, "n", 42);
    s->snapshot(path, failure);
    s->unlinkNow();
    delete s;
    unlink((path + ".1").c_str());
    struct stat file;
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &file) != 0) return;
    bytes.resize(size_t(file.st_size));
    if (read(fd, bytes.data(), bytes.size()) != ssize_t(bytes.size())) bytes.clear();
    close(fd);
    for (u64 at = kHeader; at + kEnd < bytes.size();) {
      u32 size, valueBytes;
      u16 keyBytes;
      memcpy(&size, &bytes[at + 8], 4);
      memcpy(&valueBytes, &bytes[at + 12], 4);
      memcpy(&keyBytes, &bytes[at + 16], 2);
      pieces.push_back({at, at + size, std::string(reinterpret_cast<char*>(&bytes[at + kRecord]), keyBytes)});
      at += size;
    }
  }

  bool ready() const { return pieces.size() == kEntries + 1; }

  /** The damage is in [from, to): the records that it touches are gone, all others there, or it is the header. */
  void check(const std::vector<u8>& damaged, u64 from, u64 to, const std::string& what) {
    tries++;
    const int fd = open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, damaged.data(), damaged.size()) != ssize_t(damaged.size()))
      return report.fail("cannot write");
    close(fd);
    unlink(fileOf(options).c_str());
    Failure failure;
    Segment* const s = Segment::open(options, failure);
    if (s == nullptr) return report.fail(what + ": open: " + describe(failure));
    const bool header = from < kHeader;
    u64 gone = 0;
    for (const Piece& piece : pieces) {
      const bool hit = header || (piece.from < to && from < piece.to);
      const Reading r = readValue(*s, piece.key);
      const bool good = r.rc == kOk && (piece.key == "n" ? r.meta.number == 42 : r.sequence != 0);
      gone += hit;
      if (r.rc == kOk && !good) report.fail(what + ": a corrupt value of " + piece.key);
      else if (r.rc == kOk && hit) report.fail(what + ": " + piece.key + " came back");
      else if (r.rc != kOk && !hit) report.fail(what + ": " + piece.key + " is gone as well");
    }
    if (s->restored() != pieces.size() - gone) report.fail(what + text(": %lu restored", s->restored()));
    // of the end nobody reads the count
    if (s->restoreFailures() == 0 && from < bytes.size() - 8) report.fail(what + ": nobody noticed");
    const std::string audit = LabAccess::audit(*s, true);
    if (!audit.empty()) report.fail(what + ": " + audit);
    s->unlinkNow();
    delete s;
  }

  Report& report;
  std::string path;
  OpenOptions options;
  std::vector<u8> bytes;
  std::vector<Piece> pieces;
  u64 tries = 0;
};

void run(const Arguments& a, Report& report) {
  Damaged d(a, report);
  if (!d.ready()) return report.fail("no snapshot to damage");
  Random random(a.seed);
  u64 flips = 0, cuts = 0, pages = 0;
  for (u64 at = 0; at < d.bytes.size() && report.failed < 6; at += a.brief ? 1 + random.below(160) : 1) {
    std::vector<u8> damaged = d.bytes;
    damaged[at] ^= u8(1u << random.below(8));
    flips++;
    d.check(damaged, at, at + 1, text("bit at %lu", at));
  }
  std::vector<u64> borders = {0, kHeader, d.bytes.size() - 8};
  for (const Piece& piece : d.pieces) borders.push_back(piece.from), borders.push_back(piece.from + kRecord);
  for (const u64 border : borders) {
    for (int beside = -1; beside <= 1 && report.failed < 6; beside++) {
      if (a.brief && random.below(8) != 0) continue;
      const u64 size = border + u64(int64_t(beside));
      if (size >= d.bytes.size()) continue;
      cuts++;
      d.check(std::vector<u8>(d.bytes.begin(), d.bytes.begin() + long(size)), size, d.bytes.size(),
              text("cut to %lu", size));
    }
  }
  // lost stretches, as a torn write leaves them
  for (u32 i = 0; i < (a.brief ? 30 : 1000) && report.failed < 6; i++) {
    std::vector<u8> damaged = d.bytes;
    const u64 from = random.below(d.bytes.size() - 600), n = 1 + random.below(512);
    for (u64 at = from; at < from + n; at++) damaged[at] = u8(random.oneIn(2) ? ~damaged[at] : random.next());
    damaged[from] = u8(~d.bytes[from]), damaged[from + n - 1] = u8(~d.bytes[from + n - 1]);
    pages++;
    d.check(damaged, from, from + n, text("%lu bytes at %lu", n, from));
  }
  // the newest is damaged at its head: the generation before is read instead
  std::vector<u8> damaged = d.bytes;
  damaged[3] ^= 1;
  const int fd = open((d.path + ".1").c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0 || write(fd, d.bytes.data(), d.bytes.size()) != ssize_t(d.bytes.size())) report.fail("cannot write");
  close(fd);
  const int other = open(d.path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  if (other < 0 || write(other, damaged.data(), damaged.size()) != ssize_t(damaged.size())) report.fail("cannot write");
  close(other);
  Failure failure;
  Segment* const s = Segment::open(d.options, failure);
  if (s == nullptr || s->restored() != d.pieces.size()) report.fail("the generation before was not read");
  delete s;
  report.injected = text("%s flipped bits, %s cuts at borders and beside them, %s lost stretches in a snapshot "
                         "of %lu records", number(flips).c_str(),
                         number(cuts).c_str(), number(pages).c_str(), d.pieces.size());
  report.checked = "open() never fails; exactly the records that were hit are missing; damage is counted";
}

}  // namespace
}  // namespace lab

int main(int argc, char** argv) {
  const lab::Arguments a = lab::readArguments(argc, argv);
  lab::Report report;
  const lab::Ending e = lab::awaitChild(lab::startChild([&] {
    lab::run(a, report);
    return report.end();
  }), 900);
  if (e.signal == 0 && !e.hung && e.code <= 1) return e.code;
  report.fail(lab::text("signal %d, code %d", e.signal, e.code));
  return report.end();
}
