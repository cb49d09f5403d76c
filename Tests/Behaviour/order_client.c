// A crowd of subscribers and a few publishers in one thread, made to check order: every subscriber of a channel must see
// the same messages in the same order, none missing, none twice; and every subscriber must see the messages of each
// publisher in the order in which they were published, whatever channel they were on.
//
//   order_client PORT key=value...     prints one line of JSON; the exit status is 0 when the run came to its end
//
// Half of the connections speak the JSON protocol on /ws (raw mode), half the Pusher protocol; each half has its own
// channels. Three kinds of publishers on each side: over the socket, over HTTP one by one, over HTTP in batches (Pusher).
// What is checked is the marker `@publisher,number,channel@` in each message.
//
// The order is checked against the log of the channel, as the subscriber that was first to see a message wrote it: a
// subscriber whose next message is not the next one of the log disagrees with another one.
//
// How much is on its way is bounded by `window` deliveries, so that no subscriber falls behind for our own slowness.

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

enum {
    connectionsMax = 20000,
    channelsMax = 1024,           // of one side
    subscriptionsPerConnectionMax = 8,
    publishersMax = 64,
    receiveBytes = 1 << 16,
    outBytesMax = 1 << 20,
    complaintsMax = 5,
    probePublisher = 9999,        // its messages only find out whether a subscription is in force
    batchEvents = 10,
};

enum Side { realtime = 0, pusher = 1 };
enum PublisherKind { overSocket, overHTTP, inBatches };

struct Log {
    uint64_t *ids;                // publisher << 32 | number, in the order of the channel
    uint32_t count, capacity;
    uint64_t published;           // what publishers were told to be taken, or wrote to their socket
    uint32_t subscriberCount;
};

struct Subscription {
    uint16_t channel;
    uint8_t heard;                // a probe came: it is in force
    uint8_t broken;               // it disagreed; complained about once
    uint32_t position;            // how far in the log
};

struct Connection {
    int fd;
    uint8_t side, subscriptionCount, open, established, stalled, closedByPeer;
    struct Subscription subscriptions[subscriptionsPerConnectionMax];
    uint32_t *lastNumbers;        // of each publisher
    z_stream *inflater;           // compression was agreed on
    uint8_t messagesAlone;        // each begins with an empty window
    uint8_t *partial;             // an incomplete frame
    uint32_t partialCount, partialCapacity;
};

struct Publisher {
    int fd;
    uint8_t side, kind, waiting;  // waiting for an HTTP answer
    uint32_t sent, limit;
    uint8_t *out;
    uint32_t outStart, outEnd;
    uint8_t in[1 << 14];
    uint32_t inCount;
    uint64_t pendingDeliveries;   // of requests not answered yet
};

static struct Connection *connections;
static struct Publisher publishers[publishersMax];
static struct Log logs[2][channelsMax];
static int port, epollFd, publisherCount, connectionCount, channelCount, padBytes;
static const char *origin = "http://good.example", *key = "app-key", *app = "app-id", *secret = "app-secret", *broadcastSecret = "broadcast-secret";
static uint64_t expected, received, deflated, disagreements, publisherDisorders, strangers, closedConnections, refusals;
static char complaints[complaintsMax][256];
static int complaintCount;
static char padding[1 << 16];

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "order_client: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    exit(2);
}

static void complain(const char *format, ...) {
    if (complaintCount == complaintsMax) return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(complaints[complaintCount++], sizeof complaints[0], format, arguments);
    va_end(arguments);
}

static uint64_t randomState = 88172645463325252ULL;
static uint32_t chance(uint32_t bound) {
    randomState ^= randomState << 13;
    randomState ^= randomState >> 7;
    randomState ^= randomState << 17;
    return (uint32_t)(randomState >> 16) % bound;
}

static int dial(int receiveBuffer, int segment) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) die("socket: %s", strerror(errno));
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (receiveBuffer) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, sizeof receiveBuffer);
    if (segment) setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) die("connect: %s", strerror(errno));
    return fd;
}

