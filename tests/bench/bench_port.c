/*
 * bench_port.c - without an argument prints a free loopback port; with a port waits until something
 * listens there, for at most ten seconds.
 */
#include "port.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TRIES = 1000, TRY_NS = 10000000 };

static struct sockaddr_in loopback(uint16_t port) {
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static bool listens(uint16_t port) {
    struct sockaddr_in address = loopback(port);
    int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool answered = sock >= 0 && connect(sock, (struct sockaddr *)&address, sizeof address) == 0;
    if (sock >= 0) {
        (void)close(sock);
    }
    return answered;
}

static int print_free_port(void) {
    uint16_t port = free_port();
    if (port == 0) {
        perror("bench_port");
        return 3;
    }
    printf("%u\n", port);
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        return print_free_port();
    }
    uint16_t port = (uint16_t)strtoul(argv[1], NULL, 10);
    for (int i = 0; i < TRIES; i++) {
        if (listens(port)) {
            return 0;
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = TRY_NS}, NULL);
    }
    (void)fprintf(stderr, "bench_port: nothing listens on port %u\n", port);
    return 3;
}
