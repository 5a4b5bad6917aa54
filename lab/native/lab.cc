#include "lab.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

namespace lab {

Arguments readArguments(int argc, char** argv) {
  Arguments a;
  for (int i = 1; i < argc; i++) {
    const std::string name = argv[i];
    if (name == "--short") {
      a.brief = true;
      continue;
    }
    if (i + 1 == argc) break;
    const char* const value = argv[++i];
    if (name == "--seconds") a.seconds = atof(value);
    else if (name == "--seed") a.seed = strtoull(value, nullptr, 10);
    else if (name == "--case") a.onlyCase = strtoll(value, nullptr, 10);
    else if (name == "--directory") a.directory = value;
    else if (name == "--traces") a.traces = value;
  }
  return a;
}

void Report::fail(const std::string& what) {
  failed++;
  if (failures.size() < 12) failures.push_back(what);
}

static std::string quoted(const std::string& s) {
  std::string out = "\"";
  for (const char c : s) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return out + '"';
}

int Report::end() const {
  std::string list;
  for (const std::string& f : failures) list += (list.empty() ? "" : ",") + quoted(f);
  printf("{\"injected\":%s,\"checked\":%s,\"worstStallMs\":%.1f,\"notes\":%s,\"skipped\":%s,\"failed\":%lu,"
         "\"failures\":[%s]}\n",
         quoted(injected).c_str(), quoted(checked).c_str(), worstStallMs, quoted(notes).c_str(),
             quoted(skipped).c_str(),
         failed, list.c_str());
  fflush(stdout);
  return failed == 0 ? 0 : 1;
}

std::string text(const char* format, ...) {
  char buffer[1024];
  va_list list;
  va_start(list, format);
  vsnprintf(buffer, sizeof buffer, format, list);
  va_end(list);
  return buffer;
}

std::string number(u64 n) {
  std::string digits = std::to_string(n);
  for (int at = int(digits.size()) - 3; at > 0; at -= 3) digits.insert(size_t(at), ",");
  return digits;
}

u64 Random::next() {
  u64 z = state += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

static u64 keyMark(const void* key, u32 bytes) {
  return hashBytes(static_cast<const u8*>(key), bytes, 0x5374636b, 0x70696c65);
}

void makeValue(u8* out, u32 bytes, const void* key, u32 keyBytes, u64 sequence) {
  const u64 mark = keyMark(key, keyBytes);
  memcpy(out, &mark, 8);
  memcpy(out + 8, &sequence, 8);
  Random random(sequence ^ mark);
  u32 at = kLeastValue;
  for (; at + 8 <= bytes; at += 8) {
    const u64 word = random.next();
    memcpy(out + at, &word, 8);
  }
  memset(out + at, 0x5a, bytes - at);
  memcpy(out + 16, &bytes, 4);
  const u32 crc = crc32c(out + kLeastValue, bytes - kLeastValue, crc32c(out, 20));
  memcpy(out + 20, &crc, 4);
}

u64 sequenceOf(const u8* value, u32 bytes, const void* key, u32 keyBytes) {
  u64 mark, sequence;
  u32 size, crc;
  if (bytes < kLeastValue) return 0;
  memcpy(&mark, value, 8);
  memcpy(&sequence, value + 8, 8);
  memcpy(&size, value + 16, 4);
  memcpy(&crc, value + 20, 4);
  if (mark != keyMark(key, keyBytes) || size != bytes) return 0;
  return crc == crc32c(value + kLeastValue, bytes - kLeastValue, crc32c(value, 20)) ? sequence : 0;
}

Rc storeValue(Segment& segment, const std::string& key, u32 bytes, u64 sequence, StoreOptions options, u8 flags,
              Kind kind) {
  thread_local std::vector<u8> buffer;
  buffer.resize(bytes);
  makeValue(buffer.data(), bytes, key.data(), u32(key.size()), sequence);
  Value value;
  value.kind = kind;
  value.flags = flags;
  value.bytes = bytes;
  value.data = buffer.data();
  return segment.store(keyOf(segment, key), value, options);
}

Rc storeNumber(Segment& segment, const std::string& key, double n, StoreOptions options) {
  Value value;
  value.kind = kNumber;
  value.number = n;
  return segment.store(keyOf(segment, key), value, options);
}

Reading readValue(Segment& segment, const std::string& key) {
  thread_local std::vector<u8> copy;
  Reading r;
  u32 bytes = 0;
  r.rc = segment.read(keyOf(segment, key), r.meta, [&](const Meta& meta, const u8* value) {
    bytes = meta.valueBytes;
    if (copy.size() < bytes) copy.resize(bytes);
    copyRacing(copy.data(), value, bytes);
  });
  if (r.rc == kOk && r.meta.kind != kNumber) r.sequence = sequenceOf(copy.data(), bytes, key.data(), u32(key.size()));
  return r;
}

void* sharedMemory(size_t bytes) {
  void* const at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) abort();
  return at;
}

pid_t startChild(const std::function<int()>& body) {
  fflush(stdout);
  const pid_t parent = getpid(), child = fork();
  if (child != 0) return child;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent && getppid() != 0) _exit(99);  // 0: it is in another PID namespace
  _exit(body());
}

