#!/usr/bin/env python3
"""pg_seal.py PORT SERVER_PORT CERT KEY: speaks TLS for a PostgreSQL, in records as long as they may be (16 KiB), as
PostgreSQL 17 and poolers do; older servers write shorter ones."""

import socket
import ssl
import struct
import sys
import threading

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
GATHER = 0.05  # seconds without more bytes, after which those there are sent on at once


def forward(source, target):
    """Sends on what the client says."""
    while data := source.recv(65536):
        target.sendall(data)
    target.close()


def answer(server, client):
    """Sends on what the server says, gathered."""
    server.settimeout(GATHER)
    gathered = b""
    while True:
        try:
            data = server.recv(1 << 20)
        except TimeoutError:
            client.sendall(gathered)
            gathered = b""
            continue
        if not data:
            break
        gathered += data
    client.sendall(gathered)
    client.close()


def serve(plain, context, server_port):
    """One connection."""
    if plain.recv(8, socket.MSG_WAITALL) != SSL_REQUEST:
        plain.close()
        return
    plain.sendall(b"S")
    client = context.wrap_socket(plain, server_side=True)
    server = socket.create_connection(("127.0.0.1", server_port))
    threading.Thread(target=answer, args=(server, client), daemon=True).start()
    forward(client, server)


def main():
    """Until it is killed."""
    port, server_port = int(sys.argv[1]), int(sys.argv[2])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[3], sys.argv[4])
    listener = socket.create_server(("127.0.0.1", port))
    while True:
        plain, _ = listener.accept()
        threading.Thread(target=serve, args=(plain, context, server_port), daemon=True).start()


main()
