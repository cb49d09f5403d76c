// liburing 2.3 and what Swift cannot import of it: macros, variadic parts, and what came after 2.3 as the kernel's own
// numbers. Imported by the Loop floor only. Everything is inline; the `.c` file only makes this folder a target.
#pragma once
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>
// Last: it defines _XOPEN_SOURCE, under which the C library's `fd_set` has other members than the ones that Swift's own
// view of it has, and then the two do not load together.
#include <liburing.h>

// Since Linux 6.6: no indirection array between the submission ring and its entries. liburing 2.3 does not know it, and
// its own set-up would write the array over the ring's head and tail, so `curing_setup` does without that function.
#define CURING_SETUP_NO_SQARRAY (1U << 16)
// SOCKET_URING_OP_SETSOCKOPT of IORING_OP_URING_CMD, since Linux 6.7.
#define CURING_SOCKET_SETSOCKOPT 3

static const uint32_t curing_setup_flags_needed = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
    IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
static const uint32_t curing_features_needed =
    IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_EXT_ARG | IORING_FEAT_CQE_SKIP;
static const uint32_t curing_cqe_more = IORING_CQE_F_MORE;
static const uint32_t curing_cqe_buffer = IORING_CQE_F_BUFFER;
static const uint32_t curing_cqe_buffer_shift = IORING_CQE_BUFFER_SHIFT;

// Makes a ring. 0, or -errno. `p` keeps what the kernel told. `disabled`: it takes operations after `curing_restrict`.
static inline int curing_setup(struct io_uring *ring, struct io_uring_params *p, unsigned entries, unsigned completions,
                               int no_sqarray, int disabled) {
    memset(p, 0, sizeof *p);
    p->flags = curing_setup_flags_needed | (no_sqarray ? CURING_SETUP_NO_SQARRAY : 0) |
        (disabled ? IORING_SETUP_R_DISABLED : 0);
    p->cq_entries = completions;
    int fd = io_uring_setup(entries, p);
    if (fd < 0) return fd;
    int result = io_uring_queue_mmap(fd, p, ring);
    if (result != 0) {
        close(fd);
        return result;
    }
    if (!no_sqarray)
        for (unsigned index = 0; index < ring->sq.ring_entries; index++) ring->sq.array[index] = index;
    ring->features = p->features;
    return 0;
}

