/*
 * secrets.h - secrets that scripts use by name but topics.conf does not list.
 */
#ifndef ZINGQ_CLI_SECRETS_H
#define ZINGQ_CLI_SECRETS_H

struct conf;
struct script_host;

/* Warns of each zing.secret("name") in the text of a service's scripts that is missing from its
 * `secrets`, and prints the line to add. Computed names are not found. */
void cli_warn_of_secrets(const struct conf *conf, const struct script_host *scripts);

#endif
