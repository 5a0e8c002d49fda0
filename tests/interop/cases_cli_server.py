"""What the server's administrator writes and reads: keywords, key options, limits, flags.

The server under test serves OpenSSH's client; the pair ssh:sshd shows what OpenSSH does itself.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable
from functools import partial

import clients
import payload
import servers
import wire
from cases_cli_client import expect, expect_failure, expect_story, run_to_end
from cases_targets import expect_closed
from clients import Wish
from harness import Case, Config, Lab, Skipped, check, wait_until
from keys import make_key, user_key
from pairs import servers_under_test

CLIENT = "ssh"
DENIED = r"permission denied \(publickey"


def key_line(lab: Lab, options: str = "") -> str:
    text = user_key(lab).with_suffix(".pub").read_text()
    return f"{options} {text}" if options else text


def forwards(lab: Lab, kind: str, wish: servers.Wish, allowed: bool) -> servers.Server:
    """A server with these wishes, and whether a forward through it works."""
    echo = lab.target("echo")
    server = servers.start(lab, kind, wish)
    client = clients.start(lab, CLIENT, server, [echo.port])
    if allowed:
        payload.exchange(client.ports[0], 1000)
    else:
        expect_closed(client.ports[0], 5)
        client.program.wait_log("open failed: administratively prohibited")
        check(client.program.running(), "a refused forward ended the connection")
    return server


# ---- authorized_keys ---------------------------------------------------------------------------


def key_options(lab: Lab, kind: str, options: str, allowed: bool) -> None:
    forwards(lab, kind, servers.Wish(authorized=key_line(lab, options)), allowed)


def key_permitopen(lab: Lab, kind: str) -> None:
    """One target is named, the other isn't; a wildcard port; forwards by name stay names."""
    echo, other = lab.target("echo").port, lab.target("echo").port
    options = f'permitopen="127.0.0.1:{echo}",permitopen="localhost:*"'
    server = servers.start(lab, kind, servers.Wish(authorized=key_line(lab, options)))
    targets: list[int | str] = [echo, other, f"localhost:{other}"]
    client = clients.start(lab, CLIENT, server, targets)
    payload.exchange(client.ports[0], 1000)
    expect_closed(client.ports[1], 5)
    payload.exchange(client.ports[2], 1000)
    client.program.wait_log("open failed: administratively prohibited")


def login_refused(lab: Lab, kind: str, options: str, why: str) -> None:
    """The line doesn't count, and the server says why."""
    server = servers.start(lab, kind, servers.Wish(authorized=key_line(lab, options)))
    expect_failure(lab, CLIENT, server.port, Wish(), DENIED)
    if kind == "culvertd":
        expect(server.program.log(), rf"authorized_keys.*\b(line )?1\b.*{why}")


def one_bad_line(lab: Lab, kind: str) -> None:
    """Nonsense, comments, blank and overlong lines around a good one do no harm."""
    noise = "# comment\n\nnonsense\nssh-ed25519 AAAA\nssh-ed25519 !!!! x\n" + "x" * 30000 + "\n"
    text = noise + key_line(lab) + "bad-option=\"" + key_line(lab)
    forwards(lab, kind, servers.Wish(authorized=text), True)


def other_key(lab: Lab, kind: str) -> None:
    server = servers.start(lab, kind)
    expect_failure(lab, CLIENT, server.port, Wish(key=make_key(lab, "stranger")), DENIED)
    check(server.program.running(), "the server ended")


def virtual_users(lab: Lab, kind: str) -> None:
    """%u: whose file admits the key; no account is needed."""
    if kind == "sshd":
        raise Skipped("sshd knows the system's accounts only")
    echo = lab.target("echo")
    lab.write("keys-alice", key_line(lab))
    wish = servers.Wish(lines=[f"AuthorizedKeysFile {lab.dir}/keys-%u"])
    server = servers.start(lab, kind, wish)
    client = clients.start(lab, CLIENT, server, [echo.port], Wish(user="alice"))
    payload.exchange(client.ports[0], 1000)
    for user in ("bob", "../keys-alice", "alice/../keys-alice", "%u"):
        expect_failure(lab, CLIENT, server.port, Wish(user=user), DENIED)


def strict_modes(lab: Lab, kind: str) -> None:
    """A list of keys that others may write admits nobody."""
    wish = servers.Wish(lines=["StrictModes yes"])
    server = servers.start(lab, kind, wish)
    (lab.dir / "authorized_keys").chmod(0o666)
    expect_failure(lab, CLIENT, server.port, Wish(), DENIED)
    expect(server.program.log(), "bad ownership or modes")


# ---- policy ------------------------------------------------------------------------------------


