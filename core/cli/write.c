/*
 * write.c - what whoever writes handlers works with: init, new handler, test, try.
 */
#include "cli/impl.h"

#include <stddef.h>

static const struct cli_option try_options[] = {
    {"payload", "TEXT", "the payload"},
    {"file", "FILE", "read the payload from this file"},
    {"property", "NAME=VALUE", "a user property; may be repeated"},
    {"answers", "FILE", "what calls are answered, in their turn: a JSON array of answers"},
    {"live", NULL, "really make its HTTP, mail and SQL calls; still store and publish nothing"},
    {"state", "FILE", "use this JSON object of names and values instead of the stored state"},
    {NULL, NULL, NULL},
};

static const struct cli_option test_options[] = {
    {"name", "TEXT", "only tests whose names contain this text"},
    {"crash-everywhere", NULL, "each test again, with a crash of the host at each point"},
    {"watch", NULL, "again whenever a script or topics.conf was saved"},
    {"timeout", "DURATION", "what one test may take (60s)"},
    {"tap", NULL, "print TAP, version 14"},
    {"junit", "FILE", "also write the results to this file, as JUnit's XML"},
    {NULL, NULL, NULL},
};

const struct cli_command cli_write_commands[] = {
    {"init", "DIR", "write a project to begin with: topics.conf, a handler, its tests",
     "Into a folder that has none of these files; it is made if it is not there.", 1, 1, NULL,
     cli_init},
    {"new handler", "NAME", "add a handler: a script, its tests, its service in topics.conf",
     "They are for an API that is asked over HTTP, with retries: change what you need.", 1, 1, NULL,
     cli_new_handler},
    {"try", "SERVICE TOPIC", "run a handler once, dry: print what it would do, change nothing",
     "The handler sees the stored state, or that of --state. It stops where it would make a call "
     "that has no answer.\nWith --live it makes its calls, as in the host: egress rules hold, and "
     "peers get the Idempotency-Key that is shown.\nEach try is a new event with keys of its own: "
     "what "
     "peers do, they do again in the next one.\nAn answer: {\"status\": 200, \"json\": {}, "
     "\"headers\": {}}, "
     "{\"status\": 503, \"body\": \"\"},\nof a database {\"rows\": [{\"id\": 1}]}, "
     "{\"sqlstate\": \"23505\"},\nor {\"failed\": \"timeout\"}, \"connection lost\", "
     "\"unreachable\".",
     2, 2, try_options, cli_try},
    {"test", "[PATH]", "run the tests of handlers: scripts/*_test.lua, or those in PATH",
     "The real engine on a store of its own in memory, a clock that jumps, and peers that answer "
     "as the test says.\ndocs/testing.md describes how to write one.",
     0, 1, test_options, cli_test},
    {NULL, NULL, NULL, NULL, 0, 0, NULL, NULL},
};
