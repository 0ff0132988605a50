#!/usr/bin/env python3
"""Makes the benchmark's table, its JSON and the data of its picture: report.py RESULTS SKIPPED COUNT JSON PLOT.

RESULTS has a line "KEY NUMBER" for each pass. A key's value is the median of its passes; what is compared was measured in
turns, and a ratio is the median of the ratios of the passes."""
import json
import math
import statistics
import sys

NAN = float("nan")
OPS = [("stat", "stat"), ("missing", "missing name, again"), ("newmissing", "missing name, new"), ("open", "open+read+close"),
       ("list", "listing, an entry"), ("listlstat", "listing with lstat, an entry"), ("getxattr", "getxattr"),
       ("ls_l", "ls -l of all, ms")]
LOOKS = ("find", "ls_lR", "grep_r", "cat", "rsync_first", "rsync_noop")
SIZES = [("stat", "stat"), ("open", "open+read+close"), ("newmissing", "missing name, new"), ("list", "listing, an entry"),
         ("listlstat", "listing with lstat, an entry")]
MANY = "100000"
BOUNDS = (64,)


def read_samples(path):
    samples = {}
    for line in open(path):
        key, _, text = line.strip().partition(" ")
        try:
            samples.setdefault(key, []).append(float(text))
        except ValueError:
            samples.setdefault(key, []).append(NAN)
    return samples


def median(numbers):
    numbers = [number for number in numbers if not math.isnan(number)]
    return statistics.median(numbers) if numbers else NAN


def value(key):
    return median(samples.get(key, []))


def of_pairs(a, b, combine):
    """The median of what each pass says; NaN where one of the two was not measured."""
    return median([combine(x, y) for x, y in zip(samples.get(a, []), samples.get(b, []))])


def ratio(a, b):
    return of_pairs(a, b, lambda x, y: x / y if y else NAN)


rows = []


def target(text, got, limit, stretch=False):
    rows.append({"what": text, "got": "not measured" if math.isnan(got) else f"{got:.2f}", "limit": limit,
                 "met": None if math.isnan(got) else got <= limit, "stretch": stretch})


def hot_targets():
    for op, text, limit in (("stat", "hot stat / tmpfs", 1.15), ("missing", "missing name again / tmpfs", 1.15),
                            ("list", "listing / tmpfs", 0.8), ("listlstat", "listing with lstat / tmpfs", 1.15),
                            ("ls_l", "ls -l / tmpfs", 1.5)):
        target(text, ratio(f"hot.cfcfs.{op}", f"hot.tmpfs.{op}"), limit)
    target("open+read+close / passthrough_ll", ratio("hot.cfcfs.open", "hot.passthrough.open"), 0.75)
    target("open+read+close / sshfs", ratio("hot.cfcfs.open", "hot.sshfs.open"), 0.1)
    target("requests to the daemon, hot stat", value("daemon.stat"), 0)
    target("requests to the daemon, missing again", value("daemon.missing"), 0)
    target("open+read+close: requests per call", value("per_call.open"), 1)
    target("getxattr: requests to the daemon per call", value("per_call.getxattr"), 1)
    target("new missing name: requests per call", value("per_call.newmissing"), 1)
    target("API calls in all hot loops", value("calls.hot"), 0)
    target("create+write+rename / POST by libcurl", ratio("create.put", "create.post"), 3)


def cold_targets():
    trips = {}
    for how in LOOKS[:3]:
        # What the latency adds, in units of it: the rest is the machine's.
        trips[how] = of_pairs(f"cold.{how}.20", f"cold.{how}.0", lambda slow, fast: (slow - fast) / 20e6)
        target(f"{how} cold, round trips of 20 ms", trips[how], 9)
    for how, got in trips.items():
        target(f"{how} cold, round trips of 20 ms", got, 4, stretch=True)
    target("rsync of 100 new / 100 POSTs, 20 ms", ratio("create.rsync100", "create.post100"), 1.3)
    target("cfcfs-sync apply of 100 new / rsync of them, 20 ms", ratio("create.sync100", "create.rsync100"), 0.2)


