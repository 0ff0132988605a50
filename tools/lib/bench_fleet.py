#!/usr/bin/env python3
"""tools/bench --fleet [--mounts N] [--seconds S] [--writes N] [--size N,N...] [--applications N] [--json FILE]

What a fleet costs, measured with the emulator and a real Valkey or Redis server on this machine: the API's calls of many mounts
that look all the time beside those of one, with the share and without; how soon a write shows on another mount; hot work and
misses with the share beside without; the longest wait when the server is stopped; memory and traffic by the size of the fleet.
Loopback and Unix sockets alone are used. Not for machines that have other things to do."""
import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ACCOUNT, TOKEN = "0123456789abcdef0123456789abcdef", "bench-token"
BUILD = os.environ.get("CFCFS_BENCH_BUILD", "build")
LONG = "cache_ttl=3600,status_ttl=3600,negative_ttl=3600"
FAST = "rps=10000,burst=100000,delete_grace=0,rollout=none,max_delete=10000"
DOCUMENT = {"scheduling_policy": "default", "instances": 2, "max_instances": 5,
            "configuration": {"image": "registry.cloudflare.com/app:v1", "instance_type": "lite"}}


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


class Place:
    """The folder, the emulator, the server and the mounts of one measurement."""

    def __init__(self, applications, server=True):
        self.dir, self.started, self.mounts = tempfile.mkdtemp(prefix="cfcfs-fleet."), [], {}
        self.log = open(self.dir + "/log", "ab")
        with open(os.open(self.dir + "/token", os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
            file.write(TOKEN + "\n")
        seed = {"applications": applications, "deployments": 10, "secrets": 5}
        emulator = self.start(BUILD + "/emulator/cfcfs-emulator", "--token", TOKEN, "--rate", "0/1", "--profile", "ideal",
                              "--patch", "replace", "--null", "clear", "--seed", json.dumps(seed), out=subprocess.PIPE)
        self.url = emulator.stdout.readline().decode().strip()
        self.control = self.url.removesuffix("/client/v4") + "/__emulator"
        self.server = self.start_server() if server else None

    def start(self, *words, out=None):
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out or self.log, stderr=self.log)
        self.started.append(process)
        return process

    def start_server(self):
        program = shutil.which("valkey-server") or shutil.which("redis-server") or sys.exit("bench: no valkey-server, no redis-server")
        server = self.start(program, "--port", "0", "--unixsocket", self.dir + "/share", "--save", "", "--appendonly", "no")
        until(lambda: os.path.exists(self.dir + "/share"))
        return server

    def info(self, name):
        program = shutil.which("valkey-cli") or shutil.which("redis-cli")
        text = subprocess.run([program, "-s", self.dir + "/share", "info"], capture_output=True, text=True, check=True).stdout
        return int(re.search(rf"^{name}:(\d+)", text, re.M)[1])

    def ask(self, path, method="GET", body=None):
        request = urllib.request.Request(f"{self.control}/{path}", method=method, data=body and json.dumps(body).encode())
        with urllib.request.urlopen(request) as answer:
            return answer.read()

    def calls(self):
        return len(json.loads(self.ask("requests")))

    def forget_calls(self):
        self.ask("requests", "DELETE")

    def latency(self, ms):
        self.ask("faults", "DELETE")
        if ms:
            self.ask("faults", "POST", {"latency_ms": ms})

    def mount(self, name, options, share=True):
        at = f"{self.dir}/{name}"
        os.mkdir(at)
        words = f"url={self.url},token_file={self.dir}/token,state_dir={at}.state,{options}"
        if share:
            words += f",share=unix:{self.dir}/share"
        process = self.start(BUILD + "/fs/cfcfs", "-f", "-o", words, ACCOUNT, at)
        until(lambda: os.path.ismount(at) or process.poll() is not None)
        if not os.path.ismount(at):
            sys.exit(f"bench: cfcfs does not mount; see {self.dir}/log")
        self.mounts[at] = process
        if share:
            until(lambda: self.metric(at, "up") == 1)
        return at

    def metric(self, at, name):
        with open(at + "/.cfcfs/metrics", encoding="utf-8") as file:
            return int(re.search(rf"^cfcfs_share_{name}(?:{{[^}}]*}})? (\d+)", file.read(), re.M)[1])

    def unmount(self, at):
        process = self.mounts.pop(at)
        subprocess.run(["fusermount3", "-u", at], check=False)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            # Another mount namespace that was made meanwhile holds it.
            process.terminate()
            process.wait()

    def end(self):
        if self.server:
            self.server.send_signal(signal.SIGCONT)
        for at in list(self.mounts):
            self.unmount(at)
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit("bench: waited in vain")
        time.sleep(0.01)


def resident(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])


