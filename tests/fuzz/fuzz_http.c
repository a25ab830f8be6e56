/*
 * fuzz_http.c - any bytes from a client of the front door: libmicrohttpd, the door, tokens and
 * cookies, every route of the API and the endpoints, on a real engine.
 *
 * Input: what a client sends; "@T@" stands for an admin's token. Promises: what is answered is HTTP, and
 * no failure of the server's own (500); the books of the engine fit what it stores.
 */
#include "fuzz.h"

#include "engine_doors.h"
#include "wrap.h"

#include "web/front.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define TOKEN "0123456789abcdef0123456789abcdef"

enum { ROUNDS_MOST = 500, PASSES_IDLE = 3, PASSES_MOST = 400, BODY_MOST = 1 << 16 };

static const char conf_text[] =
    "store { max_size = \"64MiB\" }\n"
    "http { listen = \"127.0.0.1:8080\"  token = \"" TOKEN "\" }\n"
    "token \"reader\" { value = \"rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr\"  role = \"read\" }\n"
    "token \"shop\" { value = \"ssssssssssssssssssssssssssssssss\"  role = \"submit\" }\n"
    "endpoint \"/api/open\" { publish = \"s/request\"  auth = \"none\"  required = {\"id\"} }\n"
    "endpoint \"/api/hook\" { publish = \"s/hook\"  auth = \"hmac\"  preset = \"stripe\"\n"
    "  secret = {\"whsec_0123456789abcdef\"} }\n"
    "service \"s\" { subscribe = {\"s/#\"}  handler = \"h.lua\"  key = \"json:/id\"  retries = 1 "
    "}\n";

static const char script[] = "return function(event)\n"
                             "  zing.state.set('seen', event.payload)\n"
                             "  if event.topic == 's/hook' then zing.wait('paid', '1h') end\n"
                             "  if #event.payload > 40 then error('too long') end\n"
                             "end\n";

static struct {
    uv_loop_t loop;
    struct engine_fixture *engine;
    struct admin *admin;
    struct front *front;
    struct gateway *door;
    char path[96]; /* of its socket */
    bool woken;
    unsigned rounds;
} w;

/* ---- the host around it ---- */

WRAPPED(fixture_doors);

static void on_command_done(void *ctx, struct command *command) {
    (void)ctx;
    admin_command_done(w.admin, command);
}

struct engine_doors __wrap_fixture_doors(struct engine_fixture *f) {
    struct engine_doors doors = __real_fixture_doors(f);
    doors.command_done = on_command_done;
    return doors;
}

static json_t *host_status(void *ctx) {
    (void)ctx;
    return json_object();
}

static void add_hosts(void *ctx, json_t *object) {
    (void)ctx;
    (void)object;
}

static json_t *login(void *ctx) {
    (void)ctx;
    return NULL;
}

static void leave(void *ctx) {
    (void)ctx;
}

static void reload(void *ctx, struct gateway_request *request, bool prune) {
    (void)ctx;
    (void)prune;
    gateway_answer_error(request, 409, NULL, "nothing has changed");
}

static void wake(void *ctx) {
    (void)ctx;
    w.woken = true;
}

static bool broker_ready(void *ctx) {
    (void)ctx;
    return true;
}

static void broker_reasons(void *ctx, json_t *list) {
    (void)ctx;
    (void)list;
}

static void host_metrics(void *ctx, struct buf *out) {
    (void)ctx;
    (void)out;
}

static void on_request(void *ctx, struct gateway_request *request) {
    (void)ctx;
    front_request(w.front, request);
}

static struct gateway_welcome on_head(void *ctx, const struct gateway_request *request) {
    (void)ctx;
    return front_welcome(w.front, request);
}

