#!/usr/bin/env python3
"""sizes.py [SOURCE_DIR]: files have 600 lines at most; the functions of the product are of one screen (70 lines with their
heads) and take six parameters at most. Reads what clang-format wrote: a body begins and ends at the margin."""
import glob
import os
import re
import sys

FILE, LINES, PARAMETERS = 600, 70, 6
FILES = ["*.md", "docs/*.md", "tools/**/*", "tests/**/*.[ch]", "tests/**/*.bats", "tests/**/*.bash", "tests/**/*.sh",
         "tests/**/*.py", "packaging/**/*"]
# Heads that a library gives.
GIVEN = {("emulator/server.c", "arrived")}
HEAD = re.compile(r"^[A-Za-z_][\w\s*,()]*?\b(\w+)\s*\(")


def parameters(head):
    """How many the first bracket of a head names; brackets inside it are function pointers'."""
    depth, count, text = 0, 0, ""
    for letter in head[head.index("("):]:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if depth == 0:
            break
        if letter == "," and depth == 1:
            count += 1
        text += letter
    return 0 if text.strip("( \t\n") in ("", "void") else count + 1


def functions(path):
    """(line, name, parameters, lines) of each function that the file defines."""
    lines = open(path, encoding="utf-8").read().split("\n")
    begin = 0
    for number, line in enumerate(lines):
        if line == "{":
            start = number - 1
            while start > begin and re.match(r"^\s", lines[start]):
                start -= 1
            head = " ".join(lines[start:number])
            match = HEAD.match(head)
            end = next((at for at in range(number, len(lines)) if lines[at].startswith("}")), len(lines))
            if match and not head.startswith(("struct", "enum", "union")) or match and "(" in head:
                yield start + 1, match.group(1), parameters(head), end - start + 1
        if line == "" or line.startswith(("}", "#")) or line.endswith("*/"):
            begin = number


def found(patterns):
    names = {name for pattern in patterns for name in glob.glob(pattern, recursive=True)}
    return sorted(name for name in names if os.path.isfile(name) and "__pycache__" not in name)


def main():
    os.chdir(sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__)) + "/..")
    seen = bad = 0
    product = [f"{top}/**/*.[ch]" for top in ("api", "cache", "fs", "emulator", "sync")]
    for path in found(product + FILES):
        with open(path, "rb") as content:
            length = content.read().count(b"\n")
        if length > FILE:
            bad += 1
            print(f"{path} has {length} lines, {FILE} at most")
    for path in found(product):
        for line, name, count, length in functions(path):
            seen += 1
            if length > LINES:
                bad += 1
                print(f"{path}:{line}: {name} has {length} lines, {LINES} at most")
            if count > PARAMETERS and (path, name) not in GIVEN:
                bad += 1
                print(f"{path}:{line}: {name} takes {count} parameters, {PARAMETERS} at most")
    print(f"{seen} functions, {bad} too large")
    return 0 if seen and not bad else 1


sys.exit(main())
