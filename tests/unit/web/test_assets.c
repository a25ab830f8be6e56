/*
 * test_assets.c - the dashboard's files as the program carries them.
 */
#include "web/assets.h"

#include "test.h"

#include <stdio.h>
#include <string.h>

/* A terminated copy; the caller's buffer must be large enough. */
static const char *text_of(const struct asset *asset, char *buffer, size_t size) {
    assert_true(asset->len < size);
    memcpy(buffer, asset->data, asset->len);
    buffer[asset->len] = '\0';
    return buffer;
}

static void the_page_is_at_the_root(void **state) {
    (void)state;
    char page[16384];
    const struct asset *asset = asset_find("/");
    assert_non_null(asset);
    assert_string_equal(asset->type, "text/html; charset=utf-8");
    assert_non_null(strstr(text_of(asset, page, sizeof page), "<!doctype html>"));
}

static void all_that_the_page_names_is_there(void **state) {
    (void)state;
    char page[16384];
    size_t found = 0;
    const char *at = text_of(asset_find("/"), page, sizeof page);
    while ((at = strstr(at, "\"/assets/")) != NULL) {
        char path[256];
        size_t len = strcspn(++at, "\"");
        assert_true(len < sizeof path);
        memcpy(path, at, len);
        path[len] = '\0';
        assert_non_null(asset_find(path));
        found++;
    }
    assert_true(found >= 4);
}

static void every_file_has_a_type_a_tag_and_bytes(void **state) {
    (void)state;
    for (size_t i = 0; i < assets_count; i++) {
        assert_true(strlen(assets[i].type) > 0);
        assert_int_equal(strlen(assets[i].etag), 22);
        assert_true(assets[i].len > 0);
        assert_ptr_equal(asset_find(assets[i].path), &assets[i]);
    }
}

static void another_path_is_no_file(void **state) {
    (void)state;
    static const char *const paths[] = {"",
                                        "/assets",
                                        "/assets/",
                                        "/dashboard.html",
                                        "/assets/../core/web/assets.c",
                                        "//assets/dashboard.js"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        assert_null(asset_find(paths[i]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_is_at_the_root),
        cmocka_unit_test(all_that_the_page_names_is_there),
        cmocka_unit_test(every_file_has_a_type_a_tag_and_bytes),
        cmocka_unit_test(another_path_is_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
