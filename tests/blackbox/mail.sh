#!/bin/sh
# mail.sh - what arrives at a mail server: envelope, copies, headers that a mail program can read, and
# addresses in UTF-8 only where the server takes them.
#
# ctest: timeout=120
# shellcheck disable=SC2016 # $ in Lua and jq
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

# Keeps what it is told in the file "said"; offers SMTPUTF8 while there is a file "utf8".
start_server() {
    "$PYTHON" - >server.port 2>server.err <<'PEER' &
import os, socket, threading
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
def serve(connection):
    lines = connection.makefile("rb")
    connection.sendall(b"220 hello\r\n")
    in_message = False
    for line in lines:
        with open("said", "ab") as said:
            said.write(line)
        word = line[:4].upper()
        if in_message:
            in_message = line != b".\r\n"
            answer = b"" if in_message else b"250 queued\r\n"
        elif word == b"EHLO":
            answer = b"250-server\r\n250-8BITMIME\r\n" + (b"250-SMTPUTF8\r\n" if os.path.exists("utf8") else b"") + b"250 HELP\r\n"
        elif word == b"DATA":
            in_message = True
            answer = b"354 go on\r\n"
        else:
            answer = b"250 fine\r\n"
        connection.sendall(answer)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
PEER
    keep $!
    must wait_for 10 test -s server.port
}

count_is() { # N BOOK
    [ "$("$ZINGQ" status --json | jq ".services[0].$2")" = "$1" ]
}

said() {
    tr -d '\r' <said | grep -q -e "$1"
}

said_not() {
    ! said "$1"
}

cd "$dir" || exit 1
mkdir scripts
start_server
cat >topics.conf <<CONF
http { listen = "" }
vars { smtp_url = "smtp://127.0.0.1:$(cat server.port)" mail_from = "shop@example.org" }
service "mails" { subscribe = {"mail"} handler = "mails.lua" retries = 0 }
CONF
echo 'return function(event) zing.mail(event.json) end' >scripts/mails.lua
start_broker
start_host
pub -t mail -m '{"to":"a@example.org","cc":"c@example.org","bcc":["d@example.org"],"subject":"s","text":"t",
    "headers":{"Reply-To":"José Pérez <jose@example.org>","References":"<a-long-id-of-a-first-mail@example.org> <b-long-id-of-a-second-mail@example.org>"}}'
ok "a mail is accepted" wait_for 20 count_is 1 "done"
ok "all recipients are in the envelope" said '^RCPT TO:<d@example.org>$'
ok "those of cc are in a header" said '^Cc: c@example.org$'
ok "those of bcc are not" said_not '^[^R].*[ <,]d@example.org'
ok "of an address the name is encoded" said '^Reply-To: =?UTF-8?B?Sm9zw6kgUMOpcmV6?= <jose@example.org>$'
ok "a long header is folded" said '^ <b-long-id-of-a-second-mail@example.org>$'
ok "nothing needs SMTPUTF8" said_not 'SMTPUTF8'
ok "try --live really sends one" says 0 'answered: 250' \
    try mails mail --live --payload '{"to":"tried@example.org","text":"t"}'
ok "to whom it says" said '^RCPT TO:<tried@example.org>$'
pub -t mail -m '{"to":"josé@example.org","text":"t"}'
ok "an address in UTF-8 is refused by a server without SMTPUTF8" wait_for 20 count_is 1 dead
ok "and the reason says so" says 0 'the mail server has no SMTPUTF8' dlq list
: >utf8
stop_host
start_host
id=$("$ZINGQ" dlq list --json | jq -r '.[0].id')
ok "it is replayed" ends 0 dlq replay "$id"
ok "a server with SMTPUTF8 takes it" wait_for 20 count_is 2 "done"
ok "and is told" said '^MAIL FROM:<shop@example.org>.* SMTPUTF8$'
echo "1..$count"
[ "$failed" -eq 0 ]
