"""What the client's user types and reads: -L, host keys, user keys, agent, errors, -v, -f.

The client under test talks to OpenSSH's server; the pair ssh:sshd shows what OpenSSH does itself.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import socket
import subprocess
import termios
from collections.abc import Callable
from functools import partial
from pathlib import Path

import clients
import payload
import servers
import wire
from cases_garbage import FakeServer
from cases_targets import black_hole
from clients import Wish
from harness import (
    Case,
    Config,
    Lab,
    Program,
    alive,
    check,
    children,
    listening,
    wait_until,
)
from keys import host_key, make_key, public, user_key
from pairs import clients_under_test

# ssh's status for every failure of its own
FAILURE = 255


def expect(text: str, *patterns: str) -> None:
    """Each pattern is found, letter case aside."""
    for pattern in patterns:
        check(re.search(pattern, text, re.IGNORECASE), f"nothing like /{pattern}/ in the output")


def run_to_end(
    lab: Lab, kind: str, port: int, wish: Wish, specs: list[str] | None = None
) -> tuple[int, str]:
    return lab.run(clients.command(lab, kind, port, specs or [], wish), env=wish.env)


def expect_failure(lab: Lab, kind: str, port: int, wish: Wish, *patterns: str) -> str:
    """The client gives up by itself, says why, and ends with 255."""
    wish.verbose = ""
    spec = f"{lab.port()}:127.0.0.1:9"
    status, text = run_to_end(lab, kind, port, wish, [spec])
    check(status == FAILURE, f"{kind} ends with status {status}, not {FAILURE}")
    expect(text, *patterns)
    return text


# ---- forwards ----------------------------------------------------------------------------------


def forward_forms(lab: Lab, kind: str) -> str:
    """Every form with TCP on both sides, several -L on one command line."""
    echo = lab.target("echo").port
    server = servers.start(lab, "sshd")
    forms: list[tuple[str, list[str]]] = [
        ("{port}:127.0.0.1:{echo}", ["127.0.0.1", "::1"]),
        ("127.0.0.1:{port}:127.0.0.1:{echo}", ["127.0.0.1"]),
        ("localhost:{port}:localhost:{echo}", ["127.0.0.1"]),
        ("[127.0.0.1]:{port}:[127.0.0.1]:{echo}", ["127.0.0.1"]),
        ("[::1]:{port}:127.0.0.1:{echo}", ["::1"]),
        ("*:{port}:127.0.0.1:{echo}", ["127.0.0.1", "127.0.0.9", "::1"]),
        (":{port}:127.0.0.1:{echo}", ["127.0.0.1", "127.0.0.9", "::1"]),
        ("0.0.0.0:{port}:127.0.0.1:{echo}", ["127.0.0.1", "127.0.0.9"]),
    ]
    ports = [lab.port() for _ in forms]
    specs = [form.format(port=port, echo=echo) for port, (form, _) in zip(ports, forms)]
    named = lab.port()
    argv = clients.command(lab, kind, server.port, [*specs, f"{named}:127.0.0.1:http"])
    program = lab.start(kind, argv)
    program.wait_listening(named)
    for port, (form, hosts) in zip(ports, forms):
        program.wait_listening(port)
        for host in hosts if socket.has_ipv6 else [h for h in hosts if ":" not in h]:
            try:
                payload.exchange(port, 1000, host=host)
            except OSError as error:
                check(False, f"-L {form} through {host}: {error}")
    expect_unreachable(ports[0], "127.0.0.9", "a forward without a bind address")
    return f"{len(forms)} forms"


def expect_unreachable(port: int, host: str, what: str) -> None:
    try:
        payload.connect(port, host).close()
    except ConnectionRefusedError:
        return
    check(False, f"{what} can be reached at {host}")


def bad_forward_forms(lab: Lab, kind: str) -> str:
    bad = ["abc", "1:2", "8080:host", "8080:host:99999", "8080:host:0", "99999:host:1"]
    bad += ["8080:host:1:x:y", "[::1:8080:host:1", ":::", "", "8080:host:nosuchservice"]
    for spec in bad:
        status, text = lab.run([lab.config.program(kind), "-N", "-F", "none", "-L", spec, "x@y"])
        check(status == FAILURE, f"-L {spec!r}: status {status}, not {FAILURE}")
        expect(text, "bad local forwarding specification")
    return f"{len(bad)} forms refused"


def several_targets(lab: Lab, kind: str) -> None:
    """Each forward leads to its own target."""
    echo, banner = lab.target("echo"), lab.target("banner")
    server = servers.start(lab, "sshd")
    client = clients.start(lab, kind, server, [echo.port, banner.port])
    payload.exchange(client.ports[0], 1000)
    with payload.connect(client.ports[1]) as sock:
        check(sock.recv(3) == b"220", "the second forward leads elsewhere")


def gateway_ports(lab: Lab, kind: str) -> None:
    echo = lab.target("echo")
    server = servers.start(lab, "sshd")
    client = clients.start(lab, kind, server, [echo.port], Wish(extra=["-g"]))
    payload.exchange(client.ports[0], 1000, host="127.0.0.9")


def port_in_use(lab: Lab, kind: str) -> None:
    """Told, but not the end; with ExitOnForwardFailure it is."""
    echo = lab.target("echo")
    server = servers.start(lab, "sshd")
    taken = f"127.0.0.1:{echo.port}:127.0.0.1:{echo.port}"
    client = clients.start(lab, kind, server, [echo.port], Wish(specs=[taken], verbose=""))
    client.program.wait_log("address already in use")
    client.program.wait_log(rf"(cannot listen to|port.*) {echo.port}")
    payload.exchange(client.ports[0], 1000)
    wish = Wish(specs=[taken], options=["ExitOnForwardFailure=yes"], verbose="")
    status, text = run_to_end(lab, kind, server.port, wish)
    check(status == FAILURE, f"with ExitOnForwardFailure the status is {status}, not {FAILURE}")
    expect(text, "address already in use")


# ---- reaching the server -----------------------------------------------------------------------


def connection_refused(lab: Lab, kind: str) -> None:
    port = lab.port()
    pattern = rf"connect to .*127\.0\.0\.1.* port {port}: Connection refused"
    expect_failure(lab, kind, port, Wish(), pattern)


def connect_timeout(lab: Lab, kind: str) -> None:
    with black_hole(lab) as port:
        wish = Wish(options=["ConnectTimeout=2"])
        expect_failure(lab, kind, port, wish, r"timed? ?out")


def silent_server(lab: Lab, kind: str) -> None:
    target = lab.target("mute")
    expect_failure(lab, kind, target.port, Wish(options=["ConnectTimeout=2"]), r"timed? ?out")


def unresolvable_server(lab: Lab, kind: str) -> None:
    status, text = lab.run(
        [lab.config.program(kind), "-N", "-F", "none", "x@no-such-host.invalid"]
    )
    check(status == FAILURE, f"status {status}, not {FAILURE}")
    expect(text, r"could not resolve hostname no-such-host\.invalid")


def not_ssh(lab: Lab, kind: str) -> None:
    target = lab.target("http")
    words = r"identification|banner|not .*ssh|kex_exchange"
    text = expect_failure(lab, kind, target.port, Wish(), words)
    if kind == "culvert":
        expect(text, r"HTTP|not an? SSH|doesn't speak SSH|not .*ssh")


def no_common_algorithm(lab: Lab, kind: str) -> None:
    """The kind of algorithm and the server's offer are told."""
    fake = FakeServer(lab)
    wrong = {
        "cipher": wire.Algorithms(cipher="aes128-cbc"),
        "key exchange method": wire.Algorithms(kex="diffie-hellman-group1-sha1"),
        "host key type": wire.Algorithms(host_key="ssh-dss"),
    }
    offers = ["aes128-cbc", "diffie-hellman-group1-sha1", "ssh-dss"]
    for (what, names), offer in zip(wrong.items(), offers):
        fake.answer = wire.hello(names)
        expect_failure(
            lab, kind, fake.port, Wish(), rf"no matching {what} found.*their offer: {offer}"
        )


