#include "platform.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace stockpile {

#ifdef STOCKPILE_KILL_POINTS
std::atomic<int64_t> killCountdown{0};
std::atomic<int> killSignal{SIGKILL};  // SIGSTOP: an owner that does not go on
std::atomic<void (*)(void*)> killObserver{nullptr};  // is told where each point is in the code
void killPoint() {
  if (const auto observer = killObserver.load(std::memory_order_relaxed)) observer(__builtin_return_address(0));
  if (killCountdown.load(std::memory_order_relaxed) > 0 && killCountdown.fetch_sub(1) == 1) kill(getpid(), killSignal);
}
#endif

static u64 nsOf(clockid_t clock) {
  timespec t;
  clock_gettime(clock, &t);
  return u64(t.tv_sec) * 1'000'000'000 + u64(t.tv_nsec);
}

u64 monotonicNs() { return nsOf(CLOCK_MONOTONIC); }
u64 wallMs() { return nsOf(CLOCK_REALTIME) / 1'000'000; }

#ifdef STOCKPILE_TEST_CLOCK
std::atomic<int64_t> testClockOffsetMs{0};
u64 coarseMs() { return nsOf(CLOCK_MONOTONIC_COARSE) / 1'000'000 + u64(testClockOffsetMs.load()); }
#else
u64 coarseMs() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
  return u64(t.tv_sec) * 1000 + u64(t.tv_nsec) / 1'000'000;
}
#endif

u64 suspendedMs() {
  const u64 boot = nsOf(CLOCK_BOOTTIME), monotonic = nsOf(CLOCK_MONOTONIC);
  return boot > monotonic ? (boot - monotonic) / 1'000'000 : 0;
}

void futexWait(a32* word, u32 value, u64 ns) {
  const timespec timeout{time_t(ns / 1'000'000'000), long(ns % 1'000'000'000)};
  syscall(SYS_futex, word, FUTEX_WAIT, value, &timeout, nullptr, 0);
}

void futexWake(a32* word, int count) { syscall(SYS_futex, word, FUTEX_WAKE, count, nullptr, nullptr, 0); }

void pauseCpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb");
#endif
}

static struct flock byteRange(short type, u64 byte, u64 length) {
  struct flock range;
  memset(&range, 0, sizeof range);
  range.l_type = type;
  range.l_whence = SEEK_SET;
  range.l_start = off_t(byte);
  range.l_len = off_t(length);
  return range;
}

bool tryLockByte(int fd, u64 byte) {
  struct flock range = byteRange(F_WRLCK, byte, 1);
  return fcntl(fd, F_OFD_SETLK, &range) == 0;
}

void unlockByte(int fd, u64 byte) {
  struct flock range = byteRange(F_UNLCK, byte, 1);
  fcntl(fd, F_OFD_SETLK, &range);
}

bool isLocked(int fd, u64 byte, u64 length) {
  struct flock range = byteRange(F_WRLCK, byte, length);
  // when it cannot be asked, everybody is taken to be alive: nothing is stolen
  return fcntl(fd, F_OFD_GETLK, &range) != 0 || range.l_type != F_UNLCK;
}

bool isStopped(u32 pid, u32 tid) {
  char text[512];
  snprintf(text, sizeof text, "/proc/%u/task/%u/stat", pid, tid);
  const int fd = open(text, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  text[n > 0 ? n : 0] = 0;
  const char* const end = strrchr(text, ')');  // its name may hold anything
  return end != nullptr && end[1] == ' ' && (end[2] == 'T' || end[2] == 't');
}

bool readBootId(u8 (&id)[16]) {
  memset(id, 0, sizeof id);
  const int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  char text[40] = {};
  const ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  u32 digits = 0;
  for (ssize_t i = 0; i < n && digits < 32; i++) {
    const char c = text[i];
    const int value = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (value < 0) continue;
    id[digits / 2] = u8(id[digits / 2] << 4 | value);
    digits++;
  }
  return digits == 32;
}

u64 namespaceInode(const char* kind) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/ns/%s", kind);
  struct stat s;
  return stat(path, &s) == 0 ? u64(s.st_ino) : 0;
}

static u32 crcTable[256];
static const bool crcTableMade = [] {
  for (u32 i = 0; i < 256; i++) {
    u32 c = i;
    for (int bit = 0; bit < 8; bit++) c = c & 1 ? (c >> 1) ^ 0x82f63b78 : c >> 1;
    crcTable[i] = c;
  }
  return true;
}();

static u32 crcSoft(const u8* p, size_t n, u32 c) {
  for (; n > 0; n--, p++) c = crcTable[(c ^ *p) & 255] ^ (c >> 8);
  return c;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static u32 crcHard(const u8* p, size_t n, u32 c) {
  u64 wide = c;
  for (; n >= 8; n -= 8, p += 8) {
    u64 word;
    memcpy(&word, p, 8);
    wide = __builtin_ia32_crc32di(wide, word);
  }
  c = u32(wide);
  for (; n > 0; n--, p++) c = __builtin_ia32_crc32qi(c, *p);
  return c;
}
#endif

u32 crc32c(const void* data, size_t bytes, u32 crc) {
  const u8* p = static_cast<const u8*>(data);
#if defined(__x86_64__)
  static const bool hard = __builtin_cpu_supports("sse4.2");
  if (hard) return ~crcHard(p, bytes, ~crc);
#endif
  return ~crcSoft(p, bytes, ~crc);
}

#if defined(__SANITIZE_THREAD__)
// byte-wise relaxed atomics: for the sanitizer the copies of racing bytes are no race
void copyRacing(void* to, const void* from, size_t bytes) {
  u8* t = static_cast<u8*>(to);
  u8* f = static_cast<u8*>(const_cast<void*>(from));
  for (size_t i = 0; i < bytes; i++)
    __atomic_store_n(t + i, __atomic_load_n(f + i, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
}
bool sameRacing(const void* a, const void* b, size_t bytes) {
  u8* x = static_cast<u8*>(const_cast<void*>(a));
  u8* y = static_cast<u8*>(const_cast<void*>(b));
  for (size_t i = 0; i < bytes; i++)
    if (__atomic_load_n(x + i, __ATOMIC_RELAXED) != __atomic_load_n(y + i, __ATOMIC_RELAXED)) return false;
  return true;
}
void fenceAcquire(const a64& witness) { const_cast<a64&>(witness).fetch_add(0, std::memory_order_acq_rel); }
void fenceRelease(const a64& witness) { const_cast<a64&>(witness).fetch_add(0, std::memory_order_acq_rel); }
#else
void copyRacing(void* to, const void* from, size_t bytes) { memcpy(to, from, bytes); }
void fenceAcquire(const a64&) { std::atomic_thread_fence(std::memory_order_acquire); }
void fenceRelease(const a64&) { std::atomic_thread_fence(std::memory_order_release); }
#endif

}  // namespace stockpile
