#!/usr/bin/env python3
"""embed.py FILE NAME: a C file with the bytes of FILE as the array NAME, a NUL at its end, and NAME_length."""
import sys

data = open(sys.argv[1], "rb").read()
print(f"/* Made from {sys.argv[1].rsplit('/', 1)[-1]}. */")
name = sys.argv[2]
print(f"#include <stddef.h>\nextern const char {name}[];\nextern const size_t {name}_length;\nconst char {name}[] = {{")
for i in range(0, len(data), 20):
    print("".join(f"{b if b < 128 else b - 256}," for b in data[i:i + 20]))
print(f"0 }};\nconst size_t {name}_length = {len(data)};")
