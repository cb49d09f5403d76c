// A load generator for what wsbench does not speak: servers that subscribe by path (nchan), that put a protocol of
// their own into WebSocket frames (NATS), and publishing over HTTP. It does what `wsbench fanout` does in its closed
// loop, one thread, and prints what Tools/bench reads of wsbench's result: every subscriber is proved by a probe, every
// message is checked for its sequence, W messages of each channel are in flight.
//
//   hub_load --port P --subscribers N [--channels C] [--window W] [--size B] [--seconds S] [--warmup S]
//            [--server-pid P] [--subscribe-path PATH] [--hello TEXT] [--publish ws|http] [--publish-path PATH]
//            [--publish-hello TEXT] [--head TEXT] [--tail TEXT] [--type MEDIA-TYPE] [--nats] [--busy-poll]
//
// In the texts and paths %d is the number of the channel, %n the size of a message, \n a line end (CR LF). A publish
// path with %d takes a connection for each channel. Over HTTP one request is under way at a time.
#define _GNU_SOURCE
#include "hub_load.h"

enum { probe = 0, ring = 1 << 12, events_max = 512, buffer_bytes = 1 << 20, out_bytes = 8 << 20 };
// A probe of each channel reaches everybody, so probes are the rarer the more there are; in nanoseconds.
static const uint64_t probe_every = 50000000, probe_every_subscriber = 20000;

static struct options options;
static struct connection *subscribers, *publishers;
static int publisher_count, ready_count, epoll;
static char buffer[buffer_bytes];
static char *padding;
static int is_running, has_stopped;
static uint64_t measure_from, measure_to;
static uint64_t delivered, delivered_all, published_all, lost, doubled, disconnected, foreign;

// What is under way in one channel: how many subscribers have each message, and when it was sent.
struct channel {
    uint64_t published, completed;
    int members;
    int *reached;
    uint64_t *sent_at;
};
static struct channel *channels;

static void message(struct connection *connection, uint64_t sequence) {
    struct channel *channel = &channels[connection->channel];
    if (sequence == probe) {
        if (!connection->is_ready) connection->is_ready = 1, connection->expected = 1, ready_count++;
        return;
    }
    if (!connection->is_ready || sequence > channel->published) {
        foreign++;
        return;
    }
    if (sequence < connection->expected) {
        doubled++;
        return;
    }
    lost += sequence - connection->expected;
    for (; connection->expected <= sequence; connection->expected++) {
        uint64_t slot = connection->expected % ring;
        channel->reached[slot]++;
    }
    while (channel->completed < channel->published
           && channel->reached[(channel->completed + 1) % ring] == channel->members)
        channel->completed++;
    delivered_all++;
    uint64_t sent = channel->sent_at[sequence % ring];
    if (sent >= measure_from && sent < measure_to) record(now() - sent);
    uint64_t at = read_time;
    if (at >= measure_from && at < measure_to) delivered++;
}

// A part of a message's payload.
static void body(struct connection *connection, const char *bytes, size_t count) {
    if (connection->seen < marker_bytes) {
        size_t part = marker_bytes - connection->seen < count ? marker_bytes - connection->seen : count;
        memcpy(connection->marker + connection->seen, bytes, part);
    }
    connection->seen += count;
    connection->left -= count;
    if (connection->left > 0) return;
    if (connection->seen >= marker_bytes && connection->marker[0] == '@' && connection->marker[1] == '@') {
        connection->marker[marker_bytes] = 0;
        message(connection, strtoull(connection->marker + 2, NULL, 10));
    } else {
        foreign++;
    }
    connection->seen = 0;
}

static void send_frame(struct connection *connection, int opcode, const char *text, size_t count) {
    char frame[frame_head_max + 512];
    if (count > 512) count = 512;
    size_t length = write_frame(frame, opcode, text, count);
    if (send(connection->fd, frame, length, MSG_NOSIGNAL) != (ssize_t)length) disconnected++;
}

