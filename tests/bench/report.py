#!/usr/bin/env python3
"""Makes the benchmark's table, its JSON and the data of its picture: report.py RESULTS SKIPPED COUNT JSON PLOT."""
import json
import sys

results, skipped, count, json_path, plot_path = sys.argv[1:6]
values = {}
for line in open(results):
    key, _, value = line.strip().partition(" ")
    try:
        values[key] = float(value)
    except ValueError:
        values[key] = float("nan")
left_out = dict(line.strip().split(" ", 1) for line in open(skipped))
OTHERS = [name for name in ("tmpfs", "cfcfs", "passthrough", "sshfs", "rclone") if f"hot.{name}.stat" in values]
OPS = [("stat", "stat"), ("missing", "missing name, again"), ("newmissing", "missing name, new"), ("open", "open+read+close"),
       ("list", "listing, an entry"), ("listlstat", "listing with lstat, an entry"), ("getxattr", "getxattr"),
       ("ls_l", "ls -l of all, ms")]


def ratio(a, b):
    return values[a] / values[b] if a in values and values.get(b) else None


rows = []


def target(text, got, limit, unit=""):
    if got is None or got != got:
        rows.append((text, "not measured", limit, None))
    else:
        rows.append((text, f"{got:.2f}{unit}", limit, got <= limit))


for op, text, limit in (("stat", "hot stat / tmpfs", 1.15), ("missing", "missing name again / tmpfs", 1.15),
                        ("list", "listing / tmpfs", 0.8), ("listlstat", "listing with lstat / tmpfs", 1.15),
                        ("ls_l", "ls -l / tmpfs", 1.5)):
    target(text, ratio(f"hot.cfcfs.{op}", f"hot.tmpfs.{op}"), limit)
target("open+read+close / passthrough_ll", ratio("hot.cfcfs.open", "hot.passthrough.open"), 0.75)
target("open+read+close / sshfs", ratio("hot.cfcfs.open", "hot.sshfs.open"), 0.1)
# Its own reading of the counters is a few requests; a loop that asked each time would be thousands.
target("requests to the daemon, hot stat", values.get("daemon.stat"), 100)
target("requests to the daemon, missing again", values.get("daemon.missing"), 100)
target("API calls in all hot loops", values.get("calls.hot"), 0)
target("create+write+rename / POST by libcurl", ratio("create.put", "create.post"), 3)
for how in ("find", "ls_lR", "grep_r"):
    if f"cold.{how}.20" in values:
        # What the latency adds, in units of it: the rest is the machine's.
        target(f"{how} cold, round trips of 20 ms", (values[f"cold.{how}.20"] - values[f"cold.{how}.0"]) / 20e6, 9)
target("rsync of 100 new / 100 POSTs, 20 ms", ratio("create.rsync100", "create.post100"), 1.3)
for n, limit in (("10000", 32), ("100000", 256)):
    if f"memory.{n}" in values:
        target(f"memory with {int(n):,}, MiB", values[f"memory.{n}"] / 1024, limit)
for op in ("stat", "open", "newmissing"):
    if f"size.{op}.100000" in values:
        target(f"{op} at 100,000 / at 100", ratio(f"size.{op}.100000", f"size.{op}.100"), 2)

print(f"\nHot, {int(count):,} applications (medians, nanoseconds unless said otherwise)\n")
print(f"{'':30}" + "".join(f"{name:>13}" for name in OTHERS))
for op, text in OPS:
    cells = [values.get(f"hot.{name}.{op}", float("nan")) for name in OTHERS]
    print(f"{text:30}" + "".join(f"{cell / 1e6:13.1f}" if op == "ls_l" else f"{cell:13.0f}" for cell in cells))
print("\nCold, 200 applications, view=spec\n")
print(f"{'':30}{'0 ms':>10}{'20 ms':>10}{'calls':>8}")
for how in ("find", "ls_lR", "grep_r", "cat", "rsync_first", "rsync_noop"):
    print(f"{how:30}" + "".join(f"{values.get(f'cold.{how}.{ms}', float('nan')) / 1e6:7.0f} ms" for ms in (0, 20)) +
          f"{values.get(f'calls.{how}.20', float('nan')):8.0f}")
print(f"\nstart-up: {values.get('start', float('nan')) / 1e6:.0f} ms")
for name, why in left_out.items():
    print(f"{name}: left out, {why}")
print("\nTargets\n")
for text, got, limit, met in rows:
    print(f"{'met   ' if met else 'MISSED' if met is False else '?     '} {text:45}{got:>14}   at most {limit}")
json.dump({"applications": int(count), "values": {k: (None if v != v else v) for k, v in values.items()}, "left_out": left_out,
           "targets": [{"what": t, "got": g, "limit": l, "met": m} for t, g, l, m in rows]}, open(json_path, "w"), indent=2)
with open(plot_path, "w") as plot:
    print("operation", *OTHERS, file=plot)
    for op, text in OPS[:-1]:
        print(f'"{op}"', *(f"{values[key]:.0f}" if (key := f"hot.{name}.{op}") in values and values[key] == values[key] else "?"
                           for name in OTHERS), file=plot)
