// Kernel TLS as a socket sees it: a protocol above TCP that is asked for, keys for what is sent, and records that are
// no data. What the keys look like is the business of CTLS.
#include "CPosix.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/tls.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

_Static_assert(CPOSIX_LEVEL_TCP == SOL_TCP && CPOSIX_LEVEL_TLS == SOL_TLS && CPOSIX_TCP_ULP == TCP_ULP &&
                   CPOSIX_TLS_TX == TLS_TX, "numbers of the kernel");

static const char protocol[CPOSIX_RECORDS_PROTOCOL_BYTES] = "tls";

const void *cposix_records_protocol_bytes(void) { return protocol; }

const struct msghdr *cposix_records_head(const cposix_record_message *message) { return &message->head; }

int cposix_records_begin(int fd, const void *keys, size_t count) {
    if (setsockopt(fd, SOL_TCP, TCP_ULP, protocol, sizeof protocol) != 0) return -errno;
    return setsockopt(fd, SOL_TLS, TLS_TX, keys, (socklen_t)count) == 0 ? 0 : -errno;
}

void cposix_records_compose(cposix_record_message *message, uint8_t type, const void *bytes, size_t count) {
    memset(message, 0, sizeof *message);
    message->piece.iov_base = (void *)bytes;
    message->piece.iov_len = count;
    message->head.msg_iov = &message->piece;
    message->head.msg_iovlen = 1;
    message->head.msg_control = message->control;
    message->head.msg_controllen = CMSG_SPACE(1);
    struct cmsghdr *control = CMSG_FIRSTHDR(&message->head);
    control->cmsg_level = SOL_TLS;
    control->cmsg_type = TLS_SET_RECORD_TYPE;
    control->cmsg_len = CMSG_LEN(1);
    *CMSG_DATA(control) = type;
}

int cposix_records_send(int fd, uint8_t type, const void *bytes, size_t count) {
    cposix_record_message message;
    cposix_records_compose(&message, type, bytes, count);
    while (1) {
        ssize_t sent = sendmsg(fd, &message.head, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0) return (int)sent;
        if (errno != EINTR) return -errno;
    }
}

size_t cposix_records_trial_keys(void *keys, size_t capacity) {
    struct tls12_crypto_info_aes_gcm_128 trial;
    memset(&trial, 0, sizeof trial);
    trial.info.version = TLS_1_3_VERSION;
    trial.info.cipher_type = TLS_CIPHER_AES_GCM_128;
    if (capacity < sizeof trial) return 0;
    memcpy(keys, &trial, sizeof trial);
    return sizeof trial;
}

int cposix_tcp_pair(int pair[2]) {
    // Listening chooses a port; to ask for one is refused where Landlock names those that may be had.
    struct sockaddr_in place = {.sin_family = AF_INET};
    socklen_t length = sizeof place;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int error = 0, near = -1, far = -1;
    if (listener < 0 || listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&place, &length) != 0)
        error = errno;
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (error == 0 && (near = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0) error = errno;
    // Where a firewall drops what goes over the loopback, the start must not wait for it.
    const struct timeval patience = {.tv_sec = 1};
    if (error == 0) setsockopt(near, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (error == 0 && connect(near, (struct sockaddr *)&place, sizeof place) != 0) error = errno;
    if (error == 0 && (far = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) < 0) error = errno;
    if (listener >= 0) close(listener);
    if (error != 0) {
        if (near >= 0) close(near);
        return -error;
    }
    pair[0] = near;
    pair[1] = far;
    return 0;
}
