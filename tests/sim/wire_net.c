/*
 * wire_net.c - see wire_net.h.
 *
 * A link lives until the door has closed its descriptor and the broker has been told of the end.
 * Links are freed at the end of a pump only, because the broker's functions called from there may
 * close any of them.
 */
#include "wire_net.h"

#include "wire_broker.h"
#include "wire_os.h"
#include "wire_random.h"
#include "wire_tell.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RECEIVE_BYTES = 65536, NARROW_BYTES = 2048 };

struct piece {
    struct piece *next;
    int64_t due_ms;
    size_t len, done;
    bool end; /* the sender has closed */
    uint8_t bytes[];
};

struct pipe {
    struct piece *head, *tail;
    int64_t last_ms;   /* nothing overtakes */
    int64_t cut_after; /* bytes; < 0 = it is not cut */
    bool blocked;      /* the kernel's buffer is full */
};

struct wire_link {
    struct wire_link *next; /* an older one */
    unsigned number;
    int door_fd;            /* -1: the door has closed it */
    int peer_fd;            /* -1: we have */
    struct wire_conn *conn; /* NULL: the broker knows nothing of it any more */
    struct pipe up, down;
    struct wire_random random;
    int64_t stalled_ms, deaf_ms; /* until then */
    bool half_open, disturbed;
    bool reset;      /* the door hears of the end before it has read what came */
    bool cut_resets; /* a cut to come is of that kind */
    bool full;       /* the door's next write finds no room */
    bool ended;      /* the door's end is under way to the broker */
};

static struct {
    uint64_t seed;
    struct wire_weather weather;
    struct wire_link *links; /* the newest first */
    size_t connects, cuts;
    struct wire_random random;
} net;

void wire_net_begin(uint64_t seed) {
    assert(net.links == NULL);
    memset(&net, 0, sizeof net);
    net.seed = seed;
    net.random = wire_random_stream(seed, 3000);
}

struct wire_weather *wire_net_weather(void) {
    return &net.weather;
}

size_t wire_net_connects(void) {
    return net.connects;
}

size_t wire_net_cuts(void) {
    return net.cuts;
}

unsigned wire_net_number(const struct wire_link *link) {
    return link->number;
}

bool wire_net_disturbed(const struct wire_link *link) {
    return link->disturbed;
}

void wire_net_disturb(struct wire_link *link) {
    link->disturbed = true;
}

void wire_net_disturb_all(void) {
    for (struct wire_link *link = net.links; link != NULL; link = link->next) {
        link->disturbed = true;
    }
}

struct wire_link *wire_net_newest(unsigned back) {
    for (struct wire_link *link = net.links; link != NULL; link = link->next) {
        if (link->conn != NULL && link->door_fd >= 0 && back-- == 0) {
            return link;
        }
    }
    return NULL;
}

/* ---- pieces ---- */

static void add_piece(struct wire_link *link, struct pipe *pipe, const uint8_t *bytes, size_t len,
                      bool end) {
    struct piece *piece = malloc(sizeof *piece + len);
    assert(piece != NULL);
    int64_t due_ms =
        wire_clock_ms() + wire_random_below(&link->random, net.weather.delay_ms_max + 1);
    pipe->last_ms = due_ms > pipe->last_ms ? due_ms : pipe->last_ms;
    *piece = (struct piece){.due_ms = pipe->last_ms, .len = len, .end = end};
    if (len > 0) {
        memcpy(piece->bytes, bytes, len);
    }
    *(pipe->tail != NULL ? &pipe->tail->next : &pipe->head) = piece;
    pipe->tail = piece;
}

static void add_pieces(struct wire_link *link, struct pipe *pipe, const uint8_t *bytes,
                       size_t len) {
    uint32_t most = net.weather.piece_bytes_max;
    while (len > 0) {
        size_t n = most == 0 || len > 64 * (size_t)most
                       ? len
                       : 1 + (size_t)wire_random_below(&link->random, most);
        n = n < len ? n : len;
        add_piece(link, pipe, bytes, n, false);
        bytes += n;
        len -= n;
    }
}

static void drop_first(struct pipe *pipe) {
    struct piece *piece = pipe->head;
    pipe->head = piece->next;
    pipe->tail = pipe->head == NULL ? NULL : pipe->tail;
    free(piece);
}

static void drop_all(struct pipe *pipe) {
    while (pipe->head != NULL) {
        drop_first(pipe);
    }
}

/* The first piece, if it has arrived. */
static struct piece *arrived(const struct wire_link *link, const struct pipe *pipe) {
    struct piece *piece = pipe->head;
    int64_t now_ms = wire_clock_ms();
    return piece != NULL && piece->due_ms <= now_ms && link->stalled_ms <= now_ms ? piece : NULL;
}

/* ---- ends ---- */

static void close_peer(struct wire_link *link) {
    if (link->peer_fd >= 0) {
        (void)close(link->peer_fd);
        link->peer_fd = -1;
    }
    drop_all(&link->down);
}

