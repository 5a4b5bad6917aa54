// The keyed hash of a segment: 64 x 64 -> 128-bit multiplications folded by xor, the construction of wyhash (Wang Yi).
// Part of the layout version. Who floods it gains evictions only: a look-up is always 8 words.
#pragma once

#include <cstring>

#include "layout.h"

namespace stockpile {

inline u64 foldedProduct(u64 a, u64 b) {
  const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
  return u64(product) ^ u64(product >> 64);
}

inline u64 read64(const u8* p) {
  u64 v;
  memcpy(&v, p, 8);
  return v;
}

inline u64 readUpTo8(const u8* p, u32 n) {
  u64 v = 0;
  if (n >= 4) {
    u32 low, high;
    memcpy(&low, p, 4);
    memcpy(&high, p + n - 4, 4);
    return u64(high) << 32 | low;
  }
  if (n > 0) v = u64(p[0]) << 16 | u64(p[n >> 1]) << 8 | p[n - 1];
  return v;
}

inline u64 hashBytes(const u8* p, u32 bytes, u64 seed, u64 secret) {
  constexpr u64 kOdd1 = 0x9e3779b97f4a7c15, kOdd2 = 0xd6e8feb86659fd93;
  u64 h = foldedProduct(seed ^ kOdd1, u64(bytes) ^ secret);
  u32 n = bytes;
  for (; n > 16; n -= 16, p += 16) h = foldedProduct(read64(p) ^ secret, read64(p + 8) ^ h);
  u64 a, b;
  if (n > 8) {
    a = read64(p);
    b = read64(p + n - 8);
  } else {
    a = readUpTo8(p, n);
    b = kOdd2;
  }
  return foldedProduct(secret ^ kOdd2, foldedProduct(a ^ secret, b ^ h) ^ kOdd1);
}

}  // namespace stockpile
