// A bare broadcast loop on epoll: send(2) of ready frames to each subscriber, and nothing else. Usage: bare_epoll PORT
#define _GNU_SOURCE
#include "bare.h"
#include <sys/epoll.h>
#include <sys/resource.h>

enum { events_max = 512, connections_max = 1 << 20 };

static struct connection *connections;   // by descriptor
static int *subscribers;                 // descriptors, in order of subscription
static int subscriber_count;
static int epoll;
static struct batch batch, echo;
static char buffer[inbox_bytes_max];

static void drop(struct connection *connection) {
    if (connection->subscriber >= 0) {
        int last = subscribers[--subscriber_count];
        subscribers[connection->subscriber] = last;
        connections[last].subscriber = connection->subscriber;
    }
    free(connection->inbox);
    close(connection->fd);
    *connection = (struct connection){.subscriber = -1};
}

static void send_to(struct connection *connection, const struct batch *frames) {
    // A reader so slow that its socket is full is dropped: the bare loop keeps nothing for anyone.
    if (send(connection->fd, frames->bytes, frames->count, MSG_NOSIGNAL) != (ssize_t)frames->count) {
        fprintf(stderr, "dropped a reader that is too slow\n");
        drop(connection);
    }
}

static void receive(struct connection *connection) {
    memcpy(buffer, connection->inbox, connection->held);
    ssize_t got = recv(connection->fd, buffer + connection->held, sizeof buffer - connection->held, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return drop(connection);
    size_t count = connection->held + (size_t)got, used = 0;
    if (!connection->is_open) {
        char answer[256];
        size_t length = bare_answer(buffer, count, answer, sizeof answer);
        if (length > 0) {
            connection->is_open = 1;
            connection->echoes = memcmp(buffer, "GET /echo ", 10) == 0;
            if (send(connection->fd, answer, length, MSG_NOSIGNAL) != (ssize_t)length) return drop(connection);
            used = count;
        }
    } else {
        switch (bare_read(connection, buffer, count, connection->echoes ? &echo : &batch, &used)) {
        case bare_subscribe:
            if (connection->subscriber < 0) {
                connection->subscriber = subscriber_count;
                subscribers[subscriber_count++] = connection->fd;
            }
            break;
        case bare_close: return drop(connection);
        case bare_other: break;
        }
        if (echo.count > 0) {
            send_to(connection, &echo);
            echo.count = 0;
            if (!connection->is_open) return;
        }
    }
    connection->held = count - used;
    if (connection->held > 0) {
        connection->inbox = realloc(connection->inbox, connection->held);
        memcpy(connection->inbox, buffer + used, connection->held);
    } else {
        free(connection->inbox);
        connection->inbox = NULL;
    }
}

int main(int argc, char **argv) {
    if (argc != 2) return fprintf(stderr, "usage: bare_epoll PORT\n"), 2;
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    connections = calloc(connections_max, sizeof *connections);
    subscribers = calloc(connections_max, sizeof *subscribers);
    batch.bytes = malloc(batch_bytes_max);
    echo.bytes = malloc(batch_bytes_max);
    int listener = bare_listen(atoi(argv[1]));
    epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[events_max];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    puts("listening");
    fflush(stdout);
    for (;;) {
        int count = epoll_wait(epoll, events, events_max, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd != listener) {
                if (connections[fd].fd == fd) receive(&connections[fd]);
                continue;
            }
            int accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (accepted < 0) continue;
            connections[accepted] = (struct connection){.fd = accepted, .subscriber = -1};
            event = (struct epoll_event){.events = EPOLLIN, .data.fd = accepted};
            epoll_ctl(epoll, EPOLL_CTL_ADD, accepted, &event);
        }
        if (batch.count > 0) {
            // From the end: a dropped reader's place is taken by the last one, which has been served by then.
            for (int i = subscriber_count; i-- > 0;) send_to(&connections[subscribers[i]], &batch);
            batch.count = 0;
        }
    }
}
