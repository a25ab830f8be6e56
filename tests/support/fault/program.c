/* program.c - zingq, in which one call fails: fault_one. tests/support/sys_faults.py runs it. */
#include "fault.h"

#include "cli/cli.h"

int main(int argc, char **argv) {
    fault_one();
    return cli_main(argc, argv);
}
