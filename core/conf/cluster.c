/*
 * cluster.c - the cluster that topics.conf names.
 */
#include "conf/options.h"

#include "base/limits.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A machine's name may have letters that no name here has. */
static int name_host(char **host) {
    char machine[NAME_BYTES_MAX + 1] = "";
    (void)gethostname(machine, sizeof machine - 1);
    for (char *at = machine; *at != '\0'; at++) {
        *at = (char)(isalnum((unsigned char)*at) || strchr("-_", *at) != NULL ? *at : '-');
    }
    free(*host);
    *host = slice_dup(slice_of(machine));
    return *host == NULL ? ERR_MEMORY : 0;
}

int conf_check_cluster(const struct conf_place *name, const struct conf_place *host,
                       struct conf *c) {
    struct cluster_conf *cluster = &c->cluster;
    if (cluster->name[0] == '\0') {
        return cluster->host[0] == '\0'
                   ? 0
                   : conf_fail(host, "the cluster that this is a host of needs a name as well: "
                                     "name = \"prod\"");
    }
    int code = cluster->host[0] == '\0' ? name_host(&cluster->host) : 0;
    code = code == 0 ? conf_check_name(host, cluster->host) : code;
    code = code == 0 ? conf_check_name(name, cluster->name) : code;
    if (code == 0 && c->store_url[0] == '\0' && !name->no_secrets) {
        return conf_fail(name, "a cluster keeps its shards in PostgreSQL, which has an address: "
                               "store { url = \"env:LOG_URL\" }");
    }
    return code;
}
