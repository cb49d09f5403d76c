// The parts of hub_load.c that know nothing of channels: options, the handshake, frames, clocks, the histogram.
#pragma once
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const uint64_t second = 1000000000;
enum { marker_bytes = 18, frame_head_max = 14, max_text = 1024, size_max = 1 << 20, per_address = 20000 };

struct options {
    int port, subscribers, channels, window, size, is_nats, over_http, busy_poll, server_pid;
    double seconds, warmup;
    const char *subscribe_path, *hello, *publish_path, *publish_hello, *head, *tail, *type;
};

struct connection {
    int fd, channel, is_publisher, is_ready;
    unsigned char head[10];
    int head_count, opcode, line_count;
    uint64_t frame_left;           // bytes of the frame still to come
    uint64_t left, seen;           // bytes of the message still to come, and seen
    uint64_t expected;
    uint64_t asked, answered;      // over HTTP
    char marker[marker_bytes + 1];
    char line[256];
    char *out;                     // a publisher's: what is still to be sent
    size_t out_count;
};

static uint64_t read_time;

static inline uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * second + (uint64_t)time.tv_nsec;
}

static inline double own_seconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

// User and system time of the server's process (proc(5)).
static inline double server_seconds(const struct options *options) {
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", options->server_pid);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t count = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (file >= 0) close(file);
    if (count <= 0) return 0;
    text[count] = 0;
    char *fields = strrchr(text, ')');
    unsigned long long user = 0, system = 0;
    if (fields == NULL
        || sscanf(fields + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) != 2)
        return 0;
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

// Latencies by logarithm, 32 steps for each doubling: within 3 %.
enum { steps = 32, buckets = 64 * steps };
static uint64_t histogram[buckets], histogram_count;

static inline int bucket_of(uint64_t value) {
    if (value < steps) return (int)value;
    int power = 63 - __builtin_clzll(value);
    return (power - 4) * steps + (int)(value >> (power - 5)) - steps;
}

static inline void record(uint64_t nanoseconds) {
    int bucket = bucket_of(nanoseconds);
    histogram[bucket < buckets ? bucket : buckets - 1]++;
    histogram_count++;
}

// In microseconds.
static inline double percentile(double share) {
    uint64_t wanted = (uint64_t)(share * (double)histogram_count), sum = 0;
    for (int bucket = 0; bucket < buckets; bucket++) {
        sum += histogram[bucket];
        if (sum <= wanted) continue;
        if (bucket < steps) return (double)bucket / 1000;
        int power = bucket / steps + 4;
        return (double)((uint64_t)(bucket % steps + steps) << (power - 5)) / 1000;
    }
    return 0;
}

// Copies a text of the command line: %d is the channel, %n the size of a message, \n a line end.
static inline size_t expand(char *out, const char *text, int channel, int size) {
    size_t count = 0;
    for (; *text != 0 && count < max_text - 16; text++) {
        if (text[0] == '%' && text[1] == 'd') count += (size_t)sprintf(out + count, "%d", channel), text++;
        else if (text[0] == '%' && text[1] == 'n') count += (size_t)sprintf(out + count, "%d", size), text++;
        else if (text[0] == '\\' && text[1] == 'n') out[count++] = '\r', out[count++] = '\n', text++;
        else out[count++] = *text;
    }
    out[count] = 0;
    return count;
}

// RFC 6455, section 5.2.
static const unsigned char mask_key[4] = {0x5A, 0xC3, 0x19, 0x87};

static inline void mask(char *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) bytes[i] ^= (char)mask_key[i & 3];
}

static inline size_t write_frame_head(char *out, int opcode, size_t count) {
    unsigned char *head = (unsigned char *)out;
    size_t length = 2;
    head[0] = (unsigned char)(0x80 | opcode);
    if (count < 126) {
        head[1] = (unsigned char)(0x80 | count);
    } else if (count < 65536) {
        head[1] = 0x80 | 126, head[2] = (unsigned char)(count >> 8), head[3] = (unsigned char)count, length = 4;
    } else {
        head[1] = 0x80 | 127, length = 10;
        for (int i = 0; i < 8; i++) head[2 + i] = (unsigned char)((uint64_t)count >> (56 - 8 * i));
    }
    memcpy(head + length, mask_key, 4);
    return length + 4;
}

static inline size_t write_frame(char *out, int opcode, const char *text, size_t count) {
    size_t head = write_frame_head(out, opcode, count);
    memcpy(out + head, text, count);
    mask(out + head, count);
    return head + count;
}