static void writeAll(int fd, const void *bytes, size_t count) {
    const char *at = bytes;
    while (count > 0) {
        ssize_t done = send(fd, at, count, MSG_NOSIGNAL);
        if (done < 0) die("send: %s", strerror(errno));
        at += done;
        count -= (size_t)done;
    }
}

// Opens a WebSocket; what came behind the 101 answer goes into `extra`.
static const char *offers[] = {
    "permessage-deflate; client_max_window_bits", "permessage-deflate; server_max_window_bits=9", "permessage-deflate; server_max_window_bits=12",
    "permessage-deflate; server_no_context_takeover", "permessage-deflate", "permessage-deflate; server_max_window_bits=8",
};

// An upgrade; `offer` is an offer of compression or empty. What was agreed on is noted in `connection`, if there is one.
static int openSocket(int side, int receiveBuffer, int segment, const char *offer, struct Connection *connection, uint8_t *extra,
                      uint32_t *extraCount) {
    int fd = dial(receiveBuffer, segment);
    char text[1024];
    int count = snprintf(text, sizeof text,
        "GET %s%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nOrigin: %s\r\n%s%s%s\r\n",
        side == pusher ? "/app/" : "/ws", side == pusher ? key : "", port, origin, *offer ? "Sec-WebSocket-Extensions: " : "", offer,
        *offer ? "\r\n" : "");
    writeAll(fd, text, (size_t)count);
    static char answer[4096];
    uint32_t have = 0;
    char *end = NULL;
    while (!end) {
        ssize_t done = recv(fd, answer + have, sizeof answer - 1 - have, 0);
        if (done <= 0) die("no answer to an upgrade: %s", done < 0 ? strerror(errno) : "the connection ended");
        have += (uint32_t)done;
        answer[have] = 0;
        end = strstr(answer, "\r\n\r\n");
    }
    if (strncmp(answer, "HTTP/1.1 101 ", 13) != 0) die("an upgrade was refused: %.60s", answer);
    uint32_t headCount = (uint32_t)(end + 4 - answer);
    char *agreed = strstr(answer, "permessage-deflate");
    if (connection && agreed && agreed < end) {
        char *bits = strstr(agreed, "server_max_window_bits=");
        connection->messagesAlone = strstr(agreed, "server_no_context_takeover") != NULL;
        connection->inflater = calloc(1, sizeof *connection->inflater);
        if (inflateInit2(connection->inflater, bits ? -atoi(bits + 23) : -15) != Z_OK) die("no memory to inflate");
    }
    *extraCount = have - headCount;
    memcpy(extra, end + 4, *extraCount);
    return fd;
}

// A masked text frame (the mask is zero: the bytes are as they are).
static uint32_t frame(uint8_t *out, const char *text, uint32_t count) {
    uint32_t at = 0;
    out[at++] = 0x81;
    if (count < 126) {
        out[at++] = (uint8_t)(0x80 | count);
    } else {
        out[at++] = 0x80 | 126;
        out[at++] = (uint8_t)(count >> 8);
        out[at++] = (uint8_t)count;
    }
    memset(out + at, 0, 4);
    memcpy(out + at + 4, text, count);
    return at + 4 + count;
}

static void sendText(int fd, const char *text, int count) {
    static uint8_t bytes[1 << 16];
    writeAll(fd, bytes, frame(bytes, text, (uint32_t)count));
}

// MARK: Receiving

