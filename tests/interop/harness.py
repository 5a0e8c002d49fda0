"""What every case stands on: a private folder, programs with logs, ports, verdicts, cleaning up.

A Lab is one case's world. Whatever is started in it is a child of this process (orphans come back
to it, see become_subreaper), so leaving the Lab can end exactly what it started, by pid.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
NOBODY = 65534
# Words that no log may hold: a sanitizer's report or a failed assertion.
REPORT_WORDS = re.compile(
    r"AddressSanitizer|LeakSanitizer|UndefinedBehaviorSanitizer|runtime error:"
    r"|Assertion .* failed|stack smashing"
)
PR_SET_CHILD_SUBREAPER = 36
IO_URING_SETUP = 425


class Failed(Exception):
    """The thing under test did not do what it must."""


class Skipped(Exception):
    """The case can't be tried here; the text says why."""


def check(condition: object, message: str) -> None:
    if not condition:
        raise Failed(message)


def wait_until(condition: Callable[[], object], timeout: float, what: str) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not within {timeout:g} s")
        time.sleep(0.01)


@dataclass
class Config:
    """What the command line chose."""

    bin: Path | None = None
    backends: list[str] = field(default_factory=list)
    pairs: list[str] = field(default_factory=list)
    full: bool = False
    allow_missing: bool = False
    keep: bool = False

    def program(self, name: str) -> str:
        """Absolute path of a program; ours come from the build folder."""
        if name in ("culvert", "culvertd"):
            path = self.bin / name if self.bin else None
            if path is None or not os.access(path, os.X_OK):
                raise Failed(f"{name} is not in the build folder {self.bin}")
            return str(path)
        found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if found:
            return found
        if self.allow_missing:
            raise Skipped(f"{name} is not installed")
        raise Failed(f"{name} is not installed (--allow-missing skips its cases)")

    def sanitized(self) -> bool:
        """Our programs carry a sanitizer: slower, and their memory says little."""
        return self.bin is not None and b"__asan_init" in (self.bin / "culvert").read_bytes()


@dataclass
class Case:
    """One line of the result: a name and what to do in a Lab. It returns a note for the line."""

    suite: str
    name: str
    run: Callable[["Lab"], str | None]
    timeout: float = 60


def become_subreaper() -> None:
    """Daemons that let go of their parent become our children instead of init's."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def raise_descriptor_limit() -> None:
    """Two thousand channels take more than the usual 1024; programs inherit it from here."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))


def io_uring_refusal() -> str:
    """Why the kernel refuses a ring, or nothing when it doesn't."""
    libc = ctypes.CDLL(None, use_errno=True)
    params = ctypes.create_string_buffer(120)
    fd = libc.syscall(IO_URING_SETUP, 1, params)
    if fd >= 0:
        os.close(fd)
        return ""
    return os.strerror(ctypes.get_errno())


def children(of: int) -> list[int]:
    """Direct children, zombies included."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                stat = Path("/proc", entry, "stat").read_text()
                if int(stat.rpartition(")")[2].split()[1]) == of:
                    found.append(int(entry))
    return found


def descendants(of: int) -> list[int]:
    found = []
    for child in children(of):
        found += [child, *descendants(child)]
    return found


def alive(pid: int) -> bool:
    """True while the process runs; a zombie doesn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def rss_kib(pid: int) -> int:
    match = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(match.group(1)) if match else 0


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def cpu_seconds(pid: int) -> float:
    """CPU time a process has used, all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def listening(port: int) -> bool:
    """Does anybody listen on this TCP port? Read from /proc, so that nothing has to connect."""
    wanted = f":{port:04X}"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                columns = line.split()
                if columns[1].endswith(wanted) and columns[3] == "0A":
                    return True
    return False


class Ports:
    """Free ports below the ephemeral range, so that no outgoing connection takes one meanwhile."""

    def __init__(self) -> None:
        self.next = random.randrange(12000, 31000)

    def take(self) -> int:
        while True:
            self.next = self.next + 1 if self.next < 31900 else 12000
            with socket.socket() as probe, contextlib.suppress(OSError):
                probe.bind(("", self.next))
                return self.next


class Program:
    """A running program whose output goes to a log file of its own."""

    def __init__(
        self, lab: "Lab", name: str, argv: Sequence[str], env: dict[str, str] | None = None
    ) -> None:
        self.name = name
        self.argv = list(argv)
        self.log_path = lab.dir / f"{len(lab.programs):02}-{name}.log"
        lab.programs.append(self)
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=lab.dir,
                env=lab.env | (env or {}),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def running(self) -> bool:
        return self.process.poll() is None

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self, timeout: float) -> int:
        """The exit status; a failure if it doesn't end in time."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} did not end within {timeout:g} s") from None

    def stop(self, number: int = signal.SIGTERM, timeout: float = 10) -> int:
        if self.running():
            self.send(number)
        return self.wait(timeout)

    def wait_log(self, pattern: str, timeout: float = 10) -> None:
        """A line of the log matches (upper and lower case alike)."""
        regex = re.compile(pattern, re.IGNORECASE)
        wait_until(
            lambda: regex.search(self.log()), timeout, f"{self.name} logs a line like /{pattern}/"
        )

    def wait_listening(self, port: int, timeout: float = 20) -> None:
        def ready() -> bool:
            check(self.running(), f"{self.name} ended with status {self.process.poll()}")
            return listening(port)

        wait_until(ready, timeout, f"{self.name} listens on port {port}")

    def never_logs(self, pattern: str) -> None:
        match = re.search(pattern, self.log(), re.IGNORECASE)
        check(match is None, f"{self.name} logs {match.group(0)!r}" if match else "")


