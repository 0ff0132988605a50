"""Rounds of an apply that is killed: sixty mixed changes are staged, the mount is killed with -9 at a random moment of applying
them, made again, and told to apply what is left. At the end the account is what was staged, and no create, rollout or delete
happened twice. Secrets' values do not outlive the mount: what the plan says must be written again is written again.

apply.py [--rounds N] [--workers W] [--seed S] [--only ROUND] [--profile live|ideal]"""
import argparse
import base64
import collections
import hashlib
import json
import os
import random
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from world import Failed, World, attempt, die_with_parent, main, mounts_under, read, wait_until, write

LATENCY_MS = 15
IMAGE = "docker.io/library/nginx:%s"
APP = {"scheduling_policy": "default", "instances": 0, "max_instances": 3,
       "configuration": {"image": IMAGE % 1, "instance_type": "lite"}}
PROBE = {"image": IMAGE % 1, "location": "lhr01", "instance_type": "lite"}
STEPS = [{"step_size": {"percentage": 100}, "description": "all"}]


def app(tag=1, most=3, **configuration):
    return {**APP, "max_instances": most, "configuration": {**APP["configuration"], "image": IMAGE % tag, **configuration}}


def key(name):
    """A public key's line: the type, and 32 bytes."""
    blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + hashlib.sha256(name.encode()).digest()
    return "ssh-ed25519 %s %s" % (base64.b64encode(blob).decode(), name)


def numbered(name, count):
    return ["%s-%d" % (name, n) for n in range(1, count + 1)]


# ---- the account before, and the changes

class Account:
    """What is there at first, by the API."""
    def __init__(self, emulator):
        self.emulator = emulator
        self.ids = {}
        for name in numbered("config", 6) + numbered("both", 3) + numbered("most", 3) + numbered("old", 4) + numbered("moved", 2) + \
                numbered("gone", 5) + numbered("rolls", 3) + numbered("swap", 2):
            self.make_app(name)
        self.make_app("batch", jobs=True)
        for name in ("used", "stale", "late"):
            emulator.api("POST", "/secrets", {"name": name, "value": "first"})
        for name in ("left", "renewed"):
            emulator.api("POST", "/ssh-public-keys", {"name": name, "public_key": key(name)})
        for name in ("site", "dead"):
            emulator.api("POST", "/deployments/v2", {**PROBE, "labels": [{"name": "cfcfs.name", "value": name}]})
        emulator.control("POST", "clock", {"advance_seconds": 120})

    def make_app(self, name, **more):
        self.ids[name] = self.emulator.api("POST", "/applications", {**app(), **more, "name": name})["id"]


def changes():
    """(what, path, more), in an order in which they can be staged."""
    rows = [("secret", "secrets/" + name, name) for name in ("new-a", "new-b", "used")]
    rows += [("write", "ssh-keys/%s.pub" % name, key(name) + "\n") for name in ("anna", "ben")]
    rows += [("write", "registries/docker.io.json", {"kind": "DockerHub", "auth": {
        "public_credential": "acme", "private_credential": {"store_id": "s", "secret_name": "n"}}}),
             ("write", "registry-protocols/corp.json", {"domains": [{"domain": "docker.io", "path": "acme"}]})]
    rows += [("write", "applications/%s.json" % name, app(
        5, 4, secrets=[{"name": "S", "type": "env", "secret": "new-a"}], ssh_public_key_ids=["ssh-keys/anna.pub"]))
             for name in numbered("new", 10)]
    rows += [("write", "applications/%s.json" % name, app(2)) for name in numbered("config", 6)]
    rows += [("write", "applications/%s.json" % name, app(2, 7)) for name in numbered("both", 3)]
    rows += [("write", "applications/%s.json" % name, app(1, 7)) for name in numbered("most", 3)]
    rows += [("rename", "applications/%s.json" % name, "applications/%s.json" % name.replace("old", "young")) for name in numbered("old", 4)]
    for name in numbered("moved", 2):
        to = "applications/%s.json" % name.replace("moved", "there")
        rows += [("rename", "applications/%s.json" % name, to), ("write", to, app(3, 5))]
    rows += [("delete", "applications/%s.json" % name, None) for name in numbered("gone", 5)]
    rows += [("write", "deployments/%s.json" % name, PROBE) for name in numbered("probe", 3)]
    rows += [("write", "deployments/site.json", {**PROBE, "image": IMAGE % 2}), ("delete", "deployments/dead.json", None)]
    rows += [("delete", "secrets/stale", None), ("delete", "ssh-keys/left.pub", None)]
    rows += [("delete", "ssh-keys/renewed.pub", None), ("write", "ssh-keys/renewed.pub", key("another") + "\n")]
    rows += [("rename", "applications/%s.json" % old, "applications/%s.json" % new)
             for old, new in (("swap-1", "spare"), ("swap-2", "swap-1"), ("spare", "swap-2"))]
    rows += [("write", "applications/batch/jobs/%s.json" % name, {"entrypoint": ["/bin/report"], "command": [name]})
             for name in numbered("job", 6)]
    rows += [("write", "applications/%s/rollouts/r.json" % name, {
        "description": "to 9 of " + name, "strategy": "rolling", "kind": "full_manual", "steps": STEPS,
        "target_configuration": {"image": IMAGE % 9}}) for name in numbered("rolls", 3)]
    return rows