static void take(uint32_t index, const uint8_t *payload, uint64_t count) {
    struct Connection *connection = &connections[index];
    const uint8_t *mark = memchr(payload, '@', count);
    if (!mark) {
        if (connection->side == pusher && memmem(payload, count, "pusher:error", 12)) {
            complain("connection %u: %.*s", index, (int)(count < 150 ? count : 150), payload);
            strangers++;
        } else if (connection->side == pusher && memmem(payload, count, "pusher:ping", 11)) {
            sendText(connection->fd, "{\"event\":\"pusher:pong\"}", 23);
        } else if (connection->side == realtime) {
            complain("connection %u: no marker in %.*s", index, (int)(count < 100 ? count : 100), payload);
            strangers++;
        }
        return;
    }
    uint32_t numbers[3] = {0, 0, 0};
    const uint8_t *end = payload + count, *at = mark + 1;
    for (int k = 0; k < 3 && at < end; k++, at++)
        for (; at < end && *at >= '0' && *at <= '9'; at++) numbers[k] = numbers[k] * 10 + (*at - '0');
    uint32_t publisher = numbers[0], number = numbers[1], channel = numbers[2];
    struct Subscription *subscription = NULL;
    for (int k = 0; k < connection->subscriptionCount; k++)
        if (connection->subscriptions[k].channel == channel) subscription = &connection->subscriptions[k];
    if (!subscription) {
        complain("connection %u got a message of channel %u that it is not on", index, channel);
        strangers++;
        return;
    }
    if (publisher == probePublisher) {
        subscription->heard = 1;
        return;
    }
    if (publisher >= (uint32_t)publisherCount || publishers[publisher].side != connection->side) {
        complain("connection %u: publisher %u is of the other side", index, publisher);
        strangers++;
        return;
    }
    received++;
    struct Log *log = &logs[connection->side][channel];
    uint64_t id = (uint64_t)publisher << 32 | number;
    if (subscription->position == log->count) {
        if (log->count == log->capacity) {
            log->capacity = log->capacity ? log->capacity * 2 : 1024;
            log->ids = realloc(log->ids, log->capacity * sizeof *log->ids);
        }
        log->ids[log->count++] = id;
    } else if (log->ids[subscription->position] != id && !subscription->broken) {
        uint64_t wanted = log->ids[subscription->position];
        subscription->broken = 1;
        disagreements++;
        complain("connection %u, channel %u, position %u: publisher %u number %u, others saw publisher %u number %u", index, channel,
            subscription->position, publisher, number, (uint32_t)(wanted >> 32), (uint32_t)wanted);
    }
    subscription->position++;
    if (number <= connection->lastNumbers[publisher]) {
        if (publisherDisorders++ < 2)
            complain("connection %u: publisher %u number %u (channel %u) behind its number %u", index, publisher, number, channel,
                connection->lastNumbers[publisher]);
    } else {
        connection->lastNumbers[publisher] = number;
    }
}

// A message as it was before it was compressed.
static const uint8_t *inflated(struct Connection *connection, uint8_t *payload, uint64_t *count) {
    static uint8_t plain[1 << 21], tail[4] = {0, 0, 0xff, 0xff};
    z_stream *stream = connection->inflater;
    if (!stream) die("a compressed message that nobody agreed to");
    if (connection->messagesAlone) inflateReset(stream);
    stream->next_out = plain;
    stream->avail_out = sizeof plain;
    stream->next_in = payload;
    stream->avail_in = (uInt)*count;
    int result = inflate(stream, Z_SYNC_FLUSH);
    if ((result != Z_OK && result != Z_BUF_ERROR) || stream->avail_in > 0) die("a message that cannot be inflated: %d", result);
    stream->next_in = tail;
    stream->avail_in = sizeof tail;
    result = inflate(stream, Z_SYNC_FLUSH);
    if (result != Z_OK || stream->avail_out == 0) die("a message that does not end: %d", result);
    *count = sizeof plain - stream->avail_out;
    deflated++;
    return plain;
}

