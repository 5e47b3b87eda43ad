/* In front of libc's fsync and fdatasync, by LD_PRELOAD: each takes SLOW_FSYNC_MS longer. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void pause_first(void) {
    const char *text = getenv("SLOW_FSYNC_MS");
    long ms = text ? atol(text) : 0;
    struct timespec time = {ms / 1000, (ms % 1000) * 1000000L};
    nanosleep(&time, NULL);
}

int fsync(int fd) {
    pause_first();
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd) {
    pause_first();
    return (int)syscall(SYS_fdatasync, fd);
}
