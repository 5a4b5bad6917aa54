#include "segment-files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <vector>

namespace stockpile {

#if defined(__x86_64__)
constexpr const char* kArchitecture = "x64";
#elif defined(__aarch64__)
constexpr const char* kArchitecture = "arm64";
#else
#error "not an architecture that the engine was made for"
#endif

static bool fail(Failure& failure, const char* code, int error, const std::string& detail) {
  failure = {code, error, detail, 0, 0, 0};
  return false;
}

bool checkName(const std::string& name, Failure& failure) {
  bool good = !name.empty() && name.size() <= 64 && name[0] != '.';
  for (const char c : name)
    good = good && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                    c == '_' || c == '-');
  return good || fail(failure, "NAME", 0, name);
}

std::string fileNameOf(const std::string& name) {
  return name + ".v" + std::to_string(kLayoutVersion) + "." + kArchitecture;
}

bool prepareDirectory(const std::string& directory, bool make, Failure& failure) {
  if (make && mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    return fail(failure, errno == ENOSPC ? "NO_SPACE" : "DIR", errno, directory);
  struct stat s;
  if (lstat(directory.c_str(), &s) != 0) return fail(failure, errno == ENOENT ? "ABSENT" : "DIR", errno, directory);
  if (!S_ISDIR(s.st_mode)) return fail(failure, "DIR", ENOTDIR, directory);
  if (s.st_uid != geteuid())
    return fail(failure, "OWNER", 0, directory + " belongs to user " + std::to_string(s.st_uid));
  if (s.st_mode & 022) return fail(failure, "MODE", 0, directory + " can be written by others");
  return true;
}

bool isTrusted(const struct stat& file, const std::string& path, Failure& failure) {
  if (!S_ISREG(file.st_mode)) return fail(failure, "KIND", 0, path + " is no regular file");
  if (file.st_uid != geteuid())
    return fail(failure, "OWNER", 0, path + " belongs to user " + std::to_string(file.st_uid));
  if (file.st_mode & 077) return fail(failure, "MODE", 0, path + " can be opened by others");
  if (file.st_nlink > 1) return fail(failure, "KIND", 0, path + " has a second name");
  return true;
}

int openUnnamed(const std::string& directory, std::string& temporary, Failure& failure) {
  int fd = open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0 && access("/proc/self/fd", X_OK) != 0) {
    close(fd);
    fd = -1;
    errno = EOPNOTSUPP;
  }
  if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT || errno == EINVAL)) {
    u64 random[2] = {};
    if (getrandom(random, sizeof random, 0) < 0) random[0] = u64(getpid());
    char name[48];
    snprintf(name, sizeof name, "/.new-%016llx%016llx", static_cast<unsigned long long>(random[0]),
             static_cast<unsigned long long>(random[1]));
    temporary = directory + name;
    fd = open(temporary.c_str(), O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) temporary.clear();
  }
  if (fd < 0) fail(failure, errno == ENOSPC ? "NO_SPACE" : "SYSTEM", errno, directory);
  else fchmod(fd, 0600);  // whatever the umask says
  return fd;
}

bool reserveBytes(int fd, u64 bytes, const std::string& directory, Failure& failure) {
  int error = 0;
  // the system call itself: the C libraries emulate it differently
  while (fallocate(fd, 0, 0, off_t(bytes)) != 0) {
    error = errno;
    if (error != EINTR) break;
    error = 0;
  }
  if (error == EOPNOTSUPP) {
    error = 0;
    const std::vector<char> zeros(1 << 20);
    for (u64 done = 0; done < bytes && error == 0;) {
      const u64 n = bytes - done < zeros.size() ? bytes - done : zeros.size();
      const ssize_t written = pwrite(fd, zeros.data(), n, off_t(done));
      if (written > 0) done += u64(written);
      else if (errno != EINTR) error = errno;
    }
  }
  if (error == 0) return true;
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  fail(failure, full ? "NO_SPACE" : "SYSTEM", error, directory);
  struct statvfs fs;
  if (ftruncate(fd, 0) == 0 && statvfs(directory.c_str(), &fs) == 0) {
    failure.wanted = bytes;
    failure.available = u64(fs.f_bavail) * fs.f_frsize;
    failure.total = u64(fs.f_blocks) * fs.f_frsize;
  }
  return false;
}

bool giveName(int fd, const std::string& temporary, const std::string& path, Failure& failure, bool& taken) {
  int done;
  if (temporary.empty()) {
    char self[32];
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    done = linkat(AT_FDCWD, self, AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW);
  } else {
    // not link and unlink: for a moment it would have two names, and be refused
    done = int(syscall(SYS_renameat2, AT_FDCWD, temporary.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE));
  }
  if (done == 0) return true;
  taken = errno == EEXIST;
  return fail(failure, errno == ENOSPC ? "NO_SPACE" : "SYSTEM", errno, path);
}

}  // namespace stockpile
