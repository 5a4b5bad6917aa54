// The module: one instance per environment, segments opened by it, and their end.
#include "handle.h"

namespace stockpile {
namespace {

constexpr size_t kMetaNumbers = 16;

void releaseReference(napi_env env, napi_ref& reference) {
  if (reference != nullptr) napi_delete_reference(env, reference);
  reference = nullptr;
}

/** Afterwards nothing of JavaScript refers to the mapping. */
void detach(napi_env env, napi_ref& buffer) {
  napi_value value = nullptr;
  if (buffer != nullptr && napi_get_reference_value(env, buffer, &value) == napi_ok && value != nullptr) {
    napi_detach_arraybuffer(env, value);
  }
  releaseReference(env, buffer);
}

/** `env` is nullptr at the end of the environment, when JavaScript does not run any more. */
void closeHandle(napi_env env, Handle& handle) {
  Waiter& waiter = handle.addon->waiter;
  if (handle.watch.events || handle.watch.locks) {
    waiter.watch(handle.watch, false, false);
    waiter.awaitPickup();
  }
  handle.pool.close();
  if (env != nullptr) {
    detach(env, handle.indexBuffer);
    detach(env, handle.sharedBuffer);
    releaseReference(env, handle.metaBuffer);
    releaseReference(env, handle.scratchBuffer);
    releaseReference(env, handle.watch.wake);
  }
  std::erase(handle.addon->open, &handle);
  delete handle.segment;
  handle.segment = nullptr;
  handle.release();
}

napi_value close(napi_env env, Handle& handle, napi_value*) {
  closeHandle(env, handle);
  return nullptr;
}

constexpr Method kClose[] = {{"close", method<close, 0, Closed::kNothing>}, {nullptr, nullptr}};

/** A view of the mapping; nullptr where there are no such buffers. What it shows ends with close(). */
napi_value viewOf(napi_env env, void* memory, size_t bytes, napi_typedarray_type type, napi_ref& held) {
  const auto nothing = [](napi_env, void*, void*) {};
  napi_value buffer = nullptr, view = nullptr;
  const bool made = napi_create_external_arraybuffer(env, memory, bytes, nothing, nullptr, &buffer) == napi_ok;
  // V8 counts it as memory of its own. To correct that would be fatal: it checks its sums when the environment ends
  if (made && napi_create_reference(env, buffer, 1, &held) == napi_ok) {
    napi_create_typedarray(env, type, bytes / 4, buffer, 0, &view);
  }
  bool pending = false;
  napi_value error = nullptr;
  if (napi_is_exception_pending(env, &pending) == napi_ok && pending) napi_get_and_clear_last_exception(env, &error);
  return view;
}

bool define(napi_env env, napi_value object, const char* name, napi_value value) {
  if (value == nullptr) return true;  // such as `index` where there is none
  const napi_property_descriptor property = {name,  nullptr, nullptr,         nullptr,
                                             nullptr, value, napi_enumerable, nullptr};
  return napi_define_properties(env, object, 1, &property) == napi_ok;
}

/** Each function keeps the handle, by `keeper`, since it may be all that is left of the object. */
bool defineMethods(napi_env env, napi_value object, const Method* methods, Handle& handle, napi_value keeper) {
  for (; methods->name != nullptr; methods++) {
    napi_value function = nullptr;
    if (napi_create_function(env, methods->name, NAPI_AUTO_LENGTH, methods->call, &handle, &function) != napi_ok) {
      return false;
    }
    const napi_property_descriptor keeps = {"handle", nullptr, nullptr,      nullptr,
                                            nullptr,  keeper,  napi_default, nullptr};
    if (napi_define_properties(env, function, 1, &keeps) != napi_ok) return false;
    if (!define(env, object, methods->name, function)) return false;
  }
  return true;
}

bool makeMeta(napi_env env, Handle& handle, napi_value& array) {
  void* memory = nullptr;
  napi_value buffer = nullptr;
  if (napi_create_arraybuffer(env, kMetaNumbers * sizeof(double), &memory, &buffer) != napi_ok) return false;
  handle.meta = static_cast<double*>(memory);
  return napi_create_reference(env, buffer, 1, &handle.metaBuffer) == napi_ok &&
         napi_create_typedarray(env, napi_float64_array, kMetaNumbers, buffer, 0, &array) == napi_ok;
}

/** nullptr: an exception is pending, or the environment is ending. */
napi_value objectOf(napi_env env, Handle& handle) {
  Segment& s = *handle.segment;
  const Geometry& g = s.geometry();
  napi_value object = nullptr, keeper = nullptr, meta = nullptr;
  const auto release = [](napi_env, void* data, void*) { static_cast<Handle*>(data)->release(); };
  if (napi_create_object(env, &object) != napi_ok) return nullptr;
  if (napi_create_external(env, &handle, release, nullptr, &keeper) != napi_ok) return nullptr;
  handle.retain();
  if (!makeMeta(env, handle, meta)) return nullptr;
  const napi_value index = viewOf(env, s.indexArea(), s.indexWords() * 8, napi_int32_array, handle.indexBuffer);
  // the page of shared words begins with the wake word
  const napi_value shared = viewOf(env, s.eventWakeWord(), kHeaderBytes, napi_int32_array, handle.sharedBuffer);
  static_assert(offsetof(MutableHeader, eventWake) == 0);
  const struct {
    const char* name;
    napi_value value;
  } properties[] = {
      {"created", toJs(env, s.created())},
      {"path", toJs(env, s.path())},
      {"byteSize", toJs(env, double(g.segmentBytes))},
      {"shards", toJs(env, int(g.shards))},
      {"flags", toJs(env, int(g.flags))},
      {"recordLimit", toJs(env, double(s.recordLimit()))},
      {"slot", toJs(env, int(s.slot()))},
      {"restored", toJs(env, double(s.restored()))},
      {"restoreFailures", toJs(env, double(s.restoreFailures()))},
      {"meta", meta},
      {"index", index},
      {"shared", shared},
  };
  for (const auto& p : properties) {
    if (!define(env, object, p.name, p.value)) return nullptr;
  }
  for (const Method* methods : {kEntryMethods, kSegmentMethods, kSnapshotMethods, kClose}) {
    if (!defineMethods(env, object, methods, handle, keeper)) return nullptr;
  }
  return object;
}

napi_value open(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value from = nullptr;
  void* data = nullptr;
  if (napi_get_cb_info(env, info, &count, &from, nullptr, &data) != napi_ok) return nullptr;
  const auto number = [&](const char* name) { return wholeOf(doubleOf(env, propertyOf(env, from, name))); };
  OpenOptions options;
  options.directory = stringOf(env, propertyOf(env, from, "directory"));
  options.name = stringOf(env, propertyOf(env, from, "name"));
  options.wish.bytes = number("bytes");
  options.wish.meanItemBytes = u32(number("meanItemBytes"));
  options.wish.flags = u32(number("flags"));
  options.wish.pinnedPercent = u32(number("pinnedPercent"));
  options.create = boolOf(env, propertyOf(env, from, "create"));
  options.restoreFrom = stringOf(env, propertyOf(env, from, "restoreFrom"));
  bool pending = false;
  if (napi_is_exception_pending(env, &pending) != napi_ok || pending) return nullptr;  // no object

  Failure failure;
  Segment* const segment = Segment::open(options, failure);
  if (segment == nullptr) {
    napi_throw(env, toJs(env, failure));
    return nullptr;
  }
  Handle* const handle = new Handle;
  handle->segment = segment;
  handle->watch.segment = segment;
  handle->addon = static_cast<Addon*>(data);
  handle->addon->open.push_back(handle);
  const napi_value object = objectOf(env, *handle);
  if (object == nullptr) closeHandle(env, *handle);
  return object;
}

napi_value unlinkByName(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value args[2] = {};
  if (napi_get_cb_info(env, info, &count, args, nullptr, nullptr) != napi_ok) return nullptr;
  Failure failure;
  const bool removed = Segment::unlinkByName(stringOf(env, args[0]), stringOf(env, args[1]), failure);
  if (removed || failure.code == nullptr) return toJs(env, removed);
  napi_throw(env, toJs(env, failure));
  return nullptr;
}

/** Comes after the waiter's hook, which is younger. */
void closeAll(void* data) {
  Addon& addon = *static_cast<Addon*>(data);
  while (!addon.open.empty()) closeHandle(nullptr, *addon.open.back());
}

}  // namespace
}  // namespace stockpile

NAPI_MODULE_INIT() {
  using namespace stockpile;
  Addon* const addon = new Addon(env);
  const auto end = [](napi_env, void* data, void*) { delete static_cast<Addon*>(data); };
  if (napi_set_instance_data(env, addon, end, nullptr) != napi_ok) {
    delete addon;
    return nullptr;
  }
  napi_add_env_cleanup_hook(env, closeAll, addon);
  const napi_property_descriptor functions[] = {
      {"open", nullptr, open, nullptr, nullptr, nullptr, napi_enumerable, addon},
      {"unlink", nullptr, unlinkByName, nullptr, nullptr, nullptr, napi_enumerable, addon},
  };
  napi_define_properties(env, exports, 2, functions);
  return exports;
}
