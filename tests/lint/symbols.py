"""The symbol gate: what proto's archive asks of the outside world.

Usage: symbols.py --cc CC --nm NM (ARCHIVE... | --self-test)

proto does no I/O, reads no clock, starts no thread and allocates nothing: then it can't have a use
for any function but these. An include check alone would miss a call through somebody's header.
"""

import argparse
import os
import re
import subprocess

import common

ALLOWED = re.compile(
    r"^("
    # bytes and text in memory; strdup allocates, strerror and strtok keep state
    r"mem(cpy|move|set|cmp|chr|rchr|mem)|bcmp|explicit_bzero"
    r"|str(len|nlen|cmp|ncmp|chr|rchr|spn|cspn|str)"
    # the same, as fortify names them
    r"|__(mem(cpy|move|set)|explicit_bzero)_chk"
    # addresses as text: pure functions
    r"|inet_pton|inet_ntop"
    # an assert that fails, and what compilers add
    r"|__assert_fail|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_"
    r"|__(asan|ubsan|sanitizer|sancov)_\w+|__start___sancov_\w+|__stop___sancov_\w+"
    r"|_?__tls_get_addr"
    # crypto
    r"|(secret|entropy|hash|ecdh|sign|encode|cipher)_\w+"
    r")$")


def check(nm, archives):
    rows = [row for archive in archives for row in common.nm(nm, archive)]
    defined = {symbol for _, kind, symbol in rows if kind not in "Uw"}
    faults = []
    for where, kind, symbol in rows:
        if kind in "Uw" and symbol not in defined and not ALLOWED.match(symbol):
            faults.append(f"{where}: proto may not call {symbol}")
    return sorted(set(faults)), len(rows)


SAMPLES = [
    ("int memcmp(const void *, const void *, unsigned long);"
     "int f(const char *a, const char *b, long n) { return memcmp(a, b, (unsigned long)n); }", None),
    ("long time(long *); long f(void) { return time(0); }", "time"),
    ("void *malloc(unsigned long); void *f(void) { return malloc(99); }", "malloc"),
    ("int socket(int, int, int); int f(void) { return socket(1, 1, 0); }", "socket"),
    ("char *strdup(const char *); char *f(const char *a) { return strdup(a); }", "strdup"),
    ("int hash_of(void); int f(void) { return hash_of(); }", None),
    ("int io_turn(void); int f(void) { return io_turn(); }", "io_turn"),
]


def self_test(cc, nm):
    cases = []
    for source, expected in SAMPLES:
        with common.sample_tree({"a.c": source}) as root:
            out = os.path.join(root, "a.o")
            subprocess.run([cc, "-O0", "-fno-builtin", "-c", os.path.join(root, "a.c"), "-o", out],
                           check=True)
            cases.append((source, check(nm, [out])[0], expected))
    common.self_test("symbols", cases)


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
    common.verdict("symbols", faults, count)


main()
