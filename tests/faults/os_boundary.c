/* Faults at the boundary between a process and its operating system.

   Preloaded, it counts every call that changes a file below one folder: open with O_CREAT, write,
   fsync, truncate, rename, link, unlink, mkdir. SQLite, Python and Arrow all go through these. At
   the n-th such call it does what `fault_arm` asked for. It can also keep the wall clock still, or
   step it. Nothing of the program under test is replaced.

   Not seen: pages that are written through mmap (SQLite's -shm file, an index that is rebuilt). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

enum { COUNT = 1, KILL = 2, KILL_GROUP = 3, TEAR = 4, FULL = 5, FULL_ONCE = 6, STEP_CLOCK = 7 };
enum { NEEDS_SPACE = 1, FREES_SPACE = 2 };

static char prefix[4096];
static size_t prefix_length;
static atomic_int mode;
static atomic_long counted, stop_at, refused;
static atomic_llong frozen_ns, offset_ns, step_ns;
static char where[512];
static FILE *trace;

#define REAL(name) \
  static __typeof__(name) *real; \
  if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static void read_prefix(void) {
  const char *given = getenv("FAULT_PREFIX");
  strncpy(prefix, given ? given : "", sizeof prefix - 1);
  prefix_length = strlen(prefix);
}

__attribute__((constructor)) static void begin(void) {
  const char *clock = getenv("FAULT_CLOCK_NS");
  read_prefix();
  if (clock) frozen_ns = atoll(clock);
}

void fault_trace(const char *path) {
  if (trace) fclose(trace);
  trace = path ? fopen(path, "w") : NULL;
}
void fault_arm(int what, long n, long long step) {
  read_prefix();
  counted = 0;
  refused = 0;
  stop_at = n;
  step_ns = step;
  where[0] = 0;
  mode = what;
}
long fault_counted(void) { return counted; }
long fault_refused(void) { return refused; }
const char *fault_where(void) { return where; }
void fault_clock(long long still_ns, long long forward_ns) {
  frozen_ns = still_ns;
  offset_ns = forward_ns;
}

static int is_watched_path(int folder, const char *path) {
  char full[8192];
  if (!path || !prefix_length) return 0;
  if (path[0] == '/') return strncmp(path, prefix, prefix_length) == 0;
  if (folder == AT_FDCWD) {
    if (!getcwd(full, sizeof full)) return 0;
  } else {
    char link[64];
    ssize_t length;
    snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    length = readlink(link, full, sizeof full - 1);
    if (length < 0) return 0;
    full[length] = 0;
  }
  return strncmp(full, prefix, prefix_length) == 0;
}

static int is_watched(int fd, char *name, size_t size) {
  char link[64];
  ssize_t length;
  if (!prefix_length) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  length = readlink(link, name, size - 1);
  if (length < 0) return 0;
  name[length] = 0;
  return strncmp(name, prefix, prefix_length) == 0;
}

/* Count one call. Returns 1 if it must fail with ENOSPC, 2 if half of it must be written. */
static int point(const char *call, const char *path, int space) {
  int now = mode;
  long n;
  if (!now) return 0;
  if ((now == FULL || now == FULL_ONCE) && space != NEEDS_SPACE) return 0;
  if (now == TEAR && strcmp(call, "write") && strcmp(call, "pwrite")) return 0;
  n = atomic_fetch_add(&counted, 1) + 1;
  if (now == COUNT && trace) {
    const char *tail = strncmp(path, prefix, prefix_length) ? path : path + prefix_length;
    fprintf(trace, "%s %s\n", call, tail);
  }
  if (n != stop_at && !(now == FULL && n > stop_at)) return 0;
  if (n == stop_at) {
    const char *tail = strncmp(path, prefix, prefix_length) ? path : path + prefix_length;
    snprintf(where, sizeof where, "%s %s", call, tail);
    const char *report = getenv("FAULT_REPORT");
    if (report && now != COUNT) {
      int saved = mode, fd;
      mode = 0;
      fd = open(report, O_WRONLY | O_CREAT | O_TRUNC, 0644);
      if (fd >= 0) {
        (void)!write(fd, where, strlen(where));
        close(fd);
      }
      mode = saved;
    }
  }
  switch (now) {
    case KILL: kill(getpid(), SIGKILL); pause(); break;
    case KILL_GROUP: kill(0, SIGKILL); pause(); break;
    case TEAR: return 2;
    case FULL: case FULL_ONCE: atomic_fetch_add(&refused, 1); return 1;
    case STEP_CLOCK: atomic_fetch_add(&offset_ns, step_ns); break;
  }
  return 0;
}

#define WRITES(name, label, parameters, call, half)                       \
  ssize_t name parameters {                                               \
    char path[4096];                                                      \
    REAL(name);                                                           \
    if (mode && is_watched(fd, path, sizeof path)) {                      \
      int fault = point(label, path, NEEDS_SPACE);                        \
      if (fault == 1) { errno = ENOSPC; return -1; }                      \
      if (fault == 2) { (void)!half; kill(getpid(), SIGKILL); pause(); }  \
    }                                                                     \
    return call;                                                          \
  }
