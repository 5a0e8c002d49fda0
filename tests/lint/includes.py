"""The layer law: who may include what. Usage: includes.py ROOT | --self-test"""

import fnmatch
import re
import sys

import common

# tools -> engine -> proto -> crypto: a folder sees itself and what lies below it.
BELOW = {
    "crypto": ("crypto",),
    "proto": ("proto", "crypto"),
    "engine": ("engine", "proto", "crypto"),
    "tools": ("tools", "engine", "proto", "crypto"),
}

# System headers that only these files may include; a folder stands for its .c files.
ONLY = {
    "sodium.h": "crypto/",
    "openssl/": "crypto/",
    "liburing.h": "engine/backend_uring*",
    "linux/io_uring.h": "engine/backend_uring*",
    "sys/epoll.h": "engine/backend_epoll.c",
}

# proto does no I/O, reads no clock, starts no thread: it has no use for other headers. inet_pton
# and inet_ntop are pure functions.
PROTO_SYSTEM = {
    "arpa/inet.h", "assert.h", "inttypes.h", "limits.h", "stdalign.h", "stdbool.h", "stddef.h",
    "stdint.h", "string.h", "sys/uio.h",
}

# The half of engine/ that moves bytes for anybody: it knows no SSH, so it sees only itself.
IO_HALF = re.compile(r"^engine/(io|io_\w+|backend|backend_\w+|sock|addr|timers|clock|pool)\.[ch]$")

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', re.M)


def judge_project(path, folder, header):
    if "/" not in header or header.startswith("."):
        return f'{header} is not written from the root, as "{folder}/..."'
    target = header.split("/")[0]
    if target not in BELOW[folder]:
        return f"{folder} may not include {target}: {header}"
    if IO_HALF.match(path) and not IO_HALF.match(header):
        return f"the io half of engine knows no SSH: {header}"
    return None


def judge_system(path, folder, header):
    for prefix, place in ONLY.items():
        if header == prefix or prefix.endswith("/") and header.startswith(prefix):
            allowed = fnmatch.fnmatch(path, place)
            if place.endswith("/"):
                allowed = path.startswith(place) and path.endswith(".c")
            if not allowed:
                return f"only {place} may include <{header}>"
    if folder == "proto" and header not in PROTO_SYSTEM:
        return f"proto has no use for <{header}>"
    return None


def faults_of(path, text):
    folder = path.split("/")[0]
    code, _ = common.without_comments(text)
    faults = []
    own = re.sub(r"\.c$", ".h", path)
    headers = [match.group(1) for match in INCLUDE.finditer(code) if match.group(1)]
    if path.endswith(".c") and own in headers and headers[0] != own:
        faults.append(f"{path}: its own header comes first")
    for match in INCLUDE.finditer(code):
        project, system = match.groups()
        if project:
            fault = judge_project(path, folder, project)
        else:
            fault = judge_system(path, folder, system)
        if fault:
            line = code.count("\n", 0, match.start(1 if project else 2)) + 1
            faults.append(f"{path}:{line}: {fault}")
    return faults


def check(root):
    faults = []
    files = list(common.c_files(root, common.FOLDERS))
    for path in files:
        faults += faults_of(path, common.read(root, path))
    return faults, len(files)


SAMPLES = [
    ("proto/a.c", '#include "proto/a.h"\n#include "crypto/hash.h"\n#include <string.h>\n', None),
    ("proto/a.c", '#include "engine/io.h"\n', "proto may not include engine"),
    ("crypto/a.c", '#include "proto/wire.h"\n', "crypto may not include proto"),
    ("engine/a.c", '#include "tools/args.h"\n', "engine may not include tools"),
    ("engine/a.c", '#include "io.h"\n', "not written from the root"),
    ("engine/a.c", '#include "../proto/wire.h"\n', "not written from the root"),
    ("engine/timers.c", '#include "proto/session.h"\n', "knows no SSH"),
    ("engine/backend_epoll.c", '#include "engine/worker.h"\n', "knows no SSH"),
    ("engine/worker.c", '#include "proto/session.h"\n#include "engine/io.h"\n', None),
    ("engine/a.c", "#include <sodium.h>\n#include <string.h>\n", "only crypto/"),
    ("crypto/a.h", "#include <sodium.h>\n", "only crypto/"),
    ("crypto/a.c", "#include <sodium.h>\n", None),
    ("engine/io.c", "#  include <liburing.h>\n", "only engine/backend_uring*"),
    ("engine/backend_uring.c", "#include <liburing.h>\n", None),
    ("engine/backend_uring.c", "#include <sys/epoll.h>\n", "only engine/backend_epoll.c"),
    ("proto/a.c", "#include <time.h>\n", "no use for <time.h>"),
    ("proto/a.c", "#include <stdlib.h>\n", "no use for <stdlib.h>"),
    ("proto/a.c", '/* #include "engine/io.h" */\n', None),
    ("proto/a.c", '#include "proto/b.h"\n#include "proto/a.h"\n', "own header comes first"),
]


def main():
    if sys.argv[1:] == ["--self-test"]:
        cases = [(f"{path} {text!r}", faults_of(path, text), expected)
                 for path, text, expected in SAMPLES]
        with common.sample_tree({"proto/bad.c": '#include "engine/io.h"\n'}) as root:
            cases.append(("a tree", check(root)[0], "proto may not include engine"))
        common.self_test("includes", cases)
    faults, count = check(sys.argv[1])
    common.verdict("includes", faults, count)


main()
