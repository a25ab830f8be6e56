/*
 * follow.h - `zingq events --follow`: what a running host accepts, line by line.
 */
#ifndef ZINGQ_CLI_FOLLOW_H
#define ZINGQ_CLI_FOLLOW_H

#include "cli/impl.h"

/* Prints events of the running host that match --service, --key, --state and --topic: the last few, and
 * then each one that is new or is in another state, until it is interrupted. Returns an exit status if
 * no host runs at first. */
int cli_follow_events(struct cli *cli);

#endif
