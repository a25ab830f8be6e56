/*
 * host.c - run, dev, leave: running the host itself.
 */
#include "cli/impl.h"

#include "cli/ask.h"
#include "cli/confirm.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/store.h"
#include "cli/tell.h"
#include "doctor/session.h"
#include "host/fleet/fleet.h"
#include "host/host.h"
#include "host/sys/sys.h"
#include "base/limits.h"
#include "store/folder.h"

#include <stdio.h>
#include <string.h>

/* The value of --hosts; 1 = a single host, this process. */
static int hosts_wanted(const struct cli *cli, uint64_t *count) {
    int status = cli_option_count(cli, "hosts", 1, count);
    if (status == 0 && *count > PARTITIONS) {
        return cli_misused(cli, "--hosts must be a number from 1 to %d", PARTITIONS);
    }
    if (status == 0 && *count > 1 && cli_flag(cli, "service")) {
        return cli_misused(cli, "every host of --hosts runs all services: omit --service");
    }
    return status;
}

static bool is_member(const struct cli *cli) {
    return cli->conf->cluster.name[0] != '\0' && !fleet_is_shard();
}

/* What topics.conf says of a cluster decides what is to run. */
static int check_member(struct cli *cli, uint64_t hosts) {
    int status = cli_load_conf(cli);
    if (status != 0 || !is_member(cli)) {
        return status;
    }
    return hosts > 1
               ? cli_misused(cli,
                             "this is a host of the cluster \"%s\", which decides how many shards "
                             "run here: omit --hosts",
                             cli->conf->cluster.name)
           : cli_flag(cli, "service")
               ? cli_misused(cli, "every shard of a cluster runs all services: omit --service")
               : 0;
}

static int run_host(struct cli *cli, bool with_broker) {
    const char *services[SERVICES_MAX];
    size_t count = 0;
    size_t at = 0;
    const char *name;
    while ((name = cli_option_next(cli, "service", &at)) != NULL) {
        if (count == SERVICES_MAX) {
            return cli_misused(cli, "at most %d services", SERVICES_MAX);
        }
        services[count++] = name;
    }
    uint64_t hosts = 1;
    int status = hosts_wanted(cli, &hosts);
    if (status != 0) {
        return status;
    }
    status = check_member(cli, hosts);
    if (status != 0) {
        return status;
    }
    const struct host_options options = {
        .conf_file = cli_option(cli, "conf"),
        .overrides = {.broker_url = cli_option(cli, "broker"), .data = cli_option(cli, "data")},
        .services = count == 0 ? NULL : services,
        .service_count = count,
        .with_broker = with_broker,
    };
    return hosts > 1             ? fleet_run(&options, (unsigned)hosts)
           : is_member(cli)      ? fleet_run_member(&options)
           : fleet_is_follower() ? fleet_follow(&options)
                                 : host_run(&options);
}

static int run(struct cli *cli) {
    return run_host(cli, false);
}

static int dev(struct cli *cli) {
    return run_host(cli, true);
}

/* Of a host that cannot do it any more, at the broker that answers first. */
static int leave_for(struct cli *cli, const char *client_id) {
    char host[HOST_NAME_BYTES_MAX + 1];
    struct doctor_session session = {
        .client_id = client_id, .host = host, .force = cli_flag(cli, "force")};
    struct report r = {""};
    if (client_id[0] == '\0' || strlen(client_id) > CLIENT_ID_BYTES_MAX) {
        return cli_misused(cli, "a client id has 1 to %d bytes", CLIENT_ID_BYTES_MAX);
    }
    int status = cli_confirm(
        cli, "nothing was done",
        "The broker forgets the session of %s, with the messages that it holds for it.\n"
        "A host that still has its data folder should be started and leave by itself. "
        "End the session?",
        client_id);
    status = status == 0 ? cli_load_conf(cli) : status;
    if (status != 0) {
        return status;
    }
    struct broker_conf broker = cli->conf->broker;
    int code = ERR_NETWORK;
    sys_host_name(client_id, host);
    for (size_t i = 0; i < broker.address_count && code == ERR_NETWORK; i++) {
        broker_conf_use(&broker, i);
        code = doctor_end_session(&broker, &session, &r);
    }
    if (code != 0) {
        return cli_fail(code, "%s", r.text);
    }
    int existed = session.existed ? EXIT_GOOD : EXIT_NO;
    if (cli->json) {
        status = cli_print_json(json_pack("{s:b}", "existed", (int)session.existed));
        return status == 0 ? existed : status;
    }
    (void)printf(session.existed ? "the broker has ended the session of %s\n"
                                 : "the broker had no session of %s\n",
                 client_id);
    return existed;
}

