"""A soak: readers, writers, crawlers and editors on one mount for a long time, with faults in between. Memory and descriptors
are sampled; at the end both must be flat, and the tree must be what the account is. What is kept up to a bound (the cache, the
history) has a small one, so that it is soon reached: what still grows then has none.

soak.py [--minutes M] [--csv FILE] [--seed S]. The samples are lines of seconds, resident KiB, descriptors, threads."""
import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from world import Failed, World, attempt, main, wait_until, write

NAMES = ["s%02d" % n for n in range(40)]
GROWTH = 1.15  # of the median of the last third over that of the second


def document(rng):
    return json.dumps({"scheduling_policy": "default", "instances": 0, "max_instances": rng.randrange(1, 9),
                       "configuration": {"image": "docker.io/library/nginx:%d" % rng.randrange(5), "instance_type": "lite",
                                         "environment_variables": [{"name": "N", "value": "v%d" % rng.randrange(99)}]}}, indent=2) + "\n"


def replace(path, text):
    scratch = os.path.join(os.path.dirname(path), ".%s.%d" % (os.path.basename(path), threading.get_ident()))
    write(scratch, text)
    try:
        os.rename(scratch, path)
    except OSError:
        attempt(os.unlink, scratch)
        raise


def crawl(mount):
    for folder, _, names in os.walk(mount.point):
        for name in names:
            path = os.path.join(folder, name)
            if "/secrets/" not in path and not path.endswith("/action"):
                try:
                    with open(path, "rb") as file:
                        file.read()
                except OSError:
                    pass


class Load(threading.Thread):
    def __init__(self, mount, number, seed, over):
        super().__init__(daemon=True)
        self.mount, self.random, self.over = mount, random.Random("%s %d" % (seed, number)), over
        self.done = 0

    def run(self):
        while not self.over.wait(self.random.uniform(0, 0.02)):
            self.step()
            self.done += 1

    def step(self):
        rng, path = self.random, self.mount.path("applications/%s.json" % self.random.choice(NAMES))
        pick = rng.random()
        if pick < 0.5:
            attempt(lambda: open(path, "rb").read())
        elif pick < 0.6:
            attempt(os.listdir, self.mount.path("applications"))
        elif pick < 0.75:
            attempt(write, path, document(rng))
        elif pick < 0.85:
            attempt(replace, path, document(rng))
        elif pick < 0.9:
            attempt(os.unlink, path)
        elif pick < 0.95:
            attempt(write, path, '{"max_instances": "many"}\n')
        elif pick < 0.98:
            attempt(write, self.mount.path("secrets/soak%d" % rng.randrange(5)), "value %d\n" % rng.randrange(1000))
        else:
            crawl(self.mount)


def sample(mount, began):
    base = "/proc/%d" % mount.process.pid
    words = dict(line.split(":", 1) for line in open(base + "/status") if ":" in line)
    return (time.monotonic() - began, int(words["VmRSS"].split()[0]), len(os.listdir(base + "/fd")), int(words["Threads"]))


def faulty(emulator, rng):
    emulator.control("POST", "faults", rng.choice([
        {"method": "PATCH", "times": 2, "status": 500}, {"method": "POST", "times": 1, "close": "after"},
        {"method": "GET", "times": 3, "latency_ms": 300}, {"times": 2, "status": 429, "retry_after": 1},
        {"method": "DELETE", "times": 1, "truncate": 10}, {"method": "GET", "times": 1, "status": 200, "body": "{}"}]))


def same(mount, emulator):
    """The tree as the account has it: names, and what each document says of the number of instances at most."""
    emulator.control("DELETE", "faults")
    emulator.control("POST", "clock", {"advance_seconds": 3600})  # rollouts are over, deleted ones gone
    mount.refresh()
    account = {app["name"]: app["max_instances"] for app in emulator.applications()}
    tree = {}
    folder = mount.path("applications")
    for name in os.listdir(folder):
        if name.endswith(".json"):
            with open(os.path.join(folder, name)) as file:
                tree[name[:-5]] = json.load(file)["max_instances"]
    return tree == account, tree, account


def flat(what, values):
    third = len(values) // 3
    if third < 3:
        return []
    before, after = statistics.median(values[third:2 * third]), statistics.median(values[2 * third:])
    print("%s: %d, then %d" % (what, before, after))
    return ["%s rose from %d to %d" % (what, before, after)] if after > before * GROWTH + 8 else []


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--csv", default="")
    parser.add_argument("--seed", default=str(int(time.time())))
    options = parser.parse_args()
    print("seed %s" % options.seed, flush=True)
    samples, flags = [], []
    with World() as world:
        emulator = world.emulator("--profile", "live", "--time-scale", "60")
        mount = world.mount(emulator, delete_grace=0.2, cache_ttl=1, status_ttl=0.5, timeout=15,
                            max_cache_size=8, history=1000)
        over, rng, began = threading.Event(), random.Random(options.seed), time.monotonic()
        loads = [Load(mount, n, options.seed, over) for n in range(6)]
        for load in loads:
            load.start()
        while time.monotonic() - began < options.minutes * 60:
            time.sleep(min(1, options.minutes))
            if mount.process.poll() is not None:
                raise Failed("the mount died with %d" % mount.process.returncode)
            samples.append(sample(mount, began))
            if rng.random() < 0.1:
                faulty(emulator, rng)
            if len(samples) % 60 == 0:
                emulator.control("DELETE", "requests")  # its log is not what is measured
        over.set()
        for load in loads:
            load.join(60)
            if load.is_alive():
                flags.append("a caller is stuck")
        subprocess.run(["sync", mount.path("applications")], check=False, timeout=60)
        try:
            wait_until(20, "the tree to be the account", lambda: same(mount, emulator)[0])
        except Failed:
            _, tree, account = same(mount, emulator)
            flags.append("the tree is not the account: %s" % {n: (tree.get(n), account.get(n)) for n in set(tree) | set(account)
                                                             if tree.get(n) != account.get(n)})
        flags += flat("resident KiB", [s[1] for s in samples]) + flat("descriptors", [s[2] for s in samples])
        status = mount.stop()
        if status:
            flags.append("it ended with %d" % status)
        done = sum(load.done for load in loads)
    if options.csv:
        with open(options.csv, "w") as file:
            file.writelines("%.1f %d %d %d\n" % s for s in samples)
    for flag in flags:
        print("FLAG %s" % flag)
    print("%d operations in %.1f minutes, %d flags" % (done, options.minutes, len(flags)))
    return 1 if flags or not done else 0


if __name__ == "__main__":
    main(run)
