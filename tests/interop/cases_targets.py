"""Targets that misbehave, while a bystander's channel on the same connection keeps its speed."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import clients
import payload
import servers
from harness import Case, Config, Failed, Lab, check
from pairs import Pair, backend_case_name, chosen, open_tunnel
from targets import BANNER

UNRESOLVABLE = "no-such-host.invalid"
# more than windows and socket buffers on the way can hold
STALLED_BYTES = 64 << 20


@dataclass
class World:
    """A tunnel with an echo behind the first forward and the case's target behind the second."""

    pair: Pair
    client: clients.Client
    server: servers.Server
    bystander: payload.Bystander

    @property
    def port(self) -> int:
        return self.client.ports[1]


@contextlib.contextmanager
def world(lab: Lab, pair: Pair, backend: str | None, target: int | str) -> Iterator[World]:
    echo = lab.target("echo")
    tunnel = open_tunnel(
        lab,
        pair,
        [echo.port, target],
        clients.Wish(backend=backend),
        servers.Wish(backend=backend),
    )
    bystander = payload.Bystander(tunnel.ports[0])
    try:
        yield World(pair, tunnel.client, tunnel.server, bystander)
        tunnel.check_running()
        payload.exchange(tunnel.ports[0], 100001)
    finally:
        bystander.close()


@contextlib.contextmanager
def black_hole(lab: Lab) -> Iterator[int]:
    """A port where a connect neither succeeds nor fails: its accept queue is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", lab.port()))
        listener.listen(0)
        address = listener.getsockname()
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0.3)
            try:
                filler.connect(address)
            except TimeoutError:
                break
        else:
            raise Failed("the kernel goes on accepting behind a full queue")
        yield address[1]


def expect_closed(port: int, within: float) -> None:
    """A connection to the forward ends without a byte, by end of file or by reset."""
    with payload.connect(port) as sock:
        sock.settimeout(within)
        try:
            data = sock.recv(1)
        except ConnectionResetError:
            data = b""
        except TimeoutError:
            raise Failed(f"a refused connection is still open after {within:g} s") from None
        check(data == b"", "bytes from a target that doesn't exist")


def expect_refusal_told(at: World, pattern: str) -> None:
    if at.pair.client in ("culvert", "ssh"):
        at.client.program.wait_log(rf"open failed: .*{pattern}", 5)


def refused(lab: Lab, pair: Pair, backend: str | None) -> str:
    with world(lab, pair, backend, lab.port()) as at:
        for _ in range(20):
            expect_closed(at.port, 5)
        expect_refusal_told(at, "refused" if at.server.kind != "dropbear" else "")
        return at.bystander.check_quick()


def unresolvable(lab: Lab, pair: Pair, backend: str | None) -> str:
    with world(lab, pair, backend, f"{UNRESOLVABLE}:80") as at:
        with payload.connect(at.port) as sock:
            # OpenSSH's and Dropbear's servers look names up while everything waits
            note = at.bystander.check_quick() if at.server.kind == "culvertd" else ""
            sock.settimeout(30)
            with contextlib.suppress(ConnectionResetError):
                check(sock.recv(1) == b"", "bytes from a name that doesn't exist")
        expect_refusal_told(at, "" if at.server.kind == "dropbear" else "(not known|resol|name)")
        return note or at.bystander.check_quick()


def black_holed(lab: Lab, pair: Pair, backend: str | None) -> str:
    with black_hole(lab) as hole, world(lab, pair, backend, hole) as at:
        stuck = [payload.connect(at.port) for _ in range(20)]
        try:
            note = at.bystander.check_quick()
            payload.exchange(at.client.ports[0], 1 << 20)
        finally:
            for sock in stuck:
                sock.close()
        return note


def never_reads(lab: Lab, pair: Pair, backend: str | None) -> str:
    target = lab.target("mute")
    with world(lab, pair, backend, target.port) as at:
        sock = payload.connect(at.port)
        sent = 0
        try:
            sock.settimeout(1.5)
            block = bytes(65536)
            while sent < STALLED_BYTES:
                sent += sock.send(block)
            raise Failed(f"{sent} bytes went into a target that reads nothing")
        except TimeoutError:
            note = at.bystander.check_quick()
            payload.exchange(at.client.ports[0], 4 << 20)
        finally:
            sock.close()
        return f"{sent >> 10} KiB held; {note}"


def busy_neighbour(lab: Lab, pair: Pair, backend: str | None) -> str:
    """Bulk in one channel must not make small messages of another wait long."""
    target = lab.target("echo")
    with world(lab, pair, backend, target.port) as at:
        stop = threading.Event()
        moved = [0]

        def bulk() -> None:
            with contextlib.suppress(Failed, OSError):
                while not stop.is_set():
                    payload.exchange(at.port, 8 << 20)
                    moved[0] += 1

        neighbour = threading.Thread(target=bulk, daemon=True)
        neighbour.start()
        time.sleep(0.2)
        try:
            note = at.bystander.check_quick(rounds=50, worst=2.0, median=0.5)
        finally:
            stop.set()
            neighbour.join(60)
        check(moved[0] > 0, "the bulk channel never got done")
        return note


def speaks_first(lab: Lab, pair: Pair, backend: str | None) -> str:
    target = lab.target("banner")
    with world(lab, pair, backend, target.port) as at:
        for _ in range(20):
            with payload.connect(at.port) as sock:
                got = b""
                while len(got) < len(BANNER):
                    data = sock.recv(len(BANNER) - len(got))
                    check(data, "closed before the greeting was complete")
                    got += data
                check(got == BANNER, f"the greeting came as {got!r}")
                sock.sendall(b"x")
                sock.shutdown(socket.SHUT_WR)
                check(payload.read_all(sock) == b"x", "the byte after the greeting is lost")
        return at.bystander.check_quick()


def resets(lab: Lab, pair: Pair, backend: str | None) -> str:
    target = lab.target("reset")
    with world(lab, pair, backend, target.port) as at:
        for _ in range(20):
            with payload.connect(at.port) as sock:
                sock.settimeout(5)
                sock.sendall(b"x")
                try:
                    check(sock.recv(1) == b"", "bytes from a target that resets")
                except ConnectionResetError:
                    pass
                except TimeoutError:
                    raise Failed("a reset by the target never reaches the user") from None
        return at.bystander.check_quick()


def user_resets(lab: Lab, pair: Pair, backend: str | None) -> str:
    """The near side aborts; the target must see an end, and nothing is left open."""
    target = lab.target("echo")
    with world(lab, pair, backend, target.port) as at:
        for _ in range(20):
            sock = payload.connect(at.port)
            sock.sendall(bytes(200000))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            sock.close()
        return at.bystander.check_quick()


KINDS = [
    refused,
    unresolvable,
    black_holed,
    never_reads,
    busy_neighbour,
    speaks_first,
    resets,
    user_resets,
]


def cases(config: Config) -> list[Case]:
    return [
        Case(
            "targets",
            backend_case_name(pair, backend, kind.__name__.replace("_", "-")),
            partial(kind, pair=pair, backend=backend),
            timeout=90,
        )
        for pair in chosen(config)
        for backend in pair.backends(config)
        for kind in KINDS
    ]
