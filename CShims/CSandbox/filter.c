// The system calls of a node that runs. Everything else fails with EPERM: executing, tracing, mounting, new rings, raw
// sockets, listening, namespaces, modules, keys, and what later kernels add.
#include "CSandbox.h"
#include <errno.h>
#include <linux/netlink.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

// Allowed whatever the arguments. The kernel knows these without running the filter.
static const int plain[] = {
    // Sockets and waiting.
    SCMP_SYS(io_uring_enter), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2),
    SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_create), SCMP_SYS(epoll_create1), SCMP_SYS(eventfd), SCMP_SYS(eventfd2),
    SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select),
    SCMP_SYS(pselect6), SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(connect), SCMP_SYS(sendto),
    SCMP_SYS(recvfrom), SCMP_SYS(sendmsg), SCMP_SYS(recvmsg), SCMP_SYS(sendmmsg), SCMP_SYS(recvmmsg),
    SCMP_SYS(shutdown), SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(setsockopt), SCMP_SYS(getsockopt),
    SCMP_SYS(pipe), SCMP_SYS(pipe2),
    // Files, as far as Landlock lets.
    SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(preadv), SCMP_SYS(write), SCMP_SYS(writev),
    SCMP_SYS(pwrite64), SCMP_SYS(pwritev), SCMP_SYS(close), SCMP_SYS(lseek), SCMP_SYS(open), SCMP_SYS(openat),
    SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(statfs),
    SCMP_SYS(fstatfs), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(readlink),
    SCMP_SYS(readlinkat), SCMP_SYS(getdents64), SCMP_SYS(getcwd), SCMP_SYS(fcntl), SCMP_SYS(flock), SCMP_SYS(dup),
    SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(ftruncate), SCMP_SYS(fallocate), SCMP_SYS(unlink),
    SCMP_SYS(unlinkat), SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(fchmod), SCMP_SYS(fchown), SCMP_SYS(umask),
    SCMP_SYS(inotify_init1), SCMP_SYS(inotify_add_watch), SCMP_SYS(inotify_rm_watch),
    // Memory and threads.
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(msync), SCMP_SYS(mincore),
    SCMP_SYS(membarrier), SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(set_tid_address),
    SCMP_SYS(gettid), SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid),
    SCMP_SYS(getegid), SCMP_SYS(getgroups), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_getparam), SCMP_SYS(sched_getscheduler), SCMP_SYS(getcpu), SCMP_SYS(getrandom), SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    // Signals and clocks.
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigtimedwait),
    SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall), SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres),
    SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(times),
    SCMP_SYS(getrusage), SCMP_SYS(getrlimit), SCMP_SYS(sysinfo), SCMP_SYS(uname),
};
enum { PLAIN_COUNT = sizeof plain / sizeof plain[0] };

// Calls that are allowed with some arguments only: mmap, mprotect, ioctl, socket, socketpair, clone, prlimit64, prctl,
// tgkill, kill, setpriority.
enum { BOUND_COUNT = 11 };

int csandbox_filter_count(void) { return PLAIN_COUNT + BOUND_COUNT; }

static int allow(scmp_filter_ctx filter, int call, unsigned count, const struct scmp_arg_cmp *arguments) {
    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, count, arguments);
}

