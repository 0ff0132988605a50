"""Crash rounds: several writers on one mount, which is killed at a random moment; then what every writer was told is held
against the account. Nothing that was acknowledged is lost, nothing is there twice, no rollout went out twice, a name that was
taken off what was on its way for it is free, no process is stuck, and the mount can be made again at once.

crash.py [--rounds N] [--minutes M] [--writers W] [--seed S] [--profile live|ideal]"""
import argparse
import collections
import json
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from world import Failed, World, attempt, main, mounts_under, wait_until, write

APP = {"scheduling_policy": "default", "instances": 0, "max_instances": 3,
       "configuration": {"image": "docker.io/library/nginx:1", "instance_type": "lite"}}


def document(tag, most):
    return json.dumps({**APP, "max_instances": most, "configuration": {**APP["configuration"],
                                                                     "image": "docker.io/library/nginx:%d" % tag}}, indent=2) + "\n"


class Ledger:
    """What each name may be, member by member: the set of the values that the tries and answers allow. None: it is not there. A
    change of two members is two calls, and a kill in between leaves the first."""
    def __init__(self):
        self.allowed = {}
        self.acknowledged = 0

    def trying(self, name, value):
        members = self.allowed.setdefault(name, [{None}, {None}])
        for member, one in zip(members, value or (None, None)):
            member.add(one)

    def told(self, name, value):
        self.allowed[name] = [{one} for one in value or (None, None)]
        self.acknowledged += 1

    def allows(self, name, value):
        return all(one in member for member, one in zip(self.allowed[name], value or (None, None)))


class Writer(threading.Thread):
    def __init__(self, mount, number, round_number, seed):
        super().__init__(daemon=True)
        self.mount, self.number, self.round = mount, number, round_number
        self.random = random.Random("%s %s %s" % (seed, round_number, number))
        self.ledger = Ledger()
        self.over = threading.Event()
        self.serial = 0

    def run(self):
        while not self.over.is_set() and self.serial < 400:
            self.serial += 1
            self.step()

    def step(self):
        pick = self.random.random()
        if pick < 0.65:
            self.change_application()
        elif pick < 0.8:
            self.change_secret()
        elif pick < 0.9:
            self.take_name()
        else:
            self.rename_application()

    def tell(self, kind, name, value, act, *arguments):
        self.ledger.trying((kind, name), value)
        error = attempt(act, *arguments)
        if error == 0:
            self.ledger.told((kind, name), value)
        elif self.mount.process.poll() is not None:
            self.over.set()

    def change_application(self):
        name = "r%d-w%d-%d" % (self.round, self.number, self.random.randrange(4))
        path = self.mount.path("applications/%s.json" % name)
        if self.random.random() < 0.2:
            self.tell("app", name, None, os.unlink, path)
            return
        tag, most = self.serial * 10 + self.number, 2 + self.random.randrange(8)
        self.tell("app", name, (tag, most), write, path, document(tag, most))

    def change_secret(self):
        name = "r%dw%d" % (self.round, self.number)
        path = self.mount.path("secrets/%s" % name)
        if self.random.random() < 0.3:
            self.tell("secret", name, None, os.unlink, path)
        else:
            self.tell("secret", name, (True, True), write, path, "value %d\n" % self.serial)

    def rename_application(self):
        old, new = ("r%d-w%d-%s" % (self.round, self.number, end) for end in ("old", "new"))
        path = self.mount.path("applications/%s.json")
        value = (1, 3)
        self.tell("app", old, value, write, path % old, document(*value))
        self.ledger.trying(("app", old), None)
        self.ledger.trying(("app", new), value)
        if attempt(os.rename, path % old, path % new) == 0:
            self.ledger.told(("app", old), None)
            self.ledger.told(("app", new), value)
        self.tell("app", new, None, os.unlink, path % new)

    def take_name(self):
        """A name is removed or renamed while it is written: whoever is told that it is gone finds it gone, and not made twice."""
        name = "r%d-w%d-met%d" % (self.round, self.number, self.serial)
        path, value = self.mount.path("applications/%s.json"), (1, 3)
        names = [name, name + "-new"]
        for one in names:
            self.ledger.trying(("app", one), value)
        other = threading.Thread(target=attempt, args=(write, path % name, document(*value)), daemon=True)
        other.start()
        time.sleep(self.random.uniform(0, 0.06))
        if self.random.random() < 0.5:
            gone = attempt(os.unlink, path % name) == 0
        else:
            gone = attempt(os.rename, path % name, path % names[1]) == 0
        other.join(30)
        if gone:
            self.ledger.told(("app", name), None)


