// The methods that read and write entries. `get` is the hot one: it is worth reading what V8 makes of each line.
#include "handle.h"

namespace stockpile {
namespace {

napi_value get(napi_env env, Handle& handle, napi_value* args) {
  KeyArgument key;
  if (const int rc = key.read(env, handle, args[0])) return toJs(env, rc);
  TextBuffer& text = handle.addon->text;
  napi_value ascii = nullptr;
  int answer = kOk;
  Meta meta;
  const Rc rc = handle.segment->read(key.key, meta, [&](const Meta& m, const u8* value) {
    answer = int(m.valueBytes);
    if (m.kind == kAscii) {
      napi_create_string_latin1(env, reinterpret_cast<const char*>(value), m.valueBytes, &ascii);
    } else if (m.kind == kUtf8 || m.kind == kUtf16) {
      // V8 measures, then writes, and others may change the bytes in between: not with our copy
      if (text.reserve(m.valueBytes)) copyRacing(text.data(), value, m.valueBytes);
      else answer = kTooLarge;
    } else if (m.valueBytes <= handle.scratchBytes) {
      copyRacing(handle.scratch, value, m.valueBytes);
    } else {
      answer = kScratchTooSmall;
    }
  });
  if (rc != kOk) return toJs(env, int(rc));
  handle.tell(meta);
  if (meta.kind == kAscii) return ascii;
  if (answer >= 0 && (meta.kind == kUtf8 || meta.kind == kUtf16)) {
    return textToJs(env, meta.kind, text.data(), meta.valueBytes);
  }
  return toJs(env, answer);
}

napi_value peek(napi_env env, Handle& handle, napi_value* args) {
  KeyArgument key;
  if (const int rc = key.read(env, handle, args[0])) return toJs(env, rc);
  Meta meta;
  const Rc rc = handle.segment->peek(key.key, meta, boolOf(env, args[1]));
  if (rc == kOk) handle.tell(meta);
  return toJs(env, int(rc));
}

/** From the arguments `ttl, when, argument`. */
StoreOptions optionsOf(napi_env env, napi_value* args) {
  StoreOptions options;
  options.ttlMs = ttlOf(doubleOf(env, args[0]));
  const u64 when = wholeOf(doubleOf(env, args[1]));
  // kSameBytes has a method of its own
  if (when > u64(If::kFenced) || when == u64(If::kSameBytes)) return options;
  options.when = If(when);
  if (options.when == If::kVersion || options.when == If::kFenced) options.version = wholeOf(doubleOf(env, args[2]));
  return options;
}

napi_value store(napi_env env, const Handle& handle, const Key& key, const Value& value, const StoreOptions& options) {
  Meta stored;
  const Rc rc = handle.segment->store(key, value, options, &stored);
  if (rc == kOk) handle.tell(stored);
  return toJs(env, int(rc));
}

/** kOk, kTooLarge, or kBadKey where it is no Uint8Array. */
int readBytes(napi_env env, napi_value argument, Value& value) {
  BytesView view;
  if (!view.read(env, argument)) return kBadKey;
  if (view.bytes > kMaxRecordBytes) return kTooLarge;
  value.data = view.data;
  value.bytes = u32(view.bytes);
  return kOk;
}

napi_value setText(napi_env env, Handle& handle, napi_value* args) {
  KeyArgument key;
  if (const int rc = key.read(env, handle, args[0])) return toJs(env, rc);
  Value value;
  if (const int rc = readText(env, args[1], handle.segment->recordLimit(), handle.addon->text, value)) {
    return toJs(env, rc);
  }
  return store(env, handle, key.key, value, optionsOf(env, args + 2));
}

napi_value setBytes(napi_env env, Handle& handle, napi_value* args) {
  KeyArgument key;
  if (const int rc = key.read(env, handle, args[0])) return toJs(env, rc);
  Value value;
  if (const int rc = readBytes(env, args[1], value)) return toJs(env, rc);
  if (boolOf(env, args[5])) value.flags |= kPinned;
  return store(env, handle, key.key, value, optionsOf(env, args + 2));
}

napi_value setNumber(napi_env env, Handle& handle, napi_value* args) {
  KeyArgument key;
  if (const int rc = key.read(env, handle, args[0])) return toJs(env, rc);
  Value value;
  if (const int rc = readBytes(env, args[2], value)) return toJs(env, rc);
  value.kind = kNumber;
  value.number = doubleOf(env, args[1]);
  return store(env, handle, key.key, value, optionsOf(env, args + 3));
}

napi_value replaceBytes(napi_env env, Handle& handle, napi_value* args) {
  KeyArgument key;
  if (const int rc = key.read(env, handle, args[0])) return toJs(env, rc);
  Value expected, value;
  if (const int rc = readBytes(env, args[1], expected)) {
    return toJs(env, rc == kTooLarge ? int(kChanged) : rc);  // no entry has that many bytes
  }
  if (const int rc = readBytes(env, args[2], value)) return toJs(env, rc);
  StoreOptions options;
  options.ttlMs = ttlOf(doubleOf(env, args[3]));
  options.when = If::kSameBytes;
  options.expected = expected.data;
  options.expectedBytes = expected.bytes;
  if (boolOf(env, args[4])) {
    if (value.bytes < sizeof value.number) return toJs(env, int(kNotNumber));
    value.bytes -= sizeof value.number;
    memcpy(&value.number, value.data + value.bytes, sizeof value.number);
    value.kind = kNumber;
  }
  return store(env, handle, key.key, value, options);
}

napi_value remove(napi_env env, Handle& handle, napi_value* args) {
  KeyArgument key;
  if (const int rc = key.read(env, handle, args[0])) return toJs(env, rc);
  return toJs(env, int(handle.segment->remove(key.key)));
}

napi_value touch(napi_env env, Handle& handle, napi_value* args) {
  KeyArgument key;
  if (const int rc = key.read(env, handle, args[0])) return toJs(env, rc);
  return toJs(env, int(handle.segment->touch(key.key, ttlOf(doubleOf(env, args[1])))));
}

napi_value increment(napi_env env, Handle& handle, napi_value* args) {
  KeyArgument key;
  if (const int rc = key.read(env, handle, args[0])) return toJs(env, rc);
  Meta meta;
  const Rc rc = handle.segment->increment(key.key, doubleOf(env, args[1]), meta);
  if (rc == kOk) handle.tell(meta);
  return toJs(env, int(rc));
}

napi_value clear(napi_env env, Handle& handle, napi_value* args) {
  KeyText prefix;
  if (const int rc = prefix.readPrefix(env, args[0])) return toJs(env, rc);
  return toJs(env, int(handle.segment->clear(prefix.data(), prefix.bytes())));
}

napi_value scan(napi_env env, Handle& handle, napi_value* args) {
  constexpr size_t kMostRoom = 1 << 30;
  KeyText prefix;
  if (const int rc = prefix.readPrefix(env, args[0])) return toJs(env, rc);
  if (handle.scratchBytes < kLeastScratch) return toJs(env, int(kScratchTooSmall));
  ScanCursor cursor;
  const u64 shard = wholeOf(doubleOf(env, args[1]));
  const u64 bucket = wholeOf(doubleOf(env, args[2]));
  const Geometry& g = handle.segment->geometry();
  const bool within = shard < g.shards && bucket < g.bucketsPerShard;  // else it is the end
  cursor.shard = within ? u32(shard) : g.shards;
  cursor.bucket = within ? u32(bucket) : 0;
  const u32 room = u32(handle.scratchBytes < kMostRoom ? handle.scratchBytes : kMostRoom);
  u32 written = 0;
  if (within) written = handle.segment->scan(cursor, prefix.data(), prefix.bytes(), handle.scratch, room);
  handle.meta[0] = cursor.shard;
  handle.meta[1] = cursor.bucket;
  return toJs(env, int(written));
}

}  // namespace

const Method kEntryMethods[] = {
    {"get", method<get, 1>},
    {"peek", method<peek, 2>},
    {"setText", method<setText, 5>},
    {"setBytes", method<setBytes, 6>},
    {"setNumber", method<setNumber, 6>},
    {"replaceBytes", method<replaceBytes, 5>},
    {"delete", method<remove, 1>},
    {"touch", method<touch, 2>},
    {"increment", method<increment, 2>},
    {"clear", method<clear, 1>},
    {"scan", method<scan, 3>},
    {nullptr, nullptr},
};

}  // namespace stockpile
