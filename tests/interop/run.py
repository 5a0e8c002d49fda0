#!/usr/bin/env python3
"""Interop tests: culvert and culvertd against each other, OpenSSH and Dropbear, for real.

One line per case, the logs of all programs where one failed, and a closing count. Everything runs
on loopback, in a private folder, with fresh keys, for a bounded time.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
import traceback
from pathlib import Path
from types import FrameType

import cases_basic
import cases_cli_client
import cases_cli_server
import cases_death
import cases_garbage
import cases_many
import cases_plain
import cases_rekey
import cases_targets
import harness
import pairs
from harness import Case, Config, Failed, Lab, Skipped

SUITES = {
    "basic": [cases_basic],
    "targets": [cases_targets],
    "cli": [cases_cli_client, cases_cli_server],
    "death": [cases_death],
    "garbage": [cases_garbage],
    "plain": [cases_plain],
    "rekey": [cases_rekey],
    "many": [cases_many],
}


class TooLong(Exception):
    """A case's time is up."""


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", type=Path, help="the folder with culvert and culvertd")
    parser.add_argument("--suite", nargs="+", choices=SUITES, default=list(SUITES))
    parser.add_argument(
        "--pair",
        nargs="+",
        choices=[*pairs.DEFAULT_PAIRS, *pairs.REFERENCE_PAIRS],
        default=pairs.DEFAULT_PAIRS,
        help="client:server; those without culvert need no --bin and try the harness itself",
    )
    parser.add_argument("--backend", nargs="+", choices=pairs.BACKENDS, default=[])
    parser.add_argument("--case", default="", help="only cases whose name contains this text")
    parser.add_argument("--full", action="store_true", help="the heavy sizes")
    parser.add_argument("--allow-missing", action="store_true", help="skip peers not installed")
    parser.add_argument("--keep", action="store_true", help="leave the folder with all logs")
    parser.add_argument("--list", action="store_true", help="only name the cases")
    return parser.parse_args()


def run_case(case: Case, lab: Lab) -> tuple[str, str]:
    """Verdict and a note. Whatever goes wrong in a case ends that case only."""

    def too_long(_signal: int, _frame: FrameType | None) -> None:
        raise TooLong

    signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, case.timeout)
    try:
        note = case.run(lab) or ""
        verdict = "ok"
    except Skipped as skipped:
        verdict, note = "skip", str(skipped)
    except Failed as failed:
        verdict, note = "FAIL", str(failed)
    except TooLong:
        verdict, note = "FAIL", f"not done after {case.timeout:g} s"
    except Exception:
        verdict, note = "FAIL", traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        lab.end_everything()
    if reports := lab.sanitizer_reports():
        verdict, note = "FAIL", f"{note}\na sanitizer or an assertion speaks:\n{reports}"
    return verdict, note


def run_all(config: Config, cases: list[Case], folder: Path) -> dict[str, int]:
    counts = {"ok": 0, "FAIL": 0, "skip": 0}
    for number, case in enumerate(cases, 1):
        started = time.monotonic()
        lab = Lab(config, folder, number)
        verdict, note = run_case(case, lab)
        counts[verdict] += 1
        took = time.monotonic() - started
        shown = f"  {note}" if note else ""
        print(f"{verdict:4} {case.suite:8} {case.name:50} {took:5.1f} s{shown}", flush=True)
        if verdict == "FAIL":
            print(lab.logs(), flush=True)
        if not config.keep:
            lab.remove()
    return counts


def stop(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(130)


def main() -> int:
    arguments = parse_arguments()
    config = Config(
        bin=arguments.bin.resolve() if arguments.bin else None,
        backends=arguments.backend,
        pairs=arguments.pair,
        full=arguments.full,
        allow_missing=arguments.allow_missing,
        keep=arguments.keep,
    )
    if config.bin is None and not arguments.list:
        ours = [str(pair) for pair in pairs.chosen(config) if pair.has_ours]
        if ours:
            sys.exit(f"run.py: {', '.join(ours)} need --bin, the folder with culvert and culvertd")
    cases = [
        case
        for suite in arguments.suite
        for module in SUITES[suite]
        for case in module.cases(config)
        if arguments.case in case.name
    ]
    if arguments.list:
        for case in cases:
            print(f"{case.suite:8} {case.name}")
        return 0
    harness.become_subreaper()
    harness.raise_descriptor_limit()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    started = time.monotonic()
    try:
        with harness.workspace(config.keep) as folder:
            counts = run_all(config, cases, folder)
    finally:
        harness.end_children()
    print(f"took {time.monotonic() - started:.0f} s")
    print(f"{counts['ok']} passed, {counts['FAIL']} failed, {counts['skip']} skipped")
    return 1 if counts["FAIL"] or not counts["ok"] else 0


if __name__ == "__main__":
    sys.exit(main())
