"""One file, one module, one prefix: each global symbol of x.c begins with x_.

Usage: exports.py --cc CC --nm NM (ARCHIVE... | --self-test)
"""

import argparse
import os
import re
import subprocess

import common

# Object file -> other beginnings that it may export, with the reason.
EXCEPTIONS = {
    # a slice and a name list are what wire reads and writes; their helpers live beside it
    "wire.c.o": ("slice_", "names_"),
}
# Written by the compiler for sanitizers, not by us.
COMPILER = re.compile(r"^(__odr_asan|__asan_|__sancov|_GLOBAL__|__start_|__stop_)")


def check(nm, archives):
    faults = []
    count = 0
    for archive in archives:
        for where, kind, symbol in common.nm(nm, archive):
            # capital letters are global; V and W are weak, C is common
            if kind not in "TDBRVWCGS" or COMPILER.match(symbol):
                continue
            count += 1
            prefix = re.sub(r"(\.c)?\.o$", "", where) + "_"
            allowed = (prefix,) + EXCEPTIONS.get(where, ())
            if symbol != prefix[:-1] and not symbol.startswith(allowed):
                faults.append(f"{where}: exports {symbol}, which doesn't begin with {prefix}")
    return faults, count


SAMPLES = [
    ("int abc_f(void) { return 0; } static int g; int abc_h(void) { return g; }", None),
    ("int f(void) { return 0; }", "exports f"),
    ("int abcd; int abc_x;", "exports abcd"),
    ("const int table[2] = {1, 2};", "exports table"),
]


def self_test(cc, nm):
    cases = []
    for source, expected in SAMPLES:
        with common.sample_tree({"abc.c": source}) as root:
            out = os.path.join(root, "abc.c.o")
            archive = os.path.join(root, "libabc.a")
            subprocess.run([cc, "-c", os.path.join(root, "abc.c"), "-o", out], check=True)
            subprocess.run(["ar", "qc", archive, out], check=True)
            cases.append((source, check(nm, [archive])[0], expected))
    common.self_test("exports", cases)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cc", required=True)
    parser.add_argument("--nm", required=True)
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("archives", nargs="*")
    args = parser.parse_args()
    if args.self_test:
        self_test(args.cc, args.nm)
    faults, count = check(args.nm, args.archives)
    common.verdict("exports", faults, count)


main()
