#!/usr/bin/env python3
"""embed.py FILE NAME: the bytes of FILE as a C array, on standard output."""
import sys

data = open(sys.argv[1], "rb").read()
print(f"/* Made from {sys.argv[1].rsplit('/', 1)[-1]}. */")
print(f"static const char {sys.argv[2]}[] = {{")
for i in range(0, len(data), 20):
    print("".join(f"{b if b < 128 else b - 256}," for b in data[i:i + 20]))
print("0 };")
