#include "CBenchReport.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { arguments_max = 16, arguments_bytes_max = 256 };

// The folder of the running program, or 0.
static int own_folder(char *path, size_t max) {
    ssize_t count = readlink("/proc/self/exe", path, max - 1);
    if (count <= 0) return 0;
    path[count] = 0;
    char *slash = strrchr(path, '/');
    if (slash == NULL) return 0;
    *slash = 0;
    return 1;
}

ssize_t cbreport_git(const char *arguments, char *text, size_t max) {
    char folder[PATH_MAX], words[arguments_bytes_max];
    if (!own_folder(folder, sizeof folder) || strlen(arguments) >= sizeof words) return -1;
    strcpy(words, arguments);
    char *argv[arguments_max + 1] = {"git", "-C", folder};
    int argc = 3;
    char *state = NULL;
    for (char *word = strtok_r(words, " ", &state); word != NULL && argc < arguments_max;
         word = strtok_r(NULL, " ", &state))
        argv[argc++] = word;

    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return -1;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    pid_t child;
    int code = posix_spawnp(&child, "git", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (code != 0) {
        close(ends[0]);
        return -1;
    }
    size_t count = 0;
    char rest[512];
    for (;;) {
        // What does not fit is read all the same, so that git can end.
        int fits = count < max;
        ssize_t got = read(ends[0], fits ? text + count : rest, fits ? max - count : sizeof rest);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        if (fits) count += (size_t)got;
    }
    close(ends[0]);
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return -1;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? (ssize_t)count : -1;
}

int cbreport_columns(int fd) {
    struct winsize size;
    return ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}
