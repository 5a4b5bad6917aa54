// Positions just below 2^48, where those in the index words begin again, and rings whose sizes leave fillers of 8 to 40
// bytes: the whole of the invariants after every operation, across the wrap and many laps.
#include <unistd.h>

#include <map>

#include "audit.h"

namespace lab {
namespace {

Geometry geometry(u64 small, u64 main, bool dictionary) {
  Geometry g;
  g.flags = dictionary ? u32(kNeverEvicts) : 0;
  g.shards = 1;
  g.bucketsPerShard = 16;
  g.ghostPerShard = 64;
  g.locksPerShard = 16;
  g.eventsPerShard = 64;
  g.smallBytes = small;
  g.mainBytes = main;
  g.reserveBytes = (dictionary ? main / 8 : main / 16) / 8 * 8;
  g.pinnedBytes = main / 10;
  return g;
}

std::string name(u64 i) { return text("k:%lu", i); }

/** The bytes that are left of a lap take all sizes below that of a record's header. */
void run(const Geometry& g, u64 first, u32 operations, u64 seed, Report& report, u64& done) {
  Segment* const s = Segment::onPrivateMemory(g, first);
  const bool dictionary = g.flags & kNeverEvicts;
  Random random(seed);
  s->subscribe();
  std::map<u64, u64> sequences;  // of what was stored last
  std::map<u64, u64> words;      // index words of it: none ever comes back
  double sum = 0;
  storeNumber(*s, "n", 0);
  const auto fail = [&](const std::string& what) {
    report.fail(text("first %lx, small %lu, main %lu, operation %lu: %s", first, g.smallBytes,
                     g.mainBytes, done, what.c_str()));
  };
  for (u32 i = 0; i < operations && report.failed < 6; i++, done++) {
    const u64 key = random.below(60);
    const u64 dice = random.below(20);
    if (dice < 10) {
      const u32 bytes = kLeastValue + u32(random.below(random.oneIn(8) ? s->recordLimit() - 100 : 120));
      const Rc rc = storeValue(*s, name(key), bytes, i + 1);
      if (rc == kOk) sequences[key] = i + 1;
      else if (rc != kTooLarge && !(dictionary && rc == kFull)) fail(text("store: %s", rcName(rc)));
    } else if (dice < 16) {
      const Reading r = readValue(*s, name(key));
      const auto last = sequences.find(key);
      if (r.rc == kOk && (last == sequences.end() || r.sequence != last->second)) fail("another value was read");
      if (r.rc == kMiss && dictionary && last != sequences.end()) fail("an entry of a dictionary is gone");
    } else if (dice < 17) {
      s->remove(keyOf(*s, name(key)));
      sequences.erase(key);
    } else if (dice < 18) {
      s->touch(keyOf(*s, name(key)), random.oneIn(2) ? 0 : 3'600'000);
    } else {
      Meta meta;
      const Rc rc = s->increment(keyOf(*s, "n"), 1, meta);
      if (rc != kOk || meta.number != ++sum) fail(text("the number is %g: %s", meta.number, rcName(rc)));
    }
    // how the near cache asks: the same word, the same version
    Meta meta;
    if (s->peek(keyOf(*s, name(key)), meta, false) == kOk) {
      const u64 word = meta.word & ~u64(kFrequency);
      const auto known = words.find(word);
      if (known != words.end() && known->second != meta.version) fail("an index word came back for another version");
      words[word] = meta.version;
      if (words.size() > 50'000) words.clear();
    }
    const std::string audit = LabAccess::audit(*s, true);
    if (!audit.empty()) fail(audit);
  }
  const ShardHeader& h = LabAccess::header(*s, 0);
  if (first != 0 && operations > 1000 && h.mainTail.load() >> 48 == 0) fail("main never reached the wrap");
  if (s->shardStats(0).wipes != 0) fail("the shard was wiped");
  delete s;
}

}  // namespace
}  // namespace lab

int main(int argc, char** argv) {
  using namespace lab;
  const Arguments a = readArguments(argc, argv);
  Report report;
  u64 done = 0, rings = 0, seed = a.seed;
  const u64 end = monotonicNs() + u64(a.secondsOr(2.5, 40) * 1e9);
  constexpr u64 kWrap = 1ull << 48;
  // all kinds of sizes, and beginnings such that the wrap is in the first lap, at its end, or exactly at a lap's end
  for (u32 turn = 0; monotonicNs() < end && report.failed == 0; turn++) {
    Random random(seed++);
    const u64 small = 1024 + 8 * random.below(64), main = 12'000 + 8 * random.below(512);
    const u64 before = turn % 4 == 0 ? main - kWrap % main : 8 * random.below(main / 4);
    for (const bool dictionary : {false, true}) {
      run(geometry(small, main, dictionary), kWrap - before, 1500, seed, report, done);
      rings += 2;
    }
  }
  report.injected = text("%s pairs of rings of odd sizes, whose positions pass 2^48", number(rings / 2).c_str());
  report.checked = text("all invariants after each of %s operations, index words never come back",
                        number(done).c_str());
  return report.end();
}
