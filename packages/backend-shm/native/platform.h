// What the engine asks of Linux: clocks, futexes, locks on single bytes of a file, small files below /proc.
#pragma once

#include <cstring>
#include <string>

#include "layout.h"

namespace stockpile {

/** Ends the process at the n-th point between two stores, in builds for the crash tests only. */
#ifdef STOCKPILE_KILL_POINTS
void killPoint();
#define KILL_POINT() ::stockpile::killPoint()
#else
#define KILL_POINT() ((void)0)
#endif

#ifdef STOCKPILE_TEST_CLOCK
extern std::atomic<int64_t> testClockOffsetMs;
#endif

/** CLOCK_MONOTONIC, ns. */
u64 monotonicNs();
/** CLOCK_MONOTONIC_COARSE, ms: unmoved by steps of the wall clock, a few ns to read, a tick (1 to 10 ms) behind. */
u64 coarseMs();
u64 wallMs();
/** How far CLOCK_BOOTTIME is ahead of CLOCK_MONOTONIC: the time spent suspended. */
u64 suspendedMs();

/** Sleeps while `*word` is `value`, at most `ns`. Never FUTEX_PRIVATE: the waker may be another process. */
void futexWait(a32* word, u32 value, u64 ns);
void futexWake(a32* word, int count);
void pauseCpu();

/** OFD write locks on bytes beyond the end of the file: they end with the process, however it ends. */
constexpr u64 kSlotByte = 1ull << 60;
constexpr u64 kGateByte = kSlotByte - 1;
/** False: somebody holds it, or errno says why not. */
bool tryLockByte(int fd, u64 byte);
void unlockByte(int fd, u64 byte);
/** Whether another open file holds a lock in the range. */
bool isLocked(int fd, u64 byte, u64 length);

/** Whether a thread was stopped by a signal or a debugger: 'T' or 't' in its stat file. */
bool isStopped(u32 pid, u32 tid);

bool readBootId(u8 (&id)[16]);
/** The inode of a namespace of this process, 0 where there are none. */
u64 namespaceInode(const char* kind);

u32 crc32c(const void* data, size_t bytes, u32 crc = 0);

/** Copies bytes that others may be writing: what was read is validated afterwards. */
void copyRacing(void* to, const void* from, size_t bytes);

/** Compares bytes that others may be writing. */
#if defined(__SANITIZE_THREAD__)
bool sameRacing(const void* a, const void* b, size_t bytes);
#else
inline bool sameRacing(const void* a, const void* b, size_t bytes) { return memcmp(a, b, bytes) == 0; }
#endif

/** Where ThreadSanitizer builds need a stand-in: it does not model fences. */
void fenceAcquire(const a64& witness);
void fenceRelease(const a64& witness);

}  // namespace stockpile
