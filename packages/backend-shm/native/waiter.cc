#include "waiter.h"

#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "platform.h"

namespace stockpile {
namespace {

constexpr u64 kLongestSleepNs = 1'000'000'000;  // a publisher may die before it wakes us
constexpr u64 kLockRetryNs = 20'000'000;        // the dead wake nobody
constexpr u64 kPollNs = 20'000'000;
constexpr size_t kStackBytes = 256 << 10;
constexpr u32 kFutex32 = 2;     // FUTEX2_SIZE_U32, shared
constexpr long kFutexWaitv = 449;  // the same on all architectures; older headers lack SYS_futex_waitv

/** Bit 0 says that somebody sleeps. Whatever is published later changes the word, so look again after this. */
u32 arm(a32& word) {
  u32 value = word.load();
  while ((value & 1) == 0 && !word.compare_exchange_weak(value, value | 1)) {
  }
#if !defined(__SANITIZE_THREAD__)
  std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
  return value | 1;
}

}  // namespace

bool Waiter::watch(Watch& watch, bool events, bool locks) {
  if ((events || locks) && !start()) return false;
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    const bool listed = watch.events || watch.locks;
    if (events && !watch.events) watch.told = false;
    if (locks && !watch.locks) watch.lockCount = kNoCount;  // what was freed before we looked is reported at once
    watch.events = events;
    watch.locks = locks;
    if (!listed && (events || locks)) {
      watch.order = ++lastOrder_;
      list_.push_back(&watch);
    } else if (listed && !events && !locks) {
      list_.erase(std::find(list_.begin(), list_.end(), &watch));
    }
    changes_++;
  }
  if (!started_) return true;
  nudge();
  keepLoopAlive();
  return true;
}

void Waiter::awaitPickup() {
  std::unique_lock<std::mutex> guard(mutex_);
  while (running_ && seen_ != changes_) pickedUp_.wait(guard);
}

void Waiter::drained(Watch& watch, bool stuck) {
  if (watch.told.exchange(false) && !stuck) nudge();
}

bool Waiter::start() {
  if (started_) return true;
  napi_value name = nullptr;
  if (napi_create_string_utf8(env_, "stockpile", NAPI_AUTO_LENGTH, &name) != napi_ok) return false;
  const auto onCall = [](napi_env env, napi_value, void* context, void*) {
    if (env != nullptr) static_cast<Waiter*>(context)->callBack(env);
  };
  if (napi_create_threadsafe_function(env_, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this, onCall, &call_) !=
      napi_ok) {
    return false;
  }
  napi_unref_threadsafe_function(env_, call_);

  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are for the threads of Node.js
  running_ = true;
  const auto body = [](void* self) -> void* {
    static_cast<Waiter*>(self)->run();
    return nullptr;
  };
  started_ = pthread_create(&thread_, &attributes, body, this) == 0;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (!started_) {
    running_ = false;
    napi_release_threadsafe_function(call_, napi_tsfn_abort);
    call_ = nullptr;
    return false;
  }
  // hooks run last in, first out: so this one comes before that of the threadsafe function, which then nobody calls
  napi_add_env_cleanup_hook(env_, [](void* self) { static_cast<Waiter*>(self)->stop(); }, this);
  return true;
}

void Waiter::stop() {
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    stop_ = true;
  }
  nudge();
  pthread_join(thread_, nullptr);
  napi_release_threadsafe_function(call_, napi_tsfn_abort);
  started_ = false;
}

/** Who waits for a lock keeps the process alive, who listens does not. */
void Waiter::keepLoopAlive() {
  const bool wanted = std::any_of(list_.begin(), list_.end(), [](const Watch* w) { return w->locks; });
  if (wanted == keepsAlive_) return;
  keepsAlive_ = wanted;
  if (wanted) napi_ref_threadsafe_function(env_, call_);
  else napi_unref_threadsafe_function(env_, call_);
}

void Waiter::nudge() {
  nudges_.fetch_add(1);
  futexWake(&nudges_, 1);
}

