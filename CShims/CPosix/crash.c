#include "CPosix.h"
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const int crashes[] = {SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV};
enum { CRASH_COUNT = sizeof crashes / sizeof crashes[0] };
// What was there before, in the same order.
static struct sigaction earlier[CRASH_COUNT];

static size_t append(char *line, size_t used, const char *text) {
    while (*text != 0) line[used++] = *text++;
    return used;
}

// Only what may be done in a signal's handler: no memory, no lock, one write.
static void tell(int number, siginfo_t *info, void *context) {
    (void)context;
    char thread[16] = "", line[128];
    prctl(PR_GET_NAME, thread, 0, 0, 0);
    for (char *byte = thread; *byte != 0; byte++)
        if (*byte < 0x20 || *byte > 0x7e) *byte = '?';
    size_t used = append(line, 0, "clarion: fatal: signal ");
    if (number >= 10) line[used++] = (char)('0' + number / 10);
    line[used++] = (char)('0' + number % 10);
    used = append(line, used, " in thread ");
    used = append(line, used, thread);
    used = append(line, used, "; the process ends\n");
    ssize_t written = write(STDERR_FILENO, line, used);
    (void)written;
    for (int i = 0; i < CRASH_COUNT; i++)
        if (crashes[i] == number) sigaction(number, &earlier[i], NULL);
    // A fault happens again when this returns; what somebody sent has to be sent again.
    if (info == NULL || info->si_code <= 0) syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), number);
}

void cposix_tell_crashes(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = tell;
    // On the alternative stack where there is one: the thread's own may be what ran out.
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < CRASH_COUNT; i++) sigaction(crashes[i], &action, &earlier[i]);
}

void cposix_block_signals(void) {
    sigset_t set;
    sigfillset(&set);
    for (int i = 0; i < CRASH_COUNT; i++) sigdelset(&set, crashes[i]);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}
