"""Which client meets which server, what both can do, and a tunnel between them."""

from __future__ import annotations

from dataclasses import dataclass

import clients
import servers
from harness import Config, Failed, Lab

CHACHA = "chacha20-poly1305@openssh.com"
AES_GCM = "aes256-gcm@openssh.com"
BACKENDS = ["epoll", "io_uring"]
OURS = ("culvert", "culvertd")
DEFAULT_PAIRS = [
    "culvert:culvertd",
    "ssh:culvertd",
    "culvert:sshd",
    "dbclient:culvertd",
    "culvert:dropbear",
]
# the others among themselves: says nothing about culvert, but shows that the harness is right
REFERENCE_PAIRS = ["ssh:sshd", "dbclient:sshd", "ssh:dropbear"]


@dataclass(frozen=True)
class Pair:
    client: str
    server: str

    def __str__(self) -> str:
        return f"{self.client}:{self.server}"

    @property
    def has_dropbear(self) -> bool:
        return self.client == "dbclient" or self.server == "dropbear"

    @property
    def has_ours(self) -> bool:
        return self.client in OURS or self.server in OURS

    @property
    def ciphers(self) -> list[str]:
        """Debian's Dropbear is built without GCM."""
        return [CHACHA] if self.has_dropbear else [CHACHA, AES_GCM]

    def backends(self, config: Config, every: bool = False) -> list[str | None]:
        """Those asked for; else all of them, or the one that the programs choose themselves."""
        if not self.has_ours:
            return [None]
        return list(config.backends or (BACKENDS if every else [None]))


def chosen(config: Config) -> list[Pair]:
    return [Pair(*text.split(":")) for text in config.pairs]


def clients_under_test(config: Config) -> list[Pair]:
    """Pairs that show what a client does: against OpenSSH's server."""
    return [p for p in chosen(config) if p.server == "sshd" and p.client != "dbclient"]


def servers_under_test(config: Config) -> list[Pair]:
    """Pairs that show what a server does: with OpenSSH's client."""
    return [p for p in chosen(config) if p.client == "ssh" and p.server != "dropbear"]


@dataclass
class Tunnel:
    server: servers.Server
    client: clients.Client

    @property
    def ports(self) -> list[int]:
        return self.client.ports

    def check_running(self) -> None:
        for program in (self.server.program, self.client.program):
            if not program.running():
                raise Failed(f"{program.name} ended with status {program.process.poll()}")


def open_tunnel(
    lab: Lab,
    pair: Pair,
    targets: list[int | str],
    client: clients.Wish | None = None,
    server: servers.Wish | None = None,
) -> Tunnel:
    started = servers.start(lab, pair.server, server)
    return Tunnel(started, clients.start(lab, pair.client, started, targets, client))


def wishes(
    cipher: str | None = None, backend: str | None = None
) -> tuple[clients.Wish, servers.Wish]:
    """Both ends with the same cipher and backend."""
    client = clients.Wish(cipher=cipher, backend=backend)
    return client, servers.Wish(cipher=cipher, backend=backend)


def backend_case_name(pair: Pair, backend: str | None, *words: str) -> str:
    return " ".join([str(pair), *words, *([backend] if backend else [])])
