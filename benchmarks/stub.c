/* A stand-in for a model's server: one thread, epoll, canned answers, connections kept alive. Linux only.
 *
 *     cc -O2 -o stub stub.c && ./stub PORT [CORE]       (port 0: any free one; the port is printed)
 *
 * POST  …/chat/completions   as OpenAI answers: JSON, or server-sent events where the body asks for a stream
 *       …/messages           as Anthropic does
 *       …/api/chat           as Ollama does: lines of JSON, unless the body says "stream": false
 * GET   …/models             one model
 *       …/stats              {"requests", "connections", "open"}: asked of it, accepted by it, open now
 *
 * A segment x-OPTIONS in front of the path says how to answer; the options are joined by "-":
 *     nN  events of a stream (1000)          dMS     wait before the answer (0)
 *     tMS between two events, each of which then carries the time it was sent: "t" and nanoseconds (all at once)
 *     bBYTES  events grouped into HTTP chunks of about this size (a chunk for each event)
 *     c1  no chunked framing: the end of the connection is the end of the stream
 *     fN  a fault: 1 reset without an answer, 2 reset inside the answer, 3 status 503, 4 status 429,
 *         5 a web page with status 200, 6 an answer that stops too early, though in good order
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNECTIONS 16384
#define MILLISECOND 1000000LL

enum shape { CHAT, MESSAGES, OLLAMA, MODELS, STATS, UNKNOWN };
enum fault { NONE, RESET_AT_ONCE, RESET_INSIDE, OVERLOADED, LIMITED, WEB_PAGE, TOO_SHORT };

/* ---- text that grows ---- */

struct text { char *bytes; size_t size, room; };

static void append(struct text *text, const char *bytes, size_t size)
{
    if (text->size + size > text->room) {
        text->room = 2 * (text->size + size) + 256;
        text->bytes = realloc(text->bytes, text->room);
        if (!text->bytes) abort();
    }
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
}

__attribute__((format(printf, 2, 3))) static void say(struct text *text, const char *format, ...)
{
    char line[4096];
    va_list values;
    va_start(values, format);
    int size = vsnprintf(line, sizeof line, format, values);
    va_end(values);
    append(text, line, (size_t)size);
}

/* ---- what is asked for ---- */

struct wish { int shape, stream, events, delay, tick, group, unframed, fault; };

static void read_options(struct wish *wish, const char *path)
{
    const char *at = strstr(path, "/x-");
    if (!at) return;
    at += 2;
    while (*at == '-') {
        int value = atoi(at + 2);
        switch (at[1]) {
        case 'n': wish->events = value; break;
        case 'd': wish->delay = value; break;
        case 't': wish->tick = value; break;
        case 'b': wish->group = value; break;
        case 'c': wish->unframed = value; break;
        case 'f': wish->fault = value; break;
        }
        at++;
        while (*at && *at != '-' && *at != '/') at++;
    }
}

static int ends_with(const char *path, const char *end)
{
    size_t all = strlen(path), size = strlen(end);
    return all >= size && !strcmp(path + all - size, end);
}

static struct wish wish_of(const char *path, const char *body, size_t size)
{
    struct wish wish = {.shape = UNKNOWN, .events = 1000};
    if (ends_with(path, "/chat/completions")) wish.shape = CHAT;
    else if (ends_with(path, "/messages")) wish.shape = MESSAGES;
    else if (ends_with(path, "/api/chat")) wish.shape = OLLAMA;
    else if (ends_with(path, "/models")) wish.shape = MODELS;
    else if (ends_with(path, "/stats")) wish.shape = STATS;
    wish.stream = wish.shape == OLLAMA;
    const char *key = size ? memmem(body, size, "\"stream\":", 9) : NULL;
    if (key) {
        key += 9;
        while (key < body + size && *key == ' ') key++;
        wish.stream = key < body + size && *key == 't';
    }
    read_options(&wish, path);
    if (!wish.stream) wish.events = wish.tick = wish.group = wish.unframed = 0;
    return wish;
}

/* ---- the answers ---- */

#define CHUNK "data: {\"id\":\"chatcmpl-airouterbenchmark00001\",\"object\":\"chat.completion.chunk\",\"created\":1795400000," \
              "\"model\":\"gpt-4o-mini\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_airouter00\"," \
              "\"choices\":[{\"index\":0,\"delta\":{%s},\"logprobs\":null,\"finish_reason\":%s}]}\n\n"
#define LINE  "{\"model\":\"llama3.2\",\"created_at\":\"2026-11-23T00:00:00.000000000Z\"," \
              "\"message\":{\"role\":\"assistant\",\"content\":\"%s\"},\"done\":%s}\n"
#define COUNTS "true,\"done_reason\":\"stop\",\"total_duration\":1000000,\"load_duration\":1000,\"prompt_eval_count\":8," \
               "\"prompt_eval_duration\":1000,\"eval_count\":5,\"eval_duration\":100000"