def policy(lab: Lab, kind: str, line: str, allowed: bool) -> None:
    forwards(lab, kind, servers.Wish(lines=[line]), allowed)


def permit_open(lab: Lab, kind: str) -> None:
    echo, other = lab.target("echo").port, lab.target("echo").port
    wish = servers.Wish(lines=[f"PermitOpen 127.0.0.1:{echo} example.org:80"])
    server = servers.start(lab, kind, wish)
    client = clients.start(lab, CLIENT, server, [echo, other, f"localhost:{echo}"])
    payload.exchange(client.ports[0], 1000)
    expect_closed(client.ports[1], 5)
    expect_closed(client.ports[2], 5)


def no_session(lab: Lab, kind: str) -> None:
    """A shell is refused politely, and the forward on the same connection goes on."""
    if kind == "sshd":
        raise Skipped("sshd does give sessions")
    echo = lab.target("echo")
    server = servers.start(lab, kind)
    port = lab.port()
    argv = clients.command(lab, CLIENT, server.port, [f"{port}:127.0.0.1:{echo.port}"])
    argv.remove("-N")
    program = lab.start(CLIENT, [*argv, "true"])
    status = program.wait(10)
    check(status == 255, f"ssh with a command ends with {status}")
    expect(program.log(), "open failed|channel.*refused|prohibited|unknown channel")
    check(server.program.running(), "the server ended")


# ---- limits ------------------------------------------------------------------------------------


def max_auth_tries(lab: Lab, kind: str) -> None:
    server = servers.start(lab, kind, servers.Wish(lines=["MaxAuthTries 2"]))
    keys = [make_key(lab, f"stranger{n}") for n in range(5)]
    extra = [word for key in keys[1:] for word in ("-i", str(key))]
    wish = Wish(key=keys[0], extra=extra)
    expect_failure(lab, CLIENT, server.port, wish, "too many authentication failures")
    expect(server.program.log(), "too many authentication failures|maximum authentication attempts")


def login_grace_time(lab: Lab, kind: str) -> str:
    server = servers.start(lab, kind, servers.Wish(lines=["LoginGraceTime 2"]))
    times = []
    for data in (b"", wire.hello()):
        started = time.monotonic()
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
            sock.sendall(data)
            with contextlib.suppress(ConnectionError):
                while sock.recv(65536):
                    pass
        times.append(time.monotonic() - started)
        check(1.5 < times[-1] < 7, f"a silent peer is closed after {times[-1]:.1f} s, not 2 s")
    return f"closed after {times[0]:.1f} and {times[1]:.1f} s"


def max_startups(lab: Lab, kind: str) -> None:
    """Three logins at a time; more are turned away; when they are gone the door is open again."""
    echo = lab.target("echo")
    server = servers.start(lab, kind, servers.Wish(lines=["MaxStartups 3"]))
    with contextlib.ExitStack() as stack:
        served = 0
        for _ in range(8):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            sock.settimeout(2)
            with contextlib.suppress(ConnectionError, TimeoutError):
                served += sock.recv(8).startswith(b"SSH-2.0-")
        check(served == 3, f"{served} of 8 unauthenticated connections were served, not 3")
    time.sleep(0.3)
    client = clients.start(lab, CLIENT, server, [echo.port])
    payload.exchange(client.ports[0], 1000)


def started_logins_only(lab: Lab, kind: str) -> None:
    """Whoever has logged in doesn't count for MaxStartups."""
    echo = lab.target("echo")
    server = servers.start(lab, kind, servers.Wish(lines=["MaxStartups 2"]))
    tunnels = [clients.start(lab, CLIENT, server, [echo.port]) for _ in range(4)]
    for tunnel in tunnels:
        payload.exchange(tunnel.ports[0], 1000)


# ---- files and flags ---------------------------------------------------------------------------


def config_file(lab: Lab, kind: str, *lines: str) -> str:
    base = servers.config_lines(lab, kind, servers.Wish(lines=list(lines)), lab.port())
    return str(lab.write(f"test-{kind}.conf", "\n".join(base) + "\n"))


