/* test_fetch_names.c - a name server that does not answer: whoever asks for a name waits no longer than
 * their time, and nobody else does. */
#include "fetch_world.h"
#include "test.h"

#include <dlfcn.h>
#include <netdb.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static sem_t asked, answers, answered;
static atomic_bool waited_for; /* nobody let the name server go: someone waited for it */

enum { PATIENCE_S = 10 };

/* In the place of libc's, also for libcurl. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **out) {
    if (node == NULL || strcmp(node, "hangs.example") != 0) {
        int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
        *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
        return real(node, service, hints, out);
    }
    struct timespec late;
    (void)clock_gettime(CLOCK_REALTIME, &late);
    late.tv_sec += PATIENCE_S;
    (void)sem_post(&asked);
    if (sem_timedwait(&answers, &late) != 0) {
        atomic_store(&waited_for, true);
    }
    (void)sem_post(&answered);
    return EAI_AGAIN;
}

static void name_server_answers(void) {
    assert_int_equal(sem_post(&answers), 0);
    assert_int_equal(sem_wait(&answered), 0); /* or the next to ask might take this answer */
}

static struct call_request *elsewhere(struct call_request *request, const char *url) {
    free(request->url);
    request->url = slice_dup(slice_of(url));
    return request;
}

static void start_and_ask(struct world *w, struct fetch *f, struct call_request *request) {
    assert_int_equal(fetch_start(f, 1, request), 0);
    while (sem_trywait(&asked) != 0) {
        (void)uv_run(&w->loop, UV_RUN_NOWAIT);
    }
}

static void a_call_ends_in_its_time(void **state) {
    struct world *w = *state;
    struct call_request *request = elsewhere(http_request("GET", 1, "/"), "http://hangs.example/");
    request->timeout_ms = 50;
    struct call_result *r = call(w, 1, request);
    assert_int_equal(r->code, ERR_TIMEOUT);
    assert_false(r->sent);
    assert_int_equal(call(w, 2, http_request("GET", w->http_port, "/status/200"))->status, 200);
    assert_false(atomic_load(&waited_for));
    assert_int_equal(sem_wait(&asked), 0);
    name_server_answers();
}

static void a_call_is_cancelled_at_once(void **state) {
    struct world *w = *state;
    struct call_request *request = elsewhere(http_request("GET", 1, "/"), "http://hangs.example/");
    start_and_ask(w, w->fetch, request);
    fetch_cancel(w->fetch, 1);
    call_request_free(request);
    assert_false(atomic_load(&waited_for));
    name_server_answers();
}

static void a_mail_is_cancelled_at_once(void **state) {
    struct world *w = *state;
    struct call_request *request =
        elsewhere(mail_request(w, "ann@example.org", "x"), "smtp://hangs.example");
    start_and_ask(w, w->fetch, request);
    fetch_cancel(w->fetch, 1);
    call_request_free(request);
    assert_false(atomic_load(&waited_for));
    name_server_answers();
}

static void never(void *ctx, uint64_t id, struct call_result *result) {
    (void)ctx;
    (void)id;
    (void)result;
    fail();
}

static void fetch_ends_at_once(void **state) {
    struct world *w = *state;
    struct fetch *second = NULL;
    struct call_request *request = elsewhere(http_request("GET", 1, "/"), "http://hangs.example/");
    assert_int_equal(fetch_new(&second, &w->loop, w, never), 0);
    start_and_ask(w, second, request);
    fetch_free(second);
    call_request_free(request);
    assert_false(atomic_load(&waited_for));
    name_server_answers();
}

static int start(void **state) {
    (void)state;
    bool ok = sem_init(&asked, 0, 0) == 0 && sem_init(&answers, 0, 0) == 0 &&
              sem_init(&answered, 0, 0) == 0;
    return ok ? 0 : -1;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fetch_world_open, fetch_world_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_call_ends_in_its_time),
        TEST(a_call_is_cancelled_at_once),
        TEST(a_mail_is_cancelled_at_once),
        TEST(fetch_ends_at_once),
    };
    return cmocka_run_group_tests_name("io/fetch/names", tests, start, NULL);
}
