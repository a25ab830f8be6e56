/* port.c - see port.h. */
#include "port.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

static void close_if_open(int sock) {
    if (sock >= 0) {
        (void)close(sock);
    }
}

/* Who closes first keeps the port in TIME_WAIT: the listener's side. */
static bool end_a_connection(int listener, const struct sockaddr *address, socklen_t len) {
    char none = 0;
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool connected = client >= 0 && connect(client, address, len) == 0;
    int accepted = connected ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : -1;
    close_if_open(accepted);
    bool ended = accepted >= 0 && read(client, &none, 1) == 0;
    close_if_open(client);
    return ended;
}

uint16_t free_port(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr *any = (struct sockaddr *)&address;
    socklen_t len = sizeof address;
    int on = 1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = listener >= 0 &&
              setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
              bind(listener, any, len) == 0 && listen(listener, 1) == 0 &&
              getsockname(listener, any, &len) == 0 && end_a_connection(listener, any, len);
    close_if_open(listener);
    return ok ? ntohs(address.sin_port) : 0;
}
