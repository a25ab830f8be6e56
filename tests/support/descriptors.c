/* descriptors.c - see descriptors.h. */
#include "descriptors.h"

#include "test.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <unistd.h>

enum { TAKEN_MAX = 4096 };

static int taken[TAKEN_MAX];
static int count;
static struct rlimit before;
static bool lowered;

void descriptors_leave(int more) {
    int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(next >= 0);
    assert_int_equal(close(next), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit low = {.rlim_cur = (rlim_t)(next + more), .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    lowered = true;
}

void descriptors_take_all(void) {
    descriptors_leave(8);
    int fd;
    while ((fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0) {
        assert_true(count < TAKEN_MAX);
        taken[count++] = fd;
    }
}

void descriptors_give_one(void) {
    assert_true(count > 0);
    assert_int_equal(close(taken[--count]), 0);
}

void descriptors_give_all(void) {
    while (count > 0) {
        descriptors_give_one();
    }
    if (lowered) {
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        lowered = false;
    }
}