static void open_front(void) {
    const struct admin_hooks hooks = {NULL, host_status, add_hosts, login, leave, reload, wake};
    const struct admin_options options = {.loop = &w.loop,
                                          .conf = w.engine->conf,
                                          .engine = w.engine->engine,
                                          .scripts = w.engine->scripts,
                                          .hooks = hooks};
    assert(admin_new(&w.admin, &options, NULL) == 0);
    const struct front_options front = {.conf = w.engine->conf,
                                        .engine = w.engine->engine,
                                        .admin = w.admin,
                                        .hooks = {NULL, broker_ready, broker_reasons, host_metrics},
                                        .made_token = ""};
    assert(front_new(&w.front, &front) == 0);
    const struct gateway_callbacks callbacks = {.on_request = on_request,
                                                .welcome = on_head,
                                                .memory = &w.engine->memory,
                                                .headers = front_headers};
    char listen_on[128];
    (void)snprintf(w.path, sizeof w.path, "%s/door.sock", w.engine->folder.path);
    (void)snprintf(listen_on, sizeof listen_on, "unix:%s", w.path);
    assert(gateway_new(&w.door, &w.loop, listen_on, BODY_MOST, &callbacks, NULL) == 0);
}

static void close_world(void) {
    if (w.engine != NULL) {
        engine_check(w.engine);
        gateway_free(w.door);
        front_free(w.front);
        admin_free(w.admin);
        (void)uv_run(&w.loop, UV_RUN_DEFAULT);
        assert(uv_loop_close(&w.loop) == 0);
        fixture_free(w.engine);
        w.engine = NULL;
    }
}

static void open_world(void) {
    static bool known;
    assert(known || atexit(close_world) == 0);
    known = true;
    w.rounds = 0;
    assert(uv_loop_init(&w.loop) == 0);
    w.engine = fixture_new();
    w.engine->unchecked = true;
    fixture_run(w.engine, conf_text, script);
    open_front();
}

/* ---- a client ---- */

static int connect_client(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", w.path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    return fd;
}

/* One turn of all: false if nothing happened. */
static bool pass(int fd, struct buf *answer) {
    char bytes[4096];
    (void)uv_run(&w.loop, UV_RUN_NOWAIT);
    bool busy = w.woken || engine_due(w.engine->engine);
    w.woken = false;
    if (busy) {
        run_dry(w.engine);
    }
    ssize_t got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got > 0) {
        buf_add(answer, bytes, (size_t)got);
    }
    return busy || got > 0;
}

static void check_answer(struct slice answer) {
    static const char version[] = "HTTP/1.";
    size_t len = strlen(version);
    if (answer.len > 0) {
        assert(answer.len > 12 && memcmp(answer.data, version, len) == 0);
        int status = (answer.data[9] - '0') * 100 + (answer.data[10] - '0') * 10;
        assert(status >= 100 && status <= 590 && memcmp(answer.data + 9, "500", 3) != 0);
    }
}

static void ask(struct slice words) {
    struct buf answer;
    int fd = connect_client();
    int idle = 0;
    buf_init(&answer, 4 << 20);
    ssize_t sent = send(fd, words.data, words.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    assert(sent >= 0 || errno == EAGAIN);
    for (int i = 0; i < PASSES_MOST && idle < PASSES_IDLE; i++) {
        idle = pass(fd, &answer) ? 0 : idle + 1;
    }
    assert(close(fd) == 0);
    check_answer(buf_slice(&answer));
    (void)uv_run(&w.loop, UV_RUN_NOWAIT);
    forget_published(w.engine);
    buf_clear(&answer);
}

/* What is sent, with the token where it is meant. */
static void fill_in(struct slice rest, struct buf *out) {
    const char *at;
    while (rest.len > 0 && (at = memmem(rest.data, rest.len, "@T@", 3)) != NULL) {
        size_t before = (size_t)(at - rest.data);
        buf_add(out, rest.data, before);
        buf_add_str(out, TOKEN);
        rest.data += before + 3;
        rest.len -= before + 3;
    }
    buf_add_slice(out, rest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct buf words;
    if (w.engine == NULL) {
        open_world();
    }
    buf_init(&words, 1 << 20);
    fill_in(fuzz_slice(data, size), &words);
    if (words.len > 0) {
        ask(buf_slice(&words));
    }
    buf_clear(&words);
    if (++w.rounds == ROUNDS_MOST) {
        close_world();
    }
    return 0;
}
