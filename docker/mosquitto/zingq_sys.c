/*
 * zingq_sys.c - a plugin for Mosquitto 2: ZingQueue's figures under $SYS, where only the broker can
 * write, so that whoever reads them there knows whose they are.
 *
 *   zingq/sys/<host>/...   only a ZingQueue host may publish here
 *   $SYS/zingqueue/<host>/...   the same, put there by this plugin
 *
 * Options in mosquitto.conf, behind the `plugin` line:
 *
 *   plugin_opt_user NAME           the user the hosts log in as. Without it: any user whose client
 *                                  id begins with zingq-, each for the <host> its id names
 *   plugin_opt_other_topics allow  this plugin is the broker's only access control
 *   plugin_opt_other_topics defer  there is an acl_file or another plugin: it decides
 *
 * The last one must be given. Mosquitto refuses what every access control it has leaves to the
 * others, and asks an acl_file after the plugins: a wrong guess would close the broker, or open it.
 *
 * Who is a host: a user name proves nothing where nobody checks it. So this plugin registers as a
 * check of passwords that never decides; with it there, Mosquitto refuses names that no password
 * file or other plugin has confirmed. Clients without a name are let in as allow_anonymous says,
 * and are no hosts.
 *
 * Two events refuse: ACL_CHECK, the only one that sees last wills, and MESSAGE, the only one that
 * no other plugin can answer first. Last wills are not mirrored (no event brings them); instead a
 * host that is cut off is marked offline here.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mosquitto.h>
#include <mosquitto_broker.h>
#include <mosquitto_plugin.h>

#define TREE "zingq/sys"
#define MIRROR "$SYS/zingqueue"
#define CONNECTED "/broker/connected"

enum { HOSTS_MAX = 1024, UUID_CHARS = 36, SHORT_CHARS = 12, EVENTS = 4 };

/* A host that is connected. */
struct host {
    char *client_id; /* owned */
    char *topic;     /* owned: its broker/connected in the mirror */
    struct host *next;
};

struct plugin {
    mosquitto_plugin_id_t *id;
    char *user; /* owned; NULL = any whose client id says so */
    bool allow_others;
    struct host *hosts;
    size_t host_count;
};

/* --- who may --- */

/* What stands behind "zingq/sys/"; "" for the tree's root; NULL for any other topic. */
static const char *below_tree(const char *topic) {
    size_t len = sizeof TREE - 1;
    if (strncmp(topic, TREE, len) != 0 || (topic[len] != '\0' && topic[len] != '/')) {
        return NULL;
    }
    return topic[len] == '\0' ? "" : topic + len + 1;
}

/* A host writes '-' in its topic for what is no letter, digit, '.', '_' or '-' in its client id. */
static bool same_char(char topic, char id) {
    bool plain = (id >= 'a' && id <= 'z') || (id >= 'A' && id <= 'Z') || (id >= '0' && id <= '9') ||
                 id == '.' || id == '_';
    return topic == (plain ? id : '-');
}

static bool same_name(const char *topic, size_t len, const char *id) {
    for (size_t i = 0; i < len; i++) {
        if (!same_char(topic[i], id[i])) {
            return false;
        }
    }
    return true;
}

/* Whether the first level of `below` is the host that this client id names: what stands between
 * "zingq-" and the "-out" of the connection it publishes on, or the last 12 digits of it when that
 * is a UUID. */
static bool names_host(const char *client_id, const char *below) {
    static const char begin[] = "zingq-";
    static const char end[] = "-out";
    if (client_id == NULL || strncmp(client_id, begin, sizeof begin - 1) != 0) {
        return false;
    }
    const char *name = client_id + sizeof begin - 1;
    size_t name_len = strlen(name);
    if (name_len < sizeof end || strcmp(name + name_len - (sizeof end - 1), end) != 0) {
        return false;
    }
    name_len -= sizeof end - 1;
    size_t len = strcspn(below, "/");
    if (len > 0 && len == name_len) {
        return same_name(below, len, name);
    }
    return len == SHORT_CHARS && name_len == UUID_CHARS &&
           same_name(below, len, name + UUID_CHARS - SHORT_CHARS);
}

