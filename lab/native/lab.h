// What the harnesses share: arguments, the report, values that prove themselves, child processes that may be killed.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "engine-inline.h"

namespace stockpile {
extern std::atomic<int64_t> killCountdown;
extern std::atomic<int> killSignal;
extern std::atomic<void (*)(void*)> killObserver;
}  // namespace stockpile

namespace lab {

using namespace stockpile;

/** --short | --seconds N | --seed N | --case N | --directory D | --traces D */
struct Arguments {
  bool brief = false;
  double seconds = 0;  // 0: as long as the experiment thinks right
  u64 seed = 1;
  int64_t onlyCase = -1;  // to repeat one of which a report has told
  std::string directory;  // made for this run, removed by the runner
  std::string traces;
  double secondsOr(double shortForm, double longForm) const {
    return seconds > 0 ? seconds : brief ? shortForm : longForm;
  }
};
Arguments readArguments(int argc, char** argv);

/** Becomes one line of JSON on standard output; what it says is put together by src/native.ts. */
struct Report {
  std::string injected;  // what, and how often
  std::string checked;
  double worstStallMs = -1;  // -1: not measured
  std::string notes;
  std::string skipped;  // why
  std::vector<std::string> failures;
  u64 failed = 0;  // all of them, also those beyond the first few that are kept

  void fail(const std::string& what);
  /** Prints it; the exit code of the harness. */
  int end() const;
};

std::string text(const char* format, ...) __attribute__((format(printf, 1, 2)));
/** 1234567 -> 1,234,567 */
std::string number(u64 n);

/** splitmix64: the same seed gives the same run. */
struct Random {
  u64 state;
  explicit Random(u64 seed) : state(seed * 0x9e3779b97f4a7c15 + 1) {}
  u64 next();
  u64 below(u64 n) { return next() % n; }
  bool oneIn(u64 n) { return below(n) == 0; }
};

// --- values: who wrote it for which key, its number, and a checksum over all of it

constexpr u32 kLeastValue = 24;
/** Fills `out` with a value of that size (at least kLeastValue). */
void makeValue(u8* out, u32 bytes, const void* key, u32 keyBytes, u64 sequence);
/** 0: not one of ours, not of this key, or torn. Sequences begin with 1. */
u64 sequenceOf(const u8* value, u32 bytes, const void* key, u32 keyBytes);

inline Key keyOf(const Segment& segment, const std::string& name) {
  return segment.keyOf(name.data(), u32(name.size()));
}
Rc storeValue(Segment& segment, const std::string& key, u32 bytes, u64 sequence, StoreOptions options = {},
              u8 flags = 0, Kind kind = kBytes);
Rc storeNumber(Segment& segment, const std::string& key, double number, StoreOptions options = {});

/** kMiss, or kOk with the sequence; a value that does not prove itself has sequence 0. */
struct Reading {
  Rc rc = kMiss;
  u64 sequence = 0;
  Meta meta;
};
Reading readValue(Segment& segment, const std::string& key);

// --- processes

/** A page or more that children share with us; zeros. */
void* sharedMemory(size_t bytes);
template <class T>
T* shared() {
  return static_cast<T*>(sharedMemory(sizeof(T)));
}

/** A child that runs `body` and ends with its answer; it dies with us. */
pid_t startChild(const std::function<int()>& body);
struct Ending {
  bool hung = false;  // was still there after the time limit, and was killed
  int signal = 0;     // 0: it ended by itself
  int code = 0;
};
Ending awaitChild(pid_t child, double seconds);
/** Until the kernel says that it is stopped. */
bool awaitStop(pid_t child, double seconds);
/** Dead, or dying as a zombie. */
bool isDead(pid_t pid);

/** How long this thread was runnable and had no processor: that is not the engine's fault. */
class RunDelay {
 public:
  RunDelay();
  ~RunDelay();
  RunDelay(const RunDelay&) = delete;
  RunDelay& operator=(const RunDelay&) = delete;
  u64 ns() const;

 private:
  int fd_;
};
/** CLOCK_THREAD_CPUTIME_ID */
u64 cpuNs();

OpenOptions optionsFor(const std::string& directory, const std::string& name, u64 bytes, u32 meanItemBytes,
                       u32 flags = 0);
std::string fileOf(const OpenOptions& options);
bool exists(const std::string& path);
std::string describe(const Failure& failure);

}  // namespace lab
