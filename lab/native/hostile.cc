// Segments that are damaged everywhere, and every operation on them: errors or misses, but never a crash, an access out
// of bounds (AddressSanitizer and UBSan watch), an endless loop, or a wait beyond the cap.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include <sys/syscall.h>

#include "audit.h"

// The engine's mappings get inaccessible neighbours: of what is mapped AddressSanitizer sees no ends.
extern "C" void* mmap(void* at, size_t bytes, int protection, int flags, int fd, off_t offset) noexcept {
  constexpr size_t kBefore = 1 << 20, kAfter = 16 << 20;
  const size_t whole = (bytes + 4095) / 4096 * 4096;
  const auto map = [](void* to, size_t n, int p, int f, int of, off_t from) {
    return reinterpret_cast<char*>(syscall(SYS_mmap, to, n, p, f, of, from));
  };
  if (at != nullptr) return map(at, bytes, protection, flags, fd, offset);
  char* const space = map(nullptr, kBefore + whole + kAfter, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                          -1, 0);
  if (space == MAP_FAILED) return space;
  return map(space + kBefore, bytes, protection, flags | MAP_FIXED, fd, offset);
}

// The same segments in each run, so that one case can be repeated.
extern "C" ssize_t getrandom(void* to, size_t bytes, unsigned) noexcept {
  memset(to, 0x5a, bytes);
  return ssize_t(bytes);
}

extern "C" void __sanitizer_print_stack_trace();

