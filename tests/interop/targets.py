"""Services for the far end of a tunnel, one kind per process: targets.py KIND PORT.

echo    sends back what it gets; half-close is answered with half-close
digest  reads to the end, then answers with the SHA-256 in hex
source  reads "BYTES SEED\\n", then sends that much of payload.stream and closes
banner  speaks first, then echoes
mute    accepts and never reads
reset   waits for the first byte, then aborts the connection (RST)
http    answers anything with an HTTP error
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
import struct
import sys

import payload

BANNER = b"220 ready when you are\r\n"
READ_SIZE = 1 << 20

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter


async def echo(reader: Reader, writer: Writer) -> None:
    while data := await reader.read(READ_SIZE):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


async def digest(reader: Reader, writer: Writer) -> None:
    sha = hashlib.sha256()
    while data := await reader.read(READ_SIZE):
        sha.update(data)
    writer.write(sha.hexdigest().encode())


async def source(reader: Reader, writer: Writer) -> None:
    size, seed = (int(word) for word in (await reader.readline()).split())
    for block in payload.stream(size, seed):
        writer.write(block)
        await writer.drain()


async def banner(reader: Reader, writer: Writer) -> None:
    writer.write(BANNER)
    await echo(reader, writer)


async def mute(reader: Reader, writer: Writer) -> None:
    writer.transport.pause_reading()
    await asyncio.sleep(3600)


async def reset(reader: Reader, writer: Writer) -> None:
    await reader.read(1)
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def http(reader: Reader, writer: Writer) -> None:
    await reader.readline()
    writer.write(b"HTTP/1.1 400 Bad Request\r\nServer: none\r\nContent-Length: 0\r\n\r\n")


KINDS = {f.__name__: f for f in (echo, digest, source, banner, mute, reset, http)}


async def serve(kind: str, port: int) -> None:
    async def handle(reader: Reader, writer: Writer) -> None:
        try:
            await KINDS[kind](reader, writer)
            await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if kind == "mute":
        # small, so that a peer fills it soon
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listener.bind(("127.0.0.1", port))
    server = await asyncio.start_server(handle, sock=listener, backlog=4096, limit=READ_SIZE)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
