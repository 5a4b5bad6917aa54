// The thread that sleeps until other processes have published events or freed key locks: one per environment.
#pragma once

#include <node_api.h>
#include <pthread.h>

#include <condition_variable>
#include <mutex>
#include <vector>

#include "engine.h"

namespace stockpile {

constexpr u32 kNoCount = ~0u;  // a wake word counts to 2^31

/** What one segment waits for. Belongs to the thread of JavaScript, but for the atomics. */
struct Watch {
  Segment* segment = nullptr;
  napi_ref wake = nullptr;  // the callback
  bool events = false;
  bool locks = false;
  u64 order = 0;  // of the list, growing
  /** Events were reported and not drained since: until then there is nothing more to say about them. */
  std::atomic<bool> told{false};
  /** The callback is to be called. */
  std::atomic<bool> due{false};
  /** The count of the lock wake word at the last report. */
  a32 lockCount{kNoCount};
};

class Waiter {
 public:
  explicit Waiter(napi_env env) : env_(env) {}
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  /** False: the thread could not be started. */
  bool watch(Watch& watch, bool events, bool locks);
  /** Returns when the thread does not look at what is no longer watched. */
  void awaitPickup();
  /** After each drain. `stuck`: nothing came although there is something, so that there is no hurry to say so again. */
  void drained(Watch& watch, bool stuck);

 private:
  struct Item {
    Watch* watch;
    bool events, locks;
  };

  bool start();
  void stop();
  void keepLoopAlive();
  void nudge();
  void run();
  bool look(const std::vector<Item>& items, bool polling, u64 now);
  void sleep(bool polling, u64 now, bool watchesAny);
  bool report();
  void callBack(napi_env env);

  const napi_env env_;
  napi_threadsafe_function call_ = nullptr;
  pthread_t thread_{};
  bool started_ = false;
  bool keepsAlive_ = false;
  u64 lastOrder_ = 0;
  std::atomic<bool> callPending_{false};
  /** Changes to make the thread look again. */
  a32 nudges_{0};

  std::mutex mutex_;  // of what follows; held for a few instructions only
  std::condition_variable pickedUp_;
  std::vector<Watch*> list_;  // written by the thread of JavaScript only
  u64 changes_ = 0;
  u64 seen_ = 0;
  bool stop_ = false;
  bool running_ = false;

  // of the thread
  struct Futex {
    u64 value, address;
    u32 flags, reserved;
  };
  static constexpr u32 kMostFutexes = 128;  // of the system call
  Futex futexes_[kMostFutexes];
  u32 futexCount_ = 0;
  u64 lockReportNs_ = 0;  // the next one that nobody asks for
  bool watchesLocks_ = false;
  bool hasWaitv_ = true;
};

}  // namespace stockpile