static bool is_host(const struct plugin *p, const struct mosquitto *client, const char *below) {
    const char *user = mosquitto_client_username(client);
    if (user == NULL) {
        return false;
    }
    return p->user != NULL ? strcmp(user, p->user) == 0
                           : names_host(mosquitto_client_id(client), below);
}

static int on_acl_check(int event, void *data, void *ctx) {
    (void)event;
    const struct plugin *p = ctx;
    const struct mosquitto_evt_acl_check *check = data;
    const char *below = below_tree(check->topic);
    if (below != NULL && check->access == MOSQ_ACL_WRITE) {
        return is_host(p, check->client, below) ? MOSQ_ERR_SUCCESS : MOSQ_ERR_ACL_DENIED;
    }
    return p->allow_others ? MOSQ_ERR_SUCCESS : MOSQ_ERR_PLUGIN_DEFER;
}

static int on_basic_auth(int event, void *data, void *ctx) {
    (void)event;
    (void)data;
    (void)ctx;
    return MOSQ_ERR_PLUGIN_DEFER; /* being there is enough: see the head of this file */
}

/* --- the mirror --- */

static struct host **find_host(struct plugin *p, const char *client_id) {
    struct host **link = &p->hosts;
    while (*link != NULL && strcmp((*link)->client_id, client_id) != 0) {
        link = &(*link)->next;
    }
    return link;
}

static void free_host(struct host *host) {
    free(host->client_id);
    free(host->topic);
    free(host);
}

static void forget_host(struct plugin *p, const char *client_id) {
    struct host **link = find_host(p, client_id);
    struct host *host = *link;
    if (host != NULL) {
        *link = host->next;
        p->host_count--;
        free_host(host);
    }
}

static void note_host(struct plugin *p, const char *client_id, const char *topic) {
    forget_host(p, client_id);
    struct host *host = p->host_count < HOSTS_MAX ? calloc(1, sizeof *host) : NULL;
    if (host != NULL) {
        host->client_id = strdup(client_id);
        host->topic = strdup(topic);
    }
    if (host == NULL || host->client_id == NULL || host->topic == NULL) {
        mosquitto_log_printf(MOSQ_LOG_WARNING,
                             "zingq_sys: no room for host %s: it will not be marked offline",
                             client_id);
        if (host != NULL) {
            free_host(host);
        }
        return;
    }
    host->next = p->hosts;
    p->hosts = host;
    p->host_count++;
}

/* Whether the topic tells that a host is connected, and it is. */
static void follow_host(struct plugin *p, const struct mosquitto_evt_message *m,
                        const char *topic) {
    size_t len = strlen(topic);
    size_t end = sizeof CONNECTED - 1;
    const char *client_id = mosquitto_client_id(m->client);
    if (client_id == NULL || len < end || strcmp(topic + len - end, CONNECTED) != 0) {
        return;
    }
    if (m->payloadlen == 1 && *(const char *)m->payload == '1') {
        note_host(p, client_id, topic);
    } else {
        forget_host(p, client_id);
    }
}

static int mirror(struct plugin *p, const struct mosquitto_evt_message *m, const char *below) {
    size_t size = sizeof MIRROR + 1 + strlen(below);
    char *topic = malloc(size);
    if (topic == NULL) {
        return MOSQ_ERR_NOMEM;
    }
    (void)snprintf(topic, size, MIRROR "/%s", below);
    int rc = mosquitto_broker_publish_copy(NULL, topic, (int)m->payloadlen, m->payload, m->qos,
                                           m->retain, NULL);
    follow_host(p, m, topic);
    free(topic);
    return rc;
}

static int on_message(int event, void *data, void *ctx) {
    (void)event;
    struct plugin *p = ctx;
    struct mosquitto_evt_message *m = data;
    const char *below = below_tree(m->topic);
    if (below == NULL) {
        return MOSQ_ERR_SUCCESS;
    }
    if (!is_host(p, m->client, below)) {
        return MOSQ_ERR_ACL_DENIED;
    }
    int rc = below[0] == '\0' ? MOSQ_ERR_SUCCESS : mirror(p, m, below);
    if (rc != MOSQ_ERR_SUCCESS) {
        mosquitto_log_printf(MOSQ_LOG_ERR, "zingq_sys: cannot mirror %s: error %d", m->topic, rc);
    }
    return MOSQ_ERR_SUCCESS; /* the message itself is good */
}

