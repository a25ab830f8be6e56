/*
 * cli.h - the commands: from the command line to the exit status.
 */
#ifndef ZINGQ_CLI_CLI_H
#define ZINGQ_CLI_CLI_H

/* The program: returns the exit status. */
int cli_main(int argc, char **argv);

#endif
