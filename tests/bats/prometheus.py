#!/usr/bin/env python3
"""prometheus.py FILE...: whether each is Prometheus' text form as a scraper takes it: HELP and TYPE once and before the samples of a
metric, samples of a metric together, labels escaped, no sample twice; counters end in _total, histograms have buckets that rise to
their count, every sample has the labels account and mount. All files together are what one scrape of many mounts sees: no sample
stands in two, and a metric's HELP and TYPE are the same in all."""
import re
import sys

SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*)\} (\S+)$')
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"')
bad = []


def metric_of(name, types):
    for end in ("_bucket", "_sum", "_count"):
        if name.endswith(end) and types.get(name[:-len(end)]) == "histogram":
            return name[:-len(end)]
    return name


def check(path, everything, heads):
    text = open(path, encoding="utf-8").read()
    types, helps, order, buckets, counts = {}, {}, [], {}, {}
    if not text.endswith("\n"):
        bad.append(f"{path}: no newline at the end")
    for number, line in enumerate(text.splitlines(), 1):
        def wrong(why):
            bad.append(f"{path}:{number}: {why}: {line}")
        if line.startswith("# "):
            what, name, rest = line[2:].split(" ", 2)
            table = {"HELP": helps, "TYPE": types}[what]
            if name in table:
                wrong("a second " + what)
            table[name] = rest
            if heads.setdefault((what, name), rest) != rest:
                wrong("another text than in another file")
            continue
        match = SAMPLE.match(line)
        if not match:
            wrong("no sample")
            continue
        name, labels = match[1], dict(LABEL.findall(match[2]))
        value, metric = float(match[3]), metric_of(match[1], types)
        if metric not in types or metric not in helps:
            wrong("no TYPE or HELP before it")
        if not order or order[-1] != metric:
            if metric in order:
                wrong("apart from the others of its metric")
            order.append(metric)
        if types.get(metric) == "counter" and not metric.endswith("_total"):
            wrong("a counter whose name does not end in _total")
        if not {"account", "mount"} <= labels.keys():
            wrong("without account and mount")
        key = (name, tuple(sorted(labels.items())))
        if key in everything:
            wrong("twice")
        everything.add(key)
        group = (metric, tuple(sorted((k, v) for k, v in labels.items() if k != "le")))
        if name.endswith("_bucket"):
            if value < buckets.get(group, 0):
                wrong("fewer than in the bucket before")
            buckets[group] = value
        elif types.get(metric) == "histogram" and name.endswith("_count"):
            counts[group] = value
    for group, value in counts.items():
        if buckets.get(group) != value:
            bad.append(f"{path}: {group}: the last bucket is not the count")


def main():
    everything, heads = set(), {}
    for path in sys.argv[1:]:
        check(path, everything, heads)
    print("\n".join(bad[:20]))
    return 1 if bad or not everything else 0


sys.exit(main())
