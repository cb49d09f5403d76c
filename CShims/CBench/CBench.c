#include "CBench.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

uint64_t cbench_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t cbench_own_cpu(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int cbench_prepare_thread(int cpu) {
    prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
    if (cpu < 0) return 0;
    cpu_set_t set;
    CPU_ZERO(&set);
    if (cpu >= CPU_SETSIZE) return EINVAL;
    CPU_SET(cpu, &set);
    return pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

uint64_t cbench_raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return before;
    return limit.rlim_cur;
}

int cbench_resolve(const char *host, uint16_t port, struct cbench_address *address) {
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found = NULL;
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    int code = getaddrinfo(host, service, &hints, &found);
    if (code != 0) return code;
    memcpy(&address->storage, found->ai_addr, found->ai_addrlen);
    address->length = found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

int cbench_is_loopback(const struct cbench_address *address) {
    if (address->storage.ss_family != AF_INET) return 0;
    const struct sockaddr_in *in = (const struct sockaddr_in *)&address->storage;
    return (ntohl(in->sin_addr.s_addr) >> 24) == 127;
}

static int bind_source(int fd, int source) {
    // Without IP_BIND_ADDRESS_NO_PORT the bind would take a port for itself alone and exhaust them.
    int one = 1;
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000000u + (uint32_t)source)};
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    return bind(fd, (struct sockaddr *)&from, sizeof from);
}

int cbench_connect(const struct cbench_address *address, int source, int timeout_milliseconds) {
    int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    struct timeval limit = {timeout_milliseconds / 1000, (timeout_milliseconds % 1000) * 1000};
    cbench_set_nodelay(fd);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (source > 0 && bind_source(fd, source) != 0) goto failed;
    while (connect(fd, (const struct sockaddr *)&address->storage, address->length) != 0)
        if (errno != EINTR) goto failed;
    return fd;
failed:;
    int code = errno;
    close(fd);
    return -code;
}

_Static_assert(cbench_would_block == EAGAIN, "the header states the value for Swift");

void cbench_close(int fd) { close(fd); }

void cbench_set_nodelay(int fd) {
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

int cbench_set_nonblocking(int fd) {
    int flags = fcntl(fd, F_GETFL, 0);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) return errno;
    return 0;
}

ssize_t cbench_receive(int fd, void *bytes, size_t count) {
    for (;;) {
        ssize_t got = recv(fd, bytes, count, 0);
        if (got >= 0) return got;
        if (errno != EINTR) return -errno;
    }
}

ssize_t cbench_send(int fd, const void *bytes, size_t count) {
    for (;;) {
        ssize_t sent = send(fd, bytes, count, MSG_NOSIGNAL);
        if (sent >= 0) return sent;
        if (errno != EINTR) return -errno;
    }
}

int cbench_epoll_create(void) {
    int fd = epoll_create1(EPOLL_CLOEXEC);
    return fd >= 0 ? fd : -errno;
}

int cbench_watch(int epoll, int change, int fd, uint32_t events, uint64_t tag) {
    struct epoll_event event = {.events = events, .data.u64 = tag};
    return epoll_ctl(epoll, change ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : errno;
}

int cbench_unwatch(int epoll, int fd) {
    return epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL) == 0 ? 0 : errno;
}

int cbench_wait(int epoll, struct epoll_event *events, int max, int64_t timeout) {
    struct timespec limit = {timeout / 1000000000, timeout % 1000000000};
    int count = epoll_pwait2(epoll, events, max, timeout < 0 ? NULL : &limit, NULL);
    if (count < 0 && errno == ENOSYS)  // kernels before 5.11 wait in whole milliseconds
        count = epoll_wait(epoll, events, max, timeout < 0 ? -1 : (int)((timeout + 999999) / 1000000));
    if (count >= 0) return count;
    return errno == EINTR ? 0 : -errno;
}

int cbench_wake_create(void) {
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return fd >= 0 ? fd : -errno;
}

void cbench_wake(int fd) {
    uint64_t one = 1;
    ssize_t written = write(fd, &one, sizeof one);
    (void)written;  // EAGAIN means that a wake-up is pending already
}

