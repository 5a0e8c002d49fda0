"""Key exchange every MiB, asked for by either side, under full flow in each direction and both."""

from __future__ import annotations

import re
from functools import partial

import clients
import payload
import servers
from harness import Case, Config, Lab, check
from pairs import Pair, Tunnel, backend_case_name, chosen, open_tunnel

MIB = 1 << 20
LIMIT = "1M"
# words by which OpenSSH (and what follows its words) logs a new set of keys
NEW_KEYS = re.compile(r"NEWKEYS (sent|received)|rekey", re.IGNORECASE)


def rekeys_seen(tunnel: Tunnel) -> int:
    """The larger count of the two logs."""
    logs = (tunnel.client.program.log(), tunnel.server.program.log())
    return max(len(NEW_KEYS.findall(log)) for log in logs)


def run(lab: Lab, pair: Pair, side: str, backend: str | None) -> str:
    size = (2048 if lab.config.full else 64) * MIB
    kinds = ("echo", "digest", "source")
    targets = [lab.target(kind).port for kind in kinds]
    client = clients.Wish(backend=backend, rekey=LIMIT if side in ("client", "both") else None)
    server = servers.Wish(backend=backend, rekey=LIMIT if side in ("server", "both") else None)
    tunnel = open_tunnel(lab, pair, targets, client, server)
    echo, digest, source = tunnel.ports
    up = payload.upload(digest, size)
    down = payload.download(source, size)
    both = payload.exchange(echo, size)
    tunnel.check_running()
    count = rekeys_seen(tunnel)
    # each exchange is logged at least once; some MiB may pass during one
    check(count >= size // MIB // 2, f"only {count} log lines about new keys: did it rekey?")
    return f"up {up:.1f} s, down {down:.1f} s, both ways {both:.1f} s"


def sides(pair: Pair) -> list[str]:
    """Who asks; Dropbear has no such setting."""
    if pair.client == "dbclient":
        return ["server"]
    if pair.server == "dropbear":
        return ["client"]
    return ["client", "server", "both"] if str(pair) == "culvert:culvertd" else ["client", "server"]


def cases(config: Config) -> list[Case]:
    return [
        Case(
            "rekey",
            backend_case_name(pair, backend, f"by-{side}"),
            partial(run, pair=pair, side=side, backend=backend),
            timeout=1200 if config.full else 120,
        )
        for pair in chosen(config)
        for side in sides(pair)
        for backend in pair.backends(config)
    ]
