"""The three servers: culvertd, OpenSSH's sshd, Dropbear; started with the same wishes."""

from __future__ import annotations

import os
import pwd
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from harness import NOBODY, Failed, Lab, Program, Skipped
from keys import host_key, user_key


@dataclass
class Wish:
    """What a case wants from a server; what it doesn't say keeps its default."""

    cipher: str | None = None
    backend: str | None = None
    rekey: str | None = None
    lines: list[str] = field(default_factory=list)
    # whole text of authorized_keys; by default the one user key
    authorized: str | None = None
    host_key_type: str = "ed25519"
    as_nobody: bool = False
    # check that it listens before going on
    wait: bool = True


@dataclass
class Server:
    kind: str
    port: int
    program: Program
    config: Path | None

    @property
    def pid(self) -> int:
        return self.program.pid


def start(lab: Lab, kind: str, wish: Wish | None = None) -> Server:
    wish = wish or Wish()
    starter = {"culvertd": start_sshd_like, "sshd": start_sshd_like, "dropbear": start_dropbear}
    return starter[kind](lab, kind, wish)


def config_lines(lab: Lab, kind: str, wish: Wish, port: int) -> list[str]:
    """A file in sshd's words; those given by the case come first, because the first one wins."""
    key = host_key(lab, wish.host_key_type)
    authorized = wish.authorized
    if authorized is None:
        authorized = user_key(lab).with_suffix(".pub").read_text()
    lines = list(wish.lines)
    lines += [
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {key}",
        f"AuthorizedKeysFile {lab.write('authorized_keys', authorized)}",
        "LogLevel DEBUG1",
        "PidFile none",
        "StrictModes no",
        # a plain user's sshd can't read the shadow file and would take the account for locked
        f"UsePAM {'yes' if kind == 'sshd' and os.getuid() != 0 else 'no'}",
    ]
    if wish.cipher:
        lines.append(f"Ciphers {wish.cipher}")
    if wish.rekey:
        lines.append(f"RekeyLimit {wish.rekey}")
    if wish.backend and kind == "culvertd":
        lines.append(f"CulvertIOBackend {wish.backend}")
    return lines


def start_sshd_like(lab: Lab, kind: str, wish: Wish) -> Server:
    path = lab.config.program(kind)
    if kind == "sshd" and os.getuid() == 0:
        # where it drops its privileges to; its service file makes it at start
        os.makedirs("/run/sshd", 0o755, exist_ok=True)
    port = lab.port()
    config = lab.write(f"{kind}.conf", "\n".join(config_lines(lab, kind, wish, port)) + "\n")
    argv = [path, "-D", "-e", "-f", str(config)]
    if wish.as_nobody:
        argv = as_nobody(lab, argv, [config, lab.dir / "authorized_keys", host_key(lab)])
    program = lab.start(kind, argv)
    if wish.wait:
        program.wait_listening(port)
    return Server(kind, port, program, config)


def as_nobody(lab: Lab, argv: list[str], files: list[Path]) -> list[str]:
    """The same command as uid 65534, with its program and files made reachable for that user."""
    for path in files:
        os.chown(path, NOBODY, NOBODY)
    os.chown(lab.dir, NOBODY, NOBODY)
    program = lab.dir / Path(argv[0]).name
    shutil.copy(argv[0], program)
    setpriv = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return [*setpriv, "--no-new-privs", "--inh-caps=-all", str(program), *argv[1:]]


def start_dropbear(lab: Lab, kind: str, wish: Wish) -> Server:
    """It reads ~/.ssh/authorized_keys of the account, so that home is covered, for it alone."""
    path = lab.config.program("dropbear")
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    if wish.rekey or wish.lines:
        raise Failed("dropbear has no such settings")
    if os.getuid() != 0:
        raise Skipped("dropbear needs a private ~/.ssh: only root can mount one over the home")
    if not home.is_dir():
        raise Skipped(f"dropbear needs the home {home}")
    port = lab.port()
    ssh_dir = lab.dir / "home" / ".ssh"
    ssh_dir.mkdir(mode=0o700, exist_ok=True)
    authorized = ssh_dir / "authorized_keys"
    authorized.write_text(wish.authorized or user_key(lab).with_suffix(".pub").read_text())
    authorized.chmod(0o600)
    key = host_key(lab, wish.host_key_type)
    converted = key.with_suffix(".dropbear")
    convert = [lab.config.program("dropbearconvert"), "openssh", "dropbear"]
    lab.run([*convert, str(key), str(converted)])
    script = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
    covered = ["sh", "-c", script, "sh", str(lab.dir / "home"), str(home)]
    serve = [path, "-F", "-E", "-p", f"127.0.0.1:{port}", "-r", str(converted)]
    program = lab.start("dropbear", ["unshare", "-m", *covered, *serve])
    program.wait_listening(port)
    return Server(kind, port, program, None)
