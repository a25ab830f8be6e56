/*
 * wire_net.h - the network between the MQTT door and the simulated broker. A connection is a socket
 * pair, of which libmosquitto has one end; behind the other end stand two pipes of pieces, each with
 * the moment at which it arrives. Bytes are cut and joined anywhere, never reordered: it is TCP.
 *
 * There is one network at a time, like the clock; the broker's side are the three functions of
 * wire_broker.h that take a connection.
 */
#ifndef ZINGQ_SIM_WIRE_NET_H
#define ZINGQ_SIM_WIRE_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wire_link;
struct wire_conn;

enum wire_route { WIRE_CONNECTS, WIRE_REFUSES, WIRE_TIMES_OUT, WIRE_UNREACHABLE };

/* The state of the network; may be changed at any moment. */
struct wire_weather {
    enum wire_route route;         /* what becomes of a connect */
    unsigned dead_addresses;       /* of the broker's name, from the first: no broker is there */
    unsigned dead_kind;            /* they time out, refuse, or are an impostor */
    uint32_t connect_delay_ms_max; /* a connect takes up to that long */
    uint32_t delay_ms_max;         /* a piece takes up to that long */
    uint32_t piece_bytes_max;      /* 0: what was sent together arrives together */
    uint32_t short_in; /* one in so many reads and writes of the door is cut short; 0 = none */
    bool narrow;       /* the kernel's buffers are as small as they can be */
};

void wire_net_begin(uint64_t seed);
/* Every connection must be gone on both sides. */
void wire_net_end(void);
struct wire_weather *wire_net_weather(void);

/* Moves what is due; whether anything moved. */
bool wire_net_pump(void);
/* When the next piece is due; INT64_MAX = nothing is under way. */
int64_t wire_net_next_ms(void);
/* The newest connection that the broker knows and the door holds; NULL = there is none. Counted
 * from the newest, 0 on. */
struct wire_link *wire_net_newest(unsigned back);
size_t wire_net_connects(void);
size_t wire_net_cuts(void);

/* ---- the broker's side ---- */

void wire_net_send(struct wire_link *link, const void *bytes, size_t len);
/* Closes behind what was sent; the broker hears no more of it. */
void wire_net_close(struct wire_link *link);
unsigned wire_net_number(const struct wire_link *link);
/* Something was done to it, so that no promise about time holds. */
bool wire_net_disturbed(const struct wire_link *link);
void wire_net_disturb(struct wire_link *link);
void wire_net_disturb_all(void);

/* ---- faults ---- */

/* The connection breaks after so many bytes more have arrived, up to the broker or down from it. */
void wire_net_cut(struct wire_link *link, bool up, uint32_t after_bytes, bool reset);
/* Nothing arrives any more, on neither side, and nobody is told. */
void wire_net_half_open(struct wire_link *link);
/* What is sent in the meantime arrives late. */
void wire_net_stall(struct wire_link *link, int64_t until_ms);
/* No connection is late or deaf any more; one that is half open stays so. */
void wire_net_heal(void);
/* The broker reads nothing in the meantime. */
void wire_net_deafen(struct wire_link *link, int64_t until_ms);

/* ---- the door's side: wire_os.c ---- */

/* The descriptor's connection, or NULL. */
struct wire_link *wire_net_find(int fd);
/* errno, or 0 and how much may be read or written. */
int wire_net_may_read(struct wire_link *link, size_t *len);
int wire_net_may_write(struct wire_link *link, size_t *len);
void wire_net_closed(int fd);
/* errno, or 0 and the descriptor is one end of a new connection. `address`: which one of the
 * name's. */
int wire_net_connect(int fd, unsigned address);
int64_t wire_net_connect_delay_ms(void);

#endif
