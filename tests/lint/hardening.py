"""What the linker was asked for is in the programs.

Usage: hardening.py --cc CC --readelf READELF [--static] (PROGRAM... | --self-test)

Position independent, relocations read-only and resolved at start, no executable stack, no segment
that is both writable and executable; with --static no shared library is wanted.
"""

import argparse
import os
import re
import subprocess

import common


def faults_of(readelf, program, static):
    listing = subprocess.run([readelf, "-W", "-h", "-l", "-d", program], check=True, text=True,
                             stdout=subprocess.PIPE, env=dict(os.environ, LC_ALL="C")).stdout
    faults = []
    if not re.search(r"^\s*Type:\s+DYN", listing, re.M):
        faults.append("not position independent")
    if not re.search(r"\(FLAGS_1\).*\bPIE\b", listing):
        faults.append("a shared object rather than a program")
    if not re.search(r"\(FLAGS_1\).*\bNOW\b", listing):
        faults.append("relocations are not resolved at start")
    if not re.search(r"^\s*GNU_RELRO\s", listing, re.M):
        faults.append("relocations stay writable")
    stack = re.search(r"^\s*GNU_STACK\s+(?:0x\w+\s+){5}([RWE ]{3})", listing, re.M)
    if not stack or "E" in stack.group(1):
        faults.append("executable stack")
    for flags in re.findall(r"^\s*LOAD\s+(?:0x\w+\s+){5}([RWE ]{3})", listing, re.M):
        if "W" in flags and "E" in flags:
            faults.append("a segment is writable and executable")
    if static and re.search(r"\((NEEDED)\)", listing):
        faults.append("wants shared libraries")
    return [f"{os.path.basename(program)}: {fault}" for fault in faults]


GOOD = ["-fPIE", "-pie", "-Wl,-z,relro,-z,now,-z,noexecstack"]
SAMPLES = [
    (GOOD, False, None),
    (GOOD, True, "wants shared libraries"),
    (GOOD + ["-Wl,-z,execstack"], False, "executable stack"),
    (GOOD + ["-Wl,-z,lazy"], False, "not resolved at start"),
    (GOOD + ["-Wl,-z,norelro"], False, "stay writable"),
]


def self_test(cc, readelf):
    cases = []
    for flags, static, expected in SAMPLES:
        with common.sample_tree({"a.c": "int main(void) { return 0; }\n"}) as root:
            out = os.path.join(root, "a")
            subprocess.run([cc, os.path.join(root, "a.c"), "-o", out, *flags], check=True,
                           stderr=subprocess.DEVNULL)
            cases.append((" ".join(flags), faults_of(readelf, out, static), expected))
    common.self_test("hardening", cases)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cc", required=True)
    parser.add_argument("--readelf", required=True)
    parser.add_argument("--static", action="store_true")
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("programs", nargs="*")
    args = parser.parse_args()
    if args.self_test:
        self_test(args.cc, args.readelf)
    faults = [fault for program in args.programs
              for fault in faults_of(args.readelf, program, args.static)]
    common.verdict("hardening", faults, len(args.programs))


main()
