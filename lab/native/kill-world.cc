#include "kill-world.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>

namespace lab {

std::string nameOf(u32 key) {
  if (key < kBigKeys) return text("a:%u", key);
  if (key < kMortalKeys) return text("b:%u", key);
  if (key < kPinnedKeys) return text("t:%u", key);
  if (key < kClearKeys) return text("p:%u", key);
  if (key < kFillKeys) return text("x:%u", key);
  // some keys run over several event slots
  return key % 16 == 0 ? text("f:%u:%s", key, std::string(300, 'k').c_str()) : text("f:%u", key);
}
std::string numberName(u32 n) { return text("n:%u", n); }
std::string lockName(u32 lock) { return text("l:%u", lock); }

bool wrong(Model& m, const std::string& what) {
  if (m.wrong[0] == 0) snprintf(m.wrong, sizeof m.wrong, "%s", what.c_str());
  return false;
}

void Driver::expect(bool good, const char* what) {
  if (good) return;
  wrong(m, what);
  _exit(3);
}

Rc Driver::store(u32 key, u32 bytes, StoreOptions options) {
  Entry& e = m.entries[key];
  e.maybe = ++m.lastSequence;
  e.open = 1;
  const Rc rc = storeValue(s, nameOf(key), bytes, e.maybe, options, isPinned(key) ? u8(kPinned) : u8(0));
  if (rc == kOk) e.acked = e.maybe;
  e.open = 0;
  return rc;
}

void Driver::remove(u32 key) {
  Entry& e = m.entries[key];
  e.maybe = 0;
  e.open = 1;
  s.remove(keyOf(s, nameOf(key)));
  e.acked = 0;
  e.open = 0;
}

void Driver::touch(u32 key, u64 ttlMs) { s.touch(keyOf(s, nameOf(key)), ttlMs); }

void Driver::clearX() {
  for (u32 key = kClearKeys; key < kFillKeys; key++) m.entries[key].maybe = 0, m.entries[key].open = 1;
  expect(s.clear("x:", 2) == kOk, "clear failed");
  for (u32 key = kClearKeys; key < kFillKeys; key++) m.entries[key].acked = 0, m.entries[key].open = 0;
}

void Driver::increment(u32 n, double by) {
  auto& c = m.numbers[n];
  c.maybe = c.acked + by;
  c.open = 1;
  Meta meta;
  const Rc rc = s.increment(keyOf(s, numberName(n)), by, meta);
  expect(rc == kOk && meta.number == c.maybe, "an increment gave another sum");
  c.acked = c.maybe;
  c.open = 0;
}

void Driver::setNumber(u32 n, double to) {
  auto& c = m.numbers[n];
  c.maybe = to;
  c.open = 1;
  expect(storeNumber(s, numberName(n), to) == kOk, "a number was not stored");
  c.acked = to;
  c.open = 0;
}

u64 Driver::read(u32 key) {
  const Reading r = readValue(s, nameOf(key));
  expect(r.rc == kMiss || (r.rc == kOk && r.sequence == m.entries[key].acked), "a read gave another value");
  return r.rc == kOk ? r.meta.version : 0;
}

u64 Driver::lock(u32 lock, u64 ttlMs) {
  const int64_t fence = s.lock(keyOf(s, lockName(lock)), ttlMs, false);
  expect(fence > 0 && u64(fence) > m.fences[lock], "a lock was refused, or its fence did not grow");
  m.fences[lock] = u64(fence);
  return u64(fence);
}

void Driver::unlock(u32 lock, u64 fence) {
  expect(s.unlock(keyOf(s, lockName(lock)), fence) == kOk, "a lock was not held any more");
}

void Driver::snapshot(const std::string& path) {
  // which generation it is can be read from it
  storeNumber(s, "generation", m.snapshotsBegun + 1);
  m.snapshotsBegun++;
  Failure failure;
  expect(s.snapshot(path, failure), "a snapshot failed");
  m.snapshotsDone = m.snapshotsBegun;
}

double visitAllShards(Segment& s, Model& m) {
  std::vector<bool> visited(s.geometry().shards);
  u32 left = s.geometry().shards;
  u64 worst = 0;
  for (u32 i = 0; left > 0; i++) {
    const std::string name = text("v:%u", i);
    const u32 shard = LabAccess::shardIndex(s, keyOf(s, name).hash);
    if (visited[shard]) continue;
    visited[shard] = true;
    left--;
    const u64 began = monotonicNs();
    const Rc rc = storeValue(s, name, 100, i + 1);
    worst = std::max(worst, monotonicNs() - began);
    const Reading r = readValue(s, name);
    if (rc != kOk || r.rc != kOk || r.sequence != i + 1) wrong(m, text("shard %u: store: %s, read: %s", shard,
        rcName(rc), rcName(r.rc)));
    if (s.remove(keyOf(s, name)) != kOk) wrong(m, "an entry could not be removed");
  }
  return double(worst) / 1e6;
}

bool compare(Segment& s, Model& m, bool strict, u32 kills) {
  u64 missing = 0;
  for (u32 key = 0; key < kKeys; key++) {
    const Entry& e = m.entries[key];
    const Reading r = readValue(s, nameOf(key));
    if (r.rc == kOk) {
      if (r.sequence == 0) return wrong(m, nameOf(key) + ": corrupt or another key's value");
      if (r.sequence != e.acked && !(e.open && r.sequence == e.maybe))
        return wrong(m, text("key %u: has %lu, acknowledged was %lu", key, r.sequence, e.acked));
    } else if (r.rc != kMiss) {
      return wrong(m, nameOf(key) + ": " + rcName(r.rc));
    } else if (e.acked != 0 && !(e.open && e.maybe == 0)) {
      if (strict || isPinned(key)) return wrong(m, nameOf(key) + " is lost");
      missing++;
    }
  }
  for (u32 n = 0; n < kNumbers; n++) {
    const auto& c = m.numbers[n];
    const Reading r = readValue(s, numberName(n));
    if (r.rc != kOk || (r.meta.number != c.acked && !(c.open && r.meta.number == c.maybe)))
      return wrong(m, text("number %u: %s, %g instead of %g", n, rcName(r.rc), r.meta.number, c.acked));
  }
  u64 evicted = 0;
  for (u32 shard = 0; shard < s.geometry().shards; shard++) {
    const ShardStats stats = s.shardStats(shard);
    evicted += stats.evictedSmall + stats.evictedMain + stats.bucketEvicted + stats.expired;
    if (stats.wipes > m.wipesAllowed) return wrong(m, text("shard %u was wiped", shard));
  }
  // every key that is gone was evicted, but for one per kill
  if (missing > evicted + kills) return wrong(m, text("%lu entries are gone, %lu were evicted", missing, evicted));
  return true;
}

}  // namespace lab
