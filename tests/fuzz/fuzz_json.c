/*
 * fuzz_json.c - any bytes as JSON.
 *
 * Promise: the tokens lie within the text; reading them one by one, checking the text, building its
 * tree and following a pointer agree on whether it is JSON; what is written of a tree reads back as
 * the same tree. Where there is YAJL, it agrees as well, token by token.
 */
#include "fuzz.h"

#include "json_other.h"

#include "base/json.h"
#include "conf/pointer.h"

static bool read_tokens(struct slice text) {
    struct json_reader r;
    enum json_token token;
    json_open_text(&r, text);
    while ((token = json_next(&r)) > JSON_END) {
        assert(r.at >= text.data && r.at <= text.data + text.len && r.depth >= 0);
        if (token == JSON_NAME || token == JSON_TEXT) {
            char *room = malloc(r.text.len + 1);
            assert(room != NULL);
            size_t len = json_unescape(r.text, room, r.text.len);
            assert(r.escaped ? len < r.text.len : len == r.text.len);
            free(room);
        }
    }
    assert(json_next(&r) == token);
    return token == JSON_END;
}

static void read_back(const json_t *tree) {
    char *text = json_dumps(tree);
    if (text != NULL) { /* no memory, or nested too deeply for it */
        json_t *again = json_read(slice_of(text), "text", NULL);
        assert(again != NULL && json_equal(tree, again));
        json_decref(again);
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice text = fuzz_slice(data, size);
    struct report r = {""};
    struct pointed at;
    bool good = read_tokens(text);
    assert(good == (json_check(text, "text", &r) == 0) && good == (r.text[0] == '\0'));
    assert(good == (pointer_find(text, "/a/0/~1", "text", &at, &r) == 0));
    json_t *tree = json_read(text, "text", &r);
    assert(good == (tree != NULL));
    json_other_agrees(text, good);
    if (tree != NULL) {
        read_back(tree);
    }
    json_decref(tree);
    return 0;
}