APPLICATIONS = {
    **{name: (5, 4) for name in numbered("new", 10)}, **{name: (2, 3) for name in numbered("config", 6)},
    **{name: (2, 7) for name in numbered("both", 3)}, **{name: (1, 7) for name in numbered("most", 3)},
    **{name: (1, 3) for name in numbered("young", 4)}, **{name: (3, 5) for name in numbered("there", 2)},
    **{name: (9, 3) for name in numbered("rolls", 3)}, **{name: (1, 3) for name in numbered("swap", 2)}, "batch": (1, 3),
}
RENAMED = [("old-%d" % n, "young-%d" % n) for n in range(1, 5)] + [("moved-1", "there-1"), ("moved-2", "there-2"),
                                                                  ("swap-1", "swap-2"), ("swap-2", "swap-1")]
SECRETS = {"new-a", "new-b", "used", "late"}
KEYS = {"anna": key("anna"), "ben": key("ben"), "renewed": key("another")}
DEPLOYMENTS = {**{name: IMAGE % 1 for name in numbered("probe", 3)}, "site": IMAGE % 2}
JOBS = numbered("job", 6)


def stage_one(mount, what, path, more):
    if what == "rename":
        os.rename(mount.path(path), mount.path(more))
    elif what == "delete":
        os.unlink(mount.path(path))
    elif what == "secret":
        write(mount.path(path), "value of %s\n" % more)
    else:
        write(mount.path(path), more if isinstance(more, str) else json.dumps(more, indent=2) + "\n")


def stage(mount):
    for change in changes():
        error = attempt(stage_one, mount, *change)
        if error:
            raise Failed("staging %s: %s" % (change[1], mount.errors()[-1:] or os.strerror(error)))


# ---- what came of it

def done(requests, method, end=""):
    return [r for r in requests if r["method"] == method and r["path"].endswith(end) and 200 <= (r.get("status") or 0) < 300]


def twice(what, seen):
    return ["%s %d times: %s" % (what, n, name) for name, n in collections.Counter(seen).items() if n > 1]


def body(request):
    value = request.get("body") or "{}"
    return value if isinstance(value, dict) else json.loads(value)


def name_of(request):
    value = body(request)
    labels = {label["name"]: label["value"] for label in value.get("labels") or []}
    return value.get("name") or value.get("domain") or labels.get("cfcfs.name") or value.get("proto") or str(value.get("command"))


def check_requests(requests):
    creates = [r for r in done(requests, "POST") if not r["path"].endswith("/rollouts")]
    rollouts = done(requests, "POST", "/rollouts")
    return twice("made", ["%s %s" % (r["path"], name_of(r)) for r in creates]) + \
        twice("rolled out", ["%s %s" % (r["path"], body(r)["target_configuration"].get("image")) for r in rollouts]) + \
        twice("deleted", [r["path"] for r in done(requests, "DELETE")])


def differ(what, got, want):
    if got == want:
        return []
    if isinstance(want, dict):
        return ["%s: %s is %s and must be %s" % (what, name, got.get(name), want.get(name))
                for name in sorted(set(got) | set(want)) if got.get(name) != want.get(name)]
    return ["%s: %s and must be %s" % (what, sorted(got), sorted(want))]


def check_account(emulator, account):
    """After all of it has settled: rollouts are complete, and lists are what they list."""
    emulator.control("POST", "clock", {"advance_seconds": 1800})
    applications = emulator.applications()
    targets = {r["path"].split("/")[2]: body(r)["target_configuration"].get("image")
               for r in done(emulator.control("GET", "requests"), "POST", "/rollouts")}
    wrong = twice("listed", [a["name"] for a in applications])
    got = {a["name"]: (int((targets.get(a["id"]) or a["configuration"]["image"]).rsplit(":", 1)[1]), a["max_instances"])
           for a in applications}
    wrong += differ("applications", got, APPLICATIONS)
    for old, new in RENAMED:
        if not any(a["name"] == new and a["id"] == account.ids[old] for a in applications):
            wrong.append("%s is not what %s was" % (new, old))
    wrong += differ("secrets", {s["name"] for s in emulator.api("GET", "/secrets")}, SECRETS)
    wrong += differ("keys", {k["name"]: k["public_key"].strip() for k in emulator.api("GET", "/ssh-public-keys")}, KEYS)
    deployments = {label["value"]: d["image"] for d in emulator.api("GET", "/deployments/v2") for label in d.get("labels") or []
                   if label["name"] == "cfcfs.name"}
    wrong += differ("deployments", deployments, DEPLOYMENTS)
    jobs = emulator.api("GET", "/applications/%s/jobs" % account.ids["batch"])
    jobs = jobs.get("jobs", jobs) if isinstance(jobs, dict) else jobs
    return wrong + differ("jobs", sorted(j["command"][0] for j in jobs), JOBS)


