// What a process may do to the system from now on: privileges, Landlock, seccomp (libseccomp). Imported by the Sandbox
// floor only. Every function returns 0 or an errno, but for those that say otherwise.
#pragma once
#include <grp.h>
#include <pwd.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// A user of the system, with what is needed to become that user.
typedef struct csandbox_user {
    uid_t user;
    gid_t group;
    char name[64];
} csandbox_user;

/// The user of a name or of a number. ENOENT: there is none.
int csandbox_find_user(const char *name, csandbox_user *found);
/// Whether this process is that user and has no other's identity to go back to.
int csandbox_is(const csandbox_user *user);
/// Becomes that user with that user's groups, in all threads and for ever. Needs to be root.
int csandbox_become(const csandbox_user *user);

/// This thread, and those it starts, never gain a privilege by executing a program.
int csandbox_no_new_privileges(void);
/// No core dump of this process is written, and no other process of the same user may look into its memory.
int csandbox_hide_memory(void);

// Landlock (Linux 5.13): which files this thread, and those it starts, may open. By number, for the headers of Debian
// 12 end at version 2.

/// The version of Landlock, or -errno: ENOSYS and EOPNOTSUPP when the kernel has none.
int csandbox_landlock_version(void);
/// A set of rules that forbids, but for what is added to it, all use of files, and from version 4 on listening on TCP
/// ports. From version 6 on it also forbids abstract sockets and signals that lead out of this process. A descriptor,
/// or -errno.
int csandbox_landlock_make(int version);
typedef enum csandbox_kind {
    /// What lies at and below the path may be read.
    CSANDBOX_READ,
    /// It may also be changed, and files below it may be made and removed.
    CSANDBOX_WRITE,
    /// Sockets may be made below the path, and names be removed.
    CSANDBOX_SOCKETS,
} csandbox_kind;
/// ENOENT: there is nothing at `path`.
int csandbox_landlock_allow(int rules, int version, const char *path, csandbox_kind kind);
/// Allows listening on a TCP port; 0 is for ports of the system's choice. Only from version 4 on.
int csandbox_landlock_allow_port(int rules, uint16_t port);
/// The rules hold from now on. `csandbox_no_new_privileges` comes first.
int csandbox_landlock_enforce(int rules);

/// From now on system calls that a running node has no use for fail with EPERM, in all threads. Sets
/// `csandbox_no_new_privileges` in all of them. ENOSYS or EINVAL: this kernel cannot filter system calls.
int csandbox_filter_calls(void);
/// How many system calls are allowed in some form.
int csandbox_filter_count(void);