def login_name_and_source(lab: Lab, kind: str) -> None:
    """-l and -b."""
    echo = lab.target("echo")
    server = servers.start(lab, "sshd")
    port = lab.port()
    argv = clients.command(lab, kind, server.port, [f"{port}:127.0.0.1:{echo.port}"])
    argv = [*argv[:-1], "-b", "127.0.0.7", "-l", lab.user, "127.0.0.1"]
    lab.start(kind, argv).wait_listening(port)
    payload.exchange(port, 1000)
    server.program.wait_log(rf"Accepted publickey for {lab.user} from 127\.0\.0\.7")


# ---- host keys ---------------------------------------------------------------------------------


def known_hosts(lab: Lab, port: int, key: Path, marker: str = "") -> Path:
    line = f"{marker}[127.0.0.1]:{port} {public(key)}\n"
    return lab.write("known_hosts", "# a comment\n\n" + line)


def expect_tunnel(lab: Lab, kind: str, server: servers.Server, echo: int, wish: Wish) -> Program:
    client = clients.start(lab, kind, server, [echo], wish)
    payload.exchange(client.ports[0], 1000)
    client.program.stop()
    return client.program


def known_host(lab: Lab, kind: str) -> None:
    """A plain entry, a hashed one, and one among wildcards, each with strict checking."""
    echo = lab.target("echo")
    server = servers.start(lab, "sshd")
    strict = ["StrictHostKeyChecking=yes"]
    file = known_hosts(lab, server.port, host_key(lab))
    expect_tunnel(lab, kind, server, echo.port, Wish(options=strict, known_hosts=file))
    lab.run([lab.config.program("ssh-keygen"), "-H", "-f", str(file)])
    check(file.read_text().count("|1|") == 1, "ssh-keygen -H did not hash")
    expect_tunnel(lab, kind, server, echo.port, Wish(options=strict, known_hosts=file))
    file.write_text(f"[127.0.0.*]:{server.port},other {public(host_key(lab))}\n")
    expect_tunnel(lab, kind, server, echo.port, Wish(options=strict, known_hosts=file))
    but_not = f"*,![127.0.0.1]:{server.port},!127.0.0.1"
    file.write_text(f"{but_not} {public(host_key(lab))}\n")
    expect_failure(
        lab,
        kind,
        server.port,
        Wish(options=strict, known_hosts=file),
        "host key verification failed",
    )


