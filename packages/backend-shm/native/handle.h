// What the binding keeps for each environment (the main thread, a Worker) and for each segment it has open.
#pragma once

#include <node_api.h>

#include <condition_variable>
#include <mutex>
#include <vector>

#include "addon-values.h"
#include "engine-inline.h"
#include "platform.h"
#include "waiter.h"

namespace stockpile {

struct Handle;

/** For what needs room for at least one key, whatever its length, and mostly for many. */
constexpr size_t kLeastScratch = 64 << 10;

/** The instance data of an environment. */
struct Addon {
  explicit Addon(napi_env env) : waiter(env) {}
  std::vector<Handle*> open;
  TextBuffer text;
  Waiter waiter;
};

/** Keeps close() away while a thread of the pool works on the segment. */
class PoolUse {
 public:
  /** False: it is closed. */
  bool enter() {
    const std::lock_guard<std::mutex> guard(mutex_);
    if (!closed_) users_++;
    return !closed_;
  }
  void leave() {
    const std::lock_guard<std::mutex> guard(mutex_);
    users_--;
    left_.notify_all();
  }
  void close() {
    std::unique_lock<std::mutex> guard(mutex_);
    closed_ = true;
    while (users_ > 0) left_.wait(guard);
  }

 private:
  std::mutex mutex_;
  std::condition_variable left_;
  u32 users_ = 0;
  bool closed_ = false;
};

/** The data of every method of a segment: it outlives the segment, since the functions do. */
struct Handle {
  Segment* segment = nullptr;  // nullptr once closed
  Addon* addon = nullptr;
  double* meta = nullptr;
  u8* scratch = nullptr;
  size_t scratchBytes = 0;
  napi_ref metaBuffer = nullptr, scratchBuffer = nullptr, indexBuffer = nullptr, sharedBuffer = nullptr;
  Watch watch;
  PoolUse pool;

  /** Held by the functions, by being open, by each snapshot on the pool; counted on the thread of JavaScript. */
  void retain() { references_++; }
  void release() {
    if (--references_ == 0) delete this;
  }

  void tell(const Meta& m) const {
    meta[0] = double(int64_t(m.version));
    meta[1] = double(int64_t(m.expiresInMs));
    meta[2] = double(int64_t(m.inserted));
    meta[3] = double(int64_t(m.wordIndex));
    meta[4] = u32(m.word);
    meta[5] = u32(m.word >> 32);
    meta[6] = m.valueBytes;
    meta[7] = m.kind;
    meta[8] = m.number;
  }

 private:
  u32 references_ = 1;
};

/** A key as the engine takes it, with its bytes. */
struct KeyArgument {
  KeyText text;
  Key key;
  /** kOk, kBadKey or kIllFormedKey. */
  int read(napi_env env, const Handle& handle, napi_value value) {
    const int rc = text.read(env, value);
    if (rc == kOk) key = handle.segment->keyOf(text.data(), text.bytes());
    return rc;
  }
};

/** What a method answers once its segment is closed. */
enum class Closed { kCode, kNothing, kFalse };

/** A method with N arguments; `run(env, handle, arguments)` is called only while the segment is open. */
template <auto run, size_t N, Closed closed = Closed::kCode>
napi_value method(napi_env env, napi_callback_info info) {
  napi_value args[N + 1];
  size_t count = N;
  void* data = nullptr;
  if (napi_get_cb_info(env, info, &count, args, nullptr, &data) != napi_ok) return nullptr;
  Handle& handle = *static_cast<Handle*>(data);
  if (handle.segment == nullptr) [[unlikely]] {
    if constexpr (closed == Closed::kCode) return toJs(env, kClosed);
    else if constexpr (closed == Closed::kFalse) return toJs(env, false);
    else return nullptr;
  }
  return run(env, handle, args);
}

struct Method {
  const char* name;
  napi_callback call;
};

/** Of NativeSegment (src/native.ts), by file; a name of nullptr ends each. */
extern const Method kEntryMethods[];    // one key, or all below a prefix
extern const Method kSegmentMethods[];  // locks, events, statistics
extern const Method kSnapshotMethods[];

}  // namespace stockpile
