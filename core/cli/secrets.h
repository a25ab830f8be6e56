/*
 * secrets.h - which secrets the scripts ask for by name, and topics.conf does not give them.
 */
#ifndef ZINGQ_CLI_SECRETS_H
#define ZINGQ_CLI_SECRETS_H

struct conf;
struct script_host;

/* A warning for each zing.secret("name") in the text of a service's scripts that its `secrets` does
 * not list, with the line to add. A name that is computed is not seen. */
void cli_warn_of_secrets(const struct conf *conf, const struct script_host *scripts);

#endif