static int allow_bound(scmp_filter_ctx filter) {
    // No memory becomes code any more.
    const struct scmp_arg_cmp no_code[] = {SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)};
    int error = allow(filter, SCMP_SYS(mmap), 1, no_code);
    if (error == 0) error = allow(filter, SCMP_SYS(mprotect), 1, no_code);
    // What the name resolver, TLS clients and databases ask for; is it a terminal, how much is there to read.
    const unsigned long controls[] = {FIONBIO, FIONREAD, TCGETS, TIOCGWINSZ};
    for (unsigned i = 0; error == 0 && i < sizeof controls / sizeof controls[0]; i++) {
        const struct scmp_arg_cmp control[] = {SCMP_A1(SCMP_CMP_EQ, controls[i])};
        error = allow(filter, SCMP_SYS(ioctl), 1, control);
    }
    // Streams and datagrams (kinds 1 and 2; flags stand above) of local and Internet sockets; routes, which the name
    // resolver asks for.
    const int families[] = {AF_UNIX, AF_INET, AF_INET6};
    for (unsigned i = 0; error == 0 && i < sizeof families / sizeof families[0]; i++)
        for (unsigned kind = SOCK_STREAM; error == 0 && kind <= SOCK_DGRAM; kind++) {
            const struct scmp_arg_cmp socket[] = {
                SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]), SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, kind)};
            error = allow(filter, SCMP_SYS(socket), 2, socket);
        }
    const struct scmp_arg_cmp routes[] = {SCMP_A0(SCMP_CMP_EQ, AF_NETLINK), SCMP_A2(SCMP_CMP_EQ, NETLINK_ROUTE)};
    if (error == 0) error = allow(filter, SCMP_SYS(socket), 2, routes);
    const struct scmp_arg_cmp pair[] = {SCMP_A0(SCMP_CMP_EQ, AF_UNIX)};
    if (error == 0) error = allow(filter, SCMP_SYS(socketpair), 1, pair);
    // Threads, no processes, no namespaces. The arguments of clone3 lie in memory, where a filter cannot see them: told
    // that there is no such call, the C library takes clone.
    const scmp_datum_t thread = CLONE_VM | CLONE_THREAD | CLONE_SIGHAND;
    const scmp_datum_t looked_at = thread | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
                                   CLONE_NEWNET | CLONE_NEWCGROUP;
    const struct scmp_arg_cmp clone[] = {SCMP_A0(SCMP_CMP_MASKED_EQ, looked_at, thread)};
    if (error == 0) error = allow(filter, SCMP_SYS(clone), 1, clone);
    if (error == 0) error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    // Its own limits may be read.
    const struct scmp_arg_cmp limits[] = {SCMP_A0(SCMP_CMP_EQ, 0), SCMP_A2(SCMP_CMP_EQ, 0)};
    if (error == 0) error = allow(filter, SCMP_SYS(prlimit64), 2, limits);
    const int names[] = {PR_SET_NAME, PR_GET_NAME};
    for (unsigned i = 0; error == 0 && i < sizeof names / sizeof names[0]; i++) {
        const struct scmp_arg_cmp name[] = {SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)names[i])};
        error = allow(filter, SCMP_SYS(prctl), 1, name);
    }
    // Threads of the concurrency library set how nice they are.
    const struct scmp_arg_cmp nice[] = {SCMP_A0(SCMP_CMP_EQ, PRIO_PROCESS), SCMP_A1(SCMP_CMP_EQ, 0)};
    if (error == 0) error = allow(filter, SCMP_SYS(setpriority), 2, nice);
    // A process that gives up, or is told to drain, signals itself.
    const struct scmp_arg_cmp own[] = {SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid())};
    if (error == 0) error = allow(filter, SCMP_SYS(tgkill), 1, own);
    if (error == 0) error = allow(filter, SCMP_SYS(kill), 1, own);
    return error;
}

int csandbox_filter_calls(void) {
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (filter == NULL) return ENOMEM;
    // All threads, a tree of comparisons rather than a chain, and the error of the system as it is. libseccomp sets
    // no-new-privileges, which is what lets a process without privileges filter itself.
    int error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (error == 0) error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (error == 0) error = seccomp_attr_set(filter, SCMP_FLTATR_API_SYSRAWRC, 1);
    for (int i = 0; error == 0 && i < PLAIN_COUNT; i++) error = allow(filter, plain[i], 0, NULL);
    if (error == 0) error = allow_bound(filter);
    if (error == 0) error = seccomp_load(filter);
    seccomp_release(filter);
    return error < 0 ? -error : error;
}