WRITES(write, "write", (int fd, const void *b, size_t n), real(fd, b, n), real(fd, b, n / 2))
WRITES(pwrite, "pwrite", (int fd, const void *b, size_t n, off_t o), real(fd, b, n, o),
       real(fd, b, n / 2, o))
WRITES(pwrite64, "pwrite", (int fd, const void *b, size_t n, off64_t o), real(fd, b, n, o),
       real(fd, b, n / 2, o))

#define ON_FD(name, label, parameters, call, space)                       \
  int name parameters {                                                   \
    char path[4096];                                                      \
    REAL(name);                                                           \
    if (mode && is_watched(fd, path, sizeof path) && point(label, path, space)) { \
      errno = ENOSPC; return -1;                                          \
    }                                                                     \
    return call;                                                          \
  }
ON_FD(fsync, "fsync", (int fd), real(fd), 0)
ON_FD(fdatasync, "fdatasync", (int fd), real(fd), 0)
ON_FD(ftruncate, "truncate", (int fd, off_t n), real(fd, n), FREES_SPACE)
ON_FD(ftruncate64, "truncate", (int fd, off64_t n), real(fd, n), FREES_SPACE)

#define ON_PATH(name, label, parameters, folder, path, call, space)       \
  int name parameters {                                                   \
    REAL(name);                                                           \
    if (mode && is_watched_path(folder, path) && point(label, path, space)) { \
      errno = ENOSPC; return -1;                                          \
    }                                                                     \
    return call;                                                          \
  }
ON_PATH(rename, "rename", (const char *a, const char *b), AT_FDCWD, b, real(a, b), 0)
ON_PATH(renameat, "rename", (int f, const char *a, int g, const char *b), g, b,
        real(f, a, g, b), 0)
ON_PATH(link, "link", (const char *a, const char *b), AT_FDCWD, b, real(a, b), NEEDS_SPACE)
ON_PATH(linkat, "link", (int f, const char *a, int g, const char *b, int flags), g, b,
        real(f, a, g, b, flags), NEEDS_SPACE)
ON_PATH(unlink, "unlink", (const char *a), AT_FDCWD, a, real(a), FREES_SPACE)
ON_PATH(unlinkat, "unlink", (int f, const char *a, int flags), f, a, real(f, a, flags),
        FREES_SPACE)
ON_PATH(mkdir, "mkdir", (const char *a, mode_t m), AT_FDCWD, a, real(a, m), NEEDS_SPACE)
ON_PATH(mkdirat, "mkdir", (int f, const char *a, mode_t m), f, a, real(f, a, m), NEEDS_SPACE)

static mode_t mode_of(int flags, va_list rest) {
  return flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0;
}

#define OPENS(name)                                                       \
  int name(const char *path, int flags, ...) {                            \
    va_list rest; mode_t m; struct stat there;                            \
    REAL(name);                                                           \
    va_start(rest, flags); m = mode_of(flags, rest); va_end(rest);        \
    if (mode && flags & O_CREAT && is_watched_path(AT_FDCWD, path) &&     \
        stat(path, &there) && point("create", path, NEEDS_SPACE)) {       \
      errno = ENOSPC; return -1;                                          \
    }                                                                     \
    return real(path, flags, m);                                          \
  }
OPENS(open)
OPENS(open64)

#define OPENS_AT(name)                                                    \
  int name(int folder, const char *path, int flags, ...) {                \
    va_list rest; mode_t m; struct stat there;                            \
    REAL(name);                                                           \
    va_start(rest, flags); m = mode_of(flags, rest); va_end(rest);        \
    if (mode && flags & O_CREAT && is_watched_path(folder, path) &&       \
        fstatat(folder, path, &there, 0) && point("create", path, NEEDS_SPACE)) { \
      errno = ENOSPC; return -1;                                          \
    }                                                                     \
    return real(folder, path, flags, m);                                  \
  }
OPENS_AT(openat)
OPENS_AT(openat64)

/* The wall clock: still at `frozen_ns` if that is set, and moved by `offset_ns`. */
static long long wall(long long real_ns) { return (frozen_ns ? frozen_ns : real_ns) + offset_ns; }

int clock_gettime(clockid_t which, struct timespec *at) {
  int done;
  REAL(clock_gettime);
  done = real(which, at);
  if (!done && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE) &&
      (frozen_ns || offset_ns)) {
    long long now = wall(at->tv_sec * 1000000000LL + at->tv_nsec);
    at->tv_sec = now / 1000000000LL;
    at->tv_nsec = now % 1000000000LL;
  }
  return done;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
  struct timespec now;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &now);
  at->tv_sec = now.tv_sec;
  at->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *at) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (at) *at = now.tv_sec;
  return now.tv_sec;
}
