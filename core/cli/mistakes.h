/*
 * mistakes.h - warnings of `zingq check`: a configuration that works, but probably not as intended.
 */
#ifndef ZINGQ_CLI_MISTAKES_H
#define ZINGQ_CLI_MISTAKES_H

#include "cli/impl.h"

struct script_host;

/* Functions without a topic and topics without a function, files that are missing, schedules and
 * endpoints that nobody listens to, secrets and variables that name nothing. */
void cli_warn_of_mistakes(const struct cli *cli, const struct script_host *scripts);
/* What lua-check (Debian) says of the scripts, if it is installed. */
void cli_warn_of_lua(const struct conf *conf, const struct script_host *scripts);

#endif
