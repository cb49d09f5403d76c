// System calls of the load generator that Swift cannot reach or that would cost it a detour through errno.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

/// An address to connect to, as the resolver gave it.
struct cbench_address {
    struct sockaddr_storage storage;
    socklen_t length;
};

/// The monotonic clock in nanoseconds.
uint64_t cbench_now(void);
/// CPU time (user and system) of this process so far, in nanoseconds.
uint64_t cbench_own_cpu(void);
/// Pins the calling thread to one processor and asks for precise timers. 0, or an errno.
int cbench_prepare_thread(int cpu);
/// Raises the soft limit of descriptors to the hard one; returns the limit in force.
uint64_t cbench_raise_descriptor_limit(void);
/// Resolves a host name or literal. 0, or a code of getaddrinfo.
int cbench_resolve(const char *host, uint16_t port, struct cbench_address *address);
/// Whether the address is IPv4 loopback, where other source addresses can be had for free.
int cbench_is_loopback(const struct cbench_address *address);
/// A connected blocking socket with TCP_NODELAY and a time limit on its calls, or -errno.
/// `source` is the last number of a 127.0.0.x source address, 0 to let the kernel choose.
int cbench_connect(const struct cbench_address *address, int source, int timeout_milliseconds);
/// Closes a descriptor.
void cbench_close(int fd);
/// The errno of a socket that has nothing to give or no room to take.
enum { cbench_would_block = 11 };
/// Lets small writes leave at once.
void cbench_set_nodelay(int fd);
/// Makes a socket non-blocking. 0, or an errno.
int cbench_set_nonblocking(int fd);
/// recv(2) without blocking on a non-blocking socket: bytes, 0 at the end, or -errno. EINTR is retried.
ssize_t cbench_receive(int fd, void *bytes, size_t count);
/// send(2) with MSG_NOSIGNAL: bytes, or -errno. EINTR is retried.
ssize_t cbench_send(int fd, const void *bytes, size_t count);
/// A new epoll descriptor, or -errno.
int cbench_epoll_create(void);
/// Adds (`change` 0) or modifies (`change` 1) the interest of `fd`; its events carry `tag`. 0, or an errno.
int cbench_watch(int epoll, int change, int fd, uint32_t events, uint64_t tag);
/// Takes a descriptor out of the set. 0, or an errno.
int cbench_unwatch(int epoll, int fd);
/// Waits up to `timeout` nanoseconds (negative: for ever) for at most `max` events; their number, or -errno.
int cbench_wait(int epoll, struct epoll_event *events, int max, int64_t timeout);
/// The tag of an event, which sits unaligned in a packed structure.
static inline uint64_t cbench_tag(const struct epoll_event *events, int index) { return events[index].data.u64; }
/// A new non-blocking eventfd, or -errno.
int cbench_wake_create(void);
/// Wakes whoever waits on the eventfd.
void cbench_wake(int fd);
/// Takes the wake-ups off an eventfd.
void cbench_wake_clear(int fd);
/// Reads a small file whole; the bytes read (at most `max`), or -errno.
ssize_t cbench_read_file(const char *path, char *bytes, size_t max);
/// Clock ticks per second, the unit of CPU times in /proc.
int64_t cbench_ticks_per_second(void);
/// Zeroed memory that forked processes share with this one, or NULL. It takes pages only where it is written.
void *cbench_shared_memory(size_t count);
/// fork(2): 0 in the child, which dies with its parent; the child's number in the parent; or -errno. To be called while
/// the process has one thread.
int cbench_fork(void);
/// Ends the process without running anything on the way.
void cbench_exit(int status);
/// Whether a child has ended: 0 not yet, 1 with status 0, -1 in any other way.
int cbench_has_ended(int child);
/// Ends a child by force and takes its status.
void cbench_kill(int child);
/// A non-blocking socket that is connecting or connected, with TCP_NODELAY, or -errno.
/// `source` as for cbench_connect; `receive_bytes` the size of its receive buffer, 0 for the usual one.
/// `*is_connected` tells whether it is connected already.
int cbench_connect_start(const struct cbench_address *address, int source, int receive_bytes, int *is_connected);
/// The errno of a connection attempt that has ended, 0 when it stands.
int cbench_connect_result(int fd);
/// Closes a connection so that the peer is told with a reset and no port stays reserved.
void cbench_close_reset(int fd);
/// Gives the calling thread the right of way over others, where the system allows that.
void cbench_prefer_thread(void);
/// The time of day in seconds since 1970.
int64_t cbench_unix_seconds(void);
/// Open descriptors of a process, or -errno. From Linux 6.2 on the size of /proc/PID/fd tells them (proc(5)); before,
/// its entries are counted, which takes milliseconds when there are many.
int cbench_count_descriptors(int32_t process);
/// How long the threads of a process were ready to run and waited for a processor, so far, in nanoseconds (proc(5),
/// schedstat); -1 where the kernel does not tell. What ended threads waited is forgotten.
int64_t cbench_waited(int32_t process);
/// Where `needle` starts within `bytes`, or -1.
ssize_t cbench_find(const void *bytes, size_t count, const void *needle, size_t needle_count);
/// HMAC-SHA256 of `count` bytes; writes 32 bytes. 1 on success. (OpenSSL)
int cbench_hmac_sha256(const void *key, size_t key_count, const void *bytes, size_t count, uint8_t *out);
/// MD5 of `count` bytes; writes 16 bytes. 1 on success. (OpenSSL)
int cbench_md5(const void *bytes, size_t count, uint8_t *out);
/// Bytes of a page of memory.
int64_t cbench_page_bytes(void);
/// Bounds the calls that receive on a blocking socket.
void cbench_set_timeout(int fd, int milliseconds);