static void begin(struct text *out, int shape)
{
    if (shape == CHAT) say(out, CHUNK, "\"role\":\"assistant\",\"content\":\"\",\"refusal\":null", "null");
    if (shape == MESSAGES)
        say(out, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_airouterbenchmark1\","
                 "\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-sonnet-4-5\",\"content\":[],"
                 "\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":8,\"output_tokens\":1}}}\n\n"
                 "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"
                 "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: ping\ndata: {\"type\":\"ping\"}\n\n");
}

static void piece(struct text *out, int shape, const char *said)
{
    char delta[64];
    snprintf(delta, sizeof delta, "\"content\":\"%s\"", said);
    if (shape == CHAT) say(out, CHUNK, delta, "null");
    else if (shape == MESSAGES)
        say(out, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"
                 "\"delta\":{\"type\":\"text_delta\",\"text\":\"%s\"}}\n\n", said);
    else say(out, LINE, said, "false");
}

static void finish(struct text *out, int shape)
{
    if (shape == CHAT) {
        say(out, CHUNK, "", "\"stop\"");
        say(out, "data: [DONE]\n\n");
    } else if (shape == MESSAGES)
        say(out, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
                 "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\","
                 "\"stop_sequence\":null},\"usage\":{\"output_tokens\":5}}\n\n"
                 "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    else say(out, LINE, "", COUNTS);
}

static void whole(struct text *out, int shape)
{
    static const char *const said = "hello from the stub!";
    if (shape == CHAT)
        say(out, "{\"id\":\"chatcmpl-airouterbenchmark00001\",\"object\":\"chat.completion\",\"created\":1795400000,"
                 "\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"%s\","
                 "\"refusal\":null,\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"stop\"}],"
                 "\"usage\":{\"prompt_tokens\":8,\"completion_tokens\":5,\"total_tokens\":13,"
                 "\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0},"
                 "\"completion_tokens_details\":{\"reasoning_tokens\":0,\"audio_tokens\":0,"
                 "\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}},"
                 "\"service_tier\":\"default\",\"system_fingerprint\":\"fp_airouter00\"}", said);
    else if (shape == MESSAGES)
        say(out, "{\"id\":\"msg_airouterbenchmark1\",\"type\":\"message\",\"role\":\"assistant\","
                 "\"model\":\"claude-sonnet-4-5\",\"content\":[{\"type\":\"text\",\"text\":\"%s\"}],"
                 "\"stop_reason\":\"end_turn\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":8,"
                 "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":5,"
                 "\"service_tier\":\"standard\"}}", said);
    else say(out, LINE, said, COUNTS);
}

static void head(struct text *out, const char *status, const char *type, const char *framing)
{
    say(out, "HTTP/1.1 %s\r\nDate: Mon, 23 Nov 2026 00:00:00 GMT\r\nServer: stub\r\nContent-Type: %s\r\n"
             "X-Request-Id: req_airouterbenchmark\r\n%s\r\n", status, type, framing);
}

static void body(struct text *out, const char *status, const char *type, const struct text *content)
{
    char framing[64];
    snprintf(framing, sizeof framing, "Content-Length: %zu\r\n", content->size);
    head(out, status, type, framing);
    append(out, content->bytes, content->size);
}

static void stream_head(struct text *out, const struct wish *wish)
{
    head(out, "200 OK", wish->shape == OLLAMA ? "application/x-ndjson" : "text/event-stream; charset=utf-8",
         wish->unframed ? "Connection: close\r\n" : "Transfer-Encoding: chunked\r\n");
}

/* Move what is in `events` to `out`, as one HTTP chunk. */
static void frame(struct text *out, struct text *events, const struct wish *wish)
{
    if (!events->size) return;
    if (!wish->unframed) say(out, "%zx\r\n", events->size);
    append(out, events->bytes, events->size);
    if (!wish->unframed) append(out, "\r\n", 2);
    events->size = 0;
}

static const char *const WORDS[] = {" one", " model", " answers", " in", " many", " small", " pieces", " here."};

static void streamed(struct text *out, const struct wish *wish)
{
    struct text events = {0};
    stream_head(out, wish);
    begin(&events, wish->shape);
    for (int number = 0; number < wish->events; number++) {
        if (events.size >= (size_t)wish->group) frame(out, &events, wish);
        piece(&events, wish->shape, WORDS[number % 8]);
    }
    if (events.size >= (size_t)wish->group) frame(out, &events, wish);
    if (wish->fault != TOO_SHORT) finish(&events, wish->shape);
    frame(out, &events, wish);
    if (!wish->unframed) say(out, "0\r\n\r\n");
    free(events.bytes);
}

static void failed(struct text *out, int fault)
{
    struct text content = {0};
    say(&content, fault == WEB_PAGE ? "<!DOCTYPE html><html><body>Bad gateway</body></html>"
                                    : "{\"error\":{\"message\":\"the stub was asked to fail\",\"type\":\"stub\"}}");
    const char *status = fault == OVERLOADED ? "503 Service Unavailable" : fault == LIMITED ? "429 Too Many Requests" : "200 OK";
    body(out, status, fault == WEB_PAGE ? "text/html" : "application/json", &content);
    free(content.bytes);
}

static void answer(struct text *out, const struct wish *wish)
{
    if (wish->fault >= OVERLOADED && wish->fault <= WEB_PAGE) { failed(out, wish->fault); return; }
    if (wish->stream) { streamed(out, wish); return; }
    struct text content = {0};
    whole(&content, wish->shape);
    if (wish->fault == TOO_SHORT) content.size /= 2;
    body(out, "200 OK", "application/json", &content);
    free(content.bytes);
}

/* Each answer is made once. */
static const struct text *canned(struct wish wish)
{
    static struct kept { struct wish wish; struct text text; struct kept *next; } *first;
    wish.delay = 0;
    for (struct kept *kept = first; kept; kept = kept->next)
        if (!memcmp(&kept->wish, &wish, sizeof wish)) return &kept->text;
    struct kept *made = calloc(1, sizeof *made);
    if (!made) abort();
    made->wish = wish;
    answer(&made->text, &wish);
    made->next = first;
    first = made;
    return &made->text;
}

/* ---- connections ---- */

struct connection {
    int fd, busy, waiting, closing, watches_output, ticked;
    long long due;
    struct wish wish;
    struct text inbox, made;
    const char *out;
    size_t left;
};

static struct connection *connections[MAX_CONNECTIONS];
static int highest, poll_fd;
static long requests, accepted, open_now, waiting_now;

static long long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000 * MILLISECOND + time.tv_nsec;
}