static int leave(struct cli *cli) {
    const char *client_id = cli_option(cli, "client-id");
    if (client_id != NULL) {
        return leave_for(cli, client_id);
    }
    int status = cli_confirm(
        cli, "nothing was done",
        "The host unsubscribes, handles its stored events, ends its session at the broker and "
        "stops.\nIt will not get the messages that the broker still holds for it. Leave?");
    json_t *answer = NULL;
    if (status == 0) {
        status = cli_ask(cli, "POST", "/api/leave", (struct slice){"", 0}, &answer);
    }
    if (status == 0 && cli->json) {
        return cli_print_json(answer);
    }
    if (status == 0) {
        (void)printf("the host is leaving; its log reports when it is done\n");
    }
    json_decref(answer);
    return status;
}

/* Of the hosts of `zingq run --hosts`, the first one has the dashboard; of shards any. */
static int find_front_door(struct cli *cli) {
    unsigned hosts;
    int status = cli_find_hosts(cli, &hosts);
    return status == 0 && hosts > 0 && !store_folder_is_cluster(cli->data) && !cli_flag(cli, "host")
               ? cli_turn_to(cli, cli->data, 1)
               : status;
}

static int dashboard(struct cli *cli) {
    json_t *answer = NULL;
    int status = find_front_door(cli);
    if (status == 0) {
        status = cli_ask(cli, "GET", "/api/login", (struct slice){"", 0}, &answer);
    }
    if (status == 0 && cli->json) {
        return cli_print_json(answer);
    }
    if (status == 0) {
        const char *url = json_string_value(json_object_get(answer, "url"));
        (void)printf("%s\n", url == NULL ? "" : url);
    }
    json_decref(answer);
    return status;
}

static const struct cli_option run_options[] = {
    {"service", "NAME", "run only this service; may be repeated"},
    {"hosts", "N", "run N hosts that divide the keys, in the folders 1 to N of the data folder"},
    {"broker", "URL", "use this broker instead of broker.url"},
    {NULL, NULL, NULL},
};

static const struct cli_option dev_options[] = {
    {"service", "NAME", "run only this service; may be repeated"},
    {"hosts", "N", "run N hosts that divide the keys, in the folders 1 to N of the data folder"},
    {"broker", "URL", "use this running broker instead of a private one"},
    {NULL, NULL, NULL},
};

static const struct cli_option leave_options[] = {
    {"yes", NULL, "do not ask for confirmation"},
    {"client-id", "ID", "end the session of another host, whose data folder is gone"},
    {"force", NULL,
     "with --client-id: although that host says that it is up, or the broker does not tell"},
    {NULL, NULL, NULL},
};

const struct cli_command cli_host_commands[] = {
    {"run", "", "run the host",
     "SIGTERM drains and stops, SIGHUP reloads topics.conf and the scripts.", 0, 0, run_options,
     run},
    {"dev", "", "run the host with a private broker, for trying handlers", NULL, 0, 0, dev_options,
     dev},
    {"dashboard", "", "print a link that logs in to the running host's dashboard",
     "Whoever has the link can do everything the API can: it holds the host's token.", 0, 0, NULL,
     dashboard},
    {"leave", "", "end the running host's session at the broker, for good",
     "The host unsubscribes, handles its stored events, ends its session and stops.\n"
     "Use it to remove a host; to restart one, SIGTERM is enough. --client-id does it for a host "
     "that\n"
     "is gone with its data folder: the broker would keep its share of the messages for it.",
     0, 0, leave_options, leave},
    {NULL, NULL, NULL, NULL, 0, 0, NULL, NULL},
};
