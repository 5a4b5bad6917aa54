// The shipped eviction on traces of real traffic, read-only: every miss inserts. Hit ratios must be those of the
// specification's simulator (column "one shard"), and on average at least those of a plain LRU with the same bytes.
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <list>
#include <unordered_map>

#include "audit.h"

namespace lab {
namespace {

struct Request {
  u32 object;
  u64 bytes;
};

struct Trace {
  const char* file;
  double expected[4];  // %, at the sizes below; 0: the specification does not say
  bool sized;
};

constexpr double kShares[] = {0.01, 0.05, 0.10, 0.25};
constexpr u64 kUnit = 64;
const Trace kTraces[] = {{"web07.txt.gz", {43.1, 54.1, 58.5, 64.3}, false},
                         {"web12.txt.gz", {41.3, 64.2, 71.7, 79.5}, false},
                         {"cdn-request.txt.gz", {25.6, 34.5, 38.5, 41.6}, true},
                         {"corda-vault.txt.gz", {0, 0, 0, 0}, false}};

/** A key, or a key and its bytes, on each line. */
bool readTrace(const std::string& path, bool sized, std::vector<Request>& requests, u64& objects, u64& footprint) {
  FILE* const pipe = popen(("gzip -dc '" + path + "' 2>/dev/null").c_str(), "re");
  if (pipe == nullptr) return false;
  std::unordered_map<std::string, u32> numbers;
  std::vector<u64> sizes;
  char line[4096];
  while (fgets(line, sizeof line, pipe) != nullptr) {
    line[strcspn(line, "\r\n")] = 0;
    if (line[0] == 0) continue;
    u64 bytes = kUnit;
    if (char* const comma = sized ? strrchr(line, ',') : nullptr) {
      bytes = strtoull(comma + 1, nullptr, 10);
      *comma = 0;
    }
    const auto [at, fresh] = numbers.emplace(line, u32(sizes.size()));
    if (fresh) sizes.push_back(bytes);
    // an object has the size that it was first seen with
    requests.push_back({at->second, sizes[at->second]});
  }
  pclose(pipe);
  objects = sizes.size();
  footprint = 0;
  for (const u64 n : sizes) footprint += n;
  return objects > 0;
}

double lru(const std::vector<Request>& requests, u64 capacity) {
  std::list<Request> order;
  std::unordered_map<u32, std::list<Request>::iterator> where;
  u64 used = 0, hits = 0;
  for (const Request& r : requests) {
    const auto found = where.find(r.object);
    if (found != where.end()) {
      hits++;
      order.splice(order.begin(), order, found->second);
      continue;
    }
    if (r.bytes > capacity) continue;
    for (; used + r.bytes > capacity; order.pop_back()) {
      used -= order.back().bytes;
      where.erase(order.back().object);
    }
    order.push_front(r);
    where[r.object] = order.begin();
    used += r.bytes;
  }
  return 100.0 * double(hits) / double(requests.size());
}

/** One record takes `bytes` in all: header, key of 8 bytes, and a value that only fills it up. */
u64 recordBytes(u64 bytes) { return std::max<u64>((bytes + 7) / 8 * 8, 56); }

double engine(const Trace& trace, const std::vector<Request>& requests, u64 objects, u64 footprint, u64 capacity,
              Report& report) {
  u64 largest = kUnit;
  for (const Request& r : requests) largest = std::max(largest, recordBytes(r.bytes));
  const u64 small = std::max<u64>(capacity / 10 / 8 * 8, 64), main = std::max<u64>((capacity - small) / 8 * 8, 64);
  Geometry g;
  g.shards = 1;
  const double mean = double(footprint) / double(objects);
  const u64 expected = u64(ceil(double(capacity) / mean));
  // a load of the index below a quarter
  g.bucketsPerShard = u32(std::bit_ceil(std::max<u64>(expected * 4 / kBucketWords + 1, 8)));
  g.ghostPerShard = u32(std::bit_ceil(std::max<u64>(expected, 8)));
  g.locksPerShard = 8;
  g.eventsPerShard = 64;
  // the reserve is beyond the capacity: two records of the size that may be stored
  const u64 recordLimit = std::min(largest, main);
  g.reserveBytes = 2 * recordLimit;
  g.smallBytes = small;
  g.mainBytes = main + g.reserveBytes;
  Segment* const s = Segment::onPrivateMemory(g, 0);
  s->setLimits(small, recordLimit);
  std::vector<u8> value(recordLimit);
  u64 hits = 0;
  for (const Request& r : requests) {
    const u64 name = 0x6b00000000000000 | r.object;
    const Key key = s->keyOf(&name, 8);
    Meta meta;
    if (s->peek(key, meta, true) == kOk) {
      hits++;
      continue;
    }
    const u64 size = recordBytes(r.bytes);
    Value v;
    v.bytes = u32(std::min<u64>(size, u32(~0u) - 100) - 56);
    v.data = value.data();
    if (size > recordLimit) continue;
    const Rc rc = s->store(key, v, {});
    if (rc != kOk) report.fail(text("%s: a store was refused: %s", trace.file, rcName(rc)));
  }
  const std::string audit = LabAccess::audit(*s, true);
  if (!audit.empty()) report.fail(std::string(trace.file) + ": " + audit);
  delete s;
  return 100.0 * double(hits) / double(requests.size());
}

}  // namespace
}  // namespace lab

int main(int argc, char** argv) {
  using namespace lab;
  const Arguments a = readArguments(argc, argv);
  Report report;
  double worst = 0, sum = 0, sumLru = 0;
  u32 points = 0, compared = 0;
  u64 all = 0;
  for (const Trace& trace : kTraces) {
    std::vector<Request> requests;
    u64 objects = 0, footprint = 0;
    if (access((a.traces + "/" + trace.file).c_str(), R_OK) != 0 || !readTrace(a.traces + "/" + trace.file,
        trace.sized, requests, objects, footprint)) continue;
    std::string row = text("  %-20s", trace.file);
    for (u32 i = 0; i < 4; i++) {
      const u64 capacity = u64(double(footprint) * kShares[i]);
      const double ours = engine(trace, requests, objects, footprint, capacity, report),
          theirs = lru(requests, capacity);
      row += text("  %2.0f %%: %.1f (LRU %.1f", kShares[i] * 100, ours, theirs);
      row += trace.expected[i] > 0 ? text(", wanted %.1f)", trace.expected[i]) : ")";
      sum += ours, sumLru += theirs, points++;
      if (trace.expected[i] == 0) continue;
      compared++;
      worst = std::max(worst, fabs(ours - trace.expected[i]));
      if (fabs(ours - trace.expected[i]) > 1) report.fail(text("%s at %.0f %%: %.1f instead of %.1f", trace.file,
          kShares[i] * 100, ours, trace.expected[i]));
    }
    fprintf(stderr, "%s\n", row.c_str());
    all += requests.size();
  }
  if (points == 0) {
    report.skipped = "there are no traces at " + a.traces;
    return report.end();
  }
  if (sum < sumLru) report.fail(text("on average %.1f %%, an LRU %.1f %%", sum / points, sumLru / points));
  report.injected = text("%s requests of real traffic, at 1, 5, 10 and 25 %% of their footprint", number(all).c_str());
  report.checked = text("%u points, at most %.2f percentage points from the specification; on average %.1f %%, "
                        "an LRU has %.1f %%", compared, worst, sum / points, sumLru / points);
  return report.end();
}