def test_flags(lab: Lab, kind: str) -> None:
    """-t is silent when all is well and names file and line when not; -T prints keywords."""
    path = lab.config.program(kind)
    if kind == "sshd" and os.getuid() == 0:
        os.makedirs("/run/sshd", 0o755, exist_ok=True)
    status, text = lab.run([path, "-t", "-f", config_file(lab, kind)])
    loud = [line for line in text.splitlines() if not line.startswith("debug")]
    check(status == 0 and not loud, f"-t: status {status}, {text!r}")
    status, text = lab.run([path, "-T", "-f", config_file(lab, kind, "MaxAuthTries 4")])
    check(status == 0, f"-T: status {status}")
    expect(text, r"(?m)^maxauthtries 4$", r"(?m)^port \d+$", r"(?m)^listenaddress 127\.0\.0\.1")
    bad = {
        "NoSuchKeyword yes": "bad configuration option|unknown keyword",
        "Port 70000": "port",
        "ListenAddress": "listenaddress|missing",
        "AllowTcpForwarding perhaps": "allowtcpforwarding|perhaps",
        "PermitOpen nonsense": "permitopen|nonsense|bad port",
        "Ciphers nonsense": "cipher",
        "MaxStartups x": "maxstartups",
        "LoginGraceTime soon": "logingracetime|time value",
    }
    for line, pattern in bad.items():
        file = config_file(lab, kind, line)
        status, text = lab.run([path, "-t", "-f", file])
        check(status != 0, f"-t accepts {line!r}")
        expect(text, pattern)
        if kind == "culvertd":
            expect(text, r"test-culvertd\.conf:? ?(line )?1\b")
    status, text = lab.run([path, "-t", "-f", str(lab.dir / "missing.conf")])
    check(status != 0, "-t accepts a missing file")
    expect(text, r"missing\.conf.*no such file")


def harmless_keywords(lab: Lab, kind: str) -> None:
    """What Debian's own sshd_config says is accepted."""
    lines = [
        "KbdInteractiveAuthentication no",
        "X11Forwarding no",
        "PrintMotd no",
        "AcceptEnv LANG LC_*",
        "Subsystem sftp /usr/lib/openssh/sftp-server",
        "PermitRootLogin prohibit-password",
        "PasswordAuthentication no",
        "PubkeyAuthentication yes",
        "TCPKeepAlive yes",
    ]
    forwards(lab, kind, servers.Wish(lines=lines), True)


def pid_file(lab: Lab, kind: str) -> None:
    """Written at start, gone after SIGTERM."""
    path = lab.dir / "server.pid"
    server = servers.start(lab, kind, servers.Wish(lines=[f"PidFile {path}"]))
    wait_until(lambda: path.exists() and path.read_text().strip(), 5, "the pid file appears")
    check(int(path.read_text()) == server.pid, "the pid file has another number")
    server.program.stop(signal.SIGTERM)
    check(not path.exists(), "the pid file is still there")


def flags_win(lab: Lab, kind: str) -> None:
    """-p, -h and -o on the command line win over the file."""
    echo = lab.target("echo")
    port = lab.port()
    key = make_key(lab, "flag_host_key")
    file = config_file(lab, kind, "MaxAuthTries 3").strip()
    argv = [lab.config.program(kind), "-D", "-e", "-f", file, "-p", str(port), "-h", str(key)]
    program = lab.start(kind, [*argv, "-o", "AllowTcpForwarding=no"])
    program.wait_listening(port)
    server = servers.Server(kind, port, program, None)
    client = clients.start(lab, CLIENT, server, [echo.port])
    expect_closed(client.ports[0], 5)
    client.program.wait_log("prohibited")


def listen_addresses(lab: Lab, kind: str) -> None:
    """Several, of both families."""
    echo = lab.target("echo")
    ports = [lab.port() for _ in range(3)]
    lines = [f"ListenAddress 127.0.0.3:{ports[0]}", f"ListenAddress [::1]:{ports[1]}"]
    lines.append(f"ListenAddress localhost:{ports[2]}")
    server = servers.start(lab, kind, servers.Wish(lines=lines))
    for port, host in zip(ports, ("127.0.0.3", "::1", "127.0.0.1")):
        local = lab.port()
        argv = clients.command(lab, CLIENT, port, [f"{local}:127.0.0.1:{echo.port}"])
        lab.start(CLIENT, [*argv[:-1], f"{lab.user}@{host}"]).wait_listening(local)
        payload.exchange(local, 1000)
    expect(server.program.log(), rf"listening on 127\.0\.0\.3.*{ports[0]}", r"listening on .*::1")


def port_taken(lab: Lab, kind: str) -> None:
    taken = lab.target("echo").port
    argv = [lab.config.program(kind), "-D", "-e", "-f", config_file(lab, kind), "-p", str(taken)]
    status, text = lab.run(argv)
    check(status != 0, "starts on a port in use")
    expect(text, f"{taken}.*address already in use|address already in use.*{taken}")