// Takes whole frames; returns how many bytes are left at the end.
static uint32_t takeFrames(uint32_t index, uint8_t *bytes, uint32_t count) {
    uint32_t at = 0;
    while (count - at >= 2) {
        uint32_t headCount = 2;
        uint64_t length = bytes[at + 1] & 0x7f;
        if (length == 126) {
            if (count - at < 4) break;
            length = (uint64_t)bytes[at + 2] << 8 | bytes[at + 3];
            headCount = 4;
        } else if (length == 127) {
            if (count - at < 10) break;
            length = 0;
            for (int k = 0; k < 8; k++) length = length << 8 | bytes[at + 2 + k];
            headCount = 10;
            if (length > 1 << 20) die("a frame of %llu bytes", (unsigned long long)length);
        }
        if (count - at < headCount + length) break;
        uint8_t opcode = bytes[at] & 0x0f;
        if (!(bytes[at] & 0x80)) die("a fragment of the node");
        if (opcode == 1 && bytes[at] & 0x40) {
            uint64_t plainCount = length;
            const uint8_t *plain = inflated(&connections[index], bytes + at + headCount, &plainCount);
            take(index, plain, plainCount);
        } else if (opcode == 1) {
            take(index, bytes + at + headCount, length);
        } else if (opcode == 8) {
            if (!connections[index].closedByPeer++) {
                closedConnections++;
                complain("connection %u was closed with %d", index,
                    length >= 2 ? bytes[at + headCount] << 8 | bytes[at + headCount + 1] : 1005);
            }
        } else if (opcode == 9) {
            uint8_t pong[140] = {0x8a, (uint8_t)(0x80 | length)};
            memcpy(pong + 6, bytes + at + headCount, length);
            writeAll(connections[index].fd, pong, 6 + length);
        }
        at += headCount + (uint32_t)length;
    }
    return count - at;
}

static uint8_t receiveBuffer[2 * receiveBytes + (1 << 20)];