static void drop(struct connection *connection, int reset)
{
    struct linger linger = {.l_onoff = 1};
    if (reset) setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    if (connection->waiting) waiting_now--;
    connections[connection->fd] = NULL;
    close(connection->fd);
    free(connection->inbox.bytes);
    free(connection->made.bytes);
    free(connection);
    open_now--;
}

static void watch(struct connection *connection, int output)
{
    if (connection->watches_output == output) return;
    struct epoll_event event = {.events = output ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.fd = connection->fd};
    epoll_ctl(poll_fd, EPOLL_CTL_MOD, connection->fd, &event);
    connection->watches_output = output;
}

/* Send what the peer takes; 0 when the connection was dropped. */
static int push(struct connection *connection)
{
    while (connection->left) {
        ssize_t sent = send(connection->fd, connection->out, connection->left, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno == EAGAIN) { watch(connection, 1); return 1; }
            drop(connection, 0);
            return 0;
        }
        connection->out += sent;
        connection->left -= (size_t)sent;
    }
    watch(connection, 0);
    if (connection->waiting) return 1;
    connection->busy = 0;
    if (!connection->closing) return 1;
    drop(connection, connection->wish.fault == RESET_INSIDE);
    return 0;
}

static int send_text(struct connection *connection, const struct text *text)
{
    connection->out = text->bytes;
    connection->left = text->size;
    if (connection->wish.fault == RESET_INSIDE) {
        connection->left = text->size * 2 / 3;
        connection->closing = 1;
    }
    return push(connection);
}

static void wait_until(struct connection *connection, long long due)
{
    if (!connection->waiting) waiting_now++;
    connection->waiting = 1;
    connection->due = due;
}

static int small_answer(struct connection *connection, int shape)
{
    struct text content = {0};
    connection->made.size = 0;
    if (shape == STATS) say(&content, "{\"requests\":%ld,\"connections\":%ld,\"open\":%ld}", requests, accepted, open_now);
    else if (shape == MODELS) say(&content, "{\"object\":\"list\",\"data\":[{\"id\":\"stub\",\"object\":\"model\"}]}");
    else say(&content, "{\"error\":{\"message\":\"the stub has no such path\"}}");
    body(&connection->made, shape == UNKNOWN ? "404 Not Found" : "200 OK", "application/json", &content);
    free(content.bytes);
    return send_text(connection, &connection->made);
}

static int respond(struct connection *connection)
{
    const struct wish *wish = &connection->wish;
    connection->busy = 1;
    if (wish->shape >= MODELS) return small_answer(connection, wish->shape);
    requests++;
    if (wish->fault == RESET_AT_ONCE) { drop(connection, 1); return 0; }
    if (wish->unframed) connection->closing = 1;
    if (wish->tick || wish->delay) {
        connection->ticked = -1;
        wait_until(connection, now() + wish->delay * MILLISECOND);
        return 1;
    }
    return send_text(connection, canned(*wish));
}

