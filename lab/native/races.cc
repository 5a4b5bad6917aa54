// ThreadSanitizer over the whole engine: threads that are participants of one mapping do everything at once, and verify
// what they read. There is no suppression: copies of bytes that may change are atomic in this build (platform.h).
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "audit.h"

namespace lab {
namespace {

constexpr u32 kThreads = 9;
constexpr u32 kKeys = 120;
constexpr u32 kOwn = 10;  // per thread: only it writes them, so that all know what to expect

struct Common {
  std::atomic<bool> stop{false};
  std::mutex mutex;
  u64 complaints = 0;
  std::vector<std::string> complaint;
  std::atomic<u64> operations{0}, retries{0}, near{0};
  a64 acked[kThreads][kOwn], intended[kThreads][kOwn];
  std::atomic<u64> increments{0};
  a32 holder{0};
  std::atomic<u64> fence{0}, locked{0}, events{0}, snapshots{0};
};

std::string name(u64 key) { return text("k:%lu", key); }
std::string own(u32 thread, u64 key) { return text("o:%u:%lu", thread, key); }

/** What a process keeps beside the segment: valid while the index word is the same. */
struct Near {
  u64 index, word, sequence;
};

class Worker {
 public:
  Worker(Segment& segment, Common& common, u32 me, std::string directory)
      : s(segment), c(common), me(me), random(me + 77), snapshotPath(directory + "/races." + std::to_string(me)) {}

  void run() {
    s.subscribe();
    while (!c.stop.load(std::memory_order_relaxed)) {
      step();
      c.operations.fetch_add(1, std::memory_order_relaxed);
    }
    c.retries.fetch_add(s.mine(kRetries));
  }

 private:
  void wrong(const std::string& what) {
    const std::lock_guard<std::mutex> guard(c.mutex);
    if (c.complaints++ < 8) c.complaint.push_back(what);
  }
  void allow(const char* what, int64_t rc, std::initializer_list<int64_t> good) {
    for (const int64_t one : good)
      if (rc == one || rc == kBusyShard) return;
    wrong(text("%s: %s", what, rcName(Rc(rc))));
  }

  void step() {
    StoreOptions o;
    const std::string key = name(random.below(kKeys));
    const u32 bytes = kLeastValue + u32(random.below(random.oneIn(40) ? s.recordLimit() - 200 : 300));
    switch (random.below(16)) {
      case 0: case 1: case 2: readOwn(); break;
      case 3: case 4: {
        const Reading r = readValue(s, key);
        allow("read", r.rc, {kOk, kMiss});
        if (r.rc == kOk && r.sequence == 0) wrong("a torn value");
        break;
      }
      case 5: nearCache(); break;
      case 6: case 7: writeOwn(); break;
      case 8: if (random.oneIn(3)) o.ttlMs = 1 + random.below(20);
        allow("store", storeValue(s, key, bytes, 1 + random.below(1u << 30), o), {kOk}); break;
      case 9: o.when = random.oneIn(2) ? If::kAbsent : If::kPresent;
        allow("store if", storeValue(s, key, bytes, 7, o), {kOk, kExists, kMiss}); break;
      case 10: allow("remove", s.remove(keyOf(s, key)), {kOk, kMiss}); break;
      case 11: allow("touch", s.touch(keyOf(s, key), random.oneIn(2) ? 0 : 10), {kOk, kMiss}); break;
      case 12: {
        Meta meta;
        const Rc rc = s.increment(keyOf(s, "n"), 1, meta);
        allow("increment", rc, {kOk});
        if (rc == kOk) c.increments.fetch_add(1);
        break;
      }
      case 13: lock(); break;
      case 14: {
        u64 lost = 0;
        c.events.fetch_add(s.drain(64, lost, [&](const Event& e) {
          if (e.keyBytes > 0 && e.key[0] != 'k' && e.key[0] != 'o' && e.key[0] != 'n' &&
              e.key[0] != 'x') wrong("an event of a strange key");
          return true;
        }), std::memory_order_relaxed);
        s.hasEvents();
        break;
      }
      default: rare(); break;
    }
  }