// NATS: lines, of which MSG announces a payload, in a stream that frames cut where they like.
static void lines(struct connection *connection, const char *bytes, size_t count) {
    while (count > 0) {
        if (connection->left > 0) {
            size_t part = connection->left < count ? connection->left : count;
            body(connection, bytes, part);
            bytes += part, count -= part;
            continue;
        }
        const char *end = memchr(bytes, '\n', count);
        size_t part = end == NULL ? count : (size_t)(end - bytes) + 1;
        size_t room = sizeof connection->line - 1 - (size_t)connection->line_count;
        size_t kept = part < room ? part : room;
        memcpy(connection->line + connection->line_count, bytes, kept);
        connection->line_count += (int)kept;
        bytes += part, count -= part;
        if (end == NULL) return;
        connection->line[connection->line_count] = 0;
        connection->line_count = 0;
        if (strncmp(connection->line, "MSG ", 4) == 0) {
            char *last = strrchr(connection->line, ' ');
            connection->left = strtoull(last, NULL, 10);
        } else if (strncmp(connection->line, "PING", 4) == 0) {
            send_frame(connection, 2, "PONG\r\n", 6);
        } else if (strncmp(connection->line, "-ERR", 4) == 0) {
            fprintf(stderr, "hub_load: the server says %s", connection->line);
            disconnected++;
        }
    }
}

static void payload(struct connection *connection, const char *bytes, size_t count) {
    if (connection->opcode == 9) {
        size_t room = sizeof connection->line - (size_t)connection->line_count, kept = count < room ? count : room;
        memcpy(connection->line + connection->line_count, bytes, kept);
        connection->line_count += (int)kept;
    } else if (connection->opcode < 8 && !connection->is_publisher) {
        if (options.is_nats) lines(connection, bytes, count);
        else body(connection, bytes, count);
    }
}

// Works through received bytes: frames, wherever they are cut.
static void take(struct connection *connection, const char *bytes, size_t count) {
    while (count > 0) {
        if (connection->frame_left == 0) {
            connection->head[connection->head_count++] = (unsigned char)*bytes++;
            count--;
            uint64_t length;
            if (!read_head(connection, &length)) continue;
            connection->frame_left = length;
            connection->head_count = 0;
            if (connection->opcode == 8) disconnected++;
            if (!options.is_nats && connection->opcode < 8) connection->left = length;
        } else {
            size_t part = connection->frame_left < count ? (size_t)connection->frame_left : count;
            payload(connection, bytes, part);
            connection->frame_left -= part;
            bytes += part, count -= part;
        }
        if (connection->frame_left == 0 && connection->opcode == 9) {
            send_frame(connection, 10, connection->line, (size_t)connection->line_count);
            connection->line_count = 0;
        }
    }
}

// Answers to publishes over HTTP: only their number and that they are good ones.
static void take_answers(struct connection *connection, const char *bytes, size_t count) {
    const char *end = bytes + count;
    while ((bytes = memmem(bytes, (size_t)(end - bytes), "HTTP/1.1 ", 9)) != NULL) {
        if (end - bytes > 9 && bytes[9] != '2') {
            fprintf(stderr, "hub_load: a publish was answered with %.60s\n", bytes);
            exit(1);
        }
        bytes += 9;
        connection->answered++;
    }
}

static void receive(struct connection *connection) {
    ssize_t got = recv(connection->fd, buffer, sizeof buffer, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        if (!has_stopped) disconnected++;
        close(connection->fd);
        return;
    }
    read_time = now();
    if (connection->is_publisher && options.over_http) take_answers(connection, buffer, (size_t)got);
    else take(connection, buffer, (size_t)got);
}