# ---- a round

def order(mount, word):
    """The errno of the order, as a process of its own that can be left behind."""
    return subprocess.Popen(["/bin/sh", "-c", "printf '%s' \"$1\" >\"$2\"", "sh", word, mount.path(".cfcfs/apply")],
                            preexec_fn=die_with_parent, stderr=subprocess.DEVNULL)


def write_lost_secrets(mount):
    plan = json.loads(read(mount.path(".cfcfs/plan.json")))
    for change in plan["changes"]:
        if change["state"] == "lost":
            write(mount.path(change["path"]), "value of %s\n" % os.path.basename(change["path"]))


def new_mount(world, emulator, number):
    folder = os.path.join(world.folder, "round-%d" % number)
    return world.mount(emulator, folder=folder, stage=True, timeout=30)


class Round:
    def __init__(self, world, emulator, seed, number):
        self.world, self.emulator, self.number = world, emulator, number
        self.random = random.Random("%s %s" % (seed, number))

    def prepare(self):
        self.emulator.control("DELETE", "state")
        self.account = Account(self.emulator)
        self.mount = new_mount(self.world, self.emulator, self.number)
        stage(self.mount)
        self.emulator.control("DELETE", "requests")

    def writes(self):
        return sum(r["method"] not in ("GET", "HEAD") for r in self.emulator.control("GET", "requests"))

    def measure(self):
        """How long the whole of it takes, and how many calls."""
        self.prepare()
        began = time.monotonic()
        if order(self.mount, "apply").wait(120):
            raise Failed("an apply that nobody killed failed: %s" % read(self.mount.path(".cfcfs/plan")).decode())
        took = time.monotonic() - began
        writes = self.writes()
        found = check_requests(self.emulator.control("GET", "requests")) + check_account(self.emulator, self.account)
        self.mount.stop()
        return took, writes, found

    def kill(self, seconds):
        """Kills the mount so long after the order; how many changes had arrived."""
        self.prepare()
        orderer = order(self.mount, "apply")
        time.sleep(seconds * self.random.random())
        self.mount.kill()
        wait_until(30, "the mount to go", lambda: not mounts_under(self.mount.point))
        orderer.wait(30)
        return self.writes()

    def again(self):
        self.mount.start()
        write_lost_secrets(self.mount)
        failed = order(self.mount, "apply").wait(180)
        plan = read(self.mount.path(".cfcfs/plan")).decode()
        wrong = ["the second apply failed: " + plan] if failed else []
        if not failed and plan.strip() != "Plan: nothing to do":
            wrong.append("after the second apply: " + plan)
        wrong += check_requests(self.emulator.control("GET", "requests"))
        wrong += check_account(self.emulator, self.account)
        if self.mount.stop() != 0:
            wrong.append("the mount ended with a failure")
        return wrong


class Worker(threading.Thread):
    def __init__(self, options, numbers):
        super().__init__(daemon=True)
        self.options, self.numbers = options, numbers
        self.rounds, self.middle, self.wrong, self.failure = 0, 0, [], None

    def run(self):
        try:
            with World(self.options.keep) as world:
                self.work(world)
        except Exception as failure:  # told by the main thread
            self.failure = failure

    def work(self, world):
        emulator = world.emulator("--profile", self.options.profile, "--latency", str(LATENCY_MS))
        took, whole, found = Round(world, emulator, self.options.seed, -1).measure()
        self.flag(-1, found)
        for number in self.numbers:
            round_ = Round(world, emulator, self.options.seed, number)
            arrived = round_.kill(took * 1.1)
            self.middle += 0 < arrived < whole
            self.flag(number, round_.again())
            self.rounds += 1
            print("round %d: killed when %d of %d calls had arrived" % (number, arrived, whole), flush=True)

    def flag(self, number, found):
        for text in found:
            print("FLAG round %d: %s" % (number, text), flush=True)
        self.wrong += found


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seed", default=str(int(time.time())))
    parser.add_argument("--only", type=int, help="this round alone")
    parser.add_argument("--profile", default="live")
    parser.add_argument("--keep", action="store_true", help="keeps the folders")
    options = parser.parse_args()
    numbers = range(options.rounds) if options.only is None else [options.only]
    print("seed %s, %d changes" % (options.seed, len(changes())), flush=True)
    workers = [Worker(options, list(numbers)[n::options.workers]) for n in range(min(options.workers, len(numbers)))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        if worker.failure:
            raise worker.failure
    wrong = sum(len(worker.wrong) for worker in workers)
    rounds, middle = (sum(getattr(worker, name) for worker in workers) for name in ("rounds", "middle"))
    print("%d rounds of kill -9 while applying, %d of them in its middle, %d flags" % (rounds, middle, wrong))
    return 1 if wrong or not middle else 0


if __name__ == "__main__":
    main(run)