static int on_disconnect(int event, void *data, void *ctx) {
    (void)event;
    struct plugin *p = ctx;
    const struct mosquitto_evt_disconnect *end = data;
    const char *client_id = mosquitto_client_id(end->client);
    const struct host *host = client_id == NULL ? NULL : *find_host(p, client_id);
    if (host != NULL) {
        int rc = mosquitto_broker_publish_copy(NULL, host->topic, 1, "0", 0, true, NULL);
        if (rc != MOSQ_ERR_SUCCESS) {
            mosquitto_log_printf(MOSQ_LOG_ERR, "zingq_sys: cannot mark %s offline: error %d",
                                 client_id, rc);
        }
        forget_host(p, client_id);
    }
    return MOSQ_ERR_SUCCESS;
}

/* --- life --- */

static const struct event_row {
    int event;
    MOSQ_FUNC_generic_callback callback;
} events[EVENTS] = {
    {MOSQ_EVT_ACL_CHECK, on_acl_check},
    {MOSQ_EVT_BASIC_AUTH, on_basic_auth},
    {MOSQ_EVT_MESSAGE, on_message},
    {MOSQ_EVT_DISCONNECT, on_disconnect},
};

static int refuse(const char *what) {
    mosquitto_log_printf(MOSQ_LOG_ERR, "zingq_sys: %s", what);
    return MOSQ_ERR_INVAL;
}

static int read_options(struct plugin *p, const struct mosquitto_opt *options, int count) {
    bool told = false;
    for (int i = 0; i < count; i++) {
        const char *value = options[i].value == NULL ? "" : options[i].value;
        if (strcmp(options[i].key, "user") == 0 && value[0] != '\0') {
            free(p->user);
            p->user = strdup(value);
            if (p->user == NULL) {
                return MOSQ_ERR_NOMEM;
            }
        } else if (strcmp(options[i].key, "other_topics") == 0 &&
                   (strcmp(value, "allow") == 0 || strcmp(value, "defer") == 0)) {
            p->allow_others = strcmp(value, "allow") == 0;
            told = true;
        } else {
            return refuse("the options are plugin_opt_user NAME and plugin_opt_other_topics "
                          "allow (or defer)");
        }
    }
    return told ? MOSQ_ERR_SUCCESS
                : refuse("say plugin_opt_other_topics defer if there is an acl_file or another "
                         "plugin that decides who may do what, plugin_opt_other_topics allow if "
                         "there is none");
}

static void free_plugin(struct plugin *p) {
    for (struct host *host = p->hosts, *next = NULL; host != NULL; host = next) {
        next = host->next;
        free_host(host);
    }
    free(p->user);
    free(p);
}

static int unregister(struct plugin *p, size_t count) {
    int rc = MOSQ_ERR_SUCCESS;
    for (size_t i = 0; i < count; i++) {
        int failed =
            mosquitto_callback_unregister(p->id, events[i].event, events[i].callback, NULL);
        rc = rc == MOSQ_ERR_SUCCESS ? failed : rc;
    }
    return rc;
}

int mosquitto_plugin_version(int supported_version_count, const int *supported_versions) {
    for (int i = 0; i < supported_version_count; i++) {
        if (supported_versions[i] == 5) {
            return 5;
        }
    }
    return -1;
}

int mosquitto_plugin_init(mosquitto_plugin_id_t *identifier, void **userdata,
                          struct mosquitto_opt *options, int option_count) {
    struct plugin *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return MOSQ_ERR_NOMEM;
    }
    p->id = identifier;
    int rc = read_options(p, options, option_count);
    for (size_t i = 0; i < EVENTS && rc == MOSQ_ERR_SUCCESS; i++) {
        rc = mosquitto_callback_register(identifier, events[i].event, events[i].callback, NULL, p);
        if (rc != MOSQ_ERR_SUCCESS) {
            (void)unregister(p, i);
        }
    }
    if (rc != MOSQ_ERR_SUCCESS) {
        free_plugin(p);
        return rc;
    }
    *userdata = p;
    return MOSQ_ERR_SUCCESS;
}

int mosquitto_plugin_cleanup(void *userdata, struct mosquitto_opt *options, int option_count) {
    (void)options;
    (void)option_count;
    int rc = unregister(userdata, EVENTS);
    free_plugin(userdata);
    return rc;
}