// Puts one publish behind what the publisher still has to send.
static void publish(int index, uint64_t sequence) {
    struct connection *connection = &publishers[publisher_count > 1 ? index : 0];
    char text[max_text];
    size_t head = expand(text, options.head, index, options.size);
    char tail[max_text];
    size_t tail_count = expand(tail, options.tail, index, options.size);
    size_t count = head + (size_t)options.size + tail_count;
    if (connection->out_count + count + max_text + frame_head_max > out_bytes) return;
    char *out = connection->out + connection->out_count;
    char *start = out;
    if (options.over_http) {
        char path[max_text];
        expand(path, options.publish_path, index, options.size);
        out += sprintf(out,
            "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n", path,
            options.port, options.type, count);
        connection->asked++;
    } else {
        out += write_frame_head(out, options.is_nats ? 2 : 1, count);
    }
    char *body_start = out;
    memcpy(out, text, head), out += head;
    memcpy(out, padding, (size_t)options.size);
    char digits[marker_bytes + 1];
    snprintf(digits, sizeof digits, "@@%016llu", (unsigned long long)sequence);
    memcpy(out, digits, marker_bytes), out += options.size;
    memcpy(out, tail, tail_count), out += tail_count;
    if (!options.over_http) mask(body_start, count);
    connection->out_count += (size_t)(out - start);
}

static void flush(struct connection *connection) {
    if (connection->out_count == 0) return;
    ssize_t sent = send(connection->fd, connection->out, connection->out_count, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EAGAIN) return;
    if (sent < 0) {
        disconnected++;
        connection->out_count = 0;
        return;
    }
    connection->out_count -= (size_t)sent;
    memmove(connection->out, connection->out + sent, connection->out_count);
}

static void publish_due(void) {
    for (int index = 0; index < options.channels; index++) {
        struct channel *channel = &channels[index];
        struct connection *connection = &publishers[publisher_count > 1 ? index : 0];
        uint64_t end = channel->completed + (uint64_t)options.window;
        while (channel->published < end && connection->out_count < out_bytes / 2) {
            if (options.over_http && connection->answered < connection->asked) break;
            uint64_t sequence = ++channel->published;
            channel->reached[sequence % ring] = 0;
            channel->sent_at[sequence % ring] = now();
            publish(index, sequence);
            published_all++;
        }
    }
}

static void turn(int wait_ms) {
    static struct epoll_event events[events_max];
    int count = epoll_wait(epoll, events, events_max, options.busy_poll ? 0 : wait_ms);
    for (int i = 0; i < count; i++) receive(events[i].data.ptr);
    if (is_running) publish_due();
    for (int i = 0; i < publisher_count; i++) flush(&publishers[i]);
}

static void watch(struct connection *connection) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    epoll_ctl(epoll, EPOLL_CTL_ADD, connection->fd, &event);
}

static int has_unsent(void) {
    for (int i = 0; i < publisher_count; i++) if (publishers[i].out_count > 0) return 1;
    return 0;
}

static void open_all(void) {
    channels = calloc((size_t)options.channels, sizeof *channels);
    for (int i = 0; i < options.channels; i++) {
        channels[i].reached = calloc(ring, sizeof *channels[i].reached);
        channels[i].sent_at = calloc(ring, sizeof *channels[i].sent_at);
    }
    subscribers = calloc((size_t)options.subscribers, sizeof *subscribers);
    for (int i = 0; i < options.subscribers; i++) {
        struct connection *connection = &subscribers[i];
        connection->channel = i % options.channels;
        channels[connection->channel].members++;
        open_socket(connection, options.subscribe_path, connection->channel, &options);
        char hello[max_text];
        size_t count = expand(hello, options.hello, connection->channel, options.size);
        if (count > 0) send_frame(connection, options.is_nats ? 2 : 1, hello, count);
        watch(connection);
        turn(0);
    }
    publisher_count = strstr(options.publish_path, "%d") != NULL ? options.channels : 1;
    publishers = calloc((size_t)publisher_count, sizeof *publishers);
    for (int i = 0; i < publisher_count; i++) {
        struct connection *connection = &publishers[i];
        connection->is_publisher = 1;
        connection->out = malloc(out_bytes);
        if (options.over_http) connect_socket(connection, &options);
        else open_socket(connection, options.publish_path, i, &options);
        char hello[max_text];
        size_t count = expand(hello, options.publish_hello, i, options.size);
        if (count > 0) send_frame(connection, options.is_nats ? 2 : 1, hello, count);
        watch(connection);
    }
}

