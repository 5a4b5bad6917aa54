#include "addon-values.h"

namespace stockpile {
namespace {

constexpr size_t kFirstRoom = 64 << 10;

/** Node-API encodes a lone surrogate like U+FFFD, so only where that occurs may there be one. */
bool hasReplacementCharacter(const u8* bytes, size_t n) {
  return memmem(bytes, n, "\xEF\xBF\xBD", 3) != nullptr;
}

bool isWellFormed(const char16_t* units, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if ((units[i] & 0xf800) != 0xd800) continue;
    const bool pair = units[i] < 0xdc00 && i + 1 < n && (units[i + 1] & 0xfc00) == 0xdc00;
    if (!pair) return false;
    i++;
  }
  return true;
}

void setProperty(napi_env env, napi_value object, const char* name, napi_value value) {
  if (value != nullptr) napi_set_named_property(env, object, name, value);
}

}  // namespace

bool TextBuffer::reserve(size_t bytes) {
  if (bytes <= room_) return true;
  size_t room = room_ == 0 ? kFirstRoom : room_;
  while (room < bytes) room *= 2;
  void* const data = realloc(data_, room);
  if (data == nullptr) return false;
  data_ = static_cast<u8*>(data);
  room_ = room;
  return true;
}

int KeyText::checkSurrogates(napi_env env, napi_value value) const {
  if (!hasReplacementCharacter(data(), bytes_)) return kOk;
  char16_t units[kMaxKeyBytes + 1];  // UTF-8 has at least as many bytes
  size_t n = 0;
  if (napi_get_value_string_utf16(env, value, units, kMaxKeyBytes + 1, &n) != napi_ok) return kBadKey;
  return isWellFormed(units, n) ? int(kOk) : int(kIllFormedKey);
}

int readText(napi_env env, napi_value text, u64 limit, TextBuffer& buffer, Value& value) {
  if (!buffer.reserve(1)) return kTooLarge;
  size_t n = 0;
  const auto read = [&] {
    return napi_get_value_string_utf8(env, text, reinterpret_cast<char*>(buffer.data()), buffer.room(), &n) == napi_ok;
  };
  if (!read()) return kBadKey;
  if (n + 4 >= buffer.room()) {  // perhaps cut off, before a character of up to 4 bytes and the final zero
    size_t whole = 0;
    if (napi_get_value_string_utf8(env, text, nullptr, 0, &whole) != napi_ok) return kBadKey;
    if (whole > limit || !buffer.reserve(whole + 5)) return kTooLarge;
    if (!read()) return kBadKey;
  }
  value.kind = isAscii(buffer.data(), n) ? kAscii : kUtf8;
  value.data = buffer.data();
  value.bytes = u32(n);
  if (value.kind == kAscii || !hasReplacementCharacter(buffer.data(), n)) return kOk;

  const size_t at = (n + 1) & ~size_t(1);
  if (!buffer.reserve(at + 2 * (n + 1))) return kTooLarge;
  char16_t* const units = reinterpret_cast<char16_t*>(buffer.data() + at);
  size_t count = 0;
  if (napi_get_value_string_utf16(env, text, units, n + 1, &count) != napi_ok) return kBadKey;
  const bool wellFormed = isWellFormed(units, count);
  value.kind = wellFormed ? kUtf8 : kUtf16;
  value.data = wellFormed ? buffer.data() : reinterpret_cast<u8*>(units);
  value.bytes = wellFormed ? u32(n) : u32(2 * count);
  return kOk;
}

bool BytesView::read(napi_env env, napi_value value) {
  static u8 nothing;  // so that there is an address
  napi_typedarray_type type;
  size_t length = 0;
  void* memory = nullptr;
  if (napi_get_typedarray_info(env, value, &type, &length, &memory, nullptr, nullptr) != napi_ok) return false;
  if (type != napi_uint8_array) return false;
  data = length == 0 ? &nothing : static_cast<u8*>(memory);
  bytes = length;
  return true;
}

napi_value textToJs(napi_env env, Kind kind, const u8* data, size_t bytes) {
  napi_value result = nullptr;
  if (kind == kUtf16) napi_create_string_utf16(env, reinterpret_cast<const char16_t*>(data), bytes / 2, &result);
  else napi_create_string_utf8(env, reinterpret_cast<const char*>(data), bytes, &result);
  return result;
}

napi_value propertyOf(napi_env env, napi_value object, const char* name) {
  napi_value value = nullptr;
  napi_get_named_property(env, object, name, &value);
  return value;
}

std::string stringOf(napi_env env, napi_value value) {
  size_t n = 0;
  if (value == nullptr || napi_get_value_string_utf8(env, value, nullptr, 0, &n) != napi_ok) return {};
  std::string text(n, '\0');
  napi_get_value_string_utf8(env, value, text.data(), n + 1, &n);
  return text;
}

napi_value toJs(napi_env env, const std::string& text) {
  napi_value result = nullptr;
  napi_create_string_utf8(env, text.data(), text.size(), &result);
  return result;
}

napi_value toJs(napi_env env, const Failure& failure) {
  const std::string code = failure.code == nullptr ? "SYSTEM" : failure.code;
  napi_value error = nullptr;
  if (napi_create_error(env, nullptr, toJs(env, code + ": " + failure.detail), &error) != napi_ok) return nullptr;
  setProperty(env, error, "failure", toJs(env, code));
  setProperty(env, error, "errno", toJs(env, failure.error));
  setProperty(env, error, "detail", toJs(env, failure.detail));
  setProperty(env, error, "wanted", toJs(env, double(failure.wanted)));
  setProperty(env, error, "available", toJs(env, double(failure.available)));
  setProperty(env, error, "total", toJs(env, double(failure.total)));
  return error;
}

}  // namespace stockpile
