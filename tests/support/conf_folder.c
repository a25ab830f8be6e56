/* conf_folder.c - a folder of its own for each test of topics.conf. */
#include "conf_folder.h"

#include "temp_dir.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FOLDER_BYTES = 64 };

int conf_folder_enter(void **state) {
    char *folder = calloc(1, FOLDER_BYTES);
    *state = folder;
    if (folder == NULL) {
        return 1;
    }
    temp_dir_make("conf", folder, FOLDER_BYTES);
    return chdir(folder) != 0;
}

int conf_folder_leave(void **state) {
    static const char *const made[] = {"topics.conf", "secret", "sub/topics.conf",
                                       "sub",         "data",   "scripts"};
    for (size_t i = 0; i < COUNT(made); i++) {
        (void)remove(made[i]); /* not every test makes every file */
    }
    int code = chdir("/") | rmdir(*state);
    free(*state);
    return code;
}

void conf_folder_write_bytes(const char *path, const char *bytes, size_t len) {
    FILE *fp = fopen(path, "w");
    assert_non_null(fp);
    assert_int_equal(fwrite(bytes, 1, len, fp), len);
    assert_int_equal(fclose(fp), 0);
}

void conf_folder_write(const char *path, const char *text) {
    conf_folder_write_bytes(path, text, strlen(text));
}

struct conf *conf_folder_load(const char *text) {
    conf_folder_write("topics.conf", text);
    struct conf *c = NULL;
    struct report r = {.text = ""};
    if (conf_load(&c, NULL, NULL, &r) != 0) {
        fail_msg("%s", r.text);
    }
    return c;
}

void assert_refused(const char *text, const char *sentence) {
    conf_folder_write("topics.conf", text);
    struct conf *c = NULL;
    struct report r = {.text = ""};
    assert_int_equal(conf_load(&c, NULL, NULL, &r), ERR_INVALID);
    assert_string_equal(r.text, sentence);
    assert_null(c);
}
