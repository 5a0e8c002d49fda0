#!/usr/bin/env python3
"""One tunnel beside the other: culvert:culvertd and ssh:sshd, in turns, in the same run.

    cmake --workflow --preset release
    perf/tunnel.py --bin build/release --rounds 3

Bulk is told in CPU seconds per GB of both ends of the tunnel together, because that holds on a
noisy machine; wall time stands beside it. Everything runs on loopback, for a bounded time.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "interop"))

import harness  # noqa: E402
import pairs  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
PIECE = 1 << 20


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and all its descendants, the ended ones too."""
    total = 0.0
    for part in [pid, *children(pid)]:
        try:
            fields = Path(f"/proc/{part}/stat").read_text().rsplit(")", 1)[1].split()
        except FileNotFoundError:
            continue
        total += sum(int(fields[i]) for i in (11, 12, 13, 14)) / TICKS
    return total


def children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *children(child)]
    return found


def listen() -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    return listener


def serve(listener: socket.socket, handle: Callable[[socket.socket], None]) -> None:
    def accept() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=handle, args=(peer,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def drain(peer: socket.socket) -> int:
    buffer = bytearray(PIECE)
    total = 0
    while count := peer.recv_into(buffer):
        total += count
    return total


def bulk_target(size: int) -> Callable[[socket.socket], None]:
    """One byte says which way: u, the caller sends until EOF; d, it gets size bytes."""

    def handle(peer: socket.socket) -> None:
        with peer:
            if peer.recv(1) == b"u":
                peer.sendall(drain(peer).to_bytes(8, "big"))
                return
            piece = bytes(PIECE)
            for _ in range(size // PIECE):
                peer.sendall(piece)

    return handle


def bulk(port: int, size: int, way: str) -> None:
    with socket.create_connection(("127.0.0.1", port)) as peer:
        peer.sendall(way.encode())
        if way == "d":
            moved = drain(peer)
        else:
            piece = bytes(PIECE)
            for _ in range(size // PIECE):
                peer.sendall(piece)
            peer.shutdown(socket.SHUT_WR)
            moved = int.from_bytes(peer.recv(8, socket.MSG_WAITALL), "big")
    harness.check(moved == size, f"{moved} bytes arrived of {size}")


def echo(peer: socket.socket) -> None:
    # the tunnel is torn down while the last of them are still closing
    with peer, contextlib.suppress(ConnectionResetError):
        while data := peer.recv(65536):
            peer.sendall(data)


def ping_pong(port: int, count: int) -> list[float]:
    times = []
    with socket.create_connection(("127.0.0.1", port)) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(count):
            start = time.perf_counter()
            peer.sendall(b"x" * 64)
            harness.check(len(peer.recv(64, socket.MSG_WAITALL)) == 64, "echo cut short")
            times.append((time.perf_counter() - start) * 1e6)
    return sorted(times)


def open_channels(port: int, count: int) -> None:
    """Opens them all, uses each once, keeps them until the end."""
    peers = []
    for _ in range(count):
        peer = socket.create_connection(("127.0.0.1", port))
        peer.sendall(b"hello")
        peers.append(peer)
    for peer in peers:
        harness.check(peer.recv(5, socket.MSG_WAITALL) == b"hello", "no echo")
    for peer in peers:
        peer.close()


def measure(lab: harness.Lab, pair: pairs.Pair, cipher: str, args: argparse.Namespace) -> dict[str, float]:
    size = args.mib << 20
    targets = [listen(), listen()]
    serve(targets[0], bulk_target(size))
    serve(targets[1], echo)
    wish_client, wish_server = pairs.wishes(cipher, args.backend)
    wish_client.verbose = ""
    wish_server.lines.append("LogLevel ERROR")
    ports = [target.getsockname()[1] for target in targets]
    tunnel = pairs.open_tunnel(lab, pair, ports, wish_client, wish_server)
    bulk_port, echo_port = tunnel.ports
    ends = (tunnel.client.pid, tunnel.server.pid)
    figures: dict[str, float] = {}
    ping_pong(echo_port, 100)
    for name, way in (("up", "u"), ("down", "d")):
        cpu, wall = sum(map(cpu_seconds, ends)), time.perf_counter()
        bulk(bulk_port, size, way)
        wall = time.perf_counter() - wall
        figures[f"{name} CPU s/GB"] = (sum(map(cpu_seconds, ends)) - cpu) / (size / 1e9)
        figures[f"{name} Gbit/s"] = size * 8 / 1e9 / wall
    times = ping_pong(echo_port, args.pings)
    figures["64 B p50 us"] = times[len(times) // 2]
    figures["64 B p99 us"] = times[len(times) * 99 // 100]
    cpu, wall = sum(map(cpu_seconds, ends)), time.perf_counter()
    open_channels(echo_port, args.channels)
    figures[f"{args.channels} channels s"] = time.perf_counter() - wall
    figures[f"{args.channels} channels CPU s"] = sum(map(cpu_seconds, ends)) - cpu
    for target in targets:
        target.close()
    return figures


def in_a_lab(config: harness.Config, name: str, cipher: str, args: argparse.Namespace) -> dict[str, float]:
    with harness.workspace(keep=False) as parent:
        lab = harness.Lab(config, parent, 0)
        try:
            return measure(lab, pairs.Pair(*name.split(":")), cipher, args)
        except harness.Failed:
            print(lab.logs(), file=sys.stderr)
            raise
        finally:
            lab.end_everything()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bin", type=Path, default=Path("build/release"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--pings", type=int, default=3000)
    parser.add_argument("--channels", type=int, default=1000)
    parser.add_argument("--backend", choices=pairs.BACKENDS)
    parser.add_argument("--pair", nargs="+", default=["ssh:sshd", "culvert:culvertd"])
    parser.add_argument("--cipher", nargs="+", default=[pairs.CHACHA, pairs.AES_GCM])
    args = parser.parse_args()
    config = harness.Config(bin=args.bin.resolve())
    harness.become_subreaper()
    harness.raise_descriptor_limit()
    for cipher in args.cipher:
        rounds: dict[str, list[dict[str, float]]] = {pair: [] for pair in args.pair}
        for _ in range(args.rounds):
            for name in args.pair:
                rounds[name].append(in_a_lab(config, name, cipher, args))
        print(f"\n{cipher}, median of {args.rounds} rounds")
        print(f"{'':24}" + "".join(f"{name:>20}" for name in args.pair) + f"{'last / first':>14}")
        for figure in rounds[args.pair[0]][0]:
            medians = [statistics.median(r[figure] for r in rounds[name]) for name in args.pair]
            cells = "".join(f"{value:20.2f}" for value in medians)
            print(f"{figure:24}{cells}{medians[-1] / medians[0]:14.2f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
