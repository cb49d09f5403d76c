// Landlock by its system calls; the numbers are those of linux/landlock.h as of Linux 6.12.
#include "CSandbox.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CREATE_RULESET = 444, ADD_RULE = 445, RESTRICT_SELF = 446, QUERY_VERSION = 1, RULE_PATH = 1, RULE_PORT = 2 };

enum {
    FILE_WRITE = 1 << 1,
    FILE_READ = 1 << 2,
    FOLDER_READ = 1 << 3,
    FILE_REMOVE = 1 << 5,
    MAKE_FILE = 1 << 8,
    MAKE_SOCKET = 1 << 9,
    // Version 1 has the bits up to here.
    ALL_OF_1 = (1 << 13) - 1,
    // Version 2: moving files between folders. Version 3. Version 5: ioctl of devices.
    FILE_MOVE = 1 << 13,
    FILE_TRUNCATE = 1 << 14,
    DEVICE_CONTROL = 1 << 15,
    PORT_LISTEN = 1 << 0,
    // Version 6.
    SCOPE_ABSTRACT = 1 << 0,
    SCOPE_SIGNALS = 1 << 1,
};

struct rules {
    uint64_t files;
    uint64_t ports;
    uint64_t scopes;
};

struct path_rule {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));

struct port_rule {
    uint64_t allowed;
    uint64_t port;
};

int csandbox_landlock_version(void) {
    long version = syscall(CREATE_RULESET, NULL, 0, QUERY_VERSION);
    return version < 0 ? -errno : (int)version;
}

static uint64_t files_of(int version) {
    uint64_t files = ALL_OF_1;
    if (version >= 2) files |= FILE_MOVE;
    if (version >= 3) files |= FILE_TRUNCATE;
    if (version >= 5) files |= DEVICE_CONTROL;
    return files;
}

int csandbox_landlock_make(int version) {
    struct rules rules = {.files = files_of(version)};
    // An older kernel takes a shorter structure only.
    size_t size = sizeof rules.files;
    if (version >= 4) {
        rules.ports = PORT_LISTEN;
        size += sizeof rules.ports;
    }
    if (version >= 6) {
        rules.scopes = SCOPE_ABSTRACT | SCOPE_SIGNALS;
        size += sizeof rules.scopes;
    }
    long result = syscall(CREATE_RULESET, &rules, size, 0);
    return result < 0 ? -errno : (int)result;
}

int csandbox_landlock_allow(int rules, int version, const char *path, csandbox_kind kind) {
    int place = open(path, O_PATH | O_CLOEXEC);
    if (place < 0) return errno;
    struct stat status;
    if (fstat(place, &status) != 0) {
        int error = errno;
        close(place);
        return error;
    }
    static const uint64_t of_kind[] = {
        [CSANDBOX_READ] = FILE_READ | FOLDER_READ,
        [CSANDBOX_WRITE] = FILE_READ | FOLDER_READ | FILE_WRITE | FILE_TRUNCATE | FILE_REMOVE | MAKE_FILE,
        [CSANDBOX_SOCKETS] = MAKE_SOCKET | FILE_REMOVE,
    };
    uint64_t allowed = of_kind[kind];
    // A rule for a file may not speak of what only folders have.
    if (!S_ISDIR(status.st_mode)) allowed &= FILE_READ | FILE_WRITE | FILE_TRUNCATE;
    struct path_rule rule = {.allowed = allowed & files_of(version), .parent = place};
    int error = syscall(ADD_RULE, rules, RULE_PATH, &rule, 0) == 0 ? 0 : errno;
    close(place);
    return error;
}

int csandbox_landlock_allow_port(int rules, uint16_t port) {
    struct port_rule rule = {.allowed = PORT_LISTEN, .port = port};
    return syscall(ADD_RULE, rules, RULE_PORT, &rule, 0) == 0 ? 0 : errno;
}

int csandbox_landlock_enforce(int rules) { return syscall(RESTRICT_SELF, rules, 0) == 0 ? 0 : errno; }