class Lab:
    """One case's private folder and everything that runs in it."""

    ports = Ports()

    def __init__(self, config: Config, parent: Path, number: int) -> None:
        self.config = config
        self.dir = parent / f"case{number}"
        self.dir.mkdir()
        self.dir.chmod(0o755)
        self.programs: list[Program] = []
        self.resources = contextlib.ExitStack()
        home = self.dir / "home"
        home.mkdir(mode=0o700)
        self.user = pwd.getpwuid(os.getuid()).pw_name
        reports = self.dir / "sanitizer"
        self.env = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": str(home),
            "USER": self.user,
            "LANG": "C",
            "TZ": "UTC",
            "ASAN_OPTIONS": f"log_path={reports}:exitcode=99:detect_stack_use_after_return=0",
            "UBSAN_OPTIONS": f"log_path={reports}:print_stacktrace=1",
        }

    def start(self, name: str, argv: Sequence[str], env: dict[str, str] | None = None) -> Program:
        return Program(self, name, argv, env)

    def run(
        self,
        argv: Sequence[str],
        timeout: float = 20,
        env: dict[str, str] | None = None,
        name: str | None = None,
    ) -> tuple[int, str]:
        """Run to the end: exit status and all it wrote."""
        program = self.start(name or Path(argv[0]).name, argv, env)
        status = program.wait(timeout)
        return status, program.log()

    def port(self) -> int:
        return self.ports.take()

    def target(self, kind: str, run_port: int | None = None) -> "Target":
        return Target(self, kind, run_port or self.port())

    def write(self, name: str, text: str, mode: int = 0o600) -> Path:
        path = self.dir / name
        path.write_text(text)
        path.chmod(mode)
        return path

    def sanitizer_reports(self) -> str:
        found = [p.read_text(errors="replace") for p in sorted(self.dir.glob("sanitizer.*"))]
        for program in self.programs:
            found += [line for line in program.log().splitlines() if REPORT_WORDS.search(line)]
        return "\n".join(found)

    def logs(self, limit: int = 6000) -> str:
        """What every program of the case wrote, long logs cut in the middle."""
        parts = []
        for program in self.programs:
            text = program.log()
            if len(text) > limit:
                text = f"{text[: limit // 3]}\n[...]\n{text[-2 * limit // 3 :]}"
            status = "running" if program.running() else f"status {program.process.poll()}"
            parts.append(f"--- {program.name} ({status}): {' '.join(program.argv)}\n{text}")
        return "\n".join(parts)

    def end_everything(self) -> None:
        """Ask politely, so that leaks are reported, then kill what is left. Newest first."""
        self.resources.close()
        for program in reversed(self.programs):
            if program.running() and not program.name.startswith("target"):
                program.send(signal.SIGCONT)
                program.send(signal.SIGTERM)
        deadline = time.monotonic() + 3
        for program in self.programs:
            if not program.name.startswith("target"):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    program.process.wait(max(0.01, deadline - time.monotonic()))
        end_children()
        for program in self.programs:
            program.process.poll()

    def remove(self) -> None:
        shutil.rmtree(self.dir, ignore_errors=True)


def end_children() -> None:
    """Kill and reap all that descends from this process."""
    while pids := descendants(os.getpid()):
        for pid in pids:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.005)


class Target(Program):
    """A service behind the tunnel, in a process of its own (see targets.py)."""

    def __init__(self, lab: Lab, kind: str, port: int) -> None:
        self.port = port
        command = [sys.executable, str(HERE / "targets.py"), kind, str(port)]
        super().__init__(lab, f"target-{kind}", command)
        self.wait_listening(port)


@contextlib.contextmanager
def workspace(keep: bool) -> Iterator[Path]:
    """The private folder of the whole run."""
    path = Path(tempfile.mkdtemp(prefix="culvert-interop-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        if keep:
            print(f"kept: {path}")
        else:
            shutil.rmtree(path, ignore_errors=True)