def unknown_host(lab: Lab, kind: str) -> None:
    server = servers.start(lab, "sshd")
    empty = lab.write("known_hosts", "")
    wish = Wish(options=["StrictHostKeyChecking=yes"], known_hosts=empty)
    words = ("host key verification failed", "host key is known")
    expect_failure(lab, kind, server.port, wish, *words)
    check(empty.read_text() == "", "strict checking wrote to known_hosts")


def accept_new(lab: Lab, kind: str) -> None:
    """Written in the form that OpenSSH reads; then strict checking passes; a change is refused."""
    echo = lab.target("echo")
    server = servers.start(lab, "sshd")
    file = lab.dir / "new_known_hosts"
    wish = Wish(options=["StrictHostKeyChecking=accept-new"], known_hosts=file)
    expect_tunnel(lab, kind, server, echo.port, wish)
    find = [lab.config.program("ssh-keygen"), "-F", f"[127.0.0.1]:{server.port}", "-f", str(file)]
    status, text = lab.run(find)
    check(status == 0 and public(host_key(lab)).split()[1] in text, "the key was not written")
    strict = Wish(options=["StrictHostKeyChecking=yes"], known_hosts=file)
    expect_tunnel(lab, kind, server, echo.port, strict)
    other = known_hosts(lab, server.port, make_key(lab, "other_key"))
    wish = Wish(options=["StrictHostKeyChecking=accept-new"], known_hosts=other)
    expect_failure(lab, kind, server.port, wish, "HOST IDENTIFICATION HAS CHANGED")


