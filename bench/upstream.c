/*
 * The provider behind every system the benchmark measures: one thread, one epoll, answers made before the first
 * request and sent at once. What it says comes from the files in the directory it is given (see answers.py).
 *
 * POST .../chat/completions -> chat.json, or chat.sse when the body says "stream":true
 * POST .../messages         -> messages.json, or messages.sse
 *
 * A stream is cut as a provider cuts it: each event is an HTTP chunk of its own, EVENTS_A_WRITE of them leave in one
 * write, and the next write waits for the next turn of the event loop, where every other stream has its turn first.
 * So a proxy sees several reads a stream, more of them the more streams are open, and no timer adds to the latency.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    EVENTS_A_WRITE = 8,
    MOST_WRITES = 64,
    MOST_CONNECTIONS = 16384,
    MOST_REQUEST_BYTES = 65536,
    READY_A_TURN = 256,
};

typedef struct {
    char *bytes;
    size_t ends[MOST_WRITES]; /* where each write ends */
    int writes;
} Answer;

typedef struct {
    int fd;
    int turn;             /* its place among the connections being answered, -1 when it is not */
    const Answer *answer; /* NULL while waiting for a request */
    int write;
    size_t sent;
    size_t held;
    char request[MOST_REQUEST_BYTES];
} Connection;

static Answer chat_whole, chat_stream, messages_whole, messages_stream, not_found;
static Connection *answering[MOST_CONNECTIONS];
static int answering_count;
static int connection_count;
static int epoll_fd;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

typedef struct {
    char *bytes;
    size_t size;
} Body;

static Body read_file(const char *directory, const char *name) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "rb");
    if (!file) fail(name);
    fseek(file, 0, SEEK_END);
    Body body = {.size = (size_t)ftell(file)};
    rewind(file);
    body.bytes = malloc(body.size + 1);
    if (!body.bytes || fread(body.bytes, 1, body.size, file) != body.size) fail(name);
    body.bytes[body.size] = 0;
    fclose(file);
    return body;
}

static void make_whole(Answer *answer, const char *status, Body body) {
    answer->bytes = malloc(body.size + 256);
    if (!answer->bytes) fail("malloc");
    int head = sprintf(answer->bytes,
                       "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
                       "X-Request-Id: req_0123456789abcdef\r\n\r\n",
                       status, body.size);
    memcpy(answer->bytes + head, body.bytes, body.size);
    answer->ends[0] = (size_t)head + body.size;
    answer->writes = 1;
}

static int count_events(const char *body) {
    int events = 0;
    for (const char *at = body; (at = strstr(at, "\n\n")); at += 2) events++;
    return events;
}

static void make_stream(Answer *answer, Body body) {
    int events = count_events(body.bytes), made = 0;
    answer->bytes = malloc(body.size + 256 + 16 * (size_t)events);
    if (!answer->bytes) fail("malloc");
    char *out = answer->bytes;
    out += sprintf(out, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
                        "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n"
                        "X-Request-Id: req_0123456789abcdef\r\n\r\n");
    answer->writes = 0;
    for (const char *event = body.bytes, *end; (end = strstr(event, "\n\n")); event = end) {
        end += 2;
        out += sprintf(out, "%zx\r\n%.*s\r\n", (size_t)(end - event), (int)(end - event), event);
        /* What does not fill a write of its own, such as a lone [DONE], leaves with the one before it. */
        if (++made % EVENTS_A_WRITE == 0 && events - made >= EVENTS_A_WRITE && answer->writes < MOST_WRITES - 1)
            answer->ends[answer->writes++] = (size_t)(out - answer->bytes);
    }
    out += sprintf(out, "0\r\n\r\n");
    answer->ends[answer->writes++] = (size_t)(out - answer->bytes);
}

static void make_answers(const char *directory) {
    static char nothing[] = "{\"error\":{\"message\":\"No such path\",\"type\":\"invalid_request_error\"}}";
    make_whole(&chat_whole, "200 OK", read_file(directory, "chat.json"));
    make_whole(&messages_whole, "200 OK", read_file(directory, "messages.json"));
    make_stream(&chat_stream, read_file(directory, "chat.sse"));
    make_stream(&messages_stream, read_file(directory, "messages.sse"));
    make_whole(&not_found, "404 Not Found", (Body){nothing, sizeof nothing - 1});
}

static void watch(Connection *connection, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = connection};
    if (epoll_ctl(epoll_fd, operation, connection->fd, &event) < 0) fail("epoll_ctl");
}

static void take_turns(Connection *connection) {
    connection->turn = answering_count;
    answering[answering_count++] = connection;
}

static void leave_turns(Connection *connection) {
    if (connection->turn < 0) return;
    Connection *last = answering[--answering_count];
    answering[connection->turn] = last;
    last->turn = connection->turn;
    connection->turn = -1;
}