  void rare() {
    const u64 dice = random.below(30);
    if (random.oneIn(10)) readSlowly(random.oneIn(2) ? name(random.below(kKeys)) : own(u32(random.below(kThreads)), 0));
    if (dice == 0) allow("clear", s.clear("x:", 2), {kOk});
    else if (dice == 1 && me == 0) {
      Failure failure;
      if (!s.snapshot(snapshotPath, failure)) wrong("snapshot");
      c.snapshots.fetch_add(1);
    } else if (dice < 6) {
      std::vector<u8> keys(40'000);
      ScanCursor cursor;
      while (cursor.shard < s.geometry().shards) s.scan(cursor, "o:", 2, keys.data(), u32(keys.size()));
    } else if (dice < 10) {
      s.items();
      s.total(kHits);
      for (u32 shard = 0; shard < s.geometry().shards; shard++) s.shardStats(shard);
    } else {
      storeValue(s, text("x:%lu", random.below(20)), 50, 3);
    }
  }

  /** A read that others overtake by some laps in the middle of its copy. */
  void readSlowly(const std::string& key) {
    std::vector<u8> copy;
    bool waited = false;
    Meta meta;
    const Rc rc = s.read(keyOf(s, key), meta, [&](const Meta& m, const u8* value) {
      copy.resize(m.valueBytes);
      const u32 half = m.valueBytes / 2;
      copyRacing(copy.data(), value, half);
      const u64 from = c.operations.load(std::memory_order_relaxed);
      for (u32 i = 0; !waited && i < 200 && c.operations.load(std::memory_order_relaxed) < from + 3000; i++) usleep(50);
      waited = true;
      copyRacing(copy.data() + half, value + half, m.valueBytes - half);
    });
    allow("slow read", rc, {kOk, kMiss});
    if (rc == kOk && sequenceOf(copy.data(), u32(copy.size()), key.data(), u32(key.size())) == 0)
      wrong("a torn slow read");
  }

  void readOwn() {
    const u32 thread = u32(random.below(kThreads)), key = u32(random.below(kOwn));
    const u64 least = c.acked[thread][key].load();
    const Reading r = readValue(s, own(thread, key));
    const u64 most = c.intended[thread][key].load();
    allow("read", r.rc, {kOk, kMiss});
    if (r.rc == kOk && (r.sequence < least || r.sequence > most)) wrong("a read out of time");
  }

  void writeOwn() {
    const u64 key = random.below(kOwn);
    const u64 next = c.intended[me][key].load() + 1;
    c.intended[me][key].store(next);
    const Rc rc = storeValue(s, own(me, key), kLeastValue + u32(random.below(200)), next);
    allow("store", rc, {kOk});
    if (rc == kOk) c.acked[me][key].store(next);
  }

  /** An unchanged word: what was acknowledged before it was loaded is not newer than what is kept. */
  void nearCache() {
    const u32 thread = u32(random.below(kThreads)), key = u32(random.below(kOwn));
    const std::string which = own(thread, key);
    const auto kept = near.find(which);
    if (kept != near.end()) {
      const u64 least = c.acked[thread][key].load();
      const u64 word = reinterpret_cast<a64*>(s.indexArea())[kept->second.index].load(std::memory_order_acquire);
      if ((word & ~u64(kFrequency)) == kept->second.word) {
        c.near.fetch_add(1, std::memory_order_relaxed);
        if (kept->second.sequence < least) wrong("a stale near-cache hit");
        return;
      }
    }
    const Reading r = readValue(s, which);
    if (r.rc == kOk) near[which] = {r.meta.wordIndex, r.meta.word & ~u64(kFrequency), r.sequence};
    else near.erase(which);
  }

  void lock() {
    const Key key = keyOf(s, "lock");
    const int64_t fence = random.oneIn(2) ? s.lock(key, 0, true) : s.lockWaiting(key, 0, 2);
    if (fence <= 0) return allow("lock", fence, {kHeld});
    if (c.holder.exchange(me + 1) != 0 || u64(fence) <= c.fence.load()) wrong("a lock held by two, or its fence");
    c.fence.store(u64(fence));
    c.locked.fetch_add(1, std::memory_order_relaxed);
    c.holder.store(0);
    Rc rc = kBusyShard;
    while (rc == kBusyShard) rc = s.unlock(key, u64(fence));  // the sanitizer makes everything slow
    allow("unlock", rc, {kOk});
  }

  Segment& s;
  Common& c;
  u32 me;
  Random random;
  std::string snapshotPath;
  std::unordered_map<std::string, Near> near;
};

int run(const Arguments& a, Report& report) {
  u64 operations = 0, near = 0, locked = 0, events = 0, retries = 0, snapshots = 0;
  for (const bool dictionary : {false, true}) {
    Geometry g;
    g.flags = dictionary ? u32(kNeverEvicts) : 0;
    g.shards = 2;
    g.bucketsPerShard = 32;
    g.ghostPerShard = 128;
    g.locksPerShard = 16;
    g.eventsPerShard = 128;
    g.smallBytes = 8 << 10;
    g.mainBytes = dictionary ? 512 << 10 : 48 << 10;  // a cache must evict all the time, a dictionary must not be full
    g.reserveBytes = dictionary ? g.mainBytes / 8 : 4 << 10;
    g.pinnedBytes = 4 << 10;
    Segment* const first = Segment::onPrivateMemory(g, 0);
    storeNumber(*first, "n", 0);
    Common& c = *new Common();
    std::vector<Segment*> segments{first};
    for (u32 i = 1; i < kThreads; i++) segments.push_back(Segment::onPrivateMemory(g, 0, first));
    for (Segment* const one : segments)
      if (dictionary) one->setLimits(g.smallBytes / 2, 3000);
    std::vector<std::thread> threads;
    for (u32 i = 0; i < kThreads; i++) threads.emplace_back([&, i] { Worker(*segments[i], c, i, a.directory).run(); });
    usleep(u32(a.secondsOr(5, 60) / 2 * 1e6));
    c.stop.store(true);
    for (std::thread& thread : threads) thread.join();
    const Reading n = readValue(*first, "n");
    if (n.meta.number != double(c.increments.load())) report.fail(text("the counter is %.0f after %lu increments",
        n.meta.number, c.increments.load()));
    for (const std::string& what : c.complaint) report.fail((dictionary ? "dictionary: " : "cache: ") + what);
    const std::string audit = LabAccess::audit(*first, true);
    if (!audit.empty()) report.fail(audit);
    operations += c.operations, near += c.near, locked += c.locked, events += c.events, retries += c.retries,
        snapshots += c.snapshots;
    for (u32 i = kThreads; i-- > 0;) delete segments[i];
    delete &c;
  }
  report.injected = text("%u threads on one mapping, all operations, under ThreadSanitizer", kThreads);
  report.checked = text("%s operations (%s near-cache hits, %s locks, %s events, %s snapshots, %s restarted "
                        "reads): no race, nothing stale or torn", number(operations).c_str(),
                        number(near).c_str(), number(locked).c_str(), number(events).c_str(),
                            number(snapshots).c_str(), number(retries).c_str());
  return report.end();
}

}  // namespace
}  // namespace lab

int main(int argc, char** argv) {
  using namespace lab;
  const Arguments a = readArguments(argc, argv);
  Report report;
  return run(a, report);  // the sanitizer makes the exit code 66 if it has seen a race
}
