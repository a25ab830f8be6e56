/*
 * port.h - ports for what a test starts.
 */
#ifndef TESTS_PORT_H
#define TESTS_PORT_H

#include <stdint.h>

/* A loopback port for a server that sets SO_REUSEADDR, as brokers and hosts do. It ends one connection
 * there, and while that is in TIME_WAIT (a minute) the system gives the port to nobody who asks for
 * any. 0 with errno when there is none. */
uint16_t free_port(void);

#endif
