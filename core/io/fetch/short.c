/*
 * short.c - how many descriptors there are for outgoing calls.
 */
#include "io/fetch/impl.h"

#include "base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { POOL_PARTS = 8 /* of the descriptors, for idle connections */ };

long fetch_pool_size(void) {
    struct rlimit limit;
    long share = CALLS_IDLE_MAX;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
        limit.rlim_cur < (rlim_t)CALLS_IDLE_MAX * POOL_PARTS) {
        share = (long)(limit.rlim_cur / POOL_PARTS);
    }
    return share > 0 ? share : 1;
}

/* A call takes more than one: resolving a name needs some of its own. */
bool fetch_is_short(void) {
    int fds[CALL_DESCRIPTORS];
    int count = 0;
    bool missing = false;
    while (!missing && count < CALL_DESCRIPTORS) {
        fds[count] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        missing = fds[count] < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM);
        if (fds[count] < 0) {
            break;
        }
        count++;
    }
    while (count > 0) {
        (void)close(fds[--count]);
    }
    return missing;
}