namespace lab {
namespace {

constexpr u32 kEntries = 300;
constexpr u32 kBatch = 250;         // mutations of one child
constexpr double kMostMs = 2000;    // all operations on one damaged segment: of work, and of waiting

struct Area {
  const char* name;
  u64 at, bytes;
};

/** A sound segment, and where its parts are. */
struct Template {
  OpenOptions options;
  std::vector<u8> bytes;
  std::vector<Area> areas;
  Geometry geometry;
};

struct Shared {
  u64 done, refused, opened, busy, waits;
  double worstMs;
  char last[200];  // what was done to the segment when the child died
};

std::string name(u32 i) { return i % 25 == 0 ? text("k:%u:%s", i, std::string(400, 'x').c_str()) : text("k:%u", i); }

Template makeTemplate(const std::string& directory, const char* segmentName, u64 bytes, u32 flags) {
  Template t;
  t.options = optionsFor(directory, segmentName, bytes, 2048, flags);
  Failure failure;
  Segment* const s = Segment::open(t.options, failure);
  if (s == nullptr) return t;
  s->subscribe();
  for (u32 lap = 0; lap < 3; lap++) {
    for (u32 i = 0; i < kEntries; i++) {
      StoreOptions o;
      if (i % 7 == 0) o.ttlMs = 3'600'000;
      storeValue(*s, name(i), kLeastValue + i * 11, i + 1, o, i % 30 == 1 ? u8(kPinned) : u8(0),
                 i % 4 == 0 ? kUtf8 : kBytes);
      if (i % 3 == 0) readValue(*s, name(i));
    }
  }
  for (u32 i = 0; i < 4; i++) storeNumber(*s, text("n:%u", i), i);
  for (u32 i = 0; i < 5; i++) s->lock(keyOf(*s, text("l:%u", i)), i == 0 ? 60'000 : 0, false);
  t.geometry = s->geometry();
  const Layout& l = LabAccess::layout(*s);
  t.areas = {{"header", 0, sizeof(ImmutableHeader)}, {"mutable header", kHeaderBytes, sizeof(MutableHeader)},
             {"participants", l.participants, l.stats - l.participants}, {"statistics", l.stats, l.shards - l.stats},
             {"shard headers", l.shards, t.geometry.shards * sizeof(ShardHeader)},
                 {"index", l.index, l.ghost - l.index},
             {"ghost", l.ghost, l.locks - l.ghost}, {"locks", l.locks, l.events - l.locks},
             {"events", l.events, l.rings - l.events}, {"rings", l.rings, l.total - l.rings}};
  t.bytes.resize(l.total);
  delete s;
  const int fd = open(fileOf(t.options).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 || pread(fd, t.bytes.data(), t.bytes.size(), 0) != ssize_t(t.bytes.size())) t.bytes.clear();
  if (fd >= 0) close(fd);
  return t;
}

/** Where the engine looks: mostly what is in use. */
u64 anyRecord(const Template& t, Random& random) {
  const Area& index = t.areas[5];
  for (u32 tries = 0; tries < 200; tries++) {
    u64 word;
    memcpy(&word, &t.bytes[index.at + random.below(index.bytes / 8) * 8], 8);
    if (word == 0) continue;
    const Geometry& g = t.geometry;
    const u64 ring = word & kMainRing ? g.mainBytes : g.smallBytes;
    // the head's upper bits do not matter while positions are below 2^48
    return t.areas[9].at + (word & kMainRing ? g.smallBytes : 0) + (word & kPosition) % ring;
  }
  return t.areas[9].at;
}

class Mutation {
 public:
  Mutation(const Template& of, Random& r, std::vector<u8>& to) : t(of), random(r), bytes(to) {}

  std::string make() {
    const u32 many = random.oneIn(3) ? 1 + u32(random.below(20)) : 1;
    std::string what;
    for (u32 i = 0; i < many; i++) what = one();
    return text("%s (%u in all)", what.c_str(), many);
  }

 private:
  std::string one() {
    const u64 dice = random.below(100);
    if (dice < 6) return geometry();
    if (dice < 20) return record();
    if (dice < 22) return livingOwner();
    // a damaged header is refused at once: rarely that
    const Area& area = t.areas[dice < 25 ? 0 : 1 + random.below(t.areas.size() - 1)];
    const u64 at = area.at + random.below(area.bytes);
    switch (random.below(6)) {
      case 0: bytes[at] ^= u8(1u << random.below(8)); return text("bit in %s", area.name);
      case 1: bytes[at] = u8(random.next()); return text("byte in %s", area.name);
      case 2: word(area, at, random.next()); return text("random word in %s", area.name);
      case 3: word(area, at, odd()); return text("odd word in %s", area.name);
      case 4: {
        // a page, but never the header's whole: that refuses at once
        const u64 from = at / 4096 * 4096, n = std::min<u64>(4096, area.at + area.bytes - std::max(from, area.at));
        const bool zero = random.oneIn(3);
        for (u64 i = 0; i < n; i++) bytes[std::max(from, area.at) + i] = zero ? 0 : u8(random.next());
        return text("page of %s", area.name);
      }
      default: {
        // one part over another
        const u64 n = 8 << random.below(5), to = area.at + random.below(std::max<u64>(area.bytes / 8, 1)) * 8;
        const u64 from = random.below(t.bytes.size() / 8 - 64) * 8;
        if (to + n <= bytes.size() && from + n <= bytes.size()) memmove(&bytes[to], &t.bytes[from], n);
        return text("foreign bytes in %s", area.name);
      }
    }
  }

  void word(const Area& area, u64 at, u64 value) {
    const u64 n = random.oneIn(2) ? 8 : 4, to = area.at + (at - area.at) / n * n;
    if (to + n <= bytes.size()) memcpy(&bytes[to], &value, n);
  }

  u64 odd() {
    static const u64 odds[] = {0, 1, 7, 8, 0xffffffff, 0x7fffffff, 0x80000000, ~0ull, 1ull << 47, 1ull << 48,
                               1ull << 53, 1ull << 63, 4096, 0xfffffff8};
    return odds[random.below(std::size(odds))] + random.below(3) - 1;
  }

  /** A header that claims another geometry, with the checksum that belongs to it. */
  std::string geometry() {
    ImmutableHeader h;
    memcpy(&h, bytes.data(), sizeof h);
    u32* const small[] = {&h.shards, &h.bucketsPerShard, &h.ghostPerShard, &h.locksPerShard, &h.eventsPerShard,
                          &h.flags, &h.participants};
    u64* const large[] = {&h.smallBytes, &h.mainBytes, &h.reserveBytes, &h.pinnedBytes, &h.segmentBytes};
    const u32 changes = 1 + u32(random.below(3));
    for (u32 i = 0; i < changes; i++) {
      if (random.oneIn(2)) {
        u32& field = *small[random.below(std::size(small))];
        field = random.oneIn(3) ? u32(odd()) : random.oneIn(2) ? field * 2 : field / 2;
      } else {
        u64& field = *large[random.below(std::size(large))];
        field = random.oneIn(3) ? odd() : field + 8 * (random.below(4096)) - 8 * random.below(4096);
      }
    }
    if (random.oneIn(2)) {
      // one that fits the file, so that it is believed
      Geometry g{h.segmentBytes, h.flags & kKnownFlags, h.shards, h.bucketsPerShard, h.ghostPerShard, h.locksPerShard,
                 h.eventsPerShard, h.smallBytes, 0, 0, 0};
      const u64 fixed = h.shards == 0 || h.shards > 4096 ? ~0ull : layoutOf(g).total;
      if (fixed < bytes.size() && (bytes.size() - fixed) % h.shards == 0)
        h.mainBytes = (bytes.size() - fixed) / h.shards;
      h.segmentBytes = bytes.size();
      h.flags &= kKnownFlags;
      h.participants = kParticipants;
      h.reserveBytes = std::min(h.reserveBytes / 8 * 8, h.mainBytes / 2);
      h.pinnedBytes = std::min(h.pinnedBytes, h.mainBytes / 2);
    }
    h.crc = crc32c(&h, offsetof(ImmutableHeader, crc));
    memcpy(bytes.data(), &h, sizeof h);
    return "another geometry";
  }

  /** The next to attach is slot 0: a shard, or a key lock, that it seems to hold itself. */
  std::string livingOwner() {
    Participant p;
    memcpy(static_cast<void*>(&p), &bytes[t.areas[2].at], sizeof p);
    const u32 owner = (p.generation.load() + 1) << kGenerationShift;
    if (random.oneIn(2)) memcpy(&bytes[t.areas[4].at + random.below(t.geometry.shards) * sizeof(ShardHeader)], &owner,
                                4);
    else memcpy(&bytes[t.areas[7].at + random.below(t.geometry.locksPerShard) * sizeof(LockEntry) + offsetof(LockEntry,
        owner)], &owner, 4);
    return "a lock of the living";
  }

  /** A field of a record that is in use. */
  std::string record() {
    const u64 at = anyRecord(t, random) + 4 * random.below(14);
    const u64 value = random.oneIn(2) ? random.next() : odd();
    if (at + 4 <= bytes.size()) memcpy(&bytes[at], &value, 4);
    return "field of a record";
  }

  const Template& t;
  Random& random;
  std::vector<u8>& bytes;
};

/** Every operation there is. What it answers does not matter. */
void useAll(Segment& s, Random& random, Shared& shared) {
  static std::vector<u8> buffer(400'000);
  const auto note = [&](int64_t rc) {
    if (rc == kBusyShard) shared.busy++;
  };
  u64 lost = 0;
  s.subscribe();
  for (u32 i = 0; i < kEntries; i++) {
    Meta meta;
    u64 sum = 0;
    note(s.read(keyOf(s, name(i)), meta, [&](const Meta& m, const u8* value) {
      for (u32 at = 0; at < m.valueBytes; at++) sum += value[at];
    }));
  }
  ScanCursor cursor;
  for (u32 calls = 0; cursor.shard < s.geometry().shards && calls < 100; calls++) s.scan(cursor, "k:", 2,
      buffer.data(), u32(buffer.size()));
  for (u32 i = 0; i < 60; i++) {
    const u32 key = u32(random.below(kEntries));
    StoreOptions o;
    if (i % 5 == 0) o.ttlMs = 1000;
    if (i % 7 == 0) o.when = i % 2 ? If::kAbsent : If::kPresent;
    const u32 bytes = kLeastValue + u32(random.below(i % 10 == 0 ? std::min<u64>(s.recordLimit(), 300'000) : 3000));
    note(storeValue(s, name(key), bytes, i + 1, o, i % 9 == 0 ? u8(kPinned) : u8(0)));
    note(s.remove(keyOf(s, name(u32(random.below(kEntries))))));
    note(s.touch(keyOf(s, name(u32(random.below(kEntries)))), i % 2 ? 0 : 50));
    Meta meta;
    note(s.increment(keyOf(s, text("n:%u", i % 4)), 1, meta));
    const int64_t fence = s.lock(keyOf(s, text("l:%u", i % 7)), 0, true);
    note(fence);
    if (fence > 0) {
      o = {};
      o.when = If::kFenced;
      o.version = u64(fence);
      storeValue(s, text("l:%u", i % 7), 50, 1, o);
      s.unlock(keyOf(s, text("l:%u", i % 7)), u64(fence));
    }
    s.holder(keyOf(s, "l:1"));
    if (i % 16 == 0) s.drain(200, lost, [](const Event& e) { return e.keyBytes <= kMaxKeyBytes; });
  }
  s.hasEvents();
  s.drain(100'000, lost, [](const Event&) { return true; });
  for (u32 shard = 0; shard < s.geometry().shards; shard++) s.shardStats(shard);
  s.items();
  s.total(kHits);
  if (random.oneIn(4)) note(s.clear("k:", 2));
  if (random.oneIn(20)) note(s.lockWaiting(keyOf(s, "l:2"), 10, 5) > 0);
}

std::string restoreFrom(const Template& t, const std::string& snapshot, const std::string& directory) {
  // a snapshot of damage can be read like any other
  OpenOptions o = t.options;
  o.name = "restored";
  o.restoreFrom = snapshot;
  o.directory = directory;
  unlink(fileOf(o).c_str());
  Failure failure;
  Segment* const s = Segment::open(o, failure);
  if (s == nullptr) return "open: " + describe(failure);
  s->unlinkNow();
  delete s;
  return "";
}

/** One child: some mutations after one another, each on a fresh copy. */
int batch(const Template& t, u64 seed, u64 first, u32 count, Shared& shared, const Arguments& a) {
  const std::string path = fileOf(t.options), snapshot = a.directory + "/hostile.snapshot";
  std::vector<u8> bytes;
  const RunDelay delay;
  signal(SIGALRM, [](int) {
    __sanitizer_print_stack_trace();  // where it goes round
    _exit(8);
  });
  for (u64 i = first; i < first + count; i++) {
    Random random(seed * 1'000'003 + i);
    bytes = t.bytes;
    std::string what;
    if (i % 50 == 49) {
      // cut at the border of an area, or a byte beside it; sometimes longer than it says
      const Area& area = t.areas[random.below(t.areas.size())];
      const u64 border = random.oneIn(2) ? area.at : area.at + area.bytes;
      const u64 size = random.oneIn(5) ? t.bytes.size() + 1 + random.below(5000) : border + random.below(3) - 1;
      bytes.resize(size > bytes.size() + 10'000 ? 0 : size);
      what = text("cut to %lu", size);
    } else {
      what = Mutation(t, random, bytes).make();
    }
    snprintf(shared.last, sizeof shared.last, "%s, seed %lu, mutation %lu: %s", t.options.name.c_str(), seed, i,
             what.c_str());
    const int fd = open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, bytes.data(), bytes.size()) != ssize_t(bytes.size())) return 5;
    close(fd);
    alarm(60);
    const u64 began = monotonicNs(), worked = cpuNs(), unscheduled = delay.ns();
    Failure failure;
    OpenOptions only = t.options;
    only.create = false;
    Segment* const s = Segment::open(only, failure);
    if (s == nullptr) {
      shared.refused++;
    } else {
      shared.opened++;
      const u64 busy = shared.busy;
      useAll(*s, random, shared);
      if (random.oneIn(8) && s->snapshot(snapshot, failure)) {
        const std::string wrong = restoreFrom(t, snapshot, t.options.directory);
        if (!wrong.empty()) {
          snprintf(shared.last, sizeof shared.last, "%s", wrong.c_str());
          return 6;
        }
      }
      delete s;
      // without what the machine kept from us; an owner that lives, as far as anybody can tell, costs the cap
      const double took = double(cpuNs() - worked) / 1e6;
      const double waited = (double(monotonicNs() - began) - double(delay.ns() - unscheduled)) / 1e6 - took;
      shared.worstMs = std::max(shared.worstMs, waited);
      if (shared.busy != busy) shared.waits++;
      if (took > kMostMs || waited > kMostMs) return 7;
    }
    shared.done++;
  }
  return 0;
}

}  // namespace
}  // namespace lab

int main(int argc, char** argv) {
  using namespace lab;
  const Arguments a = readArguments(argc, argv);
  Report report;
  const std::string directory = a.directory + "/shm";
  mkdir(directory.c_str(), 0700);
  const Template templates[] = {makeTemplate(directory, "hostile", 1u << 20, 0),
                                makeTemplate(directory, "dictionary", 1u << 20, kNeverEvicts),
                                makeTemplate(directory, "shards", 4u << 20, 0)};
  for (const Template& t : templates)
    if (t.bytes.empty()) return report.fail("no segment to damage"), report.end();
  Shared& s = *shared<Shared>();
  const u64 wanted = a.seconds > 0 ? u64(a.seconds * 300) : a.brief ? 5'000 : 100'000;
  u64 given = 0;
  if (a.onlyCase >= 0) {
    for (const Template& t : templates) {
      const Ending e = awaitChild(startChild([&] { return batch(t, a.seed, u64(a.onlyCase), 1, s, a); }), 600);
      fprintf(stderr, "%s: signal %d, code %d\n", s.last, e.signal, e.code);
    }
    return 0;
  }
  for (u64 round = 0; given < wanted && report.failed < 6; round++) {
    // the larger segment costs more: a tenth
    const Template& t = templates[round % 10 == 9 ? 2 : round % 2];
    const u64 first = given;
    given += kBatch;
    const Ending e = awaitChild(startChild([&] { return batch(t, a.seed, first, kBatch, s, a); }), 600);
    if (e.signal == 0 && e.code == 0 && !e.hung) continue;
    const char* const kind = e.code == 8 ? "an endless loop" : e.code == 7 ? "too slow" : e.code == 6
        ? "a snapshot" : "a crash";
    report.fail(text("%s (signal %d, code %d) after: %s", kind, e.signal, e.code, s.last));
  }
  report.injected = text("%s damaged segments: bits, bytes, words, pages, records, geometries with their "
                         "checksum, cuts", number(s.done).c_str());
  report.checked = text("all operations, under AddressSanitizer and UBSan: %s were refused, %s used, no crash, "
                        "no loop", number(s.refused).c_str(), number(s.opened).c_str());
  report.worstStallMs = s.worstMs;
  report.notes = text("%lu of them had a lock that seemed held by the living: those wait for the cap", s.waits);
  return report.end();
}
