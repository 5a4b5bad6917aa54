// The methods for key locks, events, statistics, and the segment as a whole.
#include "handle.h"

namespace stockpile {
namespace {

constexpr u32 kMostEvents = 256;  // of one turn of the event loop

napi_value setScratch(napi_env env, Handle& handle, napi_value* args) {
  BytesView view;
  napi_ref held = nullptr;
  if (!view.read(env, args[0]) || napi_create_reference(env, args[0], 1, &held) != napi_ok) return nullptr;
  if (handle.scratchBuffer != nullptr) napi_delete_reference(env, handle.scratchBuffer);
  handle.scratchBuffer = held;
  handle.scratch = view.data;
  handle.scratchBytes = view.bytes;
  return nullptr;
}

napi_value newDoubles(napi_env env, size_t count, double*& numbers) {
  void* memory = nullptr;
  napi_value buffer = nullptr, array = nullptr;
  if (napi_create_arraybuffer(env, count * sizeof(double), &memory, &buffer) != napi_ok) return nullptr;
  if (napi_create_typedarray(env, napi_float64_array, count, buffer, 0, &array) != napi_ok) return nullptr;
  numbers = static_cast<double*>(memory);
  return array;
}

napi_value items(napi_env env, Handle& handle, napi_value*) { return toJs(env, double(handle.segment->items())); }

napi_value liveBytes(napi_env env, Handle& handle, napi_value*) {
  return toJs(env, double(handle.segment->liveBytes()));
}

napi_value shardStats(napi_env env, Handle& handle, napi_value*) {
  constexpr size_t kFields = sizeof(ShardStats) / sizeof(u64);
  const u32 shards = handle.segment->geometry().shards;
  double* out = nullptr;
  const napi_value array = newDoubles(env, shards * kFields, out);
  if (array == nullptr) return nullptr;
  for (u32 s = 0; s < shards; s++) {
    const ShardStats stats = handle.segment->shardStats(s);
    u64 fields[kFields];
    memcpy(fields, &stats, sizeof fields);
    for (const u64 field : fields) *out++ = double(field);
  }
  return array;
}

napi_value counters(napi_env env, Handle& handle, napi_value*) {
  double* out = nullptr;
  const napi_value array = newDoubles(env, 2 * kCounters, out);
  if (array == nullptr) return nullptr;
  for (u32 c = 0; c < kCounters; c++) {
    out[c] = double(handle.segment->mine(Counter(c)));
    out[kCounters + c] = double(handle.segment->total(Counter(c)));
  }
  return array;
}

napi_value participants(napi_env env, Handle& handle, napi_value*) {
  return toJs(env, int(handle.segment->participantsAlive()));
}

napi_value addNearHits(napi_env env, Handle& handle, napi_value* args) {
  handle.segment->addMine(kNearHits, wholeOf(doubleOf(env, args[0])));
  return nullptr;
}

// --- key locks

napi_value fenceToJs(napi_env env, const Handle& handle, int64_t fence) {
  if (fence > 0) handle.meta[9] = double(fence);
  return toJs(env, double(fence));
}

napi_value lock(napi_env env, Handle& handle, napi_value* args) {
  KeyArgument key;
  if (const int rc = key.read(env, handle, args[0])) return toJs(env, rc);
  const u64 ttl = durationOf(doubleOf(env, args[1]));
  return fenceToJs(env, handle, handle.segment->lock(key.key, ttl, boolOf(env, args[2])));
}

napi_value lockWaiting(napi_env env, Handle& handle, napi_value* args) {
  KeyArgument key;
  if (const int rc = key.read(env, handle, args[0])) return toJs(env, rc);
  const u64 ttl = durationOf(doubleOf(env, args[1]));
  return fenceToJs(env, handle, handle.segment->lockWaiting(key.key, ttl, durationOf(doubleOf(env, args[2]))));
}

napi_value unlock(napi_env env, Handle& handle, napi_value* args) {
  KeyArgument key;
  if (const int rc = key.read(env, handle, args[0])) return toJs(env, rc);
  return toJs(env, int(handle.segment->unlock(key.key, wholeOf(doubleOf(env, args[1])))));
}

napi_value holder(napi_env env, Handle& handle, napi_value* args) {
  KeyArgument key;
  if (const int rc = key.read(env, handle, args[0])) return toJs(env, rc);
  return toJs(env, double(handle.segment->holder(key.key)));
}

// --- events

napi_value onWake(napi_env env, Handle& handle, napi_value* args) {
  napi_ref held = nullptr;
  if (napi_create_reference(env, args[0], 1, &held) != napi_ok) return nullptr;
  if (handle.watch.wake != nullptr) napi_delete_reference(env, handle.watch.wake);
  handle.watch.wake = held;
  return nullptr;
}

napi_value cannotWait(napi_env env) {
  napi_throw_error(env, nullptr, "the thread that waits for events could not be started");
  return nullptr;
}

napi_value watchEvents(napi_env env, Handle& handle, napi_value* args) {
  const bool on = boolOf(env, args[0]);
  Waiter& waiter = handle.addon->waiter;
  if (on == handle.watch.events) return nullptr;
  if (on) {
    handle.segment->subscribe();
    if (waiter.watch(handle.watch, true, handle.watch.locks)) return nullptr;
    handle.segment->unsubscribe();
    return cannotWait(env);
  }
  waiter.watch(handle.watch, false, handle.watch.locks);
  waiter.awaitPickup();  // the thread must not look for events meanwhile
  handle.segment->unsubscribe();
  return nullptr;
}

napi_value watchLocks(napi_env env, Handle& handle, napi_value* args) {
  const bool on = boolOf(env, args[0]);
  if (on == handle.watch.locks) return nullptr;
  return handle.addon->waiter.watch(handle.watch, handle.watch.events, on) ? nullptr : cannotWait(env);
}

napi_value drain(napi_env env, Handle& handle, napi_value*) {
  constexpr u32 kHead = 4;
  if (handle.scratchBytes < kLeastScratch) return toJs(env, int(kScratchTooSmall));
  Segment& segment = *handle.segment;
  const bool had = segment.hasEvents();
  size_t used = 0;
  u64 lost = 0;
  const u32 given = segment.drain(kMostEvents, lost, [&](const Event& event) {
    u8* const out = handle.scratch + used;
    const u16 keyBytes = u16(event.keyBytes);
    out[0] = event.kind;
    out[1] = event.local;
    memcpy(out + 2, &keyBytes, sizeof keyBytes);
    memcpy(out + kHead, event.key, keyBytes);
    used += kHead + keyBytes;
    return handle.scratchBytes - used >= kHead + kMaxKeyBytes;
  });
  handle.addon->waiter.drained(handle.watch, had && given == 0 && lost == 0 && segment.hasEvents());
  handle.meta[0] = double(lost);
  handle.meta[1] = double(used);
  return toJs(env, int(given));
}

// --- the segment

napi_value bumpInvalidations(napi_env, Handle& handle, napi_value*) {
  handle.segment->invalidationsWord()->fetch_add(1);
  return nullptr;
}

napi_value invalidations(napi_env env, Handle& handle, napi_value*) {
  return toJs(env, double(handle.segment->invalidationsWord()->load()));
}

napi_value orphaned(napi_env env, Handle& handle, napi_value*) { return toJs(env, handle.segment->orphaned()); }

napi_value unlink(napi_env env, Handle& handle, napi_value*) { return toJs(env, handle.segment->unlinkNow()); }

}  // namespace

const Method kSegmentMethods[] = {
    {"setScratch", method<setScratch, 1, Closed::kNothing>},
    {"items", method<items, 0>},
    {"liveBytes", method<liveBytes, 0>},
    {"shardStats", method<shardStats, 0>},
    {"counters", method<counters, 0>},
    {"participants", method<participants, 0>},
    {"addNearHits", method<addNearHits, 1, Closed::kNothing>},
    {"lock", method<lock, 3>},
    {"lockWaiting", method<lockWaiting, 3>},
    {"unlock", method<unlock, 2>},
    {"holder", method<holder, 1>},
    {"onWake", method<onWake, 1, Closed::kNothing>},
    {"watchEvents", method<watchEvents, 1, Closed::kNothing>},
    {"watchLocks", method<watchLocks, 1, Closed::kNothing>},
    {"drain", method<drain, 0>},
    {"bumpInvalidations", method<bumpInvalidations, 0, Closed::kNothing>},
    {"invalidations", method<invalidations, 0>},
    {"orphaned", method<orphaned, 0, Closed::kFalse>},
    {"unlink", method<unlink, 0, Closed::kFalse>},
    {nullptr, nullptr},
};

}  // namespace stockpile