static void tell_broker(struct wire_link *link) {
    struct wire_conn *conn = link->conn;
    link->conn = NULL;
    drop_all(&link->up);
    if (conn != NULL) {
        wire_broker_lost(conn);
    }
}

static void break_link(struct wire_link *link) {
    wire_tell("connection %u breaks%s", link->number, link->cut_resets ? ", reset" : "");
    net.cuts++;
    link->disturbed = true;
    link->reset = link->cut_resets;
    close_peer(link);
    tell_broker(link);
}

void wire_net_close(struct wire_link *link) {
    link->conn = NULL;
    drop_all(&link->up);
    if (link->peer_fd >= 0) {
        add_piece(link, &link->down, NULL, 0, true);
    }
}

void wire_net_send(struct wire_link *link, const void *bytes, size_t len) {
    if (link->peer_fd >= 0 && !link->half_open) {
        add_pieces(link, &link->down, bytes, len);
    }
}

/* ---- the pump ---- */

/* How much of a piece may arrive before the connection is cut. */
static size_t up_to_cut(const struct pipe *pipe, size_t len) {
    return pipe->cut_after >= 0 && (size_t)pipe->cut_after < len ? (size_t)pipe->cut_after : len;
}

static bool count_cut(struct wire_link *link, struct pipe *pipe, size_t len) {
    if (pipe->cut_after < 0) {
        return false;
    }
    pipe->cut_after -= (int64_t)len;
    if (pipe->cut_after > 0) {
        return false;
    }
    pipe->cut_after = -1;
    break_link(link);
    return true;
}

/* From the door's socket into the pipe. */
static bool take_up(struct wire_link *link) {
    static uint8_t bytes[RECEIVE_BYTES];
    if (link->peer_fd < 0 || link->ended || link->deaf_ms > wire_clock_ms()) {
        return false;
    }
    ssize_t n = recv(link->peer_fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) {
        return false;
    }
    if (n <= 0) {
        link->ended = true;
        if (link->conn != NULL && !link->half_open) {
            add_piece(link, &link->up, NULL, 0, true); /* the door may still read */
        } else {
            close_peer(link);
        }
    } else if (link->conn != NULL && !link->half_open) {
        add_pieces(link, &link->up, bytes, (size_t)n);
    }
    return true;
}

static bool deliver_up(struct wire_link *link) {
    struct piece *piece = arrived(link, &link->up);
    if (piece == NULL || link->conn == NULL) {
        return false;
    }
    if (piece->end) {
        tell_broker(link);
        close_peer(link);
        return true;
    }
    size_t n = up_to_cut(&link->up, piece->len);
    struct piece taken = *piece;
    link->up.head = piece->next;
    link->up.tail = piece->next == NULL ? NULL : link->up.tail;
    wire_broker_input(link->conn, piece->bytes, n);
    free(piece);
    (void)count_cut(link, &link->up, taken.len);
    return true;
}

static bool deliver_down(struct wire_link *link) {
    struct piece *piece = arrived(link, &link->down);
    link->down.blocked = false;
    if (piece == NULL || link->peer_fd < 0 || link->half_open) {
        return false;
    }
    if (piece->end) {
        close_peer(link);
        return true;
    }
    size_t left = piece->len - piece->done;
    size_t n = up_to_cut(&link->down, left);
    ssize_t sent =
        n == 0 ? 0
               : send(link->peer_fd, piece->bytes + piece->done, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
        link->down.blocked = errno == EAGAIN;
        if (!link->down.blocked) {
            drop_all(&link->down); /* the door has closed: reading will tell */
        }
        return false;
    }
    piece->done += (size_t)sent;
    if (count_cut(link, &link->down, (size_t)sent)) {
        return true;
    }
    if (piece->done == piece->len) {
        drop_first(&link->down);
    }
    return true;
}

static void reap(void) {
    for (struct wire_link **at = &net.links; *at != NULL;) {
        struct wire_link *link = *at;
        if (link->door_fd < 0 && link->conn == NULL && (link->ended || link->peer_fd < 0)) {
            close_peer(link);
            *at = link->next;
            free(link);
        } else {
            at = &link->next;
        }
    }
}

bool wire_net_pump(void) {
    bool moved = false;
    for (struct wire_link *link = net.links; link != NULL; link = link->next) {
        while (take_up(link)) {
            moved = true;
        }
        while (deliver_up(link)) {
            moved = true;
        }
        while (deliver_down(link)) {
            moved = true;
        }
    }
    reap();
    return moved;
}

static int64_t pipe_ms(const struct wire_link *link, const struct pipe *pipe) {
    if (pipe->head == NULL || pipe->blocked) {
        return INT64_MAX;
    }
    return pipe->head->due_ms > link->stalled_ms ? pipe->head->due_ms : link->stalled_ms;
}