/* Take one request from the inbox; 0 when there is none, or the connection is gone. */
static int take_request(struct connection *connection)
{
    struct text *inbox = &connection->inbox;
    char *end = inbox->size && !connection->busy ? memmem(inbox->bytes, inbox->size, "\r\n\r\n", 4) : NULL;
    if (!end) return 0;
    size_t head_size = (size_t)(end + 4 - inbox->bytes), body_size = 0;
    *end = 0;
    const char *length = strcasestr(inbox->bytes, "\r\ncontent-length:");
    if (length) body_size = strtoul(length + 17, NULL, 10);
    *end = '\r';
    if (inbox->size < head_size + body_size) return 0;
    *end = 0;
    if (strcasestr(inbox->bytes, "\r\nconnection: close")) connection->closing = 1;
    char path[1024] = "";
    sscanf(inbox->bytes, "%*s %1023[^ ?]", path);
    connection->wish = wish_of(path, inbox->bytes + head_size, body_size);
    memmove(inbox->bytes, inbox->bytes + head_size + body_size, inbox->size - head_size - body_size);
    inbox->size -= head_size + body_size;
    return respond(connection);
}

/* What a connection waited for has come: the end of the delay, or the next event. */
static void proceed(struct connection *connection, long long time)
{
    struct wish *wish = &connection->wish;
    struct text events = {0};
    int last = 0;
    if (!wish->tick) {
        connection->waiting = 0;
        waiting_now--;
        if (send_text(connection, canned(*wish))) while (take_request(connection));
        return;
    }
    if (connection->left) { connection->due = time + MILLISECOND; return; }
    connection->made.size = 0;
    if (connection->ticked < 0) {
        connection->ticked = 0;
        stream_head(&connection->made, wish);
        begin(&events, wish->shape);
        frame(&connection->made, &events, wish);
    }
    if (connection->ticked < wish->events) {
        char said[32];
        snprintf(said, sizeof said, "t%lld", now());
        piece(&events, wish->shape, said);
        connection->ticked++;
        connection->due += wish->tick * MILLISECOND;
    } else {
        finish(&events, wish->shape);
        last = 1;
    }
    frame(&connection->made, &events, wish);
    free(events.bytes);
    if (last) {
        if (!wish->unframed) say(&connection->made, "0\r\n\r\n");
        connection->waiting = 0;
        waiting_now--;
    }
    if (send_text(connection, &connection->made) && last) while (take_request(connection));
}

static void accept_all(int listener)
{
    int fd, yes = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct connection *made = fd < MAX_CONNECTIONS ? calloc(1, sizeof *made) : NULL;
        if (!made) { close(fd); continue; }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        made->fd = fd;
        connections[fd] = made;
        if (fd > highest) highest = fd;
        accepted++;
        open_now++;
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event);
    }
}

static void serve(struct connection *connection, unsigned int events)
{
    static char bytes[65536];
    if (events & EPOLLOUT && !push(connection)) return;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        ssize_t size = recv(connection->fd, bytes, sizeof bytes, 0);
        if (size == 0 || (size < 0 && errno != EAGAIN)) { drop(connection, 0); return; }
        if (size > 0) append(&connection->inbox, bytes, (size_t)size);
    }
    while (take_request(connection));
}

static int milliseconds_to_wait(void)
{
    if (!waiting_now) return -1;
    long long first = -1, time = now();
    for (int fd = 0; fd <= highest; fd++)
        if (connections[fd] && connections[fd]->waiting && (first < 0 || connections[fd]->due < first))
            first = connections[fd]->due;
    return first <= time ? 0 : (int)((first - time + MILLISECOND - 1) / MILLISECOND);
}

static void proceed_all(void)
{
    long long time = now();
    for (int fd = 0; waiting_now && fd <= highest; fd++)
        if (connections[fd] && connections[fd]->waiting && connections[fd]->due <= time) proceed(connections[fd], time);
}

static int listen_on(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), yes = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, (struct sockaddr *)&address, size) || listen(fd, 4096)) { perror("stub"); exit(1); }
    getsockname(fd, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(int count, char **arguments)
{
    signal(SIGPIPE, SIG_IGN);
    if (count > 2) {
        cpu_set_t cores;
        CPU_ZERO(&cores);
        CPU_SET(atoi(arguments[2]), &cores);
        sched_setaffinity(0, sizeof cores, &cores);
    }
    int listener = listen_on(count > 1 ? atoi(arguments[1]) : 0);
    poll_fd = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, ready[256];
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int size = epoll_wait(poll_fd, ready, 256, milliseconds_to_wait());
        for (int number = 0; number < size; number++) {
            int fd = ready[number].data.fd;
            if (fd == listener) accept_all(listener);
            else if (connections[fd]) serve(connections[fd], ready[number].events);
        }
        proceed_all();
    }
}
