"""Both ends of ours as uid 65534, with no capability: nothing may need root."""

from __future__ import annotations

import os
from functools import partial

import clients
import payload
import servers
from harness import NOBODY, Case, Config, Lab, Skipped, check
from pairs import Pair, backend_case_name, chosen, open_tunnel
from pathlib import Path


def run(lab: Lab, pair: Pair, backend: str | None) -> None:
    if os.getuid() != 0:
        raise Skipped("only root can become another user; the other suites ran as a plain one")
    echo = lab.target("echo")
    tunnel = open_tunnel(
        lab,
        pair,
        [echo.port],
        clients.Wish(backend=backend, as_nobody=True, user="somebody"),
        servers.Wish(backend=backend, as_nobody=True),
    )
    for program in (tunnel.server.program, tunnel.client.program):
        status = Path(f"/proc/{program.pid}/status").read_text()
        check(f"Uid:\t{NOBODY}\t" in status, f"{program.name} does not run as {NOBODY}")
    for size in (0, 1, 100001):
        payload.exchange(tunnel.ports[0], size)
    payload.at_once(tunnel.ports[0], 10, 100001)
    tunnel.check_running()


def cases(config: Config) -> list[Case]:
    return [
        Case("plain", backend_case_name(pair, backend), partial(run, pair=pair, backend=backend))
        for pair in chosen(config)
        if str(pair) == "culvert:culvertd"
        for backend in pair.backends(config, every=True)
    ]
