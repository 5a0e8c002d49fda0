"""Rude peers: everything wrong that can be said before authentication, to a server and a client.

Every connection must end by itself, soon; the other side must live on and serve honest peers, and
no sanitizer may speak (looked at after every case).
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import clients
import payload
import servers
import wire
from harness import Case, Config, Failed, Lab, Program, check
from pairs import OURS, Pair, backend_case_name, clients_under_test, servers_under_test

GRACE = 4
ENDS_WITHIN = GRACE + 5.0
ENDS_AT_ONCE = 2.5
SEED = 20240607


Attack = tuple[str, bytes]


def random_bytes() -> Iterator[Attack]:
    source = random.Random(SEED)
    for n in range(20):
        yield f"random bytes {n}", source.randbytes(source.choice((1, 100, 5000, 65536)))
    for n in range(20):
        noise = source.randbytes(source.choice((1, 16, 700, 40000)))
        yield f"random bytes after the identification {n}", wire.IDENTIFICATION + noise
    for n in range(10):
        noise = source.randbytes(source.choice((8, 64, 4096)))
        yield f"random bytes after KEXINIT {n}", wire.hello() + noise


def identifications() -> Iterator[Attack]:
    yield "nothing", b""
    yield "an empty line", b"\r\n"
    yield "no newline", b"SSH-2.0-" + b"x" * 20000
    yield "a long line", b"SSH-2.0-" + b"x" * 300 + b"\r\n"
    yield "a NUL", b"SSH-2.0-a\0b\r\n"
    yield "protocol 1.5", b"SSH-1.5-old\r\n"
    yield "protocol 3.0", b"SSH-3.0-new\r\n"
    yield "HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    yield "TLS", bytes.fromhex("16030100c8010000c40303") + bytes(190)
    yield "an escape sequence", b"SSH-2.0-\x1b]0;owned\x07\x1b[31m\r\n"
    yield "format letters", b"SSH-2.0-%n%n%s%s\r\n" + wire.packet(b"\x14%n%s")


def lengths() -> Iterator[Attack]:
    for length in (0, 1, 2, 3, 4, 5, 11, 13, 35001, 262145, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
        body = wire.packet(wire.kexinit(), length=length)
        yield f"packet_length {length}", wire.IDENTIFICATION + body
    for padding in (0, 1, 3):
        text = wire.packet(wire.kexinit(), padding=padding)
        yield f"padding of {padding}", wire.IDENTIFICATION + text
    lying = bytearray(wire.packet(wire.kexinit()))
    for padding in (len(lying) % 256, 255):
        lying[4] = padding
        yield f"padding said to be {padding}", wire.IDENTIFICATION + bytes(lying)
    yield "an empty payload", wire.IDENTIFICATION + wire.packet(b"")
    whole = wire.hello()
    for cut in range(0, len(whole), 7):
        yield f"cut after {cut} bytes", whole[:cut]


def kexinits() -> Iterator[Attack]:
    body = wire.kexinit()
    for cut in range(1, len(body), 5):
        yield f"KEXINIT of {cut} bytes", wire.IDENTIFICATION + wire.packet(body[:cut])
    yield "KEXINIT with a tail", wire.IDENTIFICATION + wire.packet(body + b"tail")
    yield "KEXINIT twice", wire.hello() + wire.packet(body)
    yield "KEXINIT 100 times", wire.hello() + wire.packet(body) * 100
    yield "a name of 20000", wire.hello(wire.Algorithms(kex="a" * 20000))
    yield "10000 names", wire.hello(wire.Algorithms(cipher="a," * 10000 + "a"))
    yield "only commas", wire.hello(wire.Algorithms(cipher=",,,,", host_key=","))
    yield "control bytes in names", wire.hello(wire.Algorithms(kex="\0\x1b[31m,%n"))
    source = random.Random(SEED)
    for n in range(60):
        bent = bytearray(body)
        for _ in range(source.randrange(1, 6)):
            bent[source.randrange(len(bent))] = source.randrange(256)
        yield f"bent KEXINIT {n}", wire.IDENTIFICATION + wire.packet(bytes(bent))


def wrong_messages() -> Iterator[Attack]:
    """Every message number before KEXINIT and in the middle of a strict key exchange."""
    for number in range(256):
        body = bytes([number]) + bytes(40)
        yield f"message {number} first", wire.IDENTIFICATION + wire.packet(body)
        yield f"message {number} in the exchange", wire.hello() + wire.packet(body)
    early = {
        "SERVICE_REQUEST": bytes([wire.SERVICE_REQUEST]) + wire.string(b"ssh-userauth"),
        "USERAUTH_REQUEST": wire.userauth(),
        "USERAUTH_SUCCESS": bytes([wire.USERAUTH_SUCCESS]),
        "CHANNEL_OPEN": wire.direct_tcpip(),
        "NEWKEYS": bytes([wire.NEWKEYS]),
    }
    for name, body in early.items():
        yield f"early {name}", wire.hello() + wire.packet(body)
    for size in (0, 1, 31, 33, 16384):
        init = bytes([wire.ECDH_INIT]) + wire.string(os.urandom(size))
        yield f"public key of {size} bytes", wire.hello() + wire.packet(init)
    zero = bytes([wire.ECDH_INIT]) + wire.string(bytes(32))
    yield "public key of zeros", wire.hello() + wire.packet(zero)
    good = bytes([wire.ECDH_INIT]) + wire.string(b"\x09" + os.urandom(31))
    yield "exchange, then an early open", wire.hello() + wire.packet(good) + wire.packet(
        wire.direct_tcpip()
    )
    newkeys = wire.packet(bytes([wire.NEWKEYS]))
    noise = os.urandom(500)
    yield "exchange, then noise as ciphertext", wire.hello() + wire.packet(good) + newkeys + noise


ATTACKS: dict[str, Callable[[], Iterator[Attack]]] = {
    f.__name__.replace("_", "-"): f
    for f in (random_bytes, identifications, lengths, kexinits, wrong_messages)
}


def attack_server(port: int, attack: Attack) -> None:
    """Send it all, then end; the server must end as well."""
    name, data = attack
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=ENDS_WITHIN) as sock:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(65536):
                pass
    except TimeoutError:
        raise Failed(f"{name}: the connection never ends") from None
    except (ConnectionError, OSError):
        return


def honest_login(lab: Lab, server: servers.Server, echo_port: int) -> None:
    client = clients.start(lab, "ssh", server, [echo_port], clients.Wish(verbose=""))
    payload.exchange(client.ports[0], 100001)
    client.program.stop()


def rude_server_wish(backend: str | None) -> servers.Wish:
    return servers.Wish(
        backend=backend, lines=[f"LoginGraceTime {GRACE}", "MaxStartups 1000", "LogLevel VERBOSE"]
    )


def to_server(lab: Lab, pair: Pair, backend: str | None, kind: str) -> str:
    echo = lab.target("echo")
    server = servers.start(lab, pair.server, rude_server_wish(backend))
    honest_login(lab, server, echo.port)
    count = 0
    for attack in ATTACKS[kind]():
        attack_server(server.port, attack)
        check(server.program.running(), f"{attack[0]}: the server ended")
        count += 1
    honest_login(lab, server, echo.port)
    check_printable(server.program)
    return f"{count} rude connections"


def stalling_to_server(lab: Lab, pair: Pair, backend: str | None) -> str:
    """Peers that stop talking and keep the connection: an absolute deadline ends them."""
    echo = lab.target("echo")
    server = servers.start(lab, pair.server, rude_server_wish(backend))
    stalls = [
        b"",
        b"SSH-2.0-half",
        wire.IDENTIFICATION,
        wire.hello()[:-40],
        wire.hello(),
    ]
    with contextlib.ExitStack() as stack:
        socks = []
        for data in stalls:
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            sock.sendall(data)
            socks.append(sock)
        honest_login(lab, server, echo.port)
        deadline = time.monotonic() + ENDS_WITHIN
        for data, sock in zip(stalls, socks):
            sock.settimeout(max(0.1, deadline - time.monotonic()))
            with contextlib.suppress(ConnectionError):
                try:
                    while sock.recv(65536):
                        pass
                except TimeoutError:
                    raise Failed(f"stalled after {data[:40]!r}, still open") from None
    honest_login(lab, server, echo.port)
    return f"{len(stalls)} stalled logins ended by LoginGraceTime {GRACE}"


def oversize_at_once(lab: Lab, pair: Pair, backend: str | None) -> None:
    """A bad length is refused from its four bytes, without waiting for more."""
    server = servers.start(lab, pair.server, rude_server_wish(backend))
    for length in (0, 300000, 0x7FFFFFFF, 0xFFFFFFFF):
        with socket.create_connection(("127.0.0.1", server.port), timeout=ENDS_AT_ONCE) as sock:
            sock.sendall(wire.IDENTIFICATION + length.to_bytes(4, "big") + b"\4\x14" + bytes(10))
            with contextlib.suppress(ConnectionError):
                try:
                    while sock.recv(65536):
                        pass
                except TimeoutError:
                    raise Failed(f"packet_length {length} isn't refused at once") from None


def check_printable(program: Program) -> None:
    """Bytes from the network reach our logs escaped; OpenSSH lets bell and backspace through."""
    if program.name in OURS:
        bad = {c for c in program.log() if not (" " <= c <= "~" or c == "\n")}
        check(not bad, f"{program.name} logs raw bytes: {sorted(bad)!r}")


class FakeServer:
    """Gives each connection the next answer and ends it."""

    def __init__(self, lab: Lab) -> None:
        self.port = lab.port()
        self.listener = lab.resources.enter_context(socket.socket())
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", self.port))
        self.listener.listen(16)
        self.answer = b""
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                with sock, contextlib.suppress(OSError):
                    sock.settimeout(5)
                    sock.sendall(self.answer)
                    sock.shutdown(socket.SHUT_WR)
                    while sock.recv(65536):
                        pass


def thinned(kind: str) -> list[Attack]:
    """A client is started for each, so not every number is tried on it."""
    attacks = list(ATTACKS[kind]())
    step = max(1, len(attacks) // 25)
    return attacks[::step]


def to_client(lab: Lab, pair: Pair, backend: str | None, kind: str) -> str:
    fake = FakeServer(lab)
    spec = f"{lab.port()}:127.0.0.1:9"
    argv = clients.command(lab, pair.client, fake.port, [spec], clients.Wish(backend=backend))
    attacks = thinned(kind) if not lab.config.full else list(ATTACKS[kind]())
    for name, data in attacks:
        fake.answer = data
        program = lab.start(pair.client, argv)
        try:
            status = program.wait(ENDS_WITHIN)
        except Failed as failed:
            raise Failed(f"{name}: {failed}") from None
        check(status == 255, f"{name}: {pair.client} ends with status {status}")
        check(program.log().strip(), f"{name}: {pair.client} says nothing")
        check_printable(program)
        lab.programs.remove(program)
    return f"{len(attacks)} rude servers"


def cases(config: Config) -> list[Case]:
    found = []
    for pair in servers_under_test(config):
        for backend in pair.backends(config):
            runs = {f"to-server {kind}": partial(to_server, kind=kind) for kind in ATTACKS}
            runs["to-server stalling"] = partial(stalling_to_server)
            runs["to-server oversize-at-once"] = partial(oversize_at_once)
            for name, run in runs.items():
                case = partial(run, pair=pair, backend=backend)
                text = backend_case_name(pair, backend, name)
                found.append(Case("garbage", text, case, timeout=120))
    for pair in clients_under_test(config):
        for backend in pair.backends(config):
            for kind in ATTACKS:
                case = partial(to_client, pair=pair, backend=backend, kind=kind)
                text = backend_case_name(pair, backend, f"to-client {kind}")
                timeout = 900 if config.full else 120
                found.append(Case("garbage", text, case, timeout=timeout))
    return found
