"""The three clients: culvert, OpenSSH's ssh, Dropbear's dbclient; started with the same wishes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from harness import Failed, Lab, Program
from keys import user_key
from servers import Server, as_nobody


@dataclass
class Wish:
    cipher: str | None = None
    backend: str | None = None
    rekey: str | None = None
    # -L texts beside the numbered forwards
    specs: list[str] = field(default_factory=list)
    # -o texts, which win over the usual ones because they come first, and other arguments
    options: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    key: Path | None = None
    no_key: bool = False
    user: str | None = None
    # None: the host key isn't checked
    known_hosts: Path | None = None
    env: dict[str, str] = field(default_factory=dict)
    verbose: str = "-v"
    as_nobody: bool = False
    wait: bool = True


@dataclass
class Client:
    """A running client; ports[n] is where the nth target can be reached."""

    program: Program
    ports: list[int]

    @property
    def pid(self) -> int:
        return self.program.pid


def command(
    lab: Lab, kind: str, server_port: int, specs: list[str], wish: Wish | None = None
) -> list[str]:
    """The command line of a client that holds these -L forwards."""
    wish = wish or Wish()
    key = wish.key or user_key(lab)
    login = f"{wish.user or lab.user}@127.0.0.1"
    forwards = [word for spec in [*specs, *wish.specs] for word in ("-L", spec)]
    if kind == "dbclient":
        return dbclient_command(lab, server_port, forwards, wish, key, login)
    argv = [lab.config.program(kind), "-N", "-F", "none", "-p", str(server_port)]
    argv += [wish.verbose] if wish.verbose else []
    argv += [] if wish.no_key else ["-i", str(key)]
    for option in wish.options:
        argv += ["-o", option]
    if wish.known_hosts:
        argv += ["-o", f"UserKnownHostsFile={wish.known_hosts}"]
    else:
        argv += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    argv += ["-o", "GlobalKnownHostsFile=/dev/null", "-o", "BatchMode=yes"]
    argv += [] if wish.no_key else ["-o", "IdentitiesOnly=yes"]
    if wish.cipher:
        argv += ["-o", f"Ciphers={wish.cipher}"]
    if wish.rekey:
        argv += ["-o", f"RekeyLimit={wish.rekey}"]
    if wish.backend and kind == "culvert":
        argv += ["-o", f"CulvertIOBackend={wish.backend}"]
    return [*argv, *wish.extra, *forwards, login]


def dbclient_command(
    lab: Lab, server_port: int, forwards: list[str], wish: Wish, key: Path, login: str
) -> list[str]:
    if wish.rekey or wish.options:
        raise Failed("dbclient has no such settings")
    path = lab.config.program("dbclient")
    converted = key.with_suffix(".dropbear")
    convert = [lab.config.program("dropbearconvert"), "openssh", "dropbear"]
    lab.run([*convert, str(key), str(converted)])
    argv = [path, "-N", "-y", "-y", "-i", str(converted), "-p", str(server_port)]
    if wish.cipher:
        argv += ["-c", wish.cipher]
    return [*argv, *wish.extra, *forwards, login]


def start(
    lab: Lab, kind: str, server: Server, targets: list[int | str], wish: Wish | None = None
) -> Client:
    """A client with one forward per target: a port of 127.0.0.1, or "host:port"."""
    wish = wish or Wish()
    ports = [lab.port() for _ in targets]
    specs = []
    for port, target in zip(ports, targets):
        place = f"127.0.0.1:{target}" if isinstance(target, int) else target
        specs.append(f"{port}:{place}")
    argv = command(lab, kind, server.port, specs, wish)
    if wish.as_nobody:
        key = wish.key or user_key(lab)
        argv = as_nobody(lab, argv, [key])
    program = lab.start(kind, argv, wish.env)
    if wish.wait:
        for port in ports:
            program.wait_listening(port)
    return Client(program, ports)
