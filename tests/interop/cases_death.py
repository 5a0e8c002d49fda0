"""Either end, the target or the network dies in the middle of traffic: noticed, told, freed."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
from collections.abc import Iterator
from functools import partial

import clients
import payload
import servers
from harness import (
    Case,
    Config,
    Failed,
    Lab,
    Program,
    alive,
    check,
    descendants,
    descriptors,
    listening,
    wait_until,
)
from pairs import OURS, Pair, Tunnel, backend_case_name, chosen, open_tunnel, wishes

NOTICE = 5.0
# ssh's status for every failure of its own
FAILURE = 255
# keepalive of 1 s, given up after two: noticed by the third second or so
KEEPALIVE_NOTICE = 12.0


class Traffic:
    """Echoes through a forward until something breaks."""

    def __init__(self, port: int, streams: int = 3) -> None:
        self.stopped = threading.Event()
        self.moved = threading.Event()
        self.broken = threading.Semaphore(0)
        self.threads = [
            threading.Thread(target=self.pump, args=(port, n), daemon=True) for n in range(streams)
        ]
        for thread in self.threads:
            thread.start()
        if not self.moved.wait(20):
            raise Failed("no traffic got through before the accident")

    def pump(self, port: int, seed: int) -> None:
        with contextlib.suppress(OSError, Failed):
            while not self.stopped.is_set():
                payload.exchange(port, 1 << 20, seed)
                self.moved.set()
        self.broken.release()

    def expect_broken(self, within: float) -> None:
        """Every stream's user sees an end: nobody is left hanging."""
        for _ in self.threads:
            if not self.broken.acquire(timeout=within):
                raise Failed(f"a user's connection still hangs after {within:g} s")

    def stop(self) -> None:
        self.stopped.set()


@contextlib.contextmanager
def traffic(port: int) -> Iterator[Traffic]:
    flow = Traffic(port)
    try:
        yield flow
    finally:
        flow.stop()