void cbench_wake_clear(int fd) {
    uint64_t count;
    ssize_t got = read(fd, &count, sizeof count);
    (void)got;
}

ssize_t cbench_read_file(const char *path, char *bytes, size_t max) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    size_t total = 0;
    while (total < max) {
        ssize_t got = read(fd, bytes + total, max - total);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            int code = errno;
            close(fd);
            return -code;
        }
        if (got == 0) break;
        total += (size_t)got;
    }
    close(fd);
    return (ssize_t)total;
}

int64_t cbench_ticks_per_second(void) { return sysconf(_SC_CLK_TCK); }

void *cbench_shared_memory(size_t count) {
    void *memory = mmap(NULL, count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

int cbench_fork(void) {
    pid_t parent = getpid();
    pid_t child = fork();
    if (child < 0) return -errno;
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) _exit(1);  // it died in between
    }
    return child;
}

void cbench_exit(int status) { _exit(status); }

int cbench_has_ended(int child) {
    int status;
    pid_t ended = waitpid(child, &status, WNOHANG);
    if (ended == 0) return 0;
    return ended == child && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 1 : -1;
}

void cbench_kill(int child) {
    kill(child, SIGKILL);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) continue;
}

int cbench_connect_start(const struct cbench_address *address, int source, int receive_bytes, int *is_connected) {
    int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -errno;
    cbench_set_nodelay(fd);
    if (receive_bytes > 0) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    if (source > 0 && bind_source(fd, source) != 0) goto failed;
    *is_connected = connect(fd, (const struct sockaddr *)&address->storage, address->length) == 0;
    if (*is_connected || errno == EINPROGRESS || errno == EINTR) return fd;
failed:;
    int code = errno;
    close(fd);
    return -code;
}

int cbench_connect_result(int fd) {
    int code = 0;
    socklen_t length = sizeof code;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &length) == 0 ? code : errno;
}

void cbench_close_reset(int fd) {
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(fd);
}

void cbench_prefer_thread(void) { setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), -15); }

int64_t cbench_unix_seconds(void) { return (int64_t)time(NULL); }

int cbench_count_descriptors(int32_t process) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", process);
    struct stat about;
    if (stat(path, &about) == 0 && about.st_size > 0) return (int)about.st_size;
    DIR *folder = opendir(path);
    if (folder == NULL) return -errno;
    int count = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

int64_t cbench_waited(int32_t process) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", process);
    DIR *threads = opendir(path);
    if (threads == NULL) return -1;
    int64_t sum = -1;
    for (struct dirent *entry; (entry = readdir(threads)) != NULL;) {
        int thread = atoi(entry->d_name);
        if (thread <= 0) continue;
        snprintf(path, sizeof path, "/proc/%d/task/%d/schedstat", process, thread);
        char text[96] = {0};
        if (cbench_read_file(path, text, sizeof text - 1) <= 0) continue;
        long long ran, waited;
        if (sscanf(text, "%lld %lld", &ran, &waited) == 2) sum = (sum < 0 ? 0 : sum) + waited;
    }
    closedir(threads);
    return sum;
}

ssize_t cbench_find(const void *bytes, size_t count, const void *needle, size_t needle_count) {
    const char *found = memmem(bytes, count, needle, needle_count);
    return found == NULL ? -1 : found - (const char *)bytes;
}

int cbench_hmac_sha256(const void *key, size_t key_count, const void *bytes, size_t count, uint8_t *out) {
    unsigned length = 0;
    return HMAC(EVP_sha256(), key, (int)key_count, bytes, count, out, &length) != NULL && length == 32;
}

int cbench_md5(const void *bytes, size_t count, uint8_t *out) {
    unsigned length = 0;
    return EVP_Digest(bytes, count, out, &length, EVP_md5(), NULL) == 1 && length == 16;
}

int64_t cbench_page_bytes(void) { return sysconf(_SC_PAGESIZE); }

void cbench_set_timeout(int fd, int milliseconds) {
    struct timeval limit = {milliseconds / 1000, (milliseconds % 1000) * 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

int cbench_equal(const void *left, const void *right, size_t count) { return memcmp(left, right, count) == 0; }
