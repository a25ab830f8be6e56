#!/usr/bin/python3
"""An SMTP server that keeps a record instead of delivering: for the demo and the tests.

It listens on 127.0.0.1, prints its port on the first line of standard output, and appends one JSON
line for each mail it accepted to --log. It can be made to fail: --fail-rate answers 451 (try again),
--reject-rate answers 550 (for good). Both are decided from the seed, the message id and how often
that message came before, so a run can be repeated and a retried mail gets through in the end.

Some recipients have a fate of their own, by the beginning of their name:
  nobody...  550 at RCPT     busy...  451 at RCPT
  reject...  550 after the message     fail...  451 after the message
  drop...    the connection is closed after the message, without a reply
  silent...  no reply after the message at all
  endless... a reply of ever more lines after the message
  bye...     accepted, then the connection is closed, as after an idle time, before the next mail
"""

import argparse
import asyncio
import email
import email.policy
import hashlib
import json
import signal
import sys

from aiosmtpd.smtp import SMTP


def share(seed, *words):
    """A number in [0, 1) that depends on the words alone."""
    text = "\0".join([str(seed), *map(str, words)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


class Sink:
    """Decides on each mail and records those accepted."""

    def __init__(self, options):
        self.options = options
        self.seen = {}
        self.log = open(options.log, "a", encoding="utf-8") if options.log else None

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if address.startswith("nobody"):
            return "550 5.1.1 no such mailbox"
        if address.startswith("busy"):
            return "451 4.2.1 mailbox busy, try again later"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        message_id = str(message["Message-ID"] or hashlib.sha256(envelope.content).hexdigest())
        if self.options.slow_ms:
            await asyncio.sleep(self.options.slow_ms / 1000)
        first = envelope.rcpt_tos[0]
        if first.startswith("drop"):
            server.transport.abort()
            return "421 closing"
        if first.startswith("silent"):
            await asyncio.Event().wait()
        if first.startswith("endless"):
            return "\r\n".join(["250-more"] * 1000 + ["250 queued"])
        if first.startswith("bye"):
            asyncio.get_running_loop().call_soon(server.transport.close)  # after the reply
        verdict = self.verdict(first, message_id)
        if verdict is None:
            self.record(envelope, message, message_id)
            verdict = "250 2.0.0 queued as " + hashlib.sha256(message_id.encode()).hexdigest()[:12]
        return verdict

    def verdict(self, recipient, message_id):
        """The refusal, or None to accept."""
        attempt = self.seen[message_id] = self.seen.get(message_id, 0) + 1
        draw = share(self.options.seed, "fail", message_id, attempt)
        if recipient.startswith("fail") or draw < self.options.fail_rate:
            return "451 4.3.0 try again later"
        draw = share(self.options.seed, "reject", message_id)
        if recipient.startswith("reject") or draw < self.options.reject_rate:
            return "550 5.7.1 refused by policy"
        return None

    def record(self, envelope, message, message_id):
        if self.log is None:
            return
        body = message.get_body(("plain", "html"))
        line = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "subject": str(message["Subject"] or ""),
            "message_id": message_id,
            "body": body.get_content() if body else "",
            "bytes": len(envelope.content),
        }
        self.log.write(json.dumps(line) + "\n")
        self.log.flush()


async def serve(options):
    loop = asyncio.get_running_loop()
    sink = Sink(options)
    server = await loop.create_server(
        lambda: SMTP(sink, enable_SMTPUTF8=True, hostname="sink.example", ident="sink"),
        "127.0.0.1",
        options.port,
        backlog=1024,
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    await stop.wait()
    server.close()


def main():
    parser = argparse.ArgumentParser(description="An SMTP server that keeps a record.")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--log", help="file for the record, one JSON line a mail")
    parser.add_argument("--fail-rate", type=float, default=0.0, help="share answered 451")
    parser.add_argument("--reject-rate", type=float, default=0.0, help="share answered 550")
    parser.add_argument("--slow-ms", type=int, default=0, help="time taken over each message")
    parser.add_argument("--seed", default="1")
    options = parser.parse_args()
    asyncio.run(serve(options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