def kill_all(program: Program, number: int = signal.SIGKILL) -> None:
    """The program and the processes it made for its connections."""
    for pid in [program.pid, *descendants(program.pid)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def server_files(tunnel: Tunnel) -> int:
    pids = [tunnel.server.pid, *descendants(tunnel.server.pid)]
    return sum(descriptors(pid) for pid in pids if alive(pid))


def expect_told(program: Program, before: int, pattern: str) -> None:
    """What the program wrote after the accident says why."""
    wait_until(
        lambda: re.search(pattern, program.log()[before:], re.IGNORECASE),
        NOTICE,
        f"{program.name} logs why (/{pattern}/)",
    )


def expect_failed(client: Program) -> None:
    """It ends, as a failure; for dbclient a server's goodbye is a good end."""
    status = client.wait(NOTICE)
    if client.name != "dbclient":
        check(status == FAILURE, f"{client.name} ends with status {status}, not {FAILURE}")


def client_killed(lab: Lab, pair: Pair, backend: str | None) -> None:
    echo = lab.target("echo")
    client_wish, server_wish = wishes(None, backend)
    server = servers.start(lab, pair.server, server_wish)
    idle = descriptors(server.pid)
    idle_target = descriptors(echo.pid)
    client = clients.start(lab, pair.client, server, [echo.port], client_wish)
    with traffic(client.ports[0]) as flow:
        seen = len(server.program.log())
        client.program.send(signal.SIGKILL)
        flow.expect_broken(NOTICE)
    wait_until(
        lambda: descriptors(echo.pid) <= idle_target, NOTICE, "the target's connections are closed"
    )
    wait_until(
        lambda: descriptors(server.pid) <= idle + 1, NOTICE, f"{pair.server} frees its descriptors"
    )
    expect_told(server.program, seen, r"clos|reset|lost|eof|disconnect|exit")
    again = clients.start(lab, pair.client, server, [echo.port], client_wish)
    payload.exchange(again.ports[0], 100001)


def server_killed(lab: Lab, pair: Pair, backend: str | None) -> None:
    echo = lab.target("echo")
    tunnel = open_tunnel(lab, pair, [echo.port], *wishes(None, backend))
    client = tunnel.client.program
    with traffic(tunnel.ports[0]) as flow:
        seen = len(client.log())
        kill_all(tunnel.server.program)
        flow.expect_broken(NOTICE)
    expect_failed(client)
    check(not listening(tunnel.ports[0]), f"{client.name} still listens")
    expect_told(client, seen, r"clos|reset|lost|eof|disconnect|broken")


def target_killed(lab: Lab, pair: Pair, backend: str | None) -> None:
    echo, other = lab.target("echo"), lab.target("echo")
    tunnel = open_tunnel(lab, pair, [echo.port, other.port], *wishes(None, backend))
    bystander = payload.Bystander(tunnel.ports[1])
    try:
        idle = server_files(tunnel)
        with traffic(tunnel.ports[0]) as flow:
            echo.send(signal.SIGKILL)
            flow.expect_broken(NOTICE)
        bystander.check_quick()
        wait_until(
            lambda: server_files(tunnel) <= idle, NOTICE, f"{pair.server} frees its descriptors"
        )
    finally:
        bystander.close()
    payload.exchange(tunnel.ports[1], 100001)
    lab.target("echo", echo.port)
    payload.exchange(tunnel.ports[0], 100001)


def client_frozen(lab: Lab, pair: Pair, backend: str | None) -> None:
    """As if the network were gone: only ClientAliveInterval can notice."""
    echo = lab.target("echo")
    client, server = wishes(None, backend)
    server.lines = ["ClientAliveInterval 1", "ClientAliveCountMax 2"]
    tunnel = open_tunnel(lab, pair, [echo.port], client, server)
    with payload.connect(tunnel.ports[0]) as sock:
        sock.sendall(b"x")
        check(sock.recv(1) == b"x", "no echo")
        idle_target = descriptors(echo.pid)
        seen = len(tunnel.server.program.log())
        tunnel.client.program.send(signal.SIGSTOP)
        try:
            wait_until(
                lambda: descriptors(echo.pid) < idle_target,
                KEEPALIVE_NOTICE,
                f"{pair.server} gives a silent client up",
            )
            expect_told(tunnel.server.program, seen, r"time.?out|not respond")
        finally:
            tunnel.client.program.send(signal.SIGCONT)
        expect_failed(tunnel.client.program)


def server_frozen(lab: Lab, pair: Pair, backend: str | None) -> None:
    """As if the network were gone: only ServerAliveInterval can notice."""
    echo = lab.target("echo")
    client, server = wishes(None, backend)
    client.options = ["ServerAliveInterval=1", "ServerAliveCountMax=2"]
    tunnel = open_tunnel(lab, pair, [echo.port], client, server)
    with payload.connect(tunnel.ports[0]) as sock:
        sock.sendall(b"x")
        check(sock.recv(1) == b"x", "no echo")
        kill_all(tunnel.server.program, signal.SIGSTOP)
        try:
            status = tunnel.client.program.wait(KEEPALIVE_NOTICE)
        finally:
            kill_all(tunnel.server.program, signal.SIGCONT)
    check(status == FAILURE, f"{pair.client} ends with status {status}, not {FAILURE}")
    tunnel.client.program.wait_log(r"time.?out, server .*not respond", 1)


def client_told_to_end(lab: Lab, pair: Pair, backend: str | None, number: int) -> None:
    echo = lab.target("echo")
    tunnel = open_tunnel(lab, pair, [echo.port], *wishes(None, backend))
    idle_target = descriptors(echo.pid)
    with traffic(tunnel.ports[0]) as flow:
        status = tunnel.client.program.stop(number, NOTICE)
        flow.expect_broken(NOTICE)
    check(not listening(tunnel.ports[0]), f"{pair.client} still listens")
    if pair.client == "culvert":
        check(status == 0, f"culvert ends with status {status} on signal {number}")
    wait_until(
        lambda: descriptors(echo.pid) <= idle_target, NOTICE, "the target's connections are closed"
    )
    check(tunnel.server.program.running(), f"{pair.server} ended with its client")


def server_told_to_end(lab: Lab, pair: Pair, backend: str | None, number: int) -> None:
    echo = lab.target("echo")
    tunnel = open_tunnel(lab, pair, [echo.port], *wishes(None, backend))
    with traffic(tunnel.ports[0]) as flow:
        status = tunnel.server.program.stop(number, NOTICE)
        if pair.server != "culvertd":
            # sshd's sessions outlive their listener
            return
        check(status == 0, f"culvertd ends with status {status} on signal {number}")
        flow.expect_broken(NOTICE)
    check(not listening(tunnel.server.port), "culvertd's port is still open")
    expect_failed(tunnel.client.program)


def kinds(pair: Pair) -> list[tuple[str, partial[None]]]:
    found = [
        (f.__name__.replace("_", "-"), partial(f))
        for f in (client_killed, server_killed, target_killed)
    ]
    if pair.server != "dropbear":
        found.append(("client-frozen", partial(client_frozen)))
    if pair.client != "dbclient":
        found.append(("server-frozen", partial(server_frozen)))
    for number in (signal.SIGTERM, signal.SIGINT):
        if pair.client in OURS:
            name = f"client-{number.name.lower()}"
            found.append((name, partial(client_told_to_end, number=number)))
        if pair.server in OURS:
            name = f"server-{number.name.lower()}"
            found.append((name, partial(server_told_to_end, number=number)))
    return found


def cases(config: Config) -> list[Case]:
    return [
        Case(
            "death",
            backend_case_name(pair, backend, name),
            partial(run, pair=pair, backend=backend),
        )
        for pair in chosen(config)
        for backend in pair.backends(config)
        for name, run in kinds(pair)
    ]
