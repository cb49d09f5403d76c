#include "CSandbox.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

int csandbox_find_user(const char *name, csandbox_user *found) {
    struct passwd entry, *result = NULL;
    // Groups and home directories are short; a name service that has more to say is cut off with ERANGE.
    static char room[16384];
    memset(found, 0, sizeof *found);
    int error = getpwnam_r(name, &entry, room, sizeof room, &result);
    if (result == NULL && name[0] >= '0' && name[0] <= '9') {
        char *end = NULL;
        errno = 0;
        unsigned long number = strtoul(name, &end, 10);
        if (errno != 0 || *end != 0 || number >= (uid_t)-1) return ENOENT;
        error = getpwuid_r((uid_t)number, &entry, room, sizeof room, &result);
    }
    if (result == NULL) return error != 0 ? error : ENOENT;
    if (strlen(entry.pw_name) >= sizeof found->name) return ENAMETOOLONG;
    strcpy(found->name, entry.pw_name);
    found->user = entry.pw_uid;
    found->group = entry.pw_gid;
    return 0;
}

int csandbox_is(const csandbox_user *user) {
    uid_t real, effective, saved;
    return getresuid(&real, &effective, &saved) == 0 && real == user->user && effective == user->user &&
           saved == user->user;
}

int csandbox_become(const csandbox_user *user) {
    // Groups first: who is no longer root cannot give them up. glibc has every thread do it.
    if (initgroups(user->name, user->group) != 0) return errno;
    if (setresgid(user->group, user->group, user->group) != 0) return errno;
    if (setresuid(user->user, user->user, user->user) != 0) return errno;
    // There must be no way back.
    if (user->user != 0 && (setuid(0) == 0 || seteuid(0) == 0)) return ENOTRECOVERABLE;
    return 0;
}

int csandbox_no_new_privileges(void) { return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? 0 : errno; }

int csandbox_hide_memory(void) { return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : errno; }
