// Values of JavaScript as the engine takes them, and back. Nothing here throws; a wrong type is a number below 0.
#pragma once

#include <node_api.h>

#include <cstdlib>
#include <string>

#include "engine.h"

namespace stockpile {

/** Beside those of the engine. */
enum BindingRc : int { kScratchTooSmall = -15, kIllFormedKey = -16, kClosed = -17 };

inline napi_value toJs(napi_env env, int value) {
  napi_value result = nullptr;
  napi_create_int32(env, value, &result);
  return result;
}

inline napi_value toJs(napi_env env, bool value) {
  napi_value result = nullptr;
  napi_get_boolean(env, value, &result);
  return result;
}

inline napi_value toJs(napi_env env, double value) {
  napi_value result = nullptr;
  napi_create_double(env, value, &result);
  return result;
}

inline double doubleOf(napi_env env, napi_value value) {
  double result = 0;
  napi_get_value_double(env, value, &result);
  return result;
}

inline bool boolOf(napi_env env, napi_value value) {
  bool result = false;
  napi_get_value_bool(env, value, &result);
  return result;
}

/** Below 0 and NaN are 0; all that counts (versions, fences, bytes) stays below 2^53. */
inline u64 wholeOf(double value) {
  constexpr double kLimit = 9007199254740992;  // 2^53
  return !(value > 0) ? 0 : value < kLimit ? u64(value) : u64(kLimit);
}

/** ms, rounded up; 0 never, as is what is longer than any uptime. */
inline u64 durationOf(double ms) {
  if (!(ms > 0) || ms >= 4503599627370496) return 0;  // 2^52
  const u64 whole = u64(ms);
  return whole + (double(whole) < ms);
}

inline u64 ttlOf(double ms) { return ms < 0 ? kKeepTtl : durationOf(ms); }

inline bool isAscii(const u8* bytes, size_t n) {
  u64 all = 0, word;
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    memcpy(&word, bytes + i, 8);
    all |= word;
  }
  for (; i < n; i++) all |= bytes[i];
  return (all & 0x8080808080808080) == 0;
}

/** Private memory that grows and is used again. */
class TextBuffer {
 public:
  TextBuffer() = default;
  ~TextBuffer() { free(data_); }
  TextBuffer(const TextBuffer&) = delete;
  TextBuffer& operator=(const TextBuffer&) = delete;

  /** Keeps what is in it. False: no memory. */
  bool reserve(size_t bytes);
  u8* data() const { return data_; }
  size_t room() const { return room_; }

 private:
  u8* data_ = nullptr;
  size_t room_ = 0;
};

/** A key or a prefix as UTF-8, on the stack. */
class KeyText {
 public:
  /** kOk, kBadKey or kIllFormedKey. */
  int read(napi_env env, napi_value value) {
    const int rc = readPrefix(env, value);
    return rc == kOk && bytes_ == 0 ? int(kBadKey) : rc;
  }
  /** The same, but it may be empty. */
  int readPrefix(napi_env env, napi_value value) {
    size_t n = 0;
    // Node-API cuts off silently, between characters of up to 4 bytes: what is cut off is then still too long
    if (napi_get_value_string_utf8(env, value, text_, sizeof text_, &n) != napi_ok || n > kMaxKeyBytes) return kBadKey;
    bytes_ = u32(n);
    if (isAscii(data(), n)) [[likely]] return kOk;
    return checkSurrogates(env, value);
  }
  const u8* data() const { return reinterpret_cast<const u8*>(text_); }
  u32 bytes() const { return bytes_; }

 private:
  int checkSurrogates(napi_env env, napi_value value) const;

  char text_[kMaxKeyBytes + 8];
  u32 bytes_;
};

/** Fills kind, data and bytes; the data is in `buffer`. kOk, kTooLarge, or kBadKey where it is no string. */
int readText(napi_env env, napi_value text, u64 limit, TextBuffer& buffer, Value& value);

/** The memory of a Uint8Array. */
struct BytesView {
  u8* data = nullptr;
  size_t bytes = 0;
  /** False: it is none. */
  bool read(napi_env env, napi_value value);
};

napi_value textToJs(napi_env env, Kind kind, const u8* data, size_t bytes);

napi_value propertyOf(napi_env env, napi_value object, const char* name);
std::string stringOf(napi_env env, napi_value value);
napi_value toJs(napi_env env, const std::string& text);

/** An Error with the fields of NativeFailure (src/native.ts). */
napi_value toJs(napi_env env, const Failure& failure);

}  // namespace stockpile
