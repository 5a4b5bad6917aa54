// SIGKILL at every point between two stores: a script runs in a child that is killed at its n-th kill point, another
// one that takes over is killed a few points later, and a third process must find everything in order.
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>

#include "kill-scenarios.h"

// The same keys in the same buckets in each run: the n-th point of a report is found again.
extern "C" ssize_t getrandom(void* to, size_t bytes, unsigned) noexcept {
  memset(to, 0x5a, bytes);
  return ssize_t(bytes);
}

namespace lab {
namespace {

constexpr double kPatience = 20;  // s until a child counts as hung; the machine may be busy

constexpr u32 kMostPoints = 1 << 16;

/** Where in the code the points of a script are, in the order in which it comes by. */
struct Sites {
  a32 count;
  void* at[kMostPoints];
};
Sites* sites;

/** The points that the short form takes: the first 200, and of each place in the code some from beginning to end. */
std::set<u64> sample(const Scenario& scenario, World& w) {
  putBack(w);
  sites->count.store(0);
  awaitChild(startChild([&] {
    testClockOffsetMs.store(w.model->clockMs);
    killObserver.store([](void* at) {
      const u32 i = sites->count.fetch_add(1);
      if (i < kMostPoints) sites->at[i] = at;
    });
    scenario.script(w);
    return 0;
  }), kPatience);
  std::map<void*, std::vector<u64>> of;
  std::set<u64> points;
  for (u64 n = 1; n <= sites->count.load(); n++) {
    if (n <= 200) points.insert(n);
    of[sites->at[n - 1]].push_back(n);
  }
  constexpr u64 kOfEach = 8;
  for (const auto& [_, all] : of)
    for (u64 i = 0; i < kOfEach; i++) points.insert(all[i * (all.size() - 1) / (kOfEach - 1)]);
  points.insert(sites->count.load() + 1);  // not killed at all
  return points;
}

struct Totals {
  u64 points = 0, kills = 0, second = 0;
  double stallMs = 0;
};

/** One run that is killed at point n. False: the script came through. */
bool runOne(const Scenario& scenario, World& w, u64 n, Totals& totals, Report& report) {
  putBack(w);
  const auto broken = [&](const char* who, const Ending& e) {
    report.fail(text("%s, killed at %lu: %s: %s", scenario.name, n, who,
                     w.model->wrong[0] != 0 ? w.model->wrong : e.hung ? "hung" : text("signal %d, code %d", e.signal,
                         e.code).c_str()));
  };
  const Ending first = awaitChild(startChild([&] {
    testClockOffsetMs.store(w.model->clockMs);
    killCountdown.store(int64_t(n));
    scenario.script(w);
    return 0;
  }), kPatience);
  const bool through = first.signal == 0 && first.code == 0 && !first.hung;
  if (!through && first.signal != SIGKILL) return broken("script", first), true;
  totals.kills += !through;
  if (!through && !w.before.empty()) {
    // who takes over is killed as well: in its attach, in the recovery, in its first writes
    const Ending next = awaitChild(startChild([&] {
      testClockOffsetMs.store(w.model->clockMs);
      killCountdown.store(int64_t(1 + n % 23));
      Segment* const s = openOrEnd(w, *w.model);
      visitAllShards(*s, *w.model);
      delete s;
      return 0;
    }), kPatience);
    if (next.hung || (next.signal != 0 && next.signal != SIGKILL) || next.code != 0) return broken("successor", next),
        !through;
    totals.second += next.signal == SIGKILL;
  }
  const Ending third = awaitChild(startChild([&] {
    killCountdown.store(0);
    return scenario.verify(w) && w.model->wrong[0] == 0 ? 0 : 4;
  }), kPatience);
  if (third.hung || third.signal != 0 || third.code != 0) broken("verifier", third);
  totals.stallMs = std::max(totals.stallMs, w.model->stallMs);
  return !through;
}

}  // namespace
}  // namespace lab

int main(int argc, char** argv) {
  using namespace lab;
  const Arguments a = readArguments(argc, argv);
  Report report;
  Totals totals;
  sites = shared<Sites>();
  for (const Scenario& scenario : scenarios()) {
    World w;
    w.options.directory = a.directory + "/shm";
    w.snapshotPath = a.directory + "/snapshot";
    w.model = shared<Model>();
    mkdir(w.options.directory.c_str(), 0700);
    scenario.prepare(w);
    if (w.model->wrong[0] != 0) report.fail(text("%s: %s", scenario.name, w.model->wrong));
    u64 n = 1;
    if (a.brief) {
      for (const u64 point : sample(scenario, w))
        if (report.failed < 12) runOne(scenario, w, n = point, totals, report);
    } else {
      while (report.failed < 12 && runOne(scenario, w, n, totals, report)) n++;
    }
    const std::string missing = report.failed == 0 ? uncovered(scenario, w) : "";
    if (!missing.empty()) report.fail(missing);
    totals.points += n - 1;
    fprintf(stderr, "  %s: %lu points\n", scenario.name, (n - 1));
    unlink(w.path.c_str());
  }
  report.injected = text("SIGKILL at %s of %s%s kill points, and %s times in the process that took over",
                         number(totals.kills).c_str(),
                         a.brief ? "about " : "", number(totals.points).c_str(), number(totals.second).c_str());
  report.checked = "I1, rings, counts, values against a model, locks, events, files, snapshots, wipes";
  report.worstStallMs = totals.stallMs;
  return report.end();
}