# ---- calls


def look(at, end, passes):
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "check": False}
    while time.monotonic() < end:
        subprocess.run(["find", at], **quiet)
        subprocess.run(["ls", "-lR", at], **quiet)
        subprocess.run(["grep", "-rs", "image", at + "/applications"], **quiet)
        subprocess.run(["rsync", "-an", "--exclude=/secrets", at + "/", at + ".nowhere/"], **quiet)
        passes.append(1)


def count_calls(mounts, seconds, share):
    place = Place(20, share)
    try:
        ats = [place.mount(f"m{n}", "cache_ttl=5,status_ttl=5,view=spec," + FAST, share) for n in range(mounts)]
        place.forget_calls()
        passes, end = [], time.monotonic() + seconds
        threads = [threading.Thread(target=look, args=(at, end, passes)) for at in ats]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return place.calls(), len(passes)
    finally:
        place.end()


def measure_calls(results, mounts, seconds):
    for name, count, share in (("one", 1, False), ("alone", mounts, False), ("share", mounts, True)):
        say(f"calls of {count} mounts in {seconds} s, {'with' if share else 'without'} the share")
        results[f"calls.{name}"], results[f"passes.{name}"] = count_calls(count, seconds, share)
    results["calls.mounts"] = mounts
    results["calls.share_to_one"] = results["calls.share"] / results["calls.one"]
    results["calls.alone_to_one"] = results["calls.alone"] / results["calls.one"]


# ---- how soon it shows


def shows(path, text):
    try:
        with open(path, encoding="utf-8") as file:
            return text in file.read()
    except OSError:
        return False


def wait_ms(condition):
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > 30:
            sys.exit("bench: a write does not show")
    return (time.monotonic() - began) * 1000


def write(path, document):
    with open(path, "w", encoding="utf-8") as file:
        file.write(json.dumps(document) + "\n")


