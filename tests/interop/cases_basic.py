"""Payloads of awkward sizes, a large one, and forty at once: every pair, cipher and backend."""

from __future__ import annotations

from functools import partial

import payload
from harness import Case, Config, Lab
from pairs import Pair, backend_case_name, chosen, open_tunnel, wishes

SIZES = [0, 1, 5, 1000, 32768, 100001]
LARGE = 20_000_000
AT_ONCE = 40


def run(lab: Lab, pair: Pair, cipher: str, backend: str | None) -> str:
    echo = lab.target("echo")
    tunnel = open_tunnel(lab, pair, [echo.port], *wishes(cipher, backend))
    port = tunnel.ports[0]
    for size in SIZES:
        payload.exchange(port, size, seed=size)
    seconds = payload.exchange(port, LARGE)
    payload.at_once(port, AT_ONCE, SIZES[-1])
    tunnel.check_running()
    return f"20 MB there and back in {seconds:.2f} s"


def cases(config: Config) -> list[Case]:
    found = []
    for pair in chosen(config):
        for cipher in pair.ciphers:
            for backend in pair.backends(config, every=True):
                name = backend_case_name(pair, backend, cipher.partition("@")[0])
                case = partial(run, pair=pair, cipher=cipher, backend=backend)
                found.append(Case("basic", name, case))
    return found
