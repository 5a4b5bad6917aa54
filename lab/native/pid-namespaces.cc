// Owners whose process numbers mean nothing to the others: a dead one in another PID namespace is replaced, a living
// one never robbed, in both directions.
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "audit.h"

namespace lab {
namespace {

constexpr const char* kVictim = "k:0";

struct Scene {
  a32 stopped, goOn, wrong;
  char what[200];
  double recoveryMs;
};

void complain(Scene& scene, const std::string& what) {
  if (scene.wrong.fetch_add(1) == 0) snprintf(scene.what, sizeof scene.what, "%s", what.c_str());
}

/** Takes the lock of the shard and stops, or dies, in the middle of a store. */
int beOwner(const OpenOptions& options, Scene& scene, bool dies) {
  Failure failure;
  Segment* const s = Segment::open(options, failure);
  if (s == nullptr) return complain(scene, "owner: " + describe(failure)), 1;
  if (s->lock(keyOf(*s, "l:0"), 0, false) <= 0) complain(scene, "owner: no lock");
  killSignal.store(dies ? SIGKILL : SIGSTOP);
  killCountdown.store(2);  // with the lock, its record half written
  const Rc rc = storeValue(*s, kVictim, 500, 2);
  if (rc != kOk) complain(scene, text("owner: %s", rcName(rc)));
  delete s;
  return 0;
}

/** Starts an owner; once it is stopped or dead says so, and lets it go on when asked. */
int watchOwner(const OpenOptions& options, Scene& scene, bool dies) {
  const pid_t owner = startChild([&] { return beOwner(options, scene, dies); });
  if (dies) {
    const Ending e = awaitChild(owner, 20);
    if (e.signal != SIGKILL) complain(scene, "the owner was not killed");
    scene.stopped.store(1);
    return 0;
  }
  if (!awaitStop(owner, 20)) complain(scene, "the owner did not stop");
  scene.stopped.store(1);
  while (scene.goOn.load() == 0) usleep(500);
  kill(owner, SIGCONT);
  const Ending e = awaitChild(owner, 20);
  if (e.hung || e.signal != 0 || e.code != 0) complain(scene, "the owner was robbed, or ended badly");
  return 0;
}

/** The other side: finds the owner dead or alive. */
int beOther(const OpenOptions& options, Scene& scene, bool dies) {
  Failure failure;
  Segment* const s = Segment::open(options, failure);
  if (s == nullptr) return complain(scene, "other: " + describe(failure)), 1;
  const u32 shard = LabAccess::shardIndex(*s, keyOf(*s, kVictim).hash);
  const u64 began = monotonicNs();
  const Rc rc = storeValue(*s, kVictim, 400, 3);
  if (dies) {
    scene.recoveryMs = double(monotonicNs() - began) / 1e6;
    if (rc != kOk) complain(scene, text("a dead owner in another namespace: %s", rcName(rc)));
    if (s->shardStats(shard).recoveries != 1 || s->shardStats(shard).wipes != 0) complain(scene, "not one recovery");
    if (s->lock(keyOf(*s, "l:0"), 0, false) <= 0) complain(scene, "the key lock of the dead is not free");
    const std::string audit = LabAccess::audit(*s, false);
    if (!audit.empty()) complain(scene, audit);
  } else {
    if (rc != kBusyShard) complain(scene, text("a living owner in another namespace: %s", rcName(rc)));
    for (u32 i = 0; i < 20; i++) {
      usleep(30'000);
      if (storeValue(*s, kVictim, 400, 3) != kBusyShard) complain(scene, "a living owner was robbed");
    }
    if (readValue(*s, kVictim).sequence != 1) complain(scene, "the old value cannot be read");
    scene.goOn.store(1);
    Rc later = kBusyShard;
    for (u32 i = 0; i < 5000 && later == kBusyShard; i++, usleep(1000)) later = storeValue(*s, kVictim, 400, 4);
    if (later != kOk || s->shardStats(shard).recoveries != 0) complain(scene,
        text("after the owner went on: %s", rcName(later)));
  }
  delete s;
  return 0;
}

void write(const char* path, const std::string& line) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd >= 0 && ::write(fd, line.data(), line.size()) < 0) errno = 0;
  if (fd >= 0) close(fd);
}

/** Children of this process will be in a PID namespace of their own. */
bool enterNamespace() {
  if (unshare(CLONE_NEWPID) == 0) return true;
  const unsigned uid = geteuid(), gid = getegid();
  if (unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0) return false;
  write("/proc/self/setgroups", "deny");
  write("/proc/self/uid_map", text("%u %u 1", uid, uid));
  write("/proc/self/gid_map", text("%u %u 1", gid, gid));
  return geteuid() == uid;
}

/** Runs `body` as a child of the first process of a new PID namespace (which takes no signals from within). */
int inNamespace(const std::function<int()>& body) {
  if (!enterNamespace()) return 77;
  const Ending init = awaitChild(startChild([&] { return awaitChild(startChild(body), 40).code; }), 60);
  return init.hung ? 1 : init.code;
}

}  // namespace
}  // namespace lab

int main(int argc, char** argv) {
  using namespace lab;
  const Arguments a = readArguments(argc, argv);
  Report report;
  if (awaitChild(startChild([] { return inNamespace([] { return 0; }); }), 30).code != 0) {
    report.skipped = "PID namespaces are not permitted here";
    return report.end();
  }
  const OpenOptions options = optionsFor(a.directory + "/shm", "namespaces", 4u << 20, 512);
  mkdir(options.directory.c_str(), 0700);
  double worst = 0;
  u32 runs = 0;
  for (u32 turn = 0; turn < (a.brief ? 2u : 10u); turn++) {
    for (const bool ownerInside : {true, false}) {
      for (const bool dies : {true, false}) {
        Failure failure;
        unlink(fileOf(options).c_str());
        Segment* const s = Segment::open(options, failure);
        if (s == nullptr) return report.fail("create: " + describe(failure)), report.end();
        storeValue(*s, kVictim, 300, 1);
        delete s;
        Scene& scene = *shared<Scene>();
        const pid_t owner = startChild([&] {
          const auto body = [&] { return watchOwner(options, scene, dies); };
          return ownerInside ? inNamespace(body) : body();
        });
        for (u32 i = 0; i < 20'000 && scene.stopped.load() == 0; i++) usleep(1000);
        const pid_t other = startChild([&] {
          const auto body = [&] { return beOther(options, scene, dies); };
          return ownerInside ? body() : inNamespace(body);
        });
        for (const pid_t pid : {other, owner}) {
          const Ending e = awaitChild(pid, 60);
          if (e.hung || e.signal != 0 || e.code != 0) complain(scene, text("a process ended by signal %d with code %d",
              e.signal, e.code));
        }
        if (scene.wrong.load() != 0) report.fail(text("owner %s, %s: %s", ownerInside ? "inside" : "outside",
                                                      dies ? "killed" : "stopped", scene.what));
        worst = std::max(worst, scene.recoveryMs);
        runs++;
      }
    }
  }
  report.injected = text("%u owners in another PID namespace, killed or stopped in the middle of a store", runs);
  report.checked = "the dead are replaced, with their key locks; the living never robbed; entries and counts";
  report.worstStallMs = worst;
  return report.end();
}