// From now on the ring takes the operations that the `curing_prep_…` functions below make, but for the nop of the
// probe, and the flags that they set. All else fails with EACCES, and nothing can be registered any more. Only
// where the kernel makes records of TLS (`records`) it takes messages too. 0, or -errno.
static inline int curing_restrict(struct io_uring *ring, int records) {
    static const uint8_t operations[] = {IORING_OP_ACCEPT, IORING_OP_RECV, IORING_OP_SEND, IORING_OP_POLL_ADD,
        IORING_OP_ASYNC_CANCEL, IORING_OP_SHUTDOWN, IORING_OP_CLOSE, IORING_OP_URING_CMD, IORING_OP_SENDMSG};
    struct io_uring_restriction rules[sizeof operations + 2];
    memset(rules, 0, sizeof rules);
    unsigned count = 0, operation_count = sizeof operations - (records ? 0 : 1);
    for (; count < operation_count; count++) {
        rules[count].opcode = IORING_RESTRICTION_SQE_OP;
        rules[count].sqe_op = operations[count];
    }
    rules[count].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
    rules[count++].sqe_flags = IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT | IOSQE_CQE_SKIP_SUCCESS;
    // What gives the ring back undoes the registration of its descriptor.
    rules[count].opcode = IORING_RESTRICTION_REGISTER_OP;
    rules[count++].register_op = IORING_UNREGISTER_RING_FDS;
    // By the plain call: the library of liburing 2.3 lacks two functions that its header has.
    int result = io_uring_register(ring->ring_fd, IORING_REGISTER_RESTRICTIONS, rules, count);
    return result != 0 ? result : io_uring_register(ring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

// A free submission entry, or NULL when the ring is full.
static inline struct io_uring_sqe *curing_entry(struct io_uring *ring) {
    struct io_uring_sq *sq = &ring->sq;
    unsigned head = io_uring_smp_load_acquire(sq->khead);
    if (sq->sqe_tail - head >= sq->ring_entries) return NULL;
    return &sq->sqes[sq->sqe_tail++ & sq->ring_mask];
}

// Entries that the kernel has not taken yet.
static inline unsigned curing_pending(const struct io_uring *ring) {
    return ring->sq.sqe_tail - io_uring_smp_load_acquire(ring->sq.khead);
}

// Whether the kernel has deferred work or kept completions for the next call that gets events.
static inline int curing_wants_enter(const struct io_uring *ring) {
    return (IO_URING_READ_ONCE(*ring->sq.kflags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

static inline int curing_overflowed(const struct io_uring *ring) {
    return (IO_URING_READ_ONCE(*ring->sq.kflags) & IORING_SQ_CQ_OVERFLOW) != 0;
}

// Hands every pending entry to the kernel; with `events` it also runs the deferred work, and waits for `wait`
// completions at most `nanoseconds` (negative: without end). How many entries were taken, or -errno.
static inline int curing_enter(struct io_uring *ring, int events, unsigned wait, int64_t nanoseconds) {
    io_uring_smp_store_release(ring->sq.ktail, ring->sq.sqe_tail);
    ring->sq.sqe_head = ring->sq.sqe_tail;
    unsigned flags = ring->enter_ring_fd != ring->ring_fd ? IORING_ENTER_REGISTERED_RING : 0;
    unsigned pending = curing_pending(ring);
    if (!events) return io_uring_enter2(ring->enter_ring_fd, pending, 0, flags, NULL, _NSIG / 8);
    struct __kernel_timespec time = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
    struct io_uring_getevents_arg argument = {.ts = wait && nanoseconds >= 0 ? (uintptr_t)&time : 0};
    flags |= IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
    return io_uring_enter2(ring->enter_ring_fd, pending, wait, flags, (sigset_t *)&argument, sizeof argument);
}

// Completions that can be read now.
static inline unsigned curing_ready(const struct io_uring *ring) {
    return io_uring_smp_load_acquire(ring->cq.ktail) - *ring->cq.khead;
}

// The oldest completion; there must be one.
static inline const struct io_uring_cqe *curing_first(const struct io_uring *ring) {
    return &ring->cq.cqes[*ring->cq.khead & ring->cq.ring_mask];
}

static inline void curing_advance(struct io_uring *ring, unsigned count) { io_uring_cq_advance(ring, count); }

// Registers a ring of provided buffers as group `group`. 0, or -errno.
static inline int curing_register_buffers(struct io_uring *ring, void *memory, unsigned entries, unsigned short group) {
    struct io_uring_buf_reg registration = {.ring_addr = (uintptr_t)memory, .ring_entries = entries, .bgid = group};
    return io_uring_register_buf_ring(ring, &registration, 0);
}

// Puts a buffer into the ring at its tail and shows it to the kernel.
static inline void curing_provide(void *memory, void *bytes, unsigned count, unsigned short id, unsigned entries) {
    struct io_uring_buf_ring *buffers = memory;
    io_uring_buf_ring_add(buffers, bytes, count, id, (int)(entries - 1), 0);
    io_uring_buf_ring_advance(buffers, 1);
}

static inline void curing_prep_nop(struct io_uring_sqe *sqe, uint64_t data) {
    io_uring_prep_nop(sqe);
    sqe->user_data = data;
}

// Connections go to the ring's file table, at an index of the kernel's choice. (The prep function of 2.3 that is not
// multishot would hand out ordinary descriptors.)
static inline void curing_prep_accept(struct io_uring_sqe *sqe, int listener, uint64_t data) {
    io_uring_prep_multishot_accept_direct(sqe, listener, NULL, NULL, 0);
    sqe->user_data = data;
}

// One connection with its peer's address. (liburing 2.3 adds one to this number and so gets the kernel's "an index of
// your choice"; its own constant for that would hand out an ordinary descriptor.)
static inline void curing_prep_accept_one(struct io_uring_sqe *sqe, int listener, struct sockaddr_storage *address,
                                          socklen_t *length, uint64_t data) {
    io_uring_prep_accept_direct(sqe, listener, (struct sockaddr *)address, length, 0, IORING_FILE_INDEX_ALLOC - 1);
    sqe->user_data = data;
}

// The same as an ordinary descriptor of the process, which neither blocks nor says EAGAIN in a ring.
static inline void curing_prep_accept_ordinary(struct io_uring_sqe *sqe, int listener, struct sockaddr_storage *address,
                                               socklen_t *length, uint64_t data) {
    io_uring_prep_accept(sqe, listener, (struct sockaddr *)address, length, SOCK_CLOEXEC);
    sqe->user_data = data;
}

// How an operation names its socket: `number` is an index of the file table when `flags` has `curing_fixed`, else a
// descriptor.
struct curing_file {
    int number;
    uint8_t flags;
};

static const uint8_t curing_fixed = IOSQE_FIXED_FILE;

static inline void curing_prep_receive(struct io_uring_sqe *sqe, struct curing_file file, unsigned short group,
                                       uint64_t data) {
    io_uring_prep_recv_multishot(sqe, file.number, NULL, 0, 0);
    sqe->flags = file.flags | IOSQE_BUFFER_SELECT;
    sqe->buf_group = group;
    sqe->user_data = data;
}

// A send that never waits and is silent when it took everything. Without MSG_WAITALL the kernel would call a short send
// a success and stay silent about it too (seen on 6.18).
static inline void curing_prep_send(struct io_uring_sqe *sqe, struct curing_file file, const void *bytes,
                                    unsigned count, uint64_t data) {
    io_uring_prep_send(sqe, file.number, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL | MSG_WAITALL);
    sqe->flags = file.flags | IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = data;
}

static inline void curing_prep_poll_writable(struct io_uring_sqe *sqe, struct curing_file file, uint64_t data) {
    io_uring_prep_poll_add(sqe, file.number, POLLOUT);
    sqe->flags = file.flags;
    sqe->user_data = data;
}

// A completion for every write to the eventfd. Its count is never read.
static inline void curing_prep_poll_wake(struct io_uring_sqe *sqe, int descriptor, uint64_t data) {
    io_uring_prep_poll_multishot(sqe, descriptor, POLLIN);
    sqe->user_data = data;
}

static inline void curing_prep_cancel(struct io_uring_sqe *sqe, uint64_t target, uint64_t data) {
    io_uring_prep_cancel64(sqe, target, 0);
    sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = data;
}

static inline void curing_prep_shutdown(struct io_uring_sqe *sqe, struct curing_file file, uint64_t data) {
    io_uring_prep_shutdown(sqe, file.number, SHUT_WR);
    sqe->flags = file.flags;
    sqe->user_data = data;
}

static inline void curing_prep_close(struct io_uring_sqe *sqe, struct curing_file file, uint64_t data) {
    if (file.flags & curing_fixed)
        io_uring_prep_close_direct(sqe, (unsigned)file.number);
    else
        io_uring_prep_close(sqe, file.number);
    sqe->user_data = data;
}

// setsockopt of a connection; `value` stays until it is done. Kernels before 6.7 refuse.
static inline void curing_prep_option(struct io_uring_sqe *sqe, struct curing_file file, int level_of, int name_of,
                                      const void *value, unsigned count, uint64_t data) {
    // linux/io_uring.h as of 6.7: cmd_op at byte 8, level and optname at 16 and 20, optlen at 44, optval at 48.
    uint32_t operation = CURING_SOCKET_SETSOCKOPT, level = (uint32_t)level_of, name = (uint32_t)name_of;
    uint64_t address = (uintptr_t)value;
    memset(sqe, 0, sizeof *sqe);
    sqe->opcode = IORING_OP_URING_CMD;
    sqe->flags = file.flags | IOSQE_CQE_SKIP_SUCCESS;
    sqe->fd = file.number;
    sqe->user_data = data;
    memcpy((char *)sqe + 8, &operation, sizeof operation);
    memcpy((char *)sqe + 16, &level, sizeof level);
    memcpy((char *)sqe + 20, &name, sizeof name);
    memcpy((char *)sqe + 44, &count, sizeof count);
    memcpy((char *)sqe + 48, &address, sizeof address);
}

static inline void curing_prep_linger(struct io_uring_sqe *sqe, struct curing_file file, const struct linger *option,
                                      uint64_t data) {
    curing_prep_option(sqe, file, SOL_SOCKET, SO_LINGER, option, sizeof *option, data);
}

// A send on a connection for which the kernel makes the records of TLS. That refuses MSG_WAITALL (EOPNOTSUPP), and
// without it a short send would be silent, so every one tells its result.
static inline void curing_prep_send_records(struct io_uring_sqe *sqe, struct curing_file file, const void *bytes,
                                            unsigned count, uint64_t data) {
    io_uring_prep_send(sqe, file.number, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL);
    sqe->flags = file.flags;
    sqe->user_data = data;
}

static inline void curing_prep_message(struct io_uring_sqe *sqe, struct curing_file file, const struct msghdr *message,
                                       uint64_t data) {
    io_uring_prep_sendmsg(sqe, file.number, message, MSG_DONTWAIT | MSG_NOSIGNAL);
    sqe->flags = file.flags;
    sqe->user_data = data;
}