void Waiter::run() {
  std::vector<Item> items;
  for (bool goesOn = true; goesOn;) {
    const u32 nudges = nudges_.load();  // before the list: a change that is not in it ends the sleep at once
    {
      const std::lock_guard<std::mutex> guard(mutex_);
      if (stop_) break;
      items.clear();
      for (Watch* w : list_) items.push_back({w, w->events, w->locks});
      seen_ = changes_;
    }
    pickedUp_.notify_all();
    const bool polling = !hasWaitv_ || 1 + 2 * items.size() > kMostFutexes;
    futexCount_ = 0;
    futexes_[futexCount_++] = {nudges, reinterpret_cast<u64>(&nudges_), kFutex32, 0};
    const u64 now = monotonicNs();
    goesOn = !look(items, polling, now) || report();
    if (goesOn) sleep(polling, now, !items.empty());
  }
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    running_ = false;
  }
  pickedUp_.notify_all();
}

/** Finds out what is to be reported, and on which words to sleep. True: there is something to report. */
bool Waiter::look(const std::vector<Item>& items, bool polling, u64 now) {
  bool found = false;
  const auto sleepOn = [&](a32* word, u32 value) {
    if (!polling) futexes_[futexCount_++] = {value, reinterpret_cast<u64>(word), kFutex32, 0};
  };
  watchesLocks_ = false;
  const bool lockReport = now >= lockReportNs_;
  for (const Item& item : items) {
    Watch& watch = *item.watch;
    if (item.events && !watch.told) {
      a32* const word = watch.segment->eventWakeWord();
      bool has = watch.segment->hasEvents();
      if (!has && !polling) {
        const u32 armed = arm(*word);
        has = watch.segment->hasEvents();
        if (!has) sleepOn(word, armed);
      }
      if (has) {
        watch.told = true;
        watch.due = true;
        found = true;
      }
    }
    if (item.locks) {
      // armed before it is reported: what is freed after the next try to lock then ends the sleep
      a32* const word = watch.segment->lockWakeWord();
      const u32 value = polling ? word->load() : arm(*word);
      if (watch.lockCount.exchange(value >> 1) != value >> 1 || lockReport) {
        watch.due = true;
        found = true;
      }
      sleepOn(word, value);
      watchesLocks_ = true;
    }
  }
  if (watchesLocks_ && lockReport) lockReportNs_ = now + kLockRetryNs;
  return found;
}

void Waiter::sleep(bool polling, u64 now, bool watchesAny) {
  u64 until = now + (polling && watchesAny ? kPollNs : kLongestSleepNs);
  if (watchesLocks_) until = std::min(until, lockReportNs_);
  if (polling) {
    futexWait(&nudges_, u32(futexes_[0].value), until - now);
    return;
  }
  const timespec at = {time_t(until / 1'000'000'000), long(until % 1'000'000'000)};
  const long rc = syscall(kFutexWaitv, futexes_, futexCount_, 0, watchesAny ? &at : nullptr, CLOCK_MONOTONIC);
  // before Linux 5.16 there is no such call, and sandboxes refuse it in various ways
  if (rc < 0 && errno != EAGAIN && errno != ETIMEDOUT && errno != EINTR) hasWaitv_ = false;
}

/** At most one call is on its way. False: the environment is about to end. */
bool Waiter::report() {
  if (callPending_.exchange(true)) return true;
  return napi_call_threadsafe_function(call_, nullptr, napi_tsfn_nonblocking) == napi_ok;
}

void Waiter::callBack(napi_env env) {
  callPending_ = false;  // before the looks at `due`: what becomes due later is reported by another call
  // callbacks may open and close segments, so no iterator
  for (u64 last = 0;;) {
    const auto next = std::find_if(list_.begin(), list_.end(), [&](const Watch* w) { return w->order > last; });
    if (next == list_.end()) return;
    Watch& watch = **next;
    last = watch.order;
    if (!watch.due.exchange(false) || watch.wake == nullptr) continue;
    napi_handle_scope scope = nullptr;
    if (napi_open_handle_scope(env, &scope) != napi_ok) return;
    napi_value callback = nullptr, self = nullptr, error = nullptr;
    napi_get_reference_value(env, watch.wake, &callback);
    napi_get_undefined(env, &self);
    if (callback != nullptr && napi_call_function(env, self, callback, 0, nullptr, nullptr) == napi_pending_exception &&
        napi_get_and_clear_last_exception(env, &error) == napi_ok) {
      napi_fatal_exception(env, error);
    }
    napi_close_handle_scope(env, scope);
  }
}

}  // namespace stockpile
