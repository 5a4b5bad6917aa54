// Lock-free reads that are overtaken, without chance: in the middle of its copy the reader lets another participant
// overwrite, remove, evict or re-insert what it is reading, and then goes on.
#include <algorithm>

#include "audit.h"

namespace lab {
namespace {

constexpr u32 kKeys = 24;

std::string name(u64 key) { return text("k:%lu", key); }

class Scene {
 public:
  Scene(bool never, u64 seed, Report& r) : dictionary(never), random(seed), report(r) {
    Geometry g;
    g.flags = dictionary ? u32(kNeverEvicts) : 0;
    g.shards = 1;
    g.bucketsPerShard = 16;
    g.ghostPerShard = 64;
    g.locksPerShard = 8;
    g.eventsPerShard = 64;
    g.smallBytes = 2048 + 8 * random.below(50);
    g.mainBytes = (dictionary ? 60'000 : 10'000) + 8 * random.below(100);
    g.reserveBytes = g.mainBytes / 8 / 8 * 8;
    g.pinnedBytes = g.mainBytes / 10;
    reader = Segment::onPrivateMemory(g, random.oneIn(2) ? 0 : (1ull << 48) - 8 * random.below(1000));
    writer = Segment::onPrivateMemory(g, 0, reader);
    storeNumber(*writer, "n", 0);
  }
  ~Scene() {
    const std::string audit = LabAccess::audit(*reader, true);
    if (!audit.empty()) report.fail(audit);
    delete writer;
    delete reader;
  }

  void step() {
    if (random.oneIn(2)) disturb(random.below(kKeys), 1 + u32(random.below(3)));
    const u64 key = random.below(kKeys);
    const std::string which = name(key);
    std::vector<u8> copy;
    bool disturbed = false;
    const u64 least = sequence[key];
    bool removed = least == 0;
    Meta meta;
    const Rc rc = reader->read(keyOf(*reader, which), meta, [&](const Meta& m, const u8* value) {
      copy.resize(m.valueBytes);
      const u32 part = u32(random.below(m.valueBytes + 1));
      copyRacing(copy.data(), value, part);
      if (!disturbed || random.oneIn(3)) {
        disturbed = true;
        overtaken++;
        // a little, or whole laps of the rings
        disturb(key, 1 + u32(random.below(random.oneIn(2) ? 3 : 150)), &removed);
      }
      copyRacing(copy.data() + part, value + part, m.valueBytes - part);
    });
    reads++;
    if (rc == kOk) {
      const u64 got = sequenceOf(copy.data(), u32(copy.size()), which.data(), u32(which.size()));
      if (got == 0) report.fail(which + ": torn, or another key's");
      else if (got < least && !removed) report.fail(which + text(": %lu after %lu was acknowledged", got, least));
      if (meta.valueBytes != copy.size()) report.fail("the description is not that of the value");
    } else if (rc != kMiss) {
      report.fail(which + ": " + rcName(rc));
    } else if (dictionary && !removed) {
      report.fail(which + ": a miss, and it was there all the time");
    }
    readNumber();
  }

  u64 reads = 0, overtaken = 0, restarts() const { return reader->mine(kRetries); }

 private:
  /** A number's version is not newer than the number. */
  void readNumber() {
    Meta meta;
    const double least = number;
    const Rc rc = reader->read(keyOf(*reader, "n"), meta, [&](const Meta&, const u8*) {
      if (random.oneIn(2)) disturb(0, 1 + u32(random.below(20)));
    });
    if (rc != kOk || meta.number < least || meta.number > number)
      report.fail(text("the number: %s, %g", rcName(rc), meta.number));
  }

  void disturb(u64 key, u32 operations, bool* removed = nullptr) {
    for (u32 i = 0; i < operations; i++) {
      const u64 which = random.oneIn(3) ? key : random.below(kKeys);
      const u64 dice = random.below(10);
      Meta meta;
      if (dice < 6) {
        const u32 bytes = kLeastValue + u32(random.below(random.oneIn(10) ? 1500 : 200));
        const Rc rc = storeValue(*writer, name(which), bytes, next + 1);
        if (rc == kOk) sequence[which] = ++next;
        else if (!(dictionary && rc == kFull)) report.fail(text("store: %s", rcName(rc)));
      } else if (dice < 7) {
        writer->remove(keyOf(*writer, name(which)));
        sequence[which] = 0;
        if (removed != nullptr && which == key) *removed = true;
      } else if (dice < 8) {
        writer->touch(keyOf(*writer, name(which)), random.oneIn(2) ? 0 : 3'600'000);
      } else if (dice < 9) {
        if (writer->increment(keyOf(*writer, "n"), 1, meta) == kOk) number++;
        else report.fail("the number is gone");
      } else {
        readValue(*writer, name(which));  // makes it worth keeping
      }
    }
  }

  bool dictionary;
  Random random;
  Report& report;
  Segment* reader;
  Segment* writer;
  u64 sequence[kKeys] = {};
  u64 next = 0;
  double number = 0;
};

}  // namespace
}  // namespace lab

int main(int argc, char** argv) {
  using namespace lab;
  const Arguments a = readArguments(argc, argv);
  Report report;
  u64 reads = 0, overtaken = 0, restarts = 0, seed = a.seed;
  const u64 end = monotonicNs() + u64(a.secondsOr(2, 30) * 1e9);
  while (monotonicNs() < end && report.failed == 0) {
    for (const bool dictionary : {false, true}) {
      Scene scene(dictionary, seed++, report);
      for (u32 i = 0; i < 2000 && report.failed < 6; i++) scene.step();
      reads += scene.reads, overtaken += scene.overtaken, restarts += scene.restarts();
    }
  }
  report.injected = text("%s reads overtaken in the middle of their copy, by up to 150 operations",
                         number(overtaken).c_str());
  report.checked = text("%s reads, %s of them restarted: nothing torn, stale, or missed while it was there",
                        number(reads).c_str(), number(restarts).c_str());
  return report.end();
}