// Probes until every subscription has shown that it is in force. Then none may be on its way any more.
static void prove(void) {
    uint64_t give_up = now() + 30 * second, next = 0;
    while (ready_count < options.subscribers && now() < give_up && disconnected == 0) {
        if (now() >= next) {
            next = now() + probe_every + (uint64_t)options.subscribers * probe_every_subscriber;
            for (int i = 0; i < options.channels; i++) {
                struct connection *connection = &publishers[publisher_count > 1 ? i : 0];
                if (!options.over_http || connection->answered == connection->asked) publish(i, probe);
            }
        }
        turn(10);
    }
    uint64_t quiet = now() + second / 5;
    while (now() < quiet || has_unsent()) turn(10);
}

int main(int argc, char **argv) {
    if (!parse(argc, argv, &options)) return 2;
    padding = malloc((size_t)options.size);
    memset(padding, 'x', (size_t)options.size);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    measure_from = measure_to = UINT64_MAX;
    open_all();
    prove();
    uint64_t start = now(), from = start + (uint64_t)(options.warmup * second);
    uint64_t to = from + (uint64_t)(options.seconds * second);
    uint64_t published_before = 0;
    double server_before = 0, own_before = 0;
    is_running = ready_count == options.subscribers;
    measure_from = from, measure_to = to;
    int has_begun = 0;
    while (is_running && disconnected == 0 && now() < to) {
        if (!has_begun && now() >= from) {
            has_begun = 1;
            published_before = published_all;
            server_before = server_seconds(&options), own_before = own_seconds();
        }
        turn(100);
    }
    double server = server_seconds(&options) - server_before, own = own_seconds() - own_before;
    uint64_t published = published_all - published_before;
    // What is under way must still come.
    is_running = 0;
    uint64_t end = now() + 10 * second;
    for (int i = 0; i < options.channels; i++)
        while (channels[i].completed < channels[i].published && now() < end && disconnected == 0) turn(10);
    int stalled = 0;
    for (int i = 0; i < options.channels; i++) stalled |= channels[i].completed < channels[i].published;
    has_stopped = 1;
    double seconds = options.seconds, each = delivered > 0 ? 1e6 / (double)delivered : 0;
    int unsubscribed = options.subscribers - ready_count;
    printf("{\"shape\": \"fanout\", \"connections\": %d, \"channels\": %d, \"textBytes\": %d, \"window\": %d, "
           "\"published\": %llu, \"delivered\": %llu, \"publishedPerSecond\": %.3f, \"deliveredPerSecond\": %.3f, "
           "\"serverMicrosecondsPerDelivery\": %.6f, \"serverMicrosecondsPerPublish\": %.6f, "
           "\"ownMicrosecondsPerDelivery\": %.6f, \"lost\": %llu, \"doubled\": %llu, \"foreign\": %llu, "
           "\"disconnected\": %llu, \"unsubscribed\": %d, \"stalled\": %s, "
           "\"latency\": {\"p50\": %.1f, \"p99\": %.1f}}\n",
           options.subscribers, options.channels, options.size, options.window, (unsigned long long)published,
           (unsigned long long)delivered, (double)published / seconds, (double)delivered / seconds, server * each,
           published > 0 ? server * 1e6 / (double)published : 0, own * each, (unsigned long long)lost,
           (unsigned long long)doubled, (unsigned long long)foreign, (unsigned long long)disconnected, unsubscribed,
           stalled ? "true" : "false", percentile(0.5), percentile(0.99));
    int good = delivered > 0 && lost == 0 && doubled == 0 && foreign == 0 && disconnected == 0 && !stalled;
    return good && unsubscribed == 0 ? 0 : 1;
}
