// What both bare loops share: the handshake, and reading the few frames that clients send. The bare loops are the
// floor that any server can be measured against: they only answer the handshake, remember who subscribed, and send
// ready frames. They trust their client: one channel, small messages, no pings, no timeouts.
#pragma once
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    inbox_bytes_max = 1 << 18,   // bytes of one connection that wait for the rest of their frame
    batch_bytes_max = 1 << 22,   // frames that ride on one send
};

struct connection {
    int fd;
    int is_open;         // the handshake is done
    int subscriber;      // index among the subscribers, -1 before it subscribes
    int echoes;          // came to /echo
    size_t held;         // bytes in `inbox`
    char *inbox;         // allocated while a frame is unfinished
};

// Frames that the next round sends to every subscriber.
struct batch {
    char *bytes;
    size_t count;
};

static inline int bare_listen(int port) {
    signal(SIGPIPE, SIG_IGN);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);  // inherited by what is accepted
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 4096) != 0) {
        perror("listen");
        exit(1);
    }
    return fd;
}

// Writes the answer to a handshake; its length, or 0 when the request is not whole or names no key.
static inline size_t bare_answer(const char *request, size_t count, char *answer, size_t max) {
    static const char name[] = "Sec-WebSocket-Key: ", guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    if (memmem(request, count, "\r\n\r\n", 4) == NULL) return 0;
    const char *key = memmem(request, count, name, sizeof name - 1);
    if (key == NULL) return 0;
    key += sizeof name - 1;
    const char *end = memchr(key, '\r', count - (size_t)(key - request));
    char text[128];
    int length = snprintf(text, sizeof text, "%.*s%s", (int)(end - key), key, guid);
    unsigned char hash[SHA_DIGEST_LENGTH], accept[32];
    SHA1((unsigned char *)text, (size_t)length, hash);
    EVP_EncodeBlock(accept, hash, sizeof hash);
    return (size_t)snprintf(answer, max,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: %s\r\n\r\n",
        accept);
}

// Appends a text frame to the batch.
static inline void bare_append(struct batch *batch, const char *text, size_t count) {
    if (batch->count + count + 10 > batch_bytes_max) {
        fprintf(stderr, "more is published than one batch holds\n");
        exit(1);
    }
    unsigned char *out = (unsigned char *)batch->bytes + batch->count;
    size_t head = 2;
    out[0] = 0x81;
    if (count < 126) {
        out[1] = (unsigned char)count;
    } else if (count < 65536) {
        out[1] = 126, out[2] = (unsigned char)(count >> 8), out[3] = (unsigned char)count, head = 4;
    } else {
        out[1] = 127, head = 10;
        for (int i = 0; i < 8; i++) out[2 + i] = (unsigned char)((uint64_t)count >> (56 - 8 * i));
    }
    memcpy(out + head, text, count);
    batch->count += head + count;
}

// Unmasks the frame at the start of `bytes` in place and says where its payload is. Its whole length, 0 when it is
// not whole.
static inline size_t bare_frame(char *bytes, size_t count, char **payload, size_t *payload_count) {
    unsigned char *in = (unsigned char *)bytes;
    if (count < 6) return 0;
    size_t length = in[1] & 0x7F, head = 2;
    if (length == 126) {
        length = (size_t)in[2] << 8 | in[3], head = 4;
    } else if (length == 127) {
        if (count < 14) return 0;
        length = 0, head = 10;
        for (int i = 0; i < 8; i++) length = length << 8 | in[2 + i];
    }
    if (count < head + 4 || count - head - 4 < length) return 0;
    unsigned char *mask = in + head, *text = mask + 4;
    for (size_t i = 0; i < length; i++) text[i] ^= mask[i & 3];
    *payload = (char *)text;
    *payload_count = length;
    return head + 4 + length;
}

enum bare_request { bare_other, bare_subscribe, bare_close };

// Works through what a connection has sent: publishes go to the batch. `*used` bytes are done with. For an echoing
// connection everything goes to the batch, which the caller sends back.
static inline enum bare_request bare_read(
    struct connection *connection, char *bytes, size_t count, struct batch *batch, size_t *used) {
    static const char publish[] = "{\"action\":\"publish\"", subscribe[] = "{\"action\":\"subscribe\"";
    static const char message[] = "\"message\":\"";
    enum bare_request asked = bare_other;
    size_t done = 0, step, length;
    char *payload;
    while ((step = bare_frame(bytes + done, count - done, &payload, &length)) > 0) {
        if ((bytes[done] & 0x0F) == 8) asked = bare_close;
        done += step;
        if (asked == bare_close) break;
        if (connection->echoes) {
            bare_append(batch, payload, length);
        } else if (length > sizeof publish && memcmp(payload, publish, sizeof publish - 1) == 0) {
            char *text = memmem(payload, length, message, sizeof message - 1);
            if (text != NULL) {
                text += sizeof message - 1;
                bare_append(batch, text, length - (size_t)(text - payload) - 2);
            }
        } else if (length > sizeof subscribe && memcmp(payload, subscribe, sizeof subscribe - 1) == 0) {
            asked = bare_subscribe;
        }
    }
    *used = done;
    return asked;
}
