/*
 * test_sandbox.c - scripts that call anything with anything end within their limits. The fuzzer of
 * the same name looks on from here (./dev fuzz).
 *
 * ctest: timeout=240
 */
#include "chance.h"
#include "sandbox_round.h"
#include "test.h"

enum { ROUNDS = 60, BYTES = 400 };

static void anything_called_with_anything_ends(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        uint8_t data[BYTES];
        struct chance chance = chance_of_seed(seed);
        for (size_t i = 0; i < sizeof data; i++) {
            data[i] = (uint8_t)chance_next(&chance, 256);
        }
        (void)sandbox_round(TESTS_DIR "/fuzz/scripts", data, sizeof data);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(anything_called_with_anything_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