static void drop(Connection *connection) {
    leave_turns(connection);
    close(connection->fd);
    free(connection);
    connection_count--;
}

static const Answer *choose(const char *head, size_t head_size, const char *body, size_t body_size) {
    const char *line_end = memchr(head, '\r', head_size);
    size_t line = line_end ? (size_t)(line_end - head) : head_size;
    int stream = memmem(body, body_size, "\"stream\":true", 13) || memmem(body, body_size, "\"stream\": true", 14);
    if (strncmp(head, "POST ", 5) == 0) {
        if (memmem(head, line, "/chat/completions", 17)) return stream ? &chat_stream : &chat_whole;
        if (memmem(head, line, "/messages", 9)) return stream ? &messages_stream : &messages_whole;
    }
    return &not_found;
}

static size_t content_length(const char *head, size_t size) {
    static const char name[] = "\r\nContent-Length:";
    for (const char *at = head, *end = head + size; (at = memchr(at, '\r', (size_t)(end - at))); at++)
        if ((size_t)(end - at) > sizeof name && strncasecmp(at, name, sizeof name - 1) == 0)
            return strtoul(at + sizeof name - 1, NULL, 10);
    return 0;
}

/* Starts the answer once the request is whole. False: the request is more than we hold. */
static int begin(Connection *connection) {
    const char *blank = memmem(connection->request, connection->held, "\r\n\r\n", 4);
    if (!blank) return connection->held < MOST_REQUEST_BYTES;
    size_t head = (size_t)(blank - connection->request) + 4;
    size_t body = content_length(connection->request, head);
    if (head + body > MOST_REQUEST_BYTES) return 0;
    if (connection->held < head + body) return 1;
    connection->answer = choose(connection->request, head, connection->request + head, body);
    connection->write = 0;
    connection->sent = 0;
    connection->held -= head + body;
    memmove(connection->request, connection->request + head + body, connection->held);
    take_turns(connection);
    return 1;
}

/* One write. False: the connection is gone. */
static int send_some(Connection *connection) {
    const Answer *answer = connection->answer;
    size_t left = answer->ends[connection->write] - connection->sent;
    ssize_t sent = send(connection->fd, answer->bytes + connection->sent, left, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return 0;
    if (sent > 0) connection->sent += (size_t)sent;
    if (sent < (ssize_t)left) {
        leave_turns(connection);
        watch(connection, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
    } else if (++connection->write == answer->writes) {
        leave_turns(connection);
        connection->answer = NULL;
        return begin(connection);
    }
    return 1;
}

/* False: the connection is gone. */
static int receive(Connection *connection) {
    size_t room = MOST_REQUEST_BYTES - connection->held;
    if (room == 0) return 0;
    ssize_t got = recv(connection->fd, connection->request + connection->held, room, 0);
    if (got < 0) return errno == EAGAIN;
    if (got == 0) return 0;
    connection->held += (size_t)got;
    return connection->answer ? 1 : begin(connection);
}

static void welcome(int listener) {
    int fd, yes = 1;
    while (connection_count < MOST_CONNECTIONS && (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        Connection *connection = malloc(sizeof *connection);
        if (!connection) fail("malloc");
        connection->fd = fd;
        connection->turn = -1;
        connection->answer = NULL;
        connection->held = 0;
        connection_count++;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        watch(connection, EPOLL_CTL_ADD, EPOLLIN);
    }
}

static void react(Connection *connection, uint32_t events) {
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && !receive(connection)) {
        drop(connection);
        return;
    }
    if (events & EPOLLOUT) {
        watch(connection, EPOLL_CTL_MOD, EPOLLIN);
        if (connection->answer && connection->turn < 0) take_turns(connection);
    }
}

static int listen_on_loopback(int port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int yes = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (listener < 0) fail("socket");
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0) fail("bind");
    if (listen(listener, 1024) < 0) fail("listen");
    return listener;
}

int main(int count, char **arguments) {
    if (count != 3) {
        fprintf(stderr, "usage: upstream DIRECTORY PORT\n");
        return 2;
    }
    make_answers(arguments[1]);
    epoll_fd = epoll_create1(0);
    int listener = listen_on_loopback(atoi(arguments[2]));
    struct epoll_event listening = {.events = EPOLLIN, .data.ptr = NULL}, ready[READY_A_TURN];
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &listening) < 0) fail("epoll_ctl");
    for (;;) {
        int happened = epoll_wait(epoll_fd, ready, READY_A_TURN, answering_count ? 0 : -1);
        for (int i = 0; i < happened; i++) {
            if (ready[i].data.ptr) react(ready[i].data.ptr, ready[i].events);
            else welcome(listener);
        }
        for (int i = answering_count - 1; i >= 0; i--)
            if (!send_some(answering[i])) drop(answering[i]);
    }
}