def meaning(app, targets):
    """What was accepted of an application: the newest rollout's target stands above what it shows."""
    image = targets.get(app["id"]) or app["configuration"]["image"]
    return int(image.rsplit(":", 1)[1]), app["max_instances"]


def newest_targets(emulator, requests):
    targets = {}
    for request in requests:
        parts = request["path"].split("/")
        if request["method"] == "POST" and parts[-1] == "rollouts" and 200 <= (request.get("status") or 0) < 300:
            image = (json.loads(request["body"]).get("target_configuration") or {}).get("image")
            if image:
                targets[parts[2]] = image
    return targets


def check_rollouts(requests):
    """Each try of an image makes one rollout at most, whatever was lost."""
    seen = collections.Counter()
    for request in requests:
        if request["method"] == "POST" and request["path"].endswith("/rollouts") and 200 <= (request.get("status") or 0) < 300:
            image = (json.loads(request["body"]).get("target_configuration") or {}).get("image", "")
            seen[request["path"], image] += 1
    return ["%d rollouts of %s at %s" % (n, image, path) for (path, image), n in seen.items() if n > 1]


def check_account(emulator, writers):
    wrong = []
    emulator.control("POST", "clock", {"advance_seconds": 20})  # what was deleted is out of the lists then
    requests = emulator.control("GET", "requests")
    targets = newest_targets(emulator, requests)
    apps = collections.defaultdict(list)
    for app in emulator.applications():
        apps[app["name"]].append(meaning(app, targets))
    secrets = collections.Counter(s["name"] for s in emulator.api("GET", "/secrets"))
    for name, values in apps.items():
        if len(values) > 1:
            wrong.append("application '%s' is there %d times" % (name, len(values)))
    for writer in writers:
        for (kind, name), allowed in writer.ledger.allowed.items():
            got = (apps[name][0] if apps.get(name) else None) if kind == "app" else ((True, True) if secrets[name] else None)
            if not writer.ledger.allows((kind, name), got):
                wrong.append("%s '%s' is %s, and may be one of %s" % (kind, name, got, [sorted(map(str, member)) for member in allowed]))
    return wrong + check_rollouts(requests)


def crash_round(world, emulator, options, number):
    emulator.control("DELETE", "requests")
    mount = world.mount(emulator, folder=os.path.join(world.folder, "m"), delete_grace=0, timeout=20, cache_ttl=0.5,
                        status_ttl=0.3)
    writers = [Writer(mount, n, number, options.seed) for n in range(options.writers)]
    for writer in writers:
        writer.start()
    time.sleep(random.Random("%s %s" % (options.seed, number)).uniform(0.05, 1.5))
    mount.kill()
    for writer in writers:
        writer.over.set()
    for writer in writers:
        writer.join(30)
        if writer.is_alive():
            raise Failed("round %d: a writer is stuck after the kill" % number)
    wait_until(10, "the mount to go", lambda: not mounts_under(mount.point))
    wrong = check_account(emulator, writers)
    return wrong, sum(w.ledger.acknowledged for w in writers)


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--minutes", type=float, default=0)
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--seed", default=str(int(time.time())))
    parser.add_argument("--profile", default="live")
    options = parser.parse_args()
    until = time.monotonic() + options.minutes * 60 if options.minutes else None
    wrong, acknowledged, rounds = [], 0, 0
    print("seed %s" % options.seed, flush=True)
    with World() as world:
        emulator = world.emulator("--profile", options.profile, "--time-scale", "20", "--latency", "10")
        while rounds < options.rounds and (until is None or time.monotonic() < until):
            found, told = crash_round(world, emulator, options, rounds)
            rounds += 1
            acknowledged += told
            for text in found:
                print("FLAG round %d: %s" % (rounds - 1, text), flush=True)
            wrong += found
    print("%d rounds of kill -9, %d acknowledged writes, %d flags" % (rounds, acknowledged, len(wrong)))
    return 1 if wrong or not acknowledged else 0


if __name__ == "__main__":
    main(run)
