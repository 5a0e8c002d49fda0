"""What the lints share: reading C as a compiler would see it, samples, and the verdict."""

import os
import subprocess
import sys
import tempfile

FOLDERS = ("crypto", "proto", "engine", "tools")


def without_comments(text, keep_strings=True):
    """The text with comments blanked out, line ends kept; strings too unless keep_strings.

    Also returns the line numbers on which a // comment begins.
    """
    out = []
    slashes = []
    line = 1
    i = 0
    while i < len(text):
        two = text[i:i + 2]
        if two == "/*":
            end = text.find("*/", i + 2)
            end = len(text) if end < 0 else end + 2
            out.append("".join(c if c == "\n" else " " for c in text[i:end]))
            line += text.count("\n", i, end)
            i = end
        elif two == "//":
            slashes.append(line)
            end = text.find("\n", i)
            i = len(text) if end < 0 else end
        elif text[i] in "\"'":
            end = i + 1
            while end < len(text) and text[end] != text[i] and text[end] != "\n":
                end += 2 if text[end] == "\\" else 1
            piece = text[i:end + 1]
            out.append(piece if keep_strings else text[i] * 2)
            line += piece.count("\n")
            i = end + 1
        else:
            out.append(text[i])
            line += text[i] == "\n"
            i += 1
    return "".join(out), slashes


def c_files(root, folders, extensions=(".c", ".h")):
    """Paths below root, '/'-separated, sorted."""
    for folder in folders:
        for at, dirs, names in os.walk(os.path.join(root, folder)):
            dirs.sort()
            for name in sorted(names):
                if name.endswith(extensions):
                    yield os.path.relpath(os.path.join(at, name), root).replace(os.sep, "/")


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()


def sample_tree(samples):
    """A temporary folder with the given {path: text}; a context manager that yields its name."""
    folder = tempfile.TemporaryDirectory(prefix="culvert-lint.")
    for path, text in samples.items():
        full = os.path.join(folder.name, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)
    return folder


def nm(program, archive):
    """Rows (object file, type letter, symbol) of an archive or object."""
    listing = subprocess.run([program, "-A", "-P", archive], check=True, text=True,
                             stdout=subprocess.PIPE).stdout
    rows = []
    for entry in listing.splitlines():
        where, _, rest = entry.partition("]: ")
        if not rest:
            where, _, rest = entry.partition(": ")
        symbol, kind = rest.split()[:2]
        rows.append((where.rpartition("[")[2], kind, symbol))
    return rows


def verdict(name, faults, looked_at):
    """Prints the faults and ends the program: a lint that looked at nothing has failed too."""
    for fault in faults:
        print(fault)
    if looked_at == 0:
        print(f"{name}: found nothing to look at")
    else:
        print(f"{name}: {looked_at} looked at, {len(faults)} faults")
    sys.exit(1 if faults or looked_at == 0 else 0)


def self_test(name, cases):
    """cases: (what, faults, expected words in exactly one fault, or None for a clean sample)."""
    bad = 0
    for what, faults, expected in cases:
        if expected is None:
            good = not faults
        else:
            good = len(faults) == 1 and expected in faults[0]
        if not good:
            bad += 1
            print(f"{name}: {what}: expected {expected!r}, got {faults!r}")
    print(f"{name}: {len(cases)} samples, {bad} judged wrongly")
    sys.exit(1 if bad or not cases else 0)