int64_t wire_net_next_ms(void) {
    int64_t next_ms = INT64_MAX;
    for (const struct wire_link *link = net.links; link != NULL; link = link->next) {
        int64_t up_ms = pipe_ms(link, &link->up);
        int64_t down_ms = link->half_open ? INT64_MAX : pipe_ms(link, &link->down);
        int64_t deaf_ms = link->deaf_ms > wire_clock_ms() ? link->deaf_ms : INT64_MAX;
        next_ms = up_ms < next_ms ? up_ms : next_ms;
        next_ms = down_ms < next_ms ? down_ms : next_ms;
        next_ms = deaf_ms < next_ms ? deaf_ms : next_ms;
    }
    return next_ms;
}

void wire_net_end(void) {
    while (wire_net_pump()) {
    }
    if (net.links != NULL) {
        wire_wrong("a connection was never closed");
    }
    while (net.links != NULL) {
        struct wire_link *link = net.links;
        net.links = link->next;
        close_peer(link);
        drop_all(&link->up);
        free(link);
    }
}

/* ---- faults ---- */

void wire_net_cut(struct wire_link *link, bool up, uint32_t after_bytes, bool reset) {
    link->cut_resets = reset;
    link->disturbed = true;
    if (after_bytes == 0) {
        break_link(link);
    } else {
        (up ? &link->up : &link->down)->cut_after = after_bytes;
    }
}

void wire_net_half_open(struct wire_link *link) {
    link->half_open = link->disturbed = true;
    drop_all(&link->up);
    drop_all(&link->down);
}

void wire_net_stall(struct wire_link *link, int64_t until_ms) {
    link->stalled_ms = until_ms;
    link->disturbed = true;
}

void wire_net_deafen(struct wire_link *link, int64_t until_ms) {
    link->deaf_ms = until_ms;
    link->disturbed = true;
}

void wire_net_heal(void) {
    for (struct wire_link *link = net.links; link != NULL; link = link->next) {
        link->stalled_ms = link->deaf_ms = 0;
    }
}

/* ---- the door's side ---- */

struct wire_link *wire_net_find(int fd) {
    struct wire_link *link = net.links;
    while (link != NULL && link->door_fd != fd) {
        link = link->next;
    }
    return link;
}

static void shorten(struct wire_link *link, size_t *len) {
    uint32_t most = *len < RECEIVE_BYTES ? (uint32_t)*len : RECEIVE_BYTES;
    if (wire_random_one_in(&link->random, net.weather.short_in)) {
        *len = 1 + (size_t)wire_random_below(&link->random, most);
    }
}

int wire_net_may_read(struct wire_link *link, size_t *len) {
    shorten(link, len);
    return link->reset ? ECONNRESET : 0;
}

int wire_net_may_write(struct wire_link *link, size_t *len) {
    if (link->reset) {
        return EPIPE;
    }
    if (link->full) {
        link->full = false;
        return EAGAIN;
    }
    size_t before = *len;
    shorten(link, len);
    link->full = *len < before;
    return 0;
}

void wire_net_closed(int fd) {
    struct wire_link *link = fd >= 0 ? wire_net_find(fd) : NULL;
    if (link != NULL) {
        link->door_fd = -1;
    }
}

int64_t wire_net_connect_delay_ms(void) {
    return wire_random_below(&net.random, net.weather.connect_delay_ms_max + 1);
}

static void open_link(int door_fd, int peer_fd, enum wire_impostor impostor) {
    struct wire_link *link = calloc(1, sizeof *link);
    assert(link != NULL);
    link->number = (unsigned)++net.connects;
    link->door_fd = door_fd;
    link->peer_fd = peer_fd;
    link->random = wire_random_stream(net.seed, 4000 + net.connects);
    link->up.cut_after = link->down.cut_after = -1;
    link->next = net.links;
    net.links = link;
    link->conn = wire_broker_accept(link, impostor);
    wire_tell("connection %u is open", link->number);
}

int wire_net_connect(int fd, unsigned address) {
    static const int errors[] = {[WIRE_REFUSES] = ECONNREFUSED,
                                 [WIRE_TIMES_OUT] = ETIMEDOUT,
                                 [WIRE_UNREACHABLE] = EHOSTUNREACH};
    enum wire_impostor impostor = WIRE_GENUINE;
    if (address < net.weather.dead_addresses && net.weather.dead_kind < 2) {
        return net.weather.dead_kind == 0 ? ETIMEDOUT : ECONNREFUSED;
    }
    if (address < net.weather.dead_addresses) {
        unsigned kinds = WIRE_IMPOSTOR_COUNT - 1;
        impostor = (enum wire_impostor)(1 + net.weather.dead_kind % kinds);
    }
    if (net.weather.route != WIRE_CONNECTS) {
        return errors[net.weather.route];
    }
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        return errno;
    }
    int bytes = NARROW_BYTES;
    for (int i = 0; net.weather.narrow && i < 2; i++) {
        (void)setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    }
    int failed = dup2(pair[0], fd) < 0 ? errno : 0;
    (void)close(pair[0]);
    if (failed != 0) {
        (void)close(pair[1]);
        return failed;
    }
    open_link(fd, pair[1], impostor);
    return 0;
}