static void readConnection(uint32_t index) {
    struct Connection *connection = &connections[index];
    uint32_t have = connection->partialCount;
    if (have) memcpy(receiveBuffer, connection->partial, have);
    ssize_t done = recv(connection->fd, receiveBuffer + have, receiveBytes, MSG_DONTWAIT);
    if (done < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (done <= 0) {
        if (!connection->closedByPeer++) {
            closedConnections++;
            complain("connection %u ended without a close frame", index);
        }
        epoll_ctl(epollFd, EPOLL_CTL_DEL, connection->fd, NULL);
        connection->open = 0;
        return;
    }
    have += (uint32_t)done;
    uint32_t left = takeFrames(index, receiveBuffer, have);
    if (left > connection->partialCapacity) {
        connection->partialCapacity = left + 4096;
        connection->partial = realloc(connection->partial, connection->partialCapacity);
    }
    memcpy(connection->partial, receiveBuffer + have - left, left);
    connection->partialCount = left;
}

// MARK: Publishing

static void hex(char *out, const uint8_t *bytes, unsigned count) {
    for (unsigned k = 0; k < count; k++) sprintf(out + 2 * k, "%02x", bytes[k]);
}

// A signed request of the Pusher HTTP API.
static int signedRequest(char *out, size_t capacity, const char *path, const char *body, int bodyCount) {
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned digestCount = 0;
    char md5[33] = "", signature[65] = "", canonical[1024];
    EVP_Digest(body, (size_t)bodyCount, digest, &digestCount, EVP_md5(), NULL);
    hex(md5, digest, digestCount);
    char query[512];
    snprintf(query, sizeof query, "auth_key=%s&auth_timestamp=%ld&auth_version=1.0&body_md5=%s", key, (long)time(NULL), md5);
    int count = snprintf(canonical, sizeof canonical, "POST\n/apps/%s/%s\n%s", app, path, query);
    HMAC(EVP_sha256(), secret, (int)strlen(secret), (uint8_t *)canonical, (size_t)count, digest, &digestCount);
    hex(signature, digest, digestCount);
    return snprintf(out, capacity, "POST /apps/%s/%s?%s&auth_signature=%s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
        app, path, query, signature, bodyCount, body);
}

static uint32_t queue(struct Publisher *publisher, const void *bytes, uint32_t count) {
    if (publisher->outEnd + count > outBytesMax) die("a publisher's queue is full");
    memcpy(publisher->out + publisher->outEnd, bytes, count);
    publisher->outEnd += count;
    return count;
}

static void queueText(struct Publisher *publisher, const char *text, int count) {
    uint8_t bytes[1 << 13];
    if (count > (int)sizeof bytes - 16) die("a message that is too long");
    queue(publisher, bytes, frame(bytes, text, (uint32_t)count));
}

static void counted(struct Publisher *publisher, uint32_t channel) {
    struct Log *log = &logs[publisher->side][channel];
    log->published++;
    expected += log->subscriberCount;
}

// The next message, or the next batch, of a publisher.
static void publishNext(uint32_t index) {
    struct Publisher *publisher = &publishers[index];
    char text[1 << 13], body[1 << 13];
    int count;
    if (publisher->kind == inBatches) {
        int at = snprintf(body, sizeof body, "{\"batch\":[");
        for (int k = 0; k < batchEvents && publisher->sent < publisher->limit; k++) {
            uint32_t channel = chance((uint32_t)channelCount), number = ++publisher->sent;
            at += snprintf(body + at, sizeof body - (size_t)at, "%s{\"name\":\"e\",\"channel\":\"c%u\",\"data\":\"@%u,%u,%u@%.*s\"}", k ? "," : "", channel, index,
                number, channel, padBytes < 500 ? padBytes : 500, padding);
            counted(publisher, channel);
        }
        at += snprintf(body + at, sizeof body - (size_t)at, "]}");
        count = signedRequest(text, sizeof text, "batch_events", body, at);
        queue(publisher, text, (uint32_t)count);
        publisher->waiting = 1;
        return;
    }
    uint32_t channel = chance((uint32_t)channelCount), number = ++publisher->sent;
    counted(publisher, channel);
    if (publisher->kind == overSocket && publisher->side == realtime) {
        count = snprintf(text, sizeof text, "{\"action\":\"publish\",\"channel\":\"c%u\",\"message\":\"@%u,%u,%u@%.*s\"}", channel, index, number, channel, padBytes, padding);
        queueText(publisher, text, count);
    } else if (publisher->kind == overSocket) {
        count = snprintf(text, sizeof text, "{\"event\":\"client-e\",\"channel\":\"c%u\",\"data\":\"{\\\"m\\\":\\\"@%u,%u,%u@%.*s\\\"}\"}", channel, index, number, channel, padBytes, padding);
        queueText(publisher, text, count);
    } else if (publisher->side == realtime) {
        int bodyCount = snprintf(body, sizeof body, "channel=c%u&message=%%40%u%%2C%u%%2C%u%%40%.*s", channel, index, number, channel, padBytes, padding);
        count = snprintf(text, sizeof text,
            "POST /internal/broadcast HTTP/1.1\r\nHost: x\r\nX-Broadcast-Secret: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s",
            broadcastSecret, bodyCount, body);
        queue(publisher, text, (uint32_t)count);
        publisher->waiting = 1;
    } else {
        int bodyCount = snprintf(body, sizeof body, "{\"name\":\"e\",\"channel\":\"c%u\",\"data\":\"@%u,%u,%u@%.*s\"}", channel, index, number, channel, padBytes, padding);
        count = signedRequest(text, sizeof text, "events", body, bodyCount);
        queue(publisher, text, (uint32_t)count);
        publisher->waiting = 1;
    }
}

static void flush(struct Publisher *publisher) {
    while (publisher->outStart < publisher->outEnd) {
        ssize_t done = send(publisher->fd, publisher->out + publisher->outStart, publisher->outEnd - publisher->outStart, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (done < 0) {
            if (errno == EAGAIN || errno == EINTR) return;
            die("a publisher's connection failed: %s", strerror(errno));
        }
        publisher->outStart += (uint32_t)done;
    }
    publisher->outStart = publisher->outEnd = 0;
}

static void readPublisher(uint32_t index) {
    struct Publisher *publisher = &publishers[index];
    ssize_t done = recv(publisher->fd, publisher->in + publisher->inCount, sizeof publisher->in - 1 - publisher->inCount, MSG_DONTWAIT);
    if (done < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (done <= 0) die("publisher %u: the connection ended", index);
    publisher->inCount += (uint32_t)done;
    publisher->in[publisher->inCount] = 0;
    if (publisher->kind == overSocket) {
        if (memmem(publisher->in, publisher->inCount, "pusher:error", 12)) die("publisher %u: %.200s", index, publisher->in + 2);
        if (publisher->in[0] == 0x88) die("publisher %u was closed", index);
        if (memmem(publisher->in, publisher->inCount, "pusher:ping", 11)) queueText(publisher, "{\"event\":\"pusher:pong\"}", 23);
        publisher->inCount = 0;
        return;
    }
    char *end = strstr((char *)publisher->in, "\r\n\r\n");
    if (!end) return;
    char *field = strcasestr((char *)publisher->in, "content-length:");
    uint32_t bodyCount = field && field < end ? (uint32_t)atoi(field + 15) : 0;
    uint32_t whole = (uint32_t)(end + 4 - (char *)publisher->in) + bodyCount;
    if (publisher->inCount < whole) return;
    int status = atoi((char *)publisher->in + 9);
    if (status != 200 && status != 202) {
        refusals++;
        complain("publisher %u: %.*s", index, (int)(end - (char *)publisher->in > 60 ? 60 : end - (char *)publisher->in), publisher->in);
    }
    memmove(publisher->in, publisher->in + whole, publisher->inCount - whole);
    publisher->inCount -= whole;
    publisher->waiting = 0;
}

// MARK: The run

static void watch(int fd, uint32_t what) {
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = what};
    if (epoll_ctl(epollFd, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl: %s", strerror(errno));
}

// Reads whatever is there, waiting at most so long.
static int turn(int milliseconds) {
    static struct epoll_event events[512];
    int count = epoll_wait(epollFd, events, 512, milliseconds);
    for (int k = 0; k < count; k++) {
        uint32_t what = events[k].data.u32;
        if (what & 1u << 31) readPublisher(what & ~(1u << 31));
        else readConnection(what);
    }
    return count;
}

static void subscribe(struct Connection *connection, uint32_t wanted) {
    char text[200];
    for (uint32_t k = 0; k < wanted; k++) {
        uint16_t channel = (uint16_t)chance((uint32_t)channelCount);
        int known = 0;
        for (int j = 0; j < connection->subscriptionCount; j++) known |= connection->subscriptions[j].channel == channel;
        if (known) continue;
        connection->subscriptions[connection->subscriptionCount++] = (struct Subscription){.channel = channel};
        if (!connection->stalled) logs[connection->side][channel].subscriberCount++;
        int count = connection->side == pusher ? snprintf(text, sizeof text, "{\"event\":\"pusher:subscribe\",\"data\":{\"channel\":\"c%u\"}}", channel)
                                               : snprintf(text, sizeof text, "{\"action\":\"subscribe\",\"channel\":\"c%u\"}", channel);
        sendText(connection->fd, text, count);
    }
}

// Publishes probes until every subscription was heard: in raw mode nothing confirms one.
static void awaitSubscriptions(void) {
    double deadline = now() + 60;
    for (;;) {
        uint64_t missing = 0;
        for (int k = 0; k < connectionCount; k++)
            for (int j = 0; j < connections[k].subscriptionCount; j++) missing += !connections[k].stalled && !connections[k].subscriptions[j].heard;
        if (!missing) break;
        if (now() > deadline) die("%llu subscriptions are not heard", (unsigned long long)missing);
        for (int side = 0; side < 2; side++) {
            struct Publisher *publisher = NULL;
            for (int k = 0; k < publisherCount && !publisher; k++)
                if (publishers[k].side == side && publishers[k].kind == overSocket) publisher = &publishers[k];
            for (int channel = 0; publisher && channel < channelCount; channel++) {
                char text[200];
                int count = side == realtime
                    ? snprintf(text, sizeof text, "{\"action\":\"publish\",\"channel\":\"c%d\",\"message\":\"@%d,1,%d@\"}", channel, probePublisher, channel)
                    : snprintf(text, sizeof text, "{\"event\":\"client-e\",\"channel\":\"c%d\",\"data\":\"{\\\"m\\\":\\\"@%d,1,%d@\\\"}\"}", channel, probePublisher, channel);
                queueText(publisher, text, count);
            }
            if (publisher) flush(publisher);
        }
        double until = now() + 0.3;
        while (now() < until) turn(20);
    }
    double until = now() + 0.3;  // probes of the last round
    while (now() < until) turn(20);
}

static int option(int count, char **words, const char *name, int otherwise) {
    size_t length = strlen(name);
    for (int k = 2; k < count; k++)
        if (strncmp(words[k], name, length) == 0 && words[k][length] == '=') return atoi(words[k] + length + 1);
    return otherwise;
}

int main(int argumentCount, char **arguments) {
    if (argumentCount < 2) die("usage: order_client PORT key=value...");
    port = atoi(arguments[1]);
    connectionCount = option(argumentCount, arguments, "connections", 2000);
    channelCount = option(argumentCount, arguments, "channels", 64);
    publisherCount = option(argumentCount, arguments, "publishers", 16);
    padBytes = option(argumentCount, arguments, "pad", 16);
    int messages = option(argumentCount, arguments, "messages", 200000);
    int stalledCount = option(argumentCount, arguments, "stalled", 0);
    int several = option(argumentCount, arguments, "several", 15);  // percent of connections with several channels
    int oneSide = option(argumentCount, arguments, "one_side", 0);  // only /ws
    int deflating = option(argumentCount, arguments, "deflate", 0);  // percent of connections that offer compression
    int window = option(argumentCount, arguments, "window", 50000);
    int seconds = option(argumentCount, arguments, "seconds", 300);
    randomState ^= (uint64_t)option(argumentCount, arguments, "seed", 1) * 0x9E3779B97F4A7C15ULL;
    connectionCount += stalledCount;
    if (connectionCount > connectionsMax || channelCount > channelsMax || publisherCount > publishersMax || padBytes > 4000) die("too much of something");
    memset(padding, 'x', sizeof padding);
    connections = calloc((size_t)connectionCount, sizeof *connections);
    epollFd = epoll_create1(EPOLL_CLOEXEC);

    double begun = now();
    for (int k = 0; k < connectionCount; k++) {
        struct Connection *connection = &connections[k];
        connection->stalled = k >= connectionCount - stalledCount;
        connection->side = oneSide ? realtime : k % 2;
        connection->lastNumbers = calloc((size_t)publisherCount, sizeof *connection->lastNumbers);
        connection->partial = malloc(connection->partialCapacity = 4096);
        connection->fd = openSocket(connection->side, connection->stalled ? 4096 : 0, connection->stalled ? 536 : 0,
            chance(100) < (uint32_t)deflating ? offers[chance(sizeof offers / sizeof *offers)] : "", connection, connection->partial,
            &connection->partialCount);
        connection->open = 1;
        subscribe(connection, connection->stalled ? subscriptionsPerConnectionMax : chance(100) < (uint32_t)several ? 2 + chance(4) : 1);
        if (!connection->stalled) watch(connection->fd, (uint32_t)k);
    }
    for (int k = 0; k < publisherCount; k++) {
        struct Publisher *publisher = &publishers[k];
        publisher->side = oneSide ? realtime : k % 2;
        int turnNumber = k / 2 % 4;  // over the socket, over HTTP, over the socket, in batches (or over HTTP)
        publisher->kind = turnNumber % 2 == 0 ? overSocket : turnNumber == 3 && publisher->side == pusher ? inBatches : overHTTP;
        publisher->limit = (uint32_t)(messages / publisherCount + (k < messages % publisherCount));
        publisher->out = malloc(outBytesMax);
        publisher->fd = publisher->kind == overSocket ? openSocket(publisher->side, 0, 0, "", NULL, publisher->in, &publisher->inCount) : dial(0, 0);
        publisher->inCount = 0;
        watch(publisher->fd, 1u << 31 | (uint32_t)k);
    }
    awaitSubscriptions();
    double started = now(), progress = started, deadline = started + seconds;
    uint64_t seen = 0;
    int done = 0;
    while (!done) {
        int busy = turn(1);
        done = 1;
        for (int k = 0; k < publisherCount; k++) {
            struct Publisher *publisher = &publishers[k];
            int burst = publisher->kind == overSocket ? 16 : 1;
            while (burst-- > 0 && publisher->sent < publisher->limit && !publisher->waiting && publisher->outEnd < outBytesMax / 2
                   && expected - received < (uint64_t)window)
                publishNext((uint32_t)k);
            flush(publisher);
            if (publisher->sent < publisher->limit || publisher->waiting || publisher->outEnd > 0) done = 0;
        }
        if (received < expected) done = 0;
        double at = now();
        if (received != seen || busy) {
            if (received != seen) progress = at;
            seen = received;
        }
        if (at - progress > 15 || at > deadline) break;  // nothing comes any more: what is missing is missing
    }
    double ended = now();
    double until = now() + 0.5;  // what comes twice comes now
    while (now() < until) turn(20);

    uint64_t missing = 0, doubled = 0, published = 0, sent = 0, subscriptions = 0;
    for (int side = 0; side < 2; side++)
        for (int channel = 0; channel < channelCount; channel++) published += logs[side][channel].published;
    for (int k = 0; k < publisherCount; k++) sent += publishers[k].sent;
    for (int k = 0; k < connectionCount; k++) {
        if (connections[k].stalled) continue;
        for (int j = 0; j < connections[k].subscriptionCount; j++) {
            struct Subscription *subscription = &connections[k].subscriptions[j];
            uint64_t wanted = logs[connections[k].side][subscription->channel].published;
            subscriptions++;
            if (subscription->position < wanted) {
                missing += wanted - subscription->position;
                complain("connection %d, channel %u: %u of %llu messages", k, subscription->channel, subscription->position, (unsigned long long)wanted);
            } else {
                doubled += subscription->position - wanted;
            }
        }
    }
    printf("{\"connections\":%d,\"subscriptions\":%llu,\"messages\":%llu,\"published\":%llu,\"expected\":%llu,\"received\":%llu,\"deflated\":%llu,\"missing\":%llu,\"doubled\":%llu,"
           "\"disagreements\":%llu,\"publisher_disorders\":%llu,\"strangers\":%llu,\"closed\":%llu,\"refusals\":%llu,\"setup_seconds\":%.2f,\"seconds\":%.2f,\"complaints\":[",
        connectionCount - stalledCount, (unsigned long long)subscriptions, (unsigned long long)sent, (unsigned long long)published, (unsigned long long)expected,
        (unsigned long long)received, (unsigned long long)deflated, (unsigned long long)missing, (unsigned long long)doubled, (unsigned long long)disagreements,
        (unsigned long long)publisherDisorders, (unsigned long long)strangers, (unsigned long long)closedConnections, (unsigned long long)refusals, started - begun,
        ended - started);
    for (int k = 0; k < complaintCount; k++) {
        printf("%s\"", k ? "," : "");
        for (const char *c = complaints[k]; *c; c++) {
            if (*c == '"' || *c == '\\') printf("\\%c", *c);
            else if ((unsigned char)*c < 32 || (unsigned char)*c > 126) printf("?");
            else putchar(*c);
        }
        printf("\"");
    }
    printf("]}\n");
    fflush(stdout);
    // The caller looks at the node while the stalled connections are still there, then ends the input.
    if (stalledCount) (void)!read(0, padding, 1);
    return 0;
}
