// A bare broadcast loop on io_uring: multishot accept and receive, direct descriptors, and one batch of sends of ready
// frames per round, submitted with as few system calls as the ring allows. Usage: bare_uring PORT
#define _GNU_SOURCE
#include "bare.h"
#include <liburing.h>
#include <sys/resource.h>
#include <sys/mman.h>

enum {
    entries = 1024,            // of the submission queue
    completions_max = 1 << 15,
    files_max = 1 << 15,       // direct descriptors, which are bounded by RLIMIT_NOFILE at registration
    buffer_count = 1024,       // of the provided-buffer ring; a power of two
    buffer_bytes = 4096,
    buffer_group = 0,
};
enum operation { operation_accept, operation_receive, operation_send, operation_answer, operation_close };

static struct io_uring ring;
static struct io_uring_buf_ring *buffers;
static char *buffer_memory;
static struct connection *connections;   // by direct descriptor
static int *subscribers;
static int subscriber_count, file_count;
static struct batch batches[2];          // one is filled while the other is on its way
static int filling;
static size_t sending;                   // sends of the other batch that the kernel has not finished

static struct io_uring_sqe *entry(enum operation operation, int file) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
    if (sqe == NULL) {
        io_uring_submit(&ring);
        sqe = io_uring_get_sqe(&ring);
    }
    sqe->user_data = (uint64_t)operation << 32 | (uint32_t)file;
    return sqe;
}

static void tag(struct io_uring_sqe *sqe, enum operation operation, int file) {
    sqe->user_data = (uint64_t)operation << 32 | (uint32_t)file;
}

static void arm_accept(int listener) {
    struct io_uring_sqe *sqe = entry(operation_accept, listener);
    io_uring_prep_multishot_accept_direct(sqe, listener, NULL, NULL, 0);
    tag(sqe, operation_accept, listener);
}

static void arm_receive(int file) {
    struct io_uring_sqe *sqe = entry(operation_receive, file);
    io_uring_prep_recv_multishot(sqe, file, NULL, 0, 0);
    sqe->flags |= IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
    sqe->buf_group = buffer_group;
    tag(sqe, operation_receive, file);
}

static void send_bytes(int file, const void *bytes, size_t count, enum operation operation) {
    struct io_uring_sqe *sqe = entry(operation, file);
    io_uring_prep_send(sqe, file, bytes, count, MSG_NOSIGNAL | MSG_WAITALL);
    sqe->flags |= IOSQE_FIXED_FILE;
    tag(sqe, operation, file);
}

static void drop(int file) {
    struct connection *connection = &connections[file];
    if (!connection->is_open && connection->fd < 0) return;
    if (connection->subscriber >= 0) {
        int last = subscribers[--subscriber_count];
        subscribers[connection->subscriber] = last;
        connections[last].subscriber = connection->subscriber;
    }
    free(connection->inbox);
    *connection = (struct connection){.fd = -1, .subscriber = -1};
    struct io_uring_sqe *sqe = entry(operation_close, file);
    io_uring_prep_close_direct(sqe, (unsigned)file);
    tag(sqe, operation_close, file);
}

static void consume(int file, char *bytes, size_t count) {
    struct connection *connection = &connections[file];
    char *whole = bytes;
    if (connection->held > 0) {  // rare: a frame that was cut by the end of a buffer
        connection->inbox = realloc(connection->inbox, connection->held + count);
        memcpy(connection->inbox + connection->held, bytes, count);
        whole = connection->inbox;
        count += connection->held;
    }
    size_t used = 0;
    if (!connection->is_open) {
        char *answer = malloc(256);  // freed with its completion: handshakes are no part of what is measured
        size_t length = bare_answer(whole, count, answer, 256);
        if (length > 0) {
            connection->is_open = 1;
            connection->echoes = memcmp(whole, "GET /echo ", 10) == 0;
            struct io_uring_sqe *sqe = entry(operation_answer, file);
            io_uring_prep_send(sqe, file, answer, length, MSG_NOSIGNAL | MSG_WAITALL);
            sqe->flags |= IOSQE_FIXED_FILE;
            sqe->user_data = (uint64_t)operation_answer << 56 | (uint64_t)(uintptr_t)answer;
            used = count;
        } else {
            free(answer);
        }
    } else {
        struct batch echo = {0};
        if (connection->echoes) echo.bytes = malloc(batch_bytes_max < 4 * count ? batch_bytes_max : 4 * count);
        switch (bare_read(connection, whole, count, connection->echoes ? &echo : &batches[filling], &used)) {
        case bare_subscribe:
            if (connection->subscriber < 0) {
                connection->subscriber = subscriber_count;
                subscribers[subscriber_count++] = file;
            }
            break;
        case bare_close:
            free(echo.bytes);
            return drop(file);
        case bare_other: break;
        }
        if (echo.count > 0) {
            struct io_uring_sqe *sqe = entry(operation_answer, file);
            io_uring_prep_send(sqe, file, echo.bytes, echo.count, MSG_NOSIGNAL | MSG_WAITALL);
            sqe->flags |= IOSQE_FIXED_FILE;
            sqe->user_data = (uint64_t)operation_answer << 56 | (uint64_t)(uintptr_t)echo.bytes;
        } else {
            free(echo.bytes);
        }
    }
    connection->held = count - used;
    if (connection->held == 0) {
        free(connection->inbox);
        connection->inbox = NULL;
    } else if (connection->inbox != NULL) {
        memmove(connection->inbox, whole + used, connection->held);
    } else {
        connection->inbox = malloc(connection->held);
        memcpy(connection->inbox, whole + used, connection->held);
    }
}

