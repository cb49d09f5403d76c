// System calls and constants that the Glibc overlay hides from Swift (GNU extensions, variadic functions).
#pragma once
#include <stdint.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <sys/socket.h>
#include <sys/uio.h>

/// Pins the calling thread to one processor. 0, or an errno.
int cposix_pin_to_cpu(int cpu);
/// Fills `cpus` with the processors this process may use; returns how many (at most `max`).
int cposix_usable_cpus(int *cpus, int max);
/// accept4 with SOCK_NONBLOCK | SOCK_CLOEXEC. A descriptor, or -errno.
int cposix_accept(int fd);
/// The user at the other end of a Unix-domain socket, or -1.
int64_t cposix_peer_user(int fd);
/// Descriptors that travel with one message.
enum { cposix_passed_max = 64 };
/// Sends bytes over a Unix-domain stream with copies of up to `cposix_passed_max` descriptors. How many bytes were
/// taken, or -errno.
int cposix_send_descriptors(int fd, const void *bytes, size_t size, const int *descriptors, int count);
/// Receives bytes, and descriptors if some came with them, closed on exec. `descriptors` has room for
/// `cposix_passed_max`; `count` says how many came. How many bytes (0: the peer has ended), or -errno.
int cposix_receive_descriptors(int fd, void *bytes, size_t size, int *descriptors, int *count);
/// Gives free memory back to the kernel.
void cposix_give_back_memory(void);
/// Names the calling thread, for debuggers and /proc; at most 15 bytes of it are kept.
void cposix_name_thread(const char *name);
/// From now on a thread that gets SIGABRT writes where it is to standard error before the process ends.
void cposix_show_stack_on_abort(void);
/// Starts the program at `path` with `count` descriptors as number 3 and up, and `ready` behind them; everything else
/// but the standard streams is closed, no signal is blocked or ignored. The process id, or -errno.
int cposix_spawn(
    const char *path, char *const arguments[], char *const environment[], const int *descriptors, int count,
    int ready);
/// From now on malloc takes blocks of `bytes` and more straight from the kernel, and gives them back when they are
/// freed.
void cposix_map_blocks_from(size_t bytes);
/// From now on a crash (a trap, a bad address, abort) is told by one line on standard error that names the thread,
/// before what the program or its runtime does about it otherwise. The process ends.
void cposix_tell_crashes(void);
/// Blocks all signals in the calling thread but those of a crash.
void cposix_block_signals(void);
/// The monotonic clock in nanoseconds.
uint64_t cposix_monotonic_nanoseconds(void);
/// Fills `bytes` from getrandom(2). 0, or an errno.
int cposix_random(void *bytes, size_t count);

// Kernel TLS: the kernel makes the records of what is sent (records.c).

enum {
    CPOSIX_LEVEL_TCP = 6,
    CPOSIX_LEVEL_TLS = 282,
    CPOSIX_TCP_ULP = 31,
    CPOSIX_TLS_TX = 1,
    CPOSIX_RECORDS_PROTOCOL_BYTES = 4,
};
/// What TCP_ULP is set to, of CPOSIX_RECORDS_PROTOCOL_BYTES.
const void *cposix_records_protocol_bytes(void);
/// A record that is no data, as sendmsg takes it.
typedef struct cposix_record_message {
    struct msghdr head;
    struct iovec piece;
    _Alignas(struct cmsghdr) uint8_t control[64];
} cposix_record_message;

/// From now on the kernel makes records, by `keys` (a `tls12_crypto_info_…` of linux/tls.h), of what is sent. 0, or
/// -errno: then what is sent leaves as it is.
int cposix_records_begin(int fd, const void *keys, size_t count);
/// Fills a message that points to `bytes` and to itself.
void cposix_records_compose(cposix_record_message *message, uint8_t type, const void *bytes, size_t count);
/// What sendmsg takes of it.
const struct msghdr *cposix_records_head(const cposix_record_message *message);
/// Sends a record of another type than data, without waiting. Bytes taken, or -errno.
int cposix_records_send(int fd, uint8_t type, const void *bytes, size_t count);
/// Keys to see with whether the kernel takes any: their bytes, 0 when `capacity` is too small.
size_t cposix_records_trial_keys(void *keys, size_t capacity);
/// Two ends of a TCP connection over the loopback. 0, or -errno.
int cposix_tcp_pair(int pair[2]);
