/* process.c - see base/process.h. */
#include "base/process.h"

#include <stdio.h>
#include <unistd.h>

const char *process_name(char out[PROCESS_NAME_BYTES]) {
    char machine[128] = "";
    (void)gethostname(machine, sizeof machine - 1);
    (void)snprintf(out, PROCESS_NAME_BYTES, "process %d on %s", (int)getpid(), machine);
    return out;
}