def changed_key(lab: Lab, kind: str) -> None:
    """The full explanation: what, the fingerprint, which line of which file."""
    server = servers.start(lab, "sshd")
    file = known_hosts(lab, server.port, make_key(lab, "other_key"))
    before = file.read_text()
    _, text = lab.run([lab.config.program("ssh-keygen"), "-lf", str(host_key(lab))])
    fingerprint = re.escape(text.split()[1])
    for strict in ("yes", "ask"):
        wish = Wish(options=[f"StrictHostKeyChecking={strict}"], known_hosts=file)
        expect_failure(
            lab,
            kind,
            server.port,
            wish,
            "REMOTE HOST IDENTIFICATION HAS CHANGED",
            "someone could be eavesdropping",
            fingerprint,
            r"known_hosts:3",
            "host key verification failed",
        )
    check(file.read_text() == before, "a changed key altered known_hosts")


def revoked_key(lab: Lab, kind: str) -> None:
    server = servers.start(lab, "sshd")
    file = known_hosts(lab, server.port, host_key(lab), "@revoked ")
    # with "no" OpenSSH goes on without forwards, which leaves a forwarder nothing to do
    for strict in ("yes", "accept-new", *(["no"] if kind == "culvert" else [])):
        wish = Wish(options=[f"StrictHostKeyChecking={strict}"], known_hosts=file)
        expect_failure(lab, kind, server.port, wish, "revoked", "host key verification failed")


def asks(lab: Lab, kind: str) -> None:
    """On a terminal: the question with the fingerprint; yes and no do what they say."""
    echo = lab.target("echo")
    server = servers.start(lab, "sshd")
    for answer in ("no", "yes"):
        file = lab.dir / f"asked_{answer}"
        wish = Wish(options=["StrictHostKeyChecking=ask", "BatchMode=no"], known_hosts=file)
        port = lab.port()
        argv = clients.command(lab, kind, server.port, [f"{port}:127.0.0.1:{echo.port}"], wish)
        with terminal(lab, argv) as (process, fd):
            text = read_terminal(fd, r"\(yes/no")
            expect(text, "authenticity of host", "SHA256:")
            os.write(fd, f"{answer}\n".encode())
            if answer == "yes":
                wait_until(lambda: listening(port), 10, "yes leads to a forward")
                payload.exchange(port, 1000)
            else:
                check(process.wait(10) == FAILURE, "no doesn't end it with 255")
            check((answer == "yes") == file.exists(), f"after {answer}: known_hosts is wrong")


@contextlib.contextmanager
def terminal(lab: Lab, argv: list[str]):
    """A program with a terminal of its own, and the other end of that."""
    ours, theirs = os.openpty()

    def own_it() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        argv,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=lab.env,
        cwd=lab.dir,
        start_new_session=True,
        preexec_fn=own_it,
    )
    os.close(theirs)
    try:
        yield process, ours
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def read_terminal(fd: int, until: str) -> str:
    text = ""
    os.set_blocking(fd, False)

    def read_more() -> bool:
        nonlocal text
        with contextlib.suppress(BlockingIOError):
            text += os.read(fd, 65536).decode("utf-8", "replace")
        return re.search(until, text) is not None

    wait_until(read_more, 10, f"the terminal shows /{until}/")
    return text


# ---- user keys ---------------------------------------------------------------------------------


def refused_key(lab: Lab, kind: str) -> None:
    server = servers.start(lab, "sshd")
    wish = Wish(key=make_key(lab, "stranger"))
    expect_failure(lab, kind, server.port, wish, r"permission denied \(publickey")


def open_key_file(lab: Lab, kind: str) -> None:
    """A private key that others may read is not used."""
    server = servers.start(lab, "sshd")
    key = user_key(lab)
    key.chmod(0o644)
    expect_failure(
        lab,
        kind,
        server.port,
        Wish(),
        r"permissions 0644 for .*user_key.* are too open",
        "permission denied",
    )