Ending awaitChild(pid_t child, double seconds) {
  Ending e;
  const u64 end = monotonicNs() + u64(seconds * 1e9);
  for (u32 turn = 0;; turn++) {
    int status = 0;
    const pid_t got = waitpid(child, &status, WNOHANG);
    if (got == child) {
      if (WIFSIGNALED(status)) e.signal = WTERMSIG(status);
      else e.code = WEXITSTATUS(status);
      return e;
    }
    if (got < 0 && errno != EINTR) return e;
    if (monotonicNs() > end) {
      kill(child, SIGKILL);
      waitpid(child, &status, 0);
      e.hung = true;
      return e;
    }
    usleep(turn < 20 ? 100 : 1000);
  }
}

bool awaitStop(pid_t child, double seconds) {
  const u64 end = monotonicNs() + u64(seconds * 1e9);
  while (monotonicNs() < end) {
    int status = 0;
    if (waitpid(child, &status, WNOHANG | WUNTRACED) == child) return WIFSTOPPED(status);
    usleep(200);
  }
  return false;
}

bool isDead(pid_t pid) {
  char path[40], line[256] = {};
  snprintf(path, sizeof path, "/proc/%d/stat", int(pid));
  FILE* const f = fopen(path, "re");
  if (f == nullptr) return true;
  const bool read = fgets(line, sizeof line, f) != nullptr;
  fclose(f);
  const char* const name = read ? strrchr(line, ')') : nullptr;
  return name == nullptr || name[2] == 'Z' || name[2] == 'X';
}

RunDelay::RunDelay() : fd_(open("/proc/self/schedstat", O_RDONLY | O_CLOEXEC)) {}
RunDelay::~RunDelay() {
  if (fd_ >= 0) close(fd_);
}
u64 RunDelay::ns() const {
  char line[96] = {};
  u64 ran = 0, waited = 0;
  if (pread(fd_, line, sizeof line - 1, 0) <= 0 || sscanf(line, "%lu %lu", &ran, &waited) != 2) return 0;
  return waited;
}

u64 cpuNs() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return u64(t.tv_sec) * 1'000'000'000 + u64(t.tv_nsec);
}

OpenOptions optionsFor(const std::string& directory, const std::string& name, u64 bytes, u32 meanItemBytes, u32 flags) {
  OpenOptions o;
  o.directory = directory;
  o.name = name;
  o.wish.bytes = bytes;
  o.wish.meanItemBytes = meanItemBytes;
  o.wish.flags = flags;
  return o;
}

std::string fileOf(const OpenOptions& options) {
#if defined(__x86_64__)
  const char* const architecture = "x64";
#else
  const char* const architecture = "arm64";
#endif
  return options.directory + "/" + options.name + ".v" + std::to_string(kLayoutVersion) + "." + architecture;
}

bool exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

std::string describe(const Failure& failure) {
  return text("%s (errno %d) %s", failure.code == nullptr ? "no failure" : failure.code, failure.error,
              failure.detail.c_str());
}

}  // namespace lab
