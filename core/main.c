/* main.c - the program's entry; everything is in cli/cli.c, where tests can reach it. */
#include "cli/cli.h"

int main(int argc, char **argv) {
    return cli_main(argc, argv);
}