/// TLS for clients (OpenSSL). A context belongs to one thread, and keeps the latest session for resumption.
struct cbench_tls_context;
struct cbench_tls;
/// A context that trusts the issuers in the PEM file `ca`, or everybody when it is NULL; NULL when that is impossible.
struct cbench_tls_context *cbench_tls_context(const char *ca);
void cbench_tls_context_free(struct cbench_tls_context *context);
/// TLS over a connected socket, which stays the caller's; `resumes`: with the latest session, if there is one. NULL
/// without memory.
struct cbench_tls *cbench_tls_open(struct cbench_tls_context *context, int fd, const char *host, int resumes);
/// Goes on with the handshake: 1 done, 0 more must arrive, -1 it has failed.
int cbench_tls_handshake(struct cbench_tls *tls);
/// Whether the handshake resumed a session.
int cbench_tls_is_resumed(const struct cbench_tls *tls);
/// As cbench_receive and cbench_send.
ssize_t cbench_tls_receive(struct cbench_tls *tls, void *bytes, size_t count);
ssize_t cbench_tls_send(struct cbench_tls *tls, const void *bytes, size_t count);
/// Gives the memory back; `says_so`: tells the peer first.
void cbench_tls_close(struct cbench_tls *tls, int says_so);
/// Why the latest call failed, for people. `tls` may be NULL.
void cbench_tls_reason(const struct cbench_tls *tls, char *text, size_t count);

/// Inflates messages of permessage-deflate (RFC 7692, by zlib).
struct cbench_inflater;
/// One that looks back 2 to the power of `window_bits` (8 to 15) bytes; NULL without memory.
struct cbench_inflater *cbench_inflater(int window_bits);
void cbench_inflater_free(struct cbench_inflater *inflater);
/// The length of a message inflated, of which the first `max` bytes go to `out`; -1 when it makes no sense. `resets`:
/// it refers to nothing before it.
ssize_t cbench_inflate(
    struct cbench_inflater *inflater, const void *bytes, size_t count, void *out, size_t max, int resets);
/// Whether two runs of bytes are the same.
int cbench_equal(const void *left, const void *right, size_t count);