def measure_writes(results, writes):
    say(f"{writes} writes on one mount, seen on another")
    place, took = Place(20), {"create": [], "update": [], "rename": [], "delete": [], "secret": []}
    try:
        one, other = (place.mount(name, LONG + "," + FAST) for name in ("one", "other"))
        for at in (one, other):
            subprocess.run(["ls", "-lR", at], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        for n in range(writes // 5):
            name, moved, document = f"a{n}.json", f"b{n}.json", json.loads(json.dumps(DOCUMENT))
            here, there = one + "/applications/", other + "/applications/"
            os.path.exists(there + name), os.path.exists(there + moved), os.path.exists(f"{other}/secrets/S{n}")
            write(here + name, document)
            took["create"].append(wait_ms(lambda: os.path.exists(there + name) and name in os.listdir(there)))
            shows(there + name, "v1")
            document["configuration"]["image"] = f"registry.cloudflare.com/app:w{n}"
            write(here + name, document)
            took["update"].append(wait_ms(lambda: shows(there + name, f"app:w{n}")))
            os.rename(here + name, here + moved)
            took["rename"].append(wait_ms(lambda: os.path.exists(there + moved) and not os.path.exists(there + name)))
            os.unlink(here + moved)
            took["delete"].append(wait_ms(lambda: not os.path.exists(there + moved)))
            with open(f"{one}/secrets/S{n}", "w", encoding="utf-8") as file:
                file.write("value")
            took["secret"].append(wait_ms(lambda: os.path.exists(f"{other}/secrets/S{n}")))
    finally:
        place.end()
    for name, times in took.items():
        results[f"shows.{name}.median_ms"], results[f"shows.{name}.worst_ms"] = statistics.median(times), max(times)


# ---- hot work, misses, waits


def hot(at, operation):
    words = [BUILD + "/tests/bench-hot", at + "/applications", "20", *operation.split()]
    return float(subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()[0])


def measure_hot(results):
    say("hot work with the share and without, in turns")
    place, ratios = Place(1000), {}
    try:
        with_it, without = place.mount("with", LONG + "," + FAST), place.mount("without", LONG + "," + FAST, False)
        for operation in ("stat", "missing", "open", "list", "listlstat", "getxattr user.cfcfs.id"):
            hot(with_it, operation), hot(without, operation)
            turns = []
            for n in range(21):
                first, second = (with_it, without) if n % 2 else (without, with_it)
                times = {first: hot(first, operation), second: hot(second, operation)}
                turns.append(times[with_it] / times[without])
            ratios[operation.split()[0]] = statistics.median(turns)
    finally:
        place.end()
    for operation, ratio in ratios.items():
        results[f"hot.{operation}"] = ratio


def read_all(at, names):
    times = []
    for name in names:
        began = time.monotonic()
        with open(f"{at}/applications/{name}/versions.json", "rb") as file:
            file.read()
        times.append((time.monotonic() - began) * 1000)
    return statistics.median(times)


def measure_misses(results):
    say("misses that the API answers in 20 ms, and that the share answers")
    place = Place(200)
    try:
        one, other = (place.mount(name, LONG + "," + FAST) for name in ("one", "other"))
        names = [name.removesuffix(".json") for name in os.listdir(one + "/applications") if name.endswith(".json")]
        for at in (one, other):
            os.listdir(at + "/applications")
            # The directories' names, so that what is measured is the one file's miss.
            for name in names:
                os.path.exists(f"{at}/applications/{name}/status.json")
        place.latency(20)
        results["miss.api_ms"] = read_all(one, names)
        results["miss.share_ms"] = read_all(other, names)
    finally:
        place.end()
    results["miss.ratio"] = results["miss.share_ms"] / results["miss.api_ms"]


def longest(at, names):
    worst = 0
    for name in names:
        began = time.monotonic()
        with open(f"{at}/applications/{name}/versions.json", "rb") as file:
            file.read()
        worst = max(worst, (time.monotonic() - began) * 1000)
    return worst


def measure_stop(results):
    say("the longest wait while the server is stopped")
    place = Place(200)
    try:
        one, without = place.mount("one", LONG + "," + FAST), place.mount("without", LONG + "," + FAST, False)
        names = [name.removesuffix(".json") for name in os.listdir(one + "/applications") if name.endswith(".json")]
        os.listdir(without + "/applications")
        results["stopped.without_ms"] = longest(without, names)
        place.server.send_signal(signal.SIGSTOP)
        results["stopped.with_ms"] = longest(one, names)
        place.server.send_signal(signal.SIGCONT)
    finally:
        place.end()


# ---- size


def measure_size(results, sizes, applications, seconds=20):
    for size in sizes:
        say(f"{size} mounts of {applications} applications: memory and traffic in {seconds} s")
        place = Place(applications)
        try:
            ats = [place.mount(f"m{n}", "cache_ttl=5,status_ttl=5," + FAST) for n in range(size)]
            for at in ats:
                os.listdir(at + "/applications")
            before, calls, end = place.info("total_net_output_bytes"), place.calls(), time.monotonic() + seconds
            while time.monotonic() < end:
                for at in ats:
                    os.listdir(at + "/applications")
            key = f"size.{size}x{applications}."
            results[key + "traffic_kib_s"] = (place.info("total_net_output_bytes") - before) / 1024 / seconds
            results[key + "calls"] = place.calls() - calls
            results[key + "server_kib"] = place.info("used_memory") / 1024
            results[key + "server_peak_kib"] = place.info("used_memory_peak") / 1024
            results[key + "mount_kib"] = statistics.median(resident(place.mounts[at]) for at in ats)
        finally:
            place.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="tools/bench --fleet")
    parser.add_argument("--mounts", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--writes", type=int, default=1000)
    parser.add_argument("--size", default="1,10,100", help="of fleets whose memory is measured; none: not measured")
    parser.add_argument("--applications", type=int, default=10000)
    parser.add_argument("--only", default="calls,writes,hot,misses,stop,size")
    parser.add_argument("--json")
    o = parser.parse_args()
    results = {"date": time.strftime("%Y-%m-%d"), "processors": os.cpu_count()}
    measures = {
        "calls": lambda: measure_calls(results, o.mounts, o.seconds),
        "writes": lambda: measure_writes(results, o.writes),
        "hot": lambda: measure_hot(results),
        "misses": lambda: measure_misses(results),
        "stop": lambda: measure_stop(results),
        "size": lambda: measure_size(results, [int(n) for n in o.size.split(",") if n.isdigit()], o.applications),
    }
    for name in o.only.split(","):
        measures[name]()
    for name, value in results.items():
        print(f"{name:32} {value if isinstance(value, (str, int)) else f'{value:.3f}'}")
    if o.json:
        with open(o.json, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=2)


if __name__ == "__main__":
    main()