def missing_key_file(lab: Lab, kind: str) -> None:
    server = servers.start(lab, "sshd")
    wish = Wish(key=lab.dir / "no_such_key")
    expect_failure(lab, kind, server.port, wish, "no_such_key.*no such file", "permission denied")


def with_agent(lab: Lab, kind: str, key_type: str) -> None:
    """The key is only in the agent."""
    echo = lab.target("echo")
    key = make_key(lab, f"agent_{key_type}", key_type)
    server = servers.start(
        lab, "sshd", servers.Wish(authorized=key.with_suffix(".pub").read_text())
    )
    socket_path = lab.dir / "agent.sock"
    lab.start("ssh-agent", [lab.config.program("ssh-agent"), "-D", "-a", str(socket_path)])
    wait_until(socket_path.exists, 5, "the agent's socket appears")
    env = {"SSH_AUTH_SOCK": str(socket_path)}
    status, text = lab.run([lab.config.program("ssh-add"), "-q", str(key)], env=env)
    check(status == 0, f"ssh-add: {text}")
    key.unlink()
    client = clients.start(lab, kind, server, [echo.port], Wish(no_key=True, env=env))
    payload.exchange(client.ports[0], 100001)


# ---- what is told ------------------------------------------------------------------------------


def story(lab: Lab, kind: str) -> None:
    """-v tells a forward from listening to closed, in order."""
    echo = lab.target("echo")
    server = servers.start(lab, "sshd")
    client = clients.start(lab, kind, server, [echo.port])
    port = client.ports[0]
    payload.exchange(port, 1000)
    chapters = {
        "listening": rf"(listening|forwarded).*({port}|127\.0\.0\.1)",
        "who connects": rf"connection (to port {port}|from)",
        "channel opened": r"channel \d+: .*direct-tcpip",
    }
    if kind == "culvert":
        chapters |= {
            "the target": rf"127\.0\.0\.1.* {echo.port}|127\.0\.0\.1:{echo.port}",
            "confirmed": r"channel \d+: .*(confirm|open).*\d+",
            "EOF": r"channel \d+: .*eof",
            "closed with bytes": r"channel \d+: (free|clos).*1000.*1000",
        }
    else:
        chapters |= {"freed": r"channel \d+: free: direct-tcpip"}
    client.program.wait_log(list(chapters.values())[-1], 5)
    expect_story(client.program.log(), chapters)


def banner(lab: Lab, kind: str) -> None:
    """The server's words are shown, whatever bytes they are, and the login goes on."""
    text = lab.write("banner.txt", "")
    text.write_bytes(b"Authorised use only.\r\nsecond \xff line\n\nno line end")
    server = servers.start(lab, "sshd", servers.Wish(lines=[f"Banner {text}"]))
    echo = lab.target("echo")
    client = clients.start(lab, kind, server, [echo.port])
    payload.exchange(client.ports[0], 1000)
    expect(client.program.log(), r"Authorised use only\.", "second .* line", "no line end")


def expect_story(log: str, chapters: dict[str, str]) -> None:
    """Each chapter is told on a line that doesn't come before the last one's."""
    lines = log.splitlines()
    at = 0
    for name, pattern in chapters.items():
        found = [n for n in range(at, len(lines)) if re.search(pattern, lines[n], re.IGNORECASE)]
        check(found, f"the story lacks, in its place: {name} (/{pattern}/)")
        at = found[0]