def bad_host_key(lab: Lab, kind: str) -> None:
    """Missing, broken, or readable by others: not started with, and told."""
    path = lab.config.program(kind)
    broken = lab.write("broken_key", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n")
    open_key = make_key(lab, "open_key")
    open_key.chmod(0o644)
    for key, pattern in (
        (lab.dir / "no_such_key", "no_such_key"),
        (broken, "broken_key"),
        (open_key, "UNPROTECTED PRIVATE KEY|too open"),
    ):
        status, text = lab.run([path, "-t", "-f", config_file(lab, kind, f"HostKey {key}")])
        # sshd takes all HostKey lines, so its second, good one lets it start; ours may refuse
        expect(text, pattern)
        file = lab.write("one.conf", f"HostKey {key}\nPidFile none\n")
        status, text = lab.run([path, "-t", "-f", str(file)])
        check(status != 0, f"starts with only {key.name}")


def banner(lab: Lab, kind: str) -> None:
    text = lab.write("banner.txt", "Authorised use only.\n")
    server = servers.start(lab, kind, servers.Wish(lines=[f"Banner {text}"]))
    _, shown = run_to_end(lab, CLIENT, server.port, Wish(key=make_key(lab, "stranger")))
    expect(shown, r"Authorised use only\.")


def story(lab: Lab, kind: str) -> None:
    """At DEBUG1 the server tells a forward from login to close, in order."""
    echo = lab.target("echo")
    server = servers.start(lab, kind)
    client = clients.start(lab, CLIENT, server, [echo.port])
    payload.exchange(client.ports[0], 1000)
    client.program.stop()
    server.program.wait_log("disconnect", 5)
    chapters = {
        "listening": rf"Server listening on 127\.0\.0\.1 port {server.port}",
        "who connects": r"Connection from 127\.0\.0\.1 port \d+",
        "admitted": rf"Accepted publickey for {lab.user} from 127\.0\.0\.1.*SHA256:",
        "channel asked for": r"direct-tcpip",
    }
    if kind == "culvertd":
        chapters |= {
            "connected to the target": rf"connected|connection.*{echo.port}",
            "EOF": r"channel \d+: .*eof",
            "closed with bytes": r"channel \d+: (free|clos).*1000.*1000",
        }
    chapters["goodbye"] = r"(received disconnect|disconnected).*127\.0\.0\.1"
    expect_story(server.program.log(), chapters)


def version(lab: Lab, kind: str) -> None:
    status, text = lab.run([lab.config.program(kind), "-V"])
    if kind == "culvertd":
        check(status == 0, f"-V ends with status {status}")
    expect(text, "culvertd|openssh|unknown option -- V")


KEY_OPTIONS = {
    "restrict": ("restrict", False),
    "restrict-port-forwarding": ("restrict,port-forwarding", True),
    "no-port-forwarding": ("no-port-forwarding", False),
    "from-here": ('from="10.0.0.0/8,127.0.0.0/8"', True),
    "expiry-later": ('expiry-time="20990101"', True),
    "harmless-options": ("no-pty,no-X11-forwarding,no-agent-forwarding", True),
}
REFUSED_OPTIONS = {
    "from-elsewhere": ('from="10.0.0.0/8"', "from|address"),
    "from-negated": ('from="*,!127.0.0.1"', "from|address"),
    "expired": ('expiry-time="20200101"', "expir"),
    "unknown-option": ("frobnicate", "option"),
    "unclosed-quote": ('from="127.0.0.1', "quote"),
}
POLICIES = {
    "allow-yes": ("AllowTcpForwarding yes", True),
    "allow-local": ("AllowTcpForwarding local", True),
    "allow-no": ("AllowTcpForwarding no", False),
    "allow-remote": ("AllowTcpForwarding remote", False),
    "disable-forwarding": ("DisableForwarding yes", False),
    "permitopen-any": ("PermitOpen any", True),
    "permitopen-none": ("PermitOpen none", False),
}
PLAIN = (
    key_permitopen,
    one_bad_line,
    other_key,
    virtual_users,
    strict_modes,
    permit_open,
    no_session,
    max_auth_tries,
    login_grace_time,
    max_startups,
    started_logins_only,
    test_flags,
    harmless_keywords,
    pid_file,
    flags_win,
    listen_addresses,
    port_taken,
    bad_host_key,
    banner,
    story,
    version,
)


def all_runs() -> dict[str, Callable[..., str | None]]:
    runs: dict[str, Callable[..., str | None]] = {f.__name__.replace("_", "-"): f for f in PLAIN}
    for name, (options, allowed) in KEY_OPTIONS.items():
        runs[f"key-{name}"] = partial(key_options, options=options, allowed=allowed)
    for name, (options, why) in REFUSED_OPTIONS.items():
        runs[f"key-{name}"] = partial(login_refused, options=options, why=why)
    for name, (line, allowed) in POLICIES.items():
        runs[name] = partial(policy, line=line, allowed=allowed)
    return runs


def cases(config: Config) -> list[Case]:
    return [
        Case("cli", f"{pair} {name}", partial(run, kind=pair.server))
        for pair in servers_under_test(config)
        for name, run in all_runs().items()
    ]