static void receive_done(int file, const struct io_uring_cqe *cqe) {
    if (cqe->flags & IORING_CQE_F_BUFFER) {
        unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
        if (cqe->res > 0) consume(file, buffer_memory + id * buffer_bytes, (size_t)cqe->res);
        io_uring_buf_ring_add(buffers, buffer_memory + id * buffer_bytes, buffer_bytes, (unsigned short)id,
            io_uring_buf_ring_mask(buffer_count), 0);
        io_uring_buf_ring_advance(buffers, 1);
    }
    if (cqe->res == 0 || (cqe->res < 0 && cqe->res != -ENOBUFS)) return drop(file);
    if (!(cqe->flags & IORING_CQE_F_MORE) && connections[file].fd >= 0) arm_receive(file);
}

static void complete(int listener, const struct io_uring_cqe *cqe) {
    if (cqe->user_data >> 56 == operation_answer) {
        free((void *)(uintptr_t)(cqe->user_data & 0xFFFFFFFFFFFFFF));
        return;
    }
    int file = (int)(uint32_t)cqe->user_data;
    switch ((enum operation)(cqe->user_data >> 32)) {
    case operation_accept:
        if (cqe->res >= 0) {
            connections[cqe->res] = (struct connection){.fd = cqe->res, .subscriber = -1};
            arm_receive(cqe->res);
        }
        if (!(cqe->flags & IORING_CQE_F_MORE)) arm_accept(listener);
        break;
    case operation_receive: receive_done(file, cqe); break;
    case operation_send:
        sending--;
        if (cqe->res < 0) drop(file);
        break;
    case operation_answer:
    case operation_close: break;
    }
}

static void set_up(void) {
    struct io_uring_params parameters = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
        .cq_entries = completions_max};
    int code = io_uring_queue_init_params(entries, &ring, &parameters);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    file_count = limit.rlim_cur < files_max ? (int)limit.rlim_cur : files_max;
    if (code == 0) code = io_uring_register_files_sparse(&ring, (unsigned)file_count);
    if (code == 0) code = io_uring_register_ring_fd(&ring) == 1 ? 0 : -EINVAL;
    buffers = mmap(NULL, buffer_count * sizeof(struct io_uring_buf), PROT_READ | PROT_WRITE,
        MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
    buffer_memory = malloc((size_t)buffer_count * buffer_bytes);
    struct io_uring_buf_reg registration = {
        .ring_addr = (uintptr_t)buffers, .ring_entries = buffer_count, .bgid = buffer_group};
    if (code == 0) code = io_uring_register_buf_ring(&ring, &registration, 0);
    if (code != 0) {
        fprintf(stderr, "no ring: %s\n", strerror(-code));
        exit(1);
    }
    io_uring_buf_ring_init(buffers);
    for (int i = 0; i < buffer_count; i++)
        io_uring_buf_ring_add(buffers, buffer_memory + i * buffer_bytes, buffer_bytes, (unsigned short)i,
            io_uring_buf_ring_mask(buffer_count), i);
    io_uring_buf_ring_advance(buffers, buffer_count);
}

int main(int argc, char **argv) {
    if (argc != 2) return fprintf(stderr, "usage: bare_uring PORT\n"), 2;
    set_up();
    connections = calloc((size_t)file_count, sizeof *connections);
    subscribers = calloc((size_t)file_count, sizeof *subscribers);
    for (int i = 0; i < file_count; i++) connections[i].fd = -1;
    for (int i = 0; i < 2; i++) batches[i].bytes = malloc(batch_bytes_max);
    int listener = bare_listen(atoi(argv[1]));
    arm_accept(listener);
    puts("listening");
    fflush(stdout);
    for (;;) {
        io_uring_submit_and_wait(&ring, 1);
        struct io_uring_cqe *cqe;
        unsigned head, count = 0;
        io_uring_for_each_cqe(&ring, head, cqe) {
            complete(listener, cqe);
            count++;
        }
        io_uring_cq_advance(&ring, count);
        // The next batch starts when the kernel is done with the last: its memory is free, no reader is out of order.
        if (sending == 0 && batches[filling].count > 0) {
            struct batch *batch = &batches[filling];
            filling = !filling;
            batches[filling].count = 0;
            for (int i = subscriber_count; i-- > 0;) {
                send_bytes(subscribers[i], batch->bytes, batch->count, operation_send);
                sending++;
            }
        }
    }
}