// Whether the head of a server's frame is whole now; then how long its payload is.
static inline int read_head(struct connection *connection, uint64_t *length) {
    const unsigned char *head = connection->head;
    if (connection->head_count < 2) return 0;
    int wanted = head[1] == 126 ? 4 : head[1] == 127 ? 10 : 2;
    if (connection->head_count < wanted) return 0;
    *length = head[1] & 0x7F;
    if (wanted > 2) {
        *length = 0;
        for (int i = 2; i < wanted; i++) *length = *length << 8 | head[i];
    }
    int opcode = head[0] & 0x0F;
    if (opcode != 0) connection->opcode = opcode;
    return 1;
}

static inline void connect_socket(struct connection *connection, const struct options *options) {
    static int opened;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    // So many connections come from one address that its ports suffice.
    unsigned address = INADDR_LOOPBACK + (unsigned)(opened++ / per_address);
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)options->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) != 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        perror("hub_load: connect");
        exit(1);
    }
    connection->fd = fd;
    fcntl(fd, F_SETFL, O_NONBLOCK);
}

// Connects and does the handshake; what follows the answer stays in the socket.
static inline void open_socket(
    struct connection *connection, const char *path, int channel, const struct options *options) {
    connect_socket(connection, options);
    fcntl(connection->fd, F_SETFL, 0);
    char target[max_text], request[2 * max_text], answer[4096];
    expand(target, path, channel, options->size);
    int length = snprintf(request, sizeof request,
        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nOrigin: http://127.0.0.1:%d\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        target, options->port, options->port);
    if (send(connection->fd, request, (size_t)length, MSG_NOSIGNAL) != length) {
        perror("hub_load: send");
        exit(1);
    }
    size_t count = 0;
    while (count < 4 || memcmp(answer + count - 4, "\r\n\r\n", 4) != 0) {
        if (count == sizeof answer - 1 || recv(connection->fd, answer + count, 1, 0) != 1) break;
        count++;
    }
    answer[count] = 0;
    if (strncmp(answer, "HTTP/1.1 101 ", 13) != 0) {
        fprintf(stderr, "hub_load: %s was refused: %.80s\n", target, answer);
        exit(1);
    }
    fcntl(connection->fd, F_SETFL, O_NONBLOCK);
}

static inline int parse(int argc, char **argv, struct options *options) {
    *options = (struct options){
        .subscribers = 1000, .channels = 1, .window = 1, .size = 64, .seconds = 3, .warmup = 1, .subscribe_path = "/ws",
        .hello = "", .publish_path = "/ws", .publish_hello = "", .head = "", .tail = "", .type = "text/plain"};
    struct { const char *name; int *number; double *real; const char **text; } table[] = {
        {"--port", &options->port, 0, 0}, {"--subscribers", &options->subscribers, 0, 0},
        {"--channels", &options->channels, 0, 0}, {"--window", &options->window, 0, 0},
        {"--size", &options->size, 0, 0}, {"--server-pid", &options->server_pid, 0, 0},
        {"--seconds", 0, &options->seconds, 0}, {"--warmup", 0, &options->warmup, 0},
        {"--subscribe-path", 0, 0, &options->subscribe_path}, {"--hello", 0, 0, &options->hello},
        {"--publish-path", 0, 0, &options->publish_path}, {"--publish-hello", 0, 0, &options->publish_hello},
        {"--head", 0, 0, &options->head}, {"--tail", 0, 0, &options->tail}, {"--type", 0, 0, &options->type}};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--nats") == 0) { options->is_nats = 1; continue; }
        if (strcmp(argv[i], "--busy-poll") == 0) { options->busy_poll = 1; continue; }
        size_t row = 0, rows = sizeof table / sizeof *table;
        while (row < rows && strcmp(table[row].name, argv[i]) != 0) row++;
        int is_publish = strcmp(argv[i], "--publish") == 0;
        if ((row == rows && !is_publish) || i + 1 == argc) {
            fprintf(stderr, "hub_load: %s is no option, or lacks its value\n", argv[i]);
            return 0;
        }
        const char *value = argv[++i];
        if (is_publish) options->over_http = strcmp(value, "http") == 0;
        else if (table[row].number) *table[row].number = atoi(value);
        else if (table[row].real) *table[row].real = atof(value);
        else *table[row].text = value;
    }
    if (options->port <= 0 || options->subscribers <= 0 || options->channels <= 0 || options->window <= 0
        || options->channels > options->subscribers || options->size < marker_bytes || options->size > size_max
        || options->window > 2048 || options->seconds <= 0) {
        fprintf(stderr, "hub_load: a number is missing or out of range\n");
        return 0;
    }
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    signal(SIGPIPE, SIG_IGN);
    return 1;
}
