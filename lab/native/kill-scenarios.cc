#include "kill-scenarios.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace lab {

Segment* openOrEnd(World& w, Model& m) {
  Failure failure;
  Segment* const s = Segment::open(w.options, failure);
  if (s == nullptr) {
    wrong(m, "open: " + describe(failure));
    _exit(3);
  }
  return s;
}

void putBack(World& w) {
  *w.model = w.modelBefore;
  unlink(w.path.c_str());
  unlink(w.snapshotPath.c_str());
  unlink((w.snapshotPath + ".1").c_str());
  if (w.before.empty()) return;
  const int fd = open(w.path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0 || write(fd, w.before.data(), w.before.size()) != ssize_t(w.before.size())) abort();
  close(fd);
}

namespace {

std::vector<u8> contentsOf(const std::string& path) {
  std::vector<u8> bytes;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat file;
  if (fd < 0 || fstat(fd, &file) != 0) return bytes;
  bytes.resize(size_t(file.st_size));
  if (pread(fd, bytes.data(), bytes.size(), 0) != ssize_t(bytes.size())) bytes.clear();
  close(fd);
  return bytes;
}


/** Keys of all kinds, the rings full and past their first lap. */
void fill(Driver& d, u32 fillBytes) {
  for (u32 key = 0; key < kKeys; key++) {
    if (key >= kBigKeys && key < kMortalKeys) continue;
    d.store(key, isPinned(key) ? 64 : 100 + key * fillBytes / kKeys);
  }
  for (u32 n = 0; n < kNumbers; n++) d.setNumber(n, n);
}

void keep(World& w, Segment* s) {
  delete s;
  w.before = contentsOf(w.path);
  w.modelBefore = *w.model;
}

// --- a cache: everything that it does, under eviction

void prepareCache(World& w) {
  w.options = optionsFor(w.options.directory, "cache", 4u << 20, 1u << 16);
  w.path = fileOf(w.options);
  Segment* const s = openOrEnd(w, *w.model);
  s->subscribe();  // from now on events are written
  Driver d{*s, *w.model};
  for (u32 lap = 0; lap < 3; lap++) fill(d, 40'000);
  for (u32 key = kBigKeys; key < kMortalKeys; key++) d.store(key, 120'000);
  keep(w, s);
}

void scriptCache(World& w) {
  Model& m = *w.model;
  Segment* const s = openOrEnd(w, m);
  Segment* const peer = openOrEnd(w, m);  // a second participant, which hears of everything
  Driver d{*s, m};
  peer->subscribe();
  const auto listen = [&] {
    u64 lost = 0;
    peer->drain(4096, lost, [&](const Event& e) {
      d.expect(e.kind >= kSet && e.kind <= kClear && (e.keyBytes > 0 || e.kind == kClear), "an event without sense");
      return true;
    });
  };
  StoreOptions absent, present, version, fenced, mortal, same;
  absent.when = If::kAbsent;
  present.when = If::kPresent;
  version.when = If::kVersion;
  fenced.when = If::kFenced;
  mortal.ttlMs = 1000;
  Random random(7);

  d.store(kPinnedKeys, 100);
  d.remove(0);
  d.expect(d.store(0, 80, absent) == kOk && d.store(0, 90, absent) == kExists, "add");
  d.expect(d.store(0, 90, present) == kOk, "replace");
  d.remove(1);
  d.expect(d.store(1, 90, present) == kMiss, "replace of nothing");
  version.version = d.read(0);
  d.expect(d.store(0, 3000, version) == kOk && d.store(0, 200, version) == kChanged, "compare and set");
  for (u32 n = 0; n < kNumbers; n++) d.increment(n, 2.5);
  for (u32 lock = 0; lock < kLocks; lock++) {
    const u64 fence = d.lock(lock, lock % 2 == 0 ? 0 : 60'000);
    d.expect(s->lock(keyOf(*s, lockName(lock)), 0, true) == kHeld, "a lock was given twice");
    fenced.version = fence;
    d.expect(storeValue(*s, lockName(lock), 64, 1, fenced) == kOk, "a fenced store");
    d.unlock(lock, fence);
    if (lock == 3) d.lock(lock, 0);  // and dies with it
  }
  for (u32 i = 0; i < 4; i++) d.store(kMortalKeys + i, 500, mortal);
  d.store(kMortalKeys + 4, 500, mortal);
  d.touch(kMortalKeys + 4, 0);   // longer: in place
  d.store(kMortalKeys + 5, 500);
  d.touch(kMortalKeys + 5, 700);  // shorter: a new record
  listen();
  d.snapshot(w.snapshotPath);

  // large records that were read have another lap; those over the reserve leave for a moment
  for (u32 turn = 0; turn < 40; turn++) {
    const u32 key = kBigKeys + turn % 16;
    if (d.read(key) == 0) d.store(key, 30'000 + u32(random.below(120'000)));
    for (u32 i = 0; i < 3; i++) d.read(key);
    const u32 filler = kFillKeys + u32(random.below(kKeys - kFillKeys));
    d.store(filler, 5'000 + u32(random.below(40'000)));
    if (turn % 3 == 0) d.read(filler);
    d.store(u32(random.below(kBigKeys)), 30 + u32(random.below(500)));
    d.increment(turn % kNumbers, 1);
    if (turn % 8 == 0) d.store(kPinnedKeys + turn / 8, 60 + turn);
    if (turn % 10 == 0) listen();
  }
  d.store(kMortalKeys, 500, mortal);
  m.clockMs += 5000;
  testClockOffsetMs.store(m.clockMs);
  for (u32 i = 0; i < 6; i++)
    if (i != 4) m.entries[kMortalKeys + i].acked = 0;
  for (u32 i = 0; i < 6; i++) d.read(kMortalKeys + i);
  d.remove(kMortalKeys);
  for (u32 i = 0; i < 12; i++) d.store(kFillKeys + i * 9, 20'000);
  for (u32 i = 0; i < 8; i++) d.store(kClearKeys + i, 2'000);
  d.clearX();
  d.snapshot(w.snapshotPath);
  for (u32 i = 0; i < 10; i++) d.remove(kFillKeys + i * 7);
  Segment* const third = openOrEnd(w, m);
  Driver other{*third, m};
  other.store(3, 700);
  delete third;
  d.store(3, 800);
  listen();
  delete peer;
  delete s;
}

/** The snapshot, if one was completed, is one of the last two generations, and whole. */
bool verifySnapshot(World& w) {
  Model& m = *w.model;
  if (m.snapshotsBegun == 0) return true;
  OpenOptions from = w.options;
  from.name = "restored";
  from.restoreFrom = w.snapshotPath;
  Failure failure;
  unlink(fileOf(from).c_str());
  Segment* const s = Segment::open(from, failure);
  if (s == nullptr) return wrong(m, "open from a snapshot: " + describe(failure));
  const Reading generation = readValue(*s, "generation");
  const double found = generation.rc == kOk ? generation.meta.number : 0;
  bool good = true;
  if (s->restoreFailures() != 0) good = wrong(m, "a snapshot with unreadable records");
  if (found < m.snapshotsDone || found > m.snapshotsBegun)
    good = wrong(m, text("generation %g of a snapshot instead of %u or %u", found, m.snapshotsDone, m.snapshotsBegun));
  for (u32 key = 0; key < kKeys && found > 0; key++) {
    const Reading r = readValue(*s, nameOf(key));
    if (r.rc == kOk && r.sequence == 0) good = wrong(m, "a snapshot gave a corrupt value");
  }
  const std::string audit = LabAccess::audit(*s, true);
  if (!audit.empty()) good = wrong(m, "restored: " + audit);
  delete s;
  unlink(fileOf(from).c_str());
  return good;
}

bool verifyOpen(World& w, bool strict, u32 kills) {
  Model& m = *w.model;
  testClockOffsetMs.store(m.clockMs);
  Segment* const s = openOrEnd(w, m);
  if (s->slot() != 0) return wrong(m, text("slot %u was given, and nobody else is there", s->slot()));
  m.stallMs = std::max(m.stallMs, visitAllShards(*s, m));
  std::string audit = LabAccess::audit(*s, false);
  if (!audit.empty()) return wrong(m, audit);
  if (!compare(*s, m, strict, kills)) return false;
  Driver d{*s, m};
  for (u32 lock = 0; lock < kLocks; lock++) d.unlock(lock, d.lock(lock, 0));
  // events go on after a publisher died
  s->subscribe();
  storeValue(*s, "event", 40, 1);
  u64 lost = 0;
  u32 heard = 0;
  s->drain(100, lost, [&](const Event& e) { return heard += e.keyBytes == 5 && memcmp(e.key, "event", 5) == 0 &&
                                           e.local; });
  if (heard != 1 || lost != 0) return wrong(m, "an event was not heard");
  for (u32 key = 0; key < kKeys; key++) {
    const Rc rc = storeValue(*s, nameOf(key), 200, 1);
    if (rc != kOk) return wrong(m, text("afterwards: %s", rcName(rc)));
  }
  audit = LabAccess::audit(*s, true);
  if (!audit.empty()) return wrong(m, "afterwards: " + audit);
  delete s;
  return true;
}

bool verifyCache(World& w) { return verifyOpen(w, false, 2) && verifySnapshot(w); }

// --- a dictionary: nothing is ever lost

void prepareDictionary(World& w) {
  w.options = optionsFor(w.options.directory, "dictionary", 4u << 20, 4096, kNeverEvicts);
  w.path = fileOf(w.options);
  Segment* const s = openOrEnd(w, *w.model);
  s->subscribe();
  Driver d{*s, *w.model};
  for (u32 lap = 0; lap < 4; lap++) fill(d, 20'000);
  keep(w, s);
}

void scriptDictionary(World& w) {
  Model& m = *w.model;
  Segment* const s = openOrEnd(w, m);
  Driver d{*s, m};
  Random random(11);
  for (u32 turn = 0; turn < 120; turn++) {
    const u32 key = u32(random.below(kKeys));
    const Rc rc = d.store(key, kLeastValue + u32(random.below(turn % 5 == 0 ? 40'000 : 3'000)));
    d.expect(rc == kOk || rc == kFull, "a store into a dictionary");
    if (turn % 7 == 0) d.remove(u32(random.below(kKeys)));
    if (turn % 9 == 0) d.touch(u32(random.below(kKeys)), turn % 2 == 0 ? 0 : 3'600'000);
    d.increment(turn % kNumbers, 1);
    d.read(u32(random.below(kKeys)));
    if (turn == 60) d.clearX();
    if (turn == 90) d.snapshot(w.snapshotPath);
  }
  delete s;
}

bool verifyDictionary(World& w) { return verifyOpen(w, true, 0) && verifySnapshot(w); }

// --- lifetime 'processes': the file is there while somebody is

void prepareProcesses(World& w) {
  w.options = optionsFor(w.options.directory, "processes", 1u << 20, 4096, kProcesses);
  w.path = fileOf(w.options);
  w.before.clear();
  w.modelBefore = *w.model;
}

void scriptProcesses(World& w) {
  Model& m = *w.model;
  for (u32 round = 0; round < 3; round++) {
    Segment* const first = openOrEnd(w, m);
    Segment* const second = openOrEnd(w, m);
    Driver d{*first, m};
    d.expect(first->created() && !second->created(), "who made the segment");
    d.store(1, 100);
    d.expect(second->participantsAlive() == 2, "two participants");
    delete first;
    d.expect(exists(w.path), "the file went with the first of two");
    Driver{*second, m}.read(1);
    delete second;
    m.entries[1].acked = 0;
    d.expect(!exists(w.path), "the file stayed after the last");
  }
}

bool onlyFile(World& w, const std::string& name) {
  DIR* const directory = opendir(w.options.directory.c_str());
  std::string other;
  while (const dirent* const e = readdir(directory))
    if (e->d_name[0] != '.' || strncmp(e->d_name, ".new", 4) == 0)
      if (w.options.directory + "/" + e->d_name != name) other = e->d_name;
  closedir(directory);
  return other.empty() || wrong(*w.model, "a file was left: " + other);
}

bool verifyProcesses(World& w) {
  Model& m = *w.model;
  if (!onlyFile(w, w.path)) return false;
  Segment* const s = openOrEnd(w, m);
  if (!s->created()) return wrong(m, "attached to a segment whose processes are all dead");
  if (s->items() != 0) return wrong(m, "a new segment has entries");
  m.stallMs = std::max(m.stallMs, visitAllShards(*s, m));
  const std::string audit = LabAccess::audit(*s, true);
  if (!audit.empty()) return wrong(m, audit);
  delete s;
  return !exists(w.path) || wrong(m, "the file stayed after the last process");
}

// --- lifetime 'persistent': created from a snapshot

void preparePersistent(World& w) {
  w.options = optionsFor(w.options.directory, "persistent", 1u << 20, 1024, kPersistent);
  w.options.restoreFrom = w.snapshotPath;
  w.path = fileOf(w.options);
  w.before.clear();
  w.modelBefore = *w.model;
}

void scriptPersistent(World& w) {
  Model& m = *w.model;
  for (u32 round = 0; round < 3; round++) {
    Segment* const s = openOrEnd(w, m);
    Driver d{*s, m};
    for (u32 key = 0; key < 30; key++) d.read(key);
    for (u32 key = 0; key < 30; key++) d.store(key, 64 + 10 * key);
    for (u32 n = 0; n < kNumbers; n++) d.setNumber(n, round);
    // what the snapshot has is acknowledged only by its end: until then either generation may come back
    d.snapshot(w.snapshotPath);
    s->unlinkNow();
    delete s;
  }
}

bool verifyPersistent(World& w) {
  Model& m = *w.model;
  const bool survived = exists(w.path);
  Segment* const s = openOrEnd(w, m);
  m.stallMs = std::max(m.stallMs, visitAllShards(*s, m));
  const std::string audit = LabAccess::audit(*s, false);
  if (!audit.empty()) return wrong(m, audit);
  u32 present = 0;
  for (u32 key = 0; key < 30; key++) {
    const Reading r = readValue(*s, nameOf(key));
    if (r.rc == kOk && r.sequence == 0) return wrong(m, "a corrupt value");
    present += r.rc == kOk;
  }
  if (!survived && m.snapshotsDone > 0 && present != 30) return wrong(m,
      text("%u of 30 entries of a snapshot", present));
  s->unlinkNow();
  delete s;
  return verifySnapshot(w);
}

// --- a shard that really is damaged: its recovery is killed too, and costs that shard alone

void prepareWipe(World& w) {
  w.options = optionsFor(w.options.directory, "wipe", 4u << 20, 1u << 16);
  w.path = fileOf(w.options);
  Segment* const s = openOrEnd(w, *w.model);
  Driver d{*s, *w.model};
  for (u32 key = 0; key < kBigKeys; key++) d.store(key, 200);
  for (u32 n = 0; n < kNumbers; n++) d.setNumber(n, n);
  const u32 damaged = LabAccess::shardIndex(*s, keyOf(*s, nameOf(0)).hash);
  for (u32 key = 0; key < kBigKeys; key++)  // what the wiped shard had may come back as nothing
    if (LabAccess::shardIndex(*s, keyOf(*s, nameOf(key)).hash) == damaged) w.model->entries[key] = {};
  for (u32 n = 0; n < kNumbers; n++)
    if (LabAccess::shardIndex(*s, keyOf(*s, numberName(n)).hash) == damaged) w.model->numbers[n].acked = -1;
  for (u32 lock = 0; lock < kLocks; lock++) d.unlock(lock, d.lock(lock, 0));
  w.model->wipesAllowed = 3;
  // a size that cannot be, and an owner that never was
  ShardHeader& h = LabAccess::header(*s, damaged);
  u8* const ring = LabAccess::base(*s) + LabAccess::layout(*s).rings +
                   damaged * (s->geometry().smallBytes + s->geometry().mainBytes) + s->geometry().smallBytes;
  reinterpret_cast<RecordHeader*>(ring + h.mainHead.load() % s->geometry().mainBytes)->size.store(13);
  h.lock.store(9 << kSlotShift | 77u << kGenerationShift);
  keep(w, s);
}

void scriptWipe(World& w) {
  Model& m = *w.model;
  Segment* const s = openOrEnd(w, m);
  visitAllShards(*s, m);
  delete s;
}

bool verifyWipe(World& w) {
  Model& m = *w.model;
  Segment* const s = openOrEnd(w, m);
  m.stallMs = std::max(m.stallMs, visitAllShards(*s, m));
  const std::string audit = LabAccess::audit(*s, true);
  if (!audit.empty()) return wrong(m, audit);
  u64 wiped = 0;
  for (u32 shard = 0; shard < s->geometry().shards; shard++) wiped += s->shardStats(shard).wipes > 0;
  if (wiped != 1) return wrong(m, text("%lu shards were wiped instead of one", wiped));
  for (u32 n = 0; n < kNumbers; n++)
    if (m.numbers[n].acked < 0) Driver{*s, m}.setNumber(n, 0);
  if (!compare(*s, m, true, 0)) return false;
  Driver d{*s, m};
  for (u32 lock = 0; lock < kLocks; lock++) d.unlock(lock, d.lock(lock, 0));
  delete s;
  return true;
}

constexpr Scenario kScenarios[] = {
    {"cache", false, prepareCache, scriptCache, verifyCache},
    {"dictionary", true, prepareDictionary, scriptDictionary, verifyDictionary},
    {"processes", false, prepareProcesses, scriptProcesses, verifyProcesses},
    {"persistent", false, preparePersistent, scriptPersistent, verifyPersistent},
    {"wipe", false, prepareWipe, scriptWipe, verifyWipe},
};

}  // namespace

std::span<const Scenario> scenarios() { return kScenarios; }

std::string uncovered(const Scenario& scenario, World& w) {
  if (scenario.script != scriptCache) return "";
  putBack(w);
  awaitChild(startChild([&] { return scriptCache(w), 0; }), 60);
  Failure failure;
  Segment* const s = Segment::open(w.options, failure);
  if (s == nullptr) return "open: " + describe(failure);
  ShardStats sum{};
  for (u32 shard = 0; shard < s->geometry().shards; shard++) {
    const ShardStats one = s->shardStats(shard);
    sum.evictedSmall += one.evictedSmall, sum.evictedMain += one.evictedMain, sum.promoted += one.promoted;
    sum.reinserted += one.reinserted, sum.ghostHits += one.ghostHits, sum.bucketEvicted += one.bucketEvicted;
    sum.expired += one.expired;
  }
  delete s;
  const bool all = sum.evictedSmall > 0 && sum.evictedMain > 0 && sum.promoted > 0 && sum.reinserted > 0 &&
                   sum.ghostHits > 0 && sum.bucketEvicted > 0 && sum.expired > 0;
  if (all) return "";
  return text("the script leaves paths out: small %lu, main %lu, promoted %lu, reinserted %lu, ghost %lu, "
              "bucket %lu, expired %lu",
              sum.evictedSmall, sum.evictedMain, sum.promoted, sum.reinserted, sum.ghostHits, sum.bucketEvicted,
              sum.expired);
}

}  // namespace lab
