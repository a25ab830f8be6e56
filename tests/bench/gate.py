# gate.py WANT - an HTTP server that answers nobody before WANT requests wait at once, or no further one has come
# for ten seconds; then all of them, and everyone who comes later at once. Prints its port first, and
# how many waited when it opened.
import asyncio
import resource
import sys

want = int(sys.argv[1])
waiting = 0
last = 0.0
gate = None


async def answer(reader, writer):
    global waiting, last
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            for line in head.split(b"\r\n"):
                if line.lower().startswith(b"content-length:"):
                    await reader.readexactly(int(line.split(b":")[1]))
            waiting += 1
            last = asyncio.get_running_loop().time()
            if waiting >= want:
                gate.set()
            await gate.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main():
    global gate
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gate = asyncio.Event()
    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    while not gate.is_set():
        await asyncio.sleep(0.1)
        if waiting > 0 and asyncio.get_running_loop().time() - last > 10:
            gate.set()
    print(waiting, flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
