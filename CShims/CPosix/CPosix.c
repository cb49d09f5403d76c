#include <malloc.h>
#include "CPosix.h"
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

int cposix_pin_to_cpu(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

int cposix_usable_cpus(int *cpus, int max) {
    cpu_set_t set;
    int count = 0;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 0;
    for (int cpu = 0; cpu < CPU_SETSIZE && count < max; cpu++)
        if (CPU_ISSET(cpu, &set)) cpus[count++] = cpu;
    return count;
}

int cposix_accept(int fd) {
    int result = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return result >= 0 ? result : -errno;
}

uint64_t cposix_monotonic_nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int cposix_random(void *bytes, size_t count) {
    unsigned char *next = bytes;
    while (count > 0) {
        ssize_t got = getrandom(next, count, 0);
        if (got < 0) {
            if (errno == EINTR) continue;
            return errno;
        }
        next += got;
        count -= (size_t)got;
    }
    return 0;
}

int64_t cposix_peer_user(int fd) {
    struct ucred credentials;
    socklen_t length = sizeof credentials;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) return -1;
    return credentials.uid;
}

// Room for the descriptors of one message, aligned as a control message has to be.
union passed {
    char bytes[CMSG_SPACE(sizeof(int) * cposix_passed_max)];
    struct cmsghdr alignment;
};

int cposix_send_descriptors(int fd, const void *bytes, size_t size, const int *descriptors, int count) {
    if (count < 0 || count > cposix_passed_max) return -EINVAL;
    union passed room;
    memset(&room, 0, sizeof room);
    struct iovec piece = {.iov_base = (void *)bytes, .iov_len = size};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    if (count > 0) {
        message.msg_control = room.bytes;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
        memcpy(CMSG_DATA(header), descriptors, sizeof(int) * (size_t)count);
    }
    ssize_t sent;
    do { sent = sendmsg(fd, &message, MSG_NOSIGNAL); } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : (int)sent;
}

int cposix_receive_descriptors(int fd, void *bytes, size_t size, int *descriptors, int *count) {
    union passed room;
    struct iovec piece = {.iov_base = bytes, .iov_len = size};
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = room.bytes, .msg_controllen = sizeof room.bytes};
    ssize_t received;
    *count = 0;
    do { received = recvmsg(fd, &message, MSG_CMSG_CLOEXEC); } while (received < 0 && errno == EINTR);
    if (received < 0) return -errno;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header != NULL; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        size_t length = header->cmsg_len - CMSG_LEN(0);
        int here = (int)(length / sizeof(int));
        if (here > cposix_passed_max - *count) here = cposix_passed_max - *count;
        memcpy(descriptors + *count, CMSG_DATA(header), sizeof(int) * (size_t)here);
        *count += here;
    }
    return (int)received;
}

void cposix_map_blocks_from(size_t bytes) {
    // Setting the threshold also stops glibc from raising it to the size of every large block that is freed.
    mallopt(M_MMAP_THRESHOLD, (int)bytes);
}

void cposix_name_thread(const char *name) {
    char kept[16];
    strncpy(kept, name, sizeof kept - 1);
    kept[sizeof kept - 1] = 0;
    pthread_setname_np(pthread_self(), kept);
}

static void show_stack(int number) {
    static const char text[] = "the stack of the stuck thread:\n";
    void *frames[64];
    int count = backtrace(frames, 64);
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0) return;
    backtrace_symbols_fd(frames, count, STDERR_FILENO);
    // The handler is reset, so this ends the process when the handler returns.
    raise(number);
}

void cposix_show_stack_on_abort(void) {
    // The first call loads a library, which a signal handler must not do.
    void *frame[1];
    backtrace(frame, 1);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = show_stack;
    action.sa_flags = (int)SA_RESETHAND;
    sigaction(SIGABRT, &action, NULL);
}

int cposix_spawn(
    const char *path, char *const arguments[], char *const environment[], const int *descriptors, int count,
    int ready) {
    // Copies above the numbers that the child is to have, so that none is overwritten before it is copied.
    int *copies = calloc((size_t)count + 1, sizeof *copies);
    if (copies == NULL) return -ENOMEM;
    int made = 0, result = 0;
    pid_t child = -1;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    for (; made <= count && result == 0; made++) {
        copies[made] = fcntl(made < count ? descriptors[made] : ready, F_DUPFD_CLOEXEC, 4 + count);
        if (copies[made] < 0) { result = errno; break; }
        result = posix_spawn_file_actions_adddup2(&actions, copies[made], 3 + made);
    }
    if (result == 0) result = posix_spawn_file_actions_addclosefrom_np(&actions, 4 + count);
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (result == 0) result = posix_spawn(&child, path, &actions, &attributes, arguments, environment);
    for (int index = 0; index < made; index++) close(copies[index]);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    free(copies);
    return result == 0 ? child : -result;
}

void cposix_give_back_memory(void) { malloc_trim(0); }