def background(lab: Lab, kind: str) -> None:
    """-f: the command returns 0 when the forwards are up; the tunnel goes on."""
    echo = lab.target("echo")
    server = servers.start(lab, "sshd")
    port = lab.port()
    log = lab.dir / "background.log"
    wish = Wish(extra=["-f", "-E", str(log)])
    argv = clients.command(lab, kind, server.port, [f"{port}:127.0.0.1:{echo.port}"], wish)
    status, text = lab.run(argv)
    check(status == 0, f"-f ends with status {status}: {text}")
    check(listening(port), "-f returned before the forward was up")
    payload.exchange(port, 100001)
    name = Path(argv[0]).name
    daemons = [
        pid
        for pid in children(os.getpid())
        if alive(pid) and Path(f"/proc/{pid}/comm").read_text().strip() == name
    ]
    check(len(daemons) == 1, f"{len(daemons)} processes in the background")
    check(os.getsid(daemons[0]) == daemons[0], "the background process has no session of its own")
    os.kill(daemons[0], signal.SIGTERM)
    wait_until(lambda: not alive(daemons[0]), 5, "the background process ends on SIGTERM")
    check(not listening(port), "its port is still open")
    # the failed login of a -f must be told to the caller
    wish = Wish(extra=["-f"], key=make_key(lab, "stranger"), verbose="")
    status, text = run_to_end(lab, kind, server.port, wish, [f"{port}:127.0.0.1:1"])
    check(status == FAILURE, f"-f with a refused key ends with {status}")


def log_file(lab: Lab, kind: str) -> None:
    """-E: nothing on the terminal, all in the file."""
    port = lab.port()
    log = lab.dir / "errors.log"
    status, text = run_to_end(lab, kind, port, Wish(extra=["-E", str(log)], verbose=""))
    check(status == FAILURE, f"status {status}")
    check(not text.strip(), f"-E leaves on the terminal: {text}")
    expect(log.read_text(), "connection refused")


def versions_and_help(lab: Lab, kind: str) -> None:
    path = lab.config.program(kind)
    status, text = lab.run([path, "-V"])
    check(status == 0, f"-V ends with status {status}")
    expect(text, "culvert|openssh")
    if kind == "culvert":
        flags = {"--version": ["culvert"], "-h": ["usage", "-L"], "--help": ["usage", "-L"]}
        for flag, words in flags.items():
            status, text = lab.run([path, flag])
            check(status == 0, f"{flag} ends with status {status}")
            expect(text, *words)


def bad_usage(lab: Lab, kind: str) -> None:
    path = lab.config.program(kind)
    for arguments, pattern in (
        (["-o", "NoSuchKeyword=1", "x@y"], "bad configuration option: *nosuchkeyword"),
        (["-o", "Port=0", "x@y"], "bad|invalid|port"),
        (["-p", "70000", "x@y"], "port.*70000"),
        (["-o", "Ciphers=nonsense", "x@y"], "cipher"),
        (["-o", "StrictHostKeyChecking=maybe", "x@y"], "maybe"),
        ([], "usage|no destination"),
        (["-N", "--no-such-flag", "x@y"], "usage|unknown|option"),
    ):
        status, text = lab.run([path, "-F", "none", *arguments])
        check(status == FAILURE, f"{arguments}: status {status}, not {FAILURE}")
        expect(text, pattern)


CASES: dict[str, Callable[..., str | None]] = {
    f.__name__.replace("_", "-"): f
    for f in (
        forward_forms,
        bad_forward_forms,
        several_targets,
        gateway_ports,
        port_in_use,
        connection_refused,
        connect_timeout,
        silent_server,
        unresolvable_server,
        not_ssh,
        no_common_algorithm,
        login_name_and_source,
        known_host,
        unknown_host,
        accept_new,
        changed_key,
        revoked_key,
        asks,
        refused_key,
        open_key_file,
        missing_key_file,
        story,
        background,
        log_file,
        versions_and_help,
        bad_usage,
        banner,
    )
}
for _kind in ("ed25519", "rsa", "ecdsa"):
    CASES[f"agent-{_kind}"] = partial(with_agent, key_type=_kind)


def cases(config: Config) -> list[Case]:
    return [
        Case("cli", f"{pair} {name}", partial(run, kind=pair.client))
        for pair in clients_under_test(config)
        for name, run in CASES.items()
    ]
