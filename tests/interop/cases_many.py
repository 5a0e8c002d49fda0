"""Two thousand channels at once on one connection, again and again, without growth."""

from __future__ import annotations

import os
from functools import partial

import payload
from harness import Case, Config, Lab, Program, check, descendants, descriptors, rss_kib, wait_until
from pairs import OURS, Pair, backend_case_name, chosen, open_tunnel, wishes

CHANNELS = 2000
# Dropbear waits with select(), which ends at descriptor 1023
DROPBEAR_CHANNELS = 400
MESSAGE = 512
# heavier rounds go first, so that what is pooled has been touched before memory is compared
WARM_MESSAGE = 8192
WARM_ROUNDS = 2
WARM_STREAMS = 40
GROWTH_KIB = 1024
# freed memory waits in a sanitizer's quarantine, so its growth says little
SANITIZED_GROWTH_KIB = 300 * 1024


def processes(program: Program) -> list[int]:
    return [program.pid, *descendants(program.pid)]


def memory(program: Program) -> int:
    return sum(rss_kib(pid) for pid in processes(program))


def open_files(program: Program) -> int:
    return sum(descriptors(pid) for pid in processes(program))


def run(lab: Lab, pair: Pair, backend: str | None) -> str:
    channels = DROPBEAR_CHANNELS if pair.has_dropbear else CHANNELS
    rounds = 10 if lab.config.full else 2
    limit = os.sysconf("SC_OPEN_MAX")
    check(limit >= channels + 100, f"{limit} descriptors are too few for {channels} channels")
    echo = lab.target("echo")
    tunnel = open_tunnel(lab, pair, [echo.port], *wishes(None, backend))
    programs = [tunnel.client.program, tunnel.server.program]
    ours = [program for program in programs if program.name in OURS]
    idle = [open_files(program) for program in ours]

    def one_round(message: int) -> None:
        payload.hold_open(tunnel.ports[0], channels, message)
        for program, files in zip(ours, idle):
            # one more: a ring or a spare that came with the first channel
            wait_until(
                lambda: open_files(program) <= files + 1,
                10,
                f"{program.name} closes the descriptors of the channels that ended",
            )

    sizes: list[list[int]] = [[] for _ in ours]
    for _ in range(WARM_ROUNDS):
        one_round(WARM_MESSAGE)
        payload.at_once(tunnel.ports[0], WARM_STREAMS, 1 << 20)
    for _ in range(1 + rounds):
        one_round(MESSAGE)
        for seen, program in zip(sizes, ours):
            seen.append(memory(program))
    tunnel.check_running()
    bound = SANITIZED_GROWTH_KIB if ours and lab.config.sanitized() else GROWTH_KIB
    texts = [
        f"{program.name} {' '.join(map(str, seen))} KiB" for program, seen in zip(ours, sizes)
    ]
    for seen, text in zip(sizes, texts):
        check(seen[-1] - seen[0] <= bound, f"memory grows over {rounds} rounds: {text}")
    return ", ".join(texts)


def cases(config: Config) -> list[Case]:
    return [
        Case(
            "many",
            backend_case_name(pair, backend),
            partial(run, pair=pair, backend=backend),
            timeout=600 if config.full else 120,
        )
        for pair in chosen(config)
        for backend in pair.backends(config)
    ]
