/*
 * fuzz_text.c - any bytes as text, as a URL to be shown, and as a part of one.
 *
 * Promises: what is UTF-8 is what GLib says is; what is mended is UTF-8 of the same length; a URL is
 * shown without the login that is in front of its host; what is escaped reads back by curl.
 */
#include "fuzz.h"

#include "base/url.h"
#include "base/utf8.h"

#include <curl/curl.h>
#include <glib.h>

static void look_at_characters(struct slice text) {
    uint32_t c = 0;
    size_t at = 0;
    size_t len = 1;
    while (at < text.len && len > 0) {
        len = utf8_read(text, at, &c);
        if (len > 0) {
            assert(at + len <= text.len && g_utf8_get_char(text.data + at) == c);
            (void)utf8_is_harmful(c);
        }
        at += len;
    }
    assert((at == text.len) == utf8_is_valid(text));
    if (!slice_has_nul(text)) { /* GLib takes none */
        const char *data = text.len == 0 ? "" : text.data;
        assert(utf8_is_valid(text) == (g_utf8_validate(data, (gssize)text.len, NULL) != FALSE));
    }
}

static void mend(const char *text) {
    char *mended = slice_dup(slice_of(text));
    assert(mended != NULL);
    bool good = utf8_is_valid(slice_of(text));
    utf8_mend(mended);
    assert(strlen(mended) == strlen(text) && utf8_is_valid(slice_of(mended)));
    assert(!good || strcmp(mended, text) == 0);
    free(mended);
}

static void show_url(const char *text) {
    char shown[URL_SHOWN_BYTES];
    struct buf url;
    char *cut = slice_dup(slice_of(text));
    assert(cut != NULL);
    size_t len = url_cut_logins(cut);
    assert(len == strlen(cut) && len <= strlen(text));
    buf_init(&url, strlen(text) + 1);
    url_add_public(&url, slice_of(text));
    assert(!url.failed && slice_is(buf_slice(&url), cut));
    assert(strlen(url_shown(text, shown)) < sizeof shown);
    buf_clear(&url);
    free(cut);
}

/* Whatever the user is called, as long as that does not end the URL or its authority. */
static void hide_password(const char *user) {
    char shown[URL_SHOWN_BYTES];
    struct buf url;
    bool one_word = strcspn(user, "/?#\"'<>`\x7f") == strlen(user);
    for (const char *c = user; *c != '\0'; c++) {
        one_word = one_word && (unsigned char)*c > ' ';
    }
    buf_init(&url, strlen(user) + 64);
    buf_printf(&url, "http://%s:secret@example.org/", user);
    if (one_word) {
        assert(strstr(url_shown(buf_str(&url), shown), "secret") == NULL);
    }
    buf_clear(&url);
}

static void escape(struct slice text) {
    struct buf part;
    int len = 0;
    buf_init(&part, 3 * text.len + 1);
    url_add_part(&part, text);
    assert(!part.failed);
    char *back = curl_easy_unescape(NULL, buf_str(&part), (int)part.len, &len);
    assert(back != NULL && slice_equal(text, (struct slice){back, (size_t)len}));
    curl_free(back);
    buf_clear(&part);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice bytes = fuzz_slice(data, size);
    char *text = slice_dup(bytes);
    assert(text != NULL);
    look_at_characters(bytes);
    mend(text);
    show_url(text);
    hide_password(text);
    escape(bytes);
    free(text);
    return 0;
}
