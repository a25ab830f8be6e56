/*
 * fuzz_sandbox.c - any function of the sandbox with any arguments. Promise: a script ends within its
 * limits of time and memory, and harms nothing.
 */
#include "fuzz.h"

#include "sandbox_round.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    (void)sandbox_round(FUZZ_DIR "/scripts", data, size);
    return 0;
}