def size_targets():
    for n, limit in (("10000", 32), (MANY, 256)):
        if f"memory.{n}" in samples:
            target(f"memory with {int(n):,}, MiB", value(f"memory.{n}") / 1024, limit)
    if f"size.stat.{MANY}" not in samples:
        return
    for op, text in SIZES:
        # The kernel's own part of a hot stat grows too, with what its processor's caches hold: tmpfs shows how much.
        if op == "stat":
            grown = ratio(f"size.stat.{MANY}", "size.stat.100")
            target("stat: at 100,000 / at 100, beside tmpfs's", grown / ratio(f"size.tmpfs.{MANY}", "size.tmpfs.100"), 2)
        else:
            target(f"{text}: at 100,000 / at 100", ratio(f"size.{op}.{MANY}", f"size.{op}.100"), 2)
    if "size.first.10000" in samples:
        target("first listing, an entry: at 100,000 / 10,000", ratio(f"size.first.{MANY}", "size.first.10000"), 2)
    for mib in BOUNDS:
        listed = value(f"bounded{mib}.listed") + value(f"bounded{mib}.listed_again")
        target(f"max_cache_size={mib}, 100,000: not listed", 2 * int(MANY) - listed, 0)
        target(f"max_cache_size={mib}, 100,000: wrong documents of 100", 100 - value(f"bounded{mib}.documents"), 0)


def print_hot():
    print(f"\nHot, {int(count):,} applications (medians, nanoseconds unless said otherwise)\n")
    print(f"{'':30}" + "".join(f"{name:>13}" for name in others))
    for op, text in OPS:
        cells = [value(f"hot.{name}.{op}") for name in others]
        print(f"{text:30}" + "".join(f"{cell / 1e6:13.1f}" if op == "ls_l" else f"{cell:13.0f}" for cell in cells))
    print(f"\ncreate+write+rename: {value('create.put') / 1e3:.0f} us; POST by libcurl: {value('create.post') / 1e3:.0f} us")


def print_cold():
    print("\nCold, 200 applications, view=spec\n")
    print(f"{'':30}{'0 ms':>10}{'20 ms':>10}{'calls':>8}")
    for how in LOOKS:
        print(f"{how:30}" + "".join(f"{value(f'cold.{how}.{ms}') / 1e6:7.0f} ms" for ms in (0, 20)) +
              f"{value(f'calls.{how}.20'):8.0f}")
    print(f"\nstart-up: {value('start') / 1e6:.0f} ms")


def print_sizes():
    sizes = [n for n in ("100", MANY) if f"size.stat.{n}" in samples]
    print("\nBy size (medians, nanoseconds)\n")
    print(f"{'':30}" + "".join(f"{int(n):13,}" for n in sizes))
    for op, text in SIZES + [("tmpfs", "stat in tmpfs"), ("first", "first listing, an entry")]:
        print(f"{text:30}" + "".join(f"{value(f'size.{op}.{n}'):13.0f}" for n in sizes))
    print(f"{'memory, MiB':30}" + "".join(f"{value(f'memory.{n}') / 1024:13.1f}" for n in sizes))
    for mib in BOUNDS if MANY in sizes else ():
        of = {what: value(f"bounded{mib}.{what}") for what in ("listed", "listed_again", "documents", "calls", "memory")}
        print(f"\nmax_cache_size={mib} with {int(MANY):,}: {of['listed']:,.0f} listed, and {of['listed_again']:,.0f} again; "
              f"{of['documents']:.0f} of 100 documents right, in {of['calls']:.0f} calls; {of['memory'] / 1024:.1f} MiB resident")


def print_targets():
    print("\nTargets\n")
    for row in rows:
        words = ("stretch met", "stretch open") if row["stretch"] else ("met", "MISSED")
        word = "?" if row["met"] is None else words[not row["met"]]
        print(f"{word:13}{row['what']:52}{row['got']:>14}   at most {row['limit']}")


def write_files():
    def plain(number):
        return None if math.isnan(number) else number

    json.dump({"applications": int(count), "values": {key: plain(value(key)) for key in samples},
               "passes": {key: [plain(number) for number in numbers] for key, numbers in samples.items()},
               "left_out": left_out, "targets": rows}, open(json_path, "w"), indent=2)
    with open(plot_path, "w") as plot:
        print("operation", *others, file=plot)
        for op, text in OPS[:-1]:
            cells = [value(f"hot.{name}.{op}") for name in others]
            # In the picture a second line has room.
            label = text.replace(", ", ",\\n").replace(" with ", "\\nwith ").replace("+read", "\\n+read")
            print(f'"{label}"', *("?" if math.isnan(cell) else f"{cell:.0f}" for cell in cells), file=plot)


results, skipped, count, json_path, plot_path = sys.argv[1:6]
samples = read_samples(results)
left_out = dict(line.strip().split(" ", 1) for line in open(skipped))
others = [name for name in ("tmpfs", "cfcfs", "passthrough", "sshfs", "rclone") if f"hot.{name}.stat" in samples]
hot_targets()
cold_targets()
size_targets()
print_hot()
print_cold()
print_sizes()
for name, why in left_out.items():
    print(f"{name}: left out, {why}")
print_targets()
write_files()
