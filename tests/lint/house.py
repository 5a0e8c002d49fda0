"""House rules that a machine can see. Usage: house.py ROOT | --self-test"""

import re
import sys

import common

LINES_MAX = 700
COLUMNS_MAX = 100
FUNCTION_LINES_MAX = 70

OURS = common.FOLDERS + ("perf", "tests")

# Words that must not stand in the code; where: the folders in which they must not.
BANNED = [
    (re.compile(r"\bNDEBUG\b"), OURS, "NDEBUG: asserts stay on"),
    (re.compile(r"\b(memcmp|bcmp|strcmp|strncmp)\s*\("), ("crypto",),
     "no early-out comparison in crypto: use secret_equal"),
    (re.compile(r"\b(strcat|sprintf|vsprintf|gets|strtok|alloca|setjmp|longjmp)\s*\("),
     common.FOLDERS, "unbounded or stateful call"),
    (re.compile(r"\b(rand|srand|random|srandom|drand48)\s*\("), common.FOLDERS,
     "randomness comes from struct entropy"),
]
# Words that must not stand anywhere, comments included.
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")

# (path, what): faults that are right where they are; each says why. One that is not needed any
# more is a fault itself.
EXCEPTIONS = {
    # names of algorithms are public
    ("crypto/cipher.c", "no early-out comparison in crypto: use secret_equal"),
}


def functions_too_long(code):
    """Functions open and close with a brace in column 1."""
    start = None
    lines = code.split("\n")
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line.startswith("}") and start is not None:
            length = number - start - 1
            if line == "}" and length > FUNCTION_LINES_MAX:
                yield start, length
            start = None


def faults_of(path, text):
    """Rows (line, what)."""
    folder = path.split("/")[0]
    faults = []
    code, slashes = common.without_comments(text, keep_strings=False)
    faults += [(line, "// comment: write /* */") for line in slashes]
    lines = text.split("\n")
    if len(lines) - 1 > LINES_MAX:
        faults.append((len(lines) - 1, f"more than {LINES_MAX} lines"))
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS_MAX:
            faults.append((number, f"more than {COLUMNS_MAX} columns"))
        if "\t" in line or line != line.rstrip():
            faults.append((number, "tab or blanks at the end"))
        if UNFINISHED.search(line):
            faults.append((number, "unfinished: finish it or file an issue"))
    if not text.startswith("/*"):
        faults.append((1, "the first thing in a file is a comment: what it is for"))
    for number, line in enumerate(code.split("\n"), 1):
        for pattern, where, what in BANNED:
            if folder in where and pattern.search(line):
                faults.append((number, what))
    if path.endswith(".c"):
        for number, length in functions_too_long(code):
            faults.append((number, f"function of {length} lines, more than {FUNCTION_LINES_MAX}"))
    return faults


def check(root, exceptions):
    faults = []
    used = set()
    files = list(common.c_files(root, OURS))
    for path in files:
        for line, what in faults_of(path, common.read(root, path)):
            if (path, what) in exceptions:
                used.add((path, what))
            else:
                faults.append(f"{path}:{line}: {what}")
    for path, what in sorted(exceptions - used):
        faults.append(f"{path}: exception no longer needed: {what}")
    return faults, len(files)


HEAD = "/* What for. */\n"
SAMPLES = [
    ("proto/a.c", HEAD + "int x;\n", None),
    ("proto/a.c", HEAD + "int x; // y\n", "// comment"),
    ("proto/a.c", HEAD + 'const char *u = "http://x"; /* http://y */\n', None),
    ("proto/a.c", HEAD + "char c = '\"'; // y\n", "// comment"),
    ("proto/a.c", HEAD + "int x;\n" * 699, None),
    ("proto/a.c", HEAD + "int x;\n" * 700, "more than 700 lines"),
    ("proto/a.c", HEAD + "int " + "x" * 97 + ";\n", "more than 100 columns"),
    ("proto/a.c", HEAD + "\tint x;\n", "tab or blanks"),
    ("proto/a.c", HEAD + "int x; \n", "tab or blanks"),
    ("proto/a.c", HEAD + "/* TODO: more */\n", "unfinished"),
    ("proto/a.c", "int x;\n", "first thing in a file"),
    ("tests/unit/test_a.c", HEAD + "#define NDEBUG\n", "asserts stay on"),
    ("crypto/a.c", HEAD + "int f(void) { return memcmp(a, b, 16); }\n", "secret_equal"),
    ("proto/a.c", HEAD + "int f(void) { return memcmp(a, b, 16); }\n", None),
    ("tools/a.c", HEAD + "void f(void) { strcat(a, b); }\n", "unbounded"),
    ("engine/a.c", HEAD + "int f(void) { return rand(); }\n", "entropy"),
    ("proto/a.c", HEAD + "void f(void)\n{\n" + "    g();\n" * 70 + "}\n", None),
    ("proto/a.c", HEAD + "void f(void)\n{\n" + "    g();\n" * 71 + "}\n", "function of 71 lines"),
    ("proto/a.c", HEAD + "struct s a[] =\n{\n" + "    1,\n" * 80 + "};\n", None),
]


def main():
    if sys.argv[1:] == ["--self-test"]:
        cases = []
        for path, text, expected in SAMPLES:
            with common.sample_tree({path: text}) as root:
                cases.append((f"{path} {text[:60]!r}", check(root, set())[0], expected))
        with common.sample_tree({"proto/a.c": HEAD}) as root:
            cases.append(("a stale exception", check(root, {("proto/a.c", "x")})[0],
                          "no longer needed"))
        common.self_test("house", cases)
    faults, count = check(sys.argv[1], EXCEPTIONS)
    common.verdict("house", faults, count)


main()
