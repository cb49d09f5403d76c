#include "CSandboxTries.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

// Evaluates to the name when the call did anything but fail with EPERM.
#define FORBIDDEN(name, call)                      \
    do {                                           \
        errno = 0;                                 \
        if ((call) != -1 || errno != EPERM) return name; \
    } while (0)

int csandboxtries_is_dumpable(void) { return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0); }

int csandboxtries_listen(uint16_t port) {
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int failed = bind(descriptor, (struct sockaddr *)&address, sizeof address) != 0 || listen(descriptor, 1) != 0;
    int error = failed ? errno : 0;
    close(descriptor);
    return error;
}

const char *csandboxtries_allowed(void) {
    char *const arguments[] = {"/bin/true", NULL};
    FORBIDDEN("execve", execve("/bin/true", arguments, arguments));
    FORBIDDEN("execveat", syscall(SYS_execveat, AT_FDCWD, "/bin/true", arguments, arguments, 0));
    FORBIDDEN("fork", fork());
    FORBIDDEN("vfork", syscall(SYS_clone, CLONE_VM | SIGCHLD, 0, 0, 0, 0));
    FORBIDDEN("unshare", unshare(CLONE_NEWUSER));
    FORBIDDEN("setns", setns(0, 0));
    FORBIDDEN("ptrace", ptrace(PTRACE_TRACEME, 0, NULL, NULL));
    struct iovec piece = {.iov_base = &piece, .iov_len = 1};
    FORBIDDEN("process_vm_readv", process_vm_readv(getppid(), &piece, 1, &piece, 1, 0));
    FORBIDDEN("kill", kill(getppid(), 0));
    FORBIDDEN("tgkill of others", syscall(SYS_tgkill, getppid(), getppid(), 0));
    FORBIDDEN("mount", mount("none", "/mnt", "tmpfs", 0, NULL));
    FORBIDDEN("chroot", chroot("/"));
    FORBIDDEN("chmod", chmod("/dev/null", 0666));
    FORBIDDEN("mknod", syscall(SYS_mknodat, AT_FDCWD, "/tmp/clarion-node", 0, 0));
    FORBIDDEN("setuid", setuid(0));
    FORBIDDEN("capset", syscall(SYS_capset, NULL, NULL));
    FORBIDDEN("keyctl", syscall(SYS_keyctl, 0, 0, 0, 0, 0));
    FORBIDDEN("bpf", syscall(SYS_bpf, 0, NULL, 0));
    FORBIDDEN("perf_event_open", syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0));
    FORBIDDEN("userfaultfd", syscall(SYS_userfaultfd, 0));
    FORBIDDEN("memfd_create", memfd_create("x", 0));
    FORBIDDEN("init_module", syscall(SYS_init_module, NULL, 0, ""));
    FORBIDDEN("reboot", syscall(SYS_reboot, 0, 0, 0, NULL));
    FORBIDDEN("clock_settime", syscall(SYS_clock_settime, 0, NULL));
    FORBIDDEN("sethostname", sethostname("x", 1));
    struct io_uring_params parameters;
    memset(&parameters, 0, sizeof parameters);
    FORBIDDEN("io_uring_setup", syscall(SYS_io_uring_setup, 8, &parameters));
    FORBIDDEN("io_uring_register", syscall(SYS_io_uring_register, 0, 0, NULL, 0));
    FORBIDDEN("raw sockets", socket(AF_INET, SOCK_RAW, 1));
    FORBIDDEN("packet sockets", socket(AF_PACKET, SOCK_RAW, 0));
    FORBIDDEN("other families", socket(AF_VSOCK, SOCK_STREAM, 0));
    FORBIDDEN("netlink but for routes", socket(AF_NETLINK, SOCK_RAW, 9));
    FORBIDDEN("listen", listen(0, 1));
    FORBIDDEN("bind", bind(0, NULL, 0));
    struct rlimit limit = {0, 0};
    FORBIDDEN("setrlimit", syscall(SYS_prlimit64, 0, RLIMIT_CORE, &limit, NULL));
    FORBIDDEN("limits of others", syscall(SYS_prlimit64, getppid(), RLIMIT_CORE, NULL, &limit));
    FORBIDDEN("prctl", prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
    void *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (code != MAP_FAILED || errno != EPERM) return "mmap of code";
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return "mmap of memory fails";
    FORBIDDEN("mprotect to code", mprotect(page, 4096, PROT_READ | PROT_EXEC));
    munmap(page, 4096);
    return NULL;
}

static void *nothing(void *argument) { return argument; }

const char *csandboxtries_refused(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, nothing, NULL) != 0 || pthread_join(thread, NULL) != 0) return "threads";
    int descriptor = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0 && errno != EAFNOSUPPORT) return "sockets of IPv6";
    if (descriptor >= 0) close(descriptor);
    descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return "datagrams";
    close(descriptor);
    char *block = malloc(64 << 20);
    if (block == NULL) return "memory";
    memset(block, 1, 64 << 20);
    free(block);
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return "getrlimit";
    if (prctl(PR_SET_NAME, "tries", 0, 0, 0) != 0) return "names of threads";
    if (raise(0) != 0) return "raise";
    return NULL;
}
