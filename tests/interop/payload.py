"""Bytes for the tunnel, and the ways to push them through and compare both ends.

A stream is cut from one random block at ever other offsets: cheap to make, and a lost, repeated or
swapped piece changes the digest.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import socket
import statistics
import threading
import time
from collections.abc import Iterator

from harness import Failed, check

BLOCK = 1 << 18
STRIDE = 7919
SILENCE = 60.0


def stream(size: int, seed: int) -> Iterator[bytes]:
    base = random.Random(seed).randbytes(BLOCK + 65536)
    offset = 0
    while size > 0:
        take = min(size, BLOCK)
        yield base[offset : offset + take]
        offset = (offset + STRIDE) % 65536
        size -= take


def digest(size: int, seed: int) -> str:
    sha = hashlib.sha256()
    for block in stream(size, seed):
        sha.update(block)
    return sha.hexdigest()


def connect(port: int, host: str = "127.0.0.1") -> socket.socket:
    sock = socket.create_connection((host, port), timeout=SILENCE)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def read_digest(sock: socket.socket) -> tuple[int, str]:
    """Read to the end: count and SHA-256."""
    sha = hashlib.sha256()
    count = 0
    buffer = bytearray(1 << 20)
    view = memoryview(buffer)
    while got := sock.recv_into(buffer):
        sha.update(view[:got])
        count += got
    return count, sha.hexdigest()


def read_all(sock: socket.socket) -> bytes:
    parts = []
    while data := sock.recv(65536):
        parts.append(data)
    return b"".join(parts)


def exchange(port: int, size: int, seed: int = 1, host: str = "127.0.0.1") -> float:
    """Send to an echo and half-close while reading it back; seconds taken."""
    trouble: list[BaseException] = []
    started = time.monotonic()
    with connect(port, host) as sock:

        def send() -> None:
            try:
                for block in stream(size, seed):
                    sock.sendall(block)
                sock.shutdown(socket.SHUT_WR)
            except OSError as error:
                trouble.append(error)

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        try:
            count, got = read_digest(sock)
        except OSError as error:
            raise Failed(f"echo of {size} bytes: {error}") from None
        sender.join(SILENCE)
    check(not trouble, f"echo of {size} bytes: sending failed: {trouble and trouble[0]}")
    check(count == size, f"echo of {size} bytes: {count} came back")
    check(got == digest(size, seed), f"echo of {size} bytes: SHA-256 differs")
    return time.monotonic() - started


def upload(port: int, size: int, seed: int = 2) -> float:
    """Send to a digest target and compare what it saw; seconds taken."""
    started = time.monotonic()
    try:
        with connect(port) as sock:
            for block in stream(size, seed):
                sock.sendall(block)
            sock.shutdown(socket.SHUT_WR)
            got = read_all(sock).decode("ascii", "replace")
    except OSError as error:
        raise Failed(f"upload of {size} bytes: {error}") from None
    check(got == digest(size, seed), f"upload of {size} bytes: SHA-256 differs (got {got!r})")
    return time.monotonic() - started


def download(port: int, size: int, seed: int = 3) -> float:
    """Have a source target send and compare; seconds taken."""
    started = time.monotonic()
    try:
        with connect(port) as sock:
            sock.sendall(f"{size} {seed}\n".encode())
            count, got = read_digest(sock)
    except OSError as error:
        raise Failed(f"download of {size} bytes: {error}") from None
    check(count == size, f"download of {size} bytes: {count} came")
    check(got == digest(size, seed), f"download of {size} bytes: SHA-256 differs")
    return time.monotonic() - started


def at_once(port: int, count: int, size: int) -> None:
    """Exchanges on so many connections at the same time."""
    trouble: list[str] = []

    def one(seed: int) -> None:
        try:
            exchange(port, size, seed)
        except (Failed, OSError) as error:
            trouble.append(f"connection {seed}: {error}")

    threads = [threading.Thread(target=one, args=(n,), daemon=True) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SILENCE * 2)
    check(not any(t.is_alive() for t in threads), f"{count} at once: some never ended")
    check(not trouble, f"{count} at once: {len(trouble)} failed; {trouble and trouble[0]}")


def hold_open(port: int, count: int, size: int, timeout: float = 60) -> None:
    """Open so many connections, echo on each while all are open, then half-close and end all."""

    async def rounds() -> None:
        room = asyncio.Semaphore(100)

        async def opened(n: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            async with room:
                pair = await asyncio.open_connection("127.0.0.1", port)
                await echo_once(n, *pair)
                return pair

        async def echo_once(
            n: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            block = n.to_bytes(4, "big") * (size // 4)
            writer.write(block)
            got = await reader.readexactly(len(block))
            check(got == block, f"channel {n} got bytes that it didn't send")

        async def finish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write_eof()
            check(await reader.read(1) == b"", "bytes after the end")
            writer.close()

        pairs = await asyncio.gather(*(opened(n) for n in range(count)))
        await asyncio.gather(*(echo_once(n, *pair) for n, pair in enumerate(pairs)))
        await asyncio.gather(*(finish(*pair) for pair in pairs))

    try:
        asyncio.run(asyncio.wait_for(rounds(), timeout))
    except (OSError, asyncio.IncompleteReadError) as error:
        raise Failed(f"{count} open at once: {error}") from None
    except (asyncio.TimeoutError, TimeoutError):
        raise Failed(f"{count} open at once: not done within {timeout:g} s") from None


class Bystander:
    """A connection that plays ping-pong with an echo while others have trouble."""

    def __init__(self, port: int) -> None:
        self.sock = connect(port)
        self.ping(3)

    def ping(self, rounds: int) -> list[float]:
        """Round trip times in seconds."""
        times = []
        for n in range(rounds):
            message = n.to_bytes(8, "big") * 8
            started = time.monotonic()
            self.sock.sendall(message)
            got = b""
            while len(got) < len(message):
                data = self.sock.recv(len(message) - len(got))
                check(data, "the bystander channel was closed")
                got += data
            times.append(time.monotonic() - started)
            check(got == message, "the bystander got other bytes than it sent")
        return times

    def check_quick(self, rounds: int = 100, worst: float = 1.0, median: float = 0.06) -> str:
        """No round trip is slow; the bounds allow for Nagle's 45 ms at Debian's sshd."""
        try:
            times = self.ping(rounds)
        except OSError as error:
            raise Failed(f"the bystander channel: {error}") from None
        middle = statistics.median(times)
        check(max(times) < worst, f"the bystander waited {max(times):.2f} s for an echo")
        check(middle < median, f"the bystander's median round trip is {middle * 1e3:.1f} ms")
        return f"bystander p50 {middle * 1e3:.2f} ms, max {max(times) * 1e3:.1f} ms"

    def close(self) -> None:
        self.sock.close()
