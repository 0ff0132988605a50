"""Random sequences of calls on a mount, checked after each step against the model:
run.py MOUNT BASE_URL CONTROL_URL TOKEN ACCOUNT SEED SEQUENCES [grace]. Prints the seed; on a difference, the steps that led to it."""
import errno
import json
import os
import random
import sys
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from model import Model, Resource
from text import Unsure, any_text, document, meaning, spell

NAMES = ["a.json", "b.json", "c.json"]
SCRATCH = [".s", "t.tmp", "u~"]
STEPS = 14


class Different(Exception):
    pass


class World:
    def __init__(self, mount, base, control, token, account):
        self.dir, self.refresh_file = mount + "/applications/", mount + "/.cfcfs/refresh"
        self.base = "%s/accounts/%s/containers" % (base, account)
        self.control, self.token = control, token
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(self, method, url, body=None):
        request = urllib.request.Request(url, method=method, data=None if body is None else json.dumps(body).encode(),
                                         headers={"authorization": "Bearer " + self.token, "content-type": "application/json"})
        with self.opener.open(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def api(self, method, path, body=None):
        answer = self.ask(method, self.base + path, body)
        return answer and answer.get("result")

    def applications(self):
        return {app["name"]: app for app in self.api("GET", "/applications")}

    def forget(self):
        """The service lists what is deleted for some seconds; and the mount asks anew."""
        self.ask("POST", self.control + "/clock", {"advance_seconds": 30})
        self.refresh()

    def refresh(self):
        with open(self.refresh_file, "w") as file:
            file.write("/\n")


class Sequence:
    def __init__(self, world, rng, grace):
        self.world, self.rng, self.model = world, rng, Model(grace)
        self.fds, self.log = {}, []

    def path(self, name):
        return self.world.dir + name

    def call(self, what, expected, function, *arguments):
        try:
            result = function(*arguments)
            got = None
        except OSError as error:
            result, got = None, errno.errorcode[error.errno]
        self.log.append("%s: %s" % (what, got or "ok"))
        right = {None} if expected is None else expected
        if got not in right:
            raise Different("%s was %s, and must be %s" % (what, got or "ok", "/".join(sorted(name or "ok" for name in right))))
        return result

    # ---- steps

    def shown(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def open(self, name, flags):
        truncate = bool(flags & os.O_TRUNC)
        there = name in self.model.visible()
        shown = self.shown(name) if there and not truncate else None
        if there and flags & os.O_EXCL:
            self.call("open %s O_EXCL" % name, {"EEXIST"}, os.open, self.path(name), os.O_WRONLY | os.O_CREAT | flags,
                      0o644)
            return
        self.fds[name] = self.call("open %s %s%s" % (name, "O_TRUNC " if truncate else "", "O_APPEND" if flags & os.O_APPEND else ""),
                                   None, os.open, self.path(name), os.O_WRONLY | os.O_CREAT | flags, 0o644)
        self.model.open(name, truncate, shown)
        self.append = flags & os.O_APPEND

    def step_open(self):
        free = [name for name in NAMES if name not in self.fds]
        if free and not self.fds:
            self.open(self.rng.choice(free), self.rng.choice([os.O_TRUNC, os.O_TRUNC, os.O_TRUNC | os.O_APPEND, 0, os.O_EXCL]))

    def write(self, name, data):
        append = bool(self.append)
        expected = self.model.write(name, data, append)
        self.call("write %s %r" % (name, data), expected, os.write, self.fds[name], data)

    def step_write(self):
        for name in list(self.fds):
            if self.model.drafts[name].dead:
                continue
            data = any_text(self.rng)
            pieces = self.rng.choice([1, 1, 2, 3])
            size = len(data) // pieces + 1
            for at in range(0, len(data), size):
                self.write(name, data[at:at + size])

    def step_truncate(self):
        for name in list(self.fds):
            size = self.rng.choice([0, 0, len(self.model.drafts[name].data), self.rng.randrange(200)])
            if self.model.drafts[name].dead:
                continue
            self.model.truncate(name, size)
            self.call("ftruncate %s %d" % (name, size), None, os.ftruncate, self.fds[name], size)
            if not self.append:
                os.lseek(self.fds[name], 0, os.SEEK_SET)
                self.model.drafts[name].pos = 0

    def step_fsync(self):
        for name in list(self.fds):
            if not self.model.drafts[name].dead:
                self.call("fsync %s" % name, self.model.flush(name), os.fsync, self.fds[name])

    def step_close(self):
        for name in list(self.fds):
            self.call("close %s" % name, self.model.close(name), os.close, self.fds.pop(name))

    def step_unlink(self):
        name = self.rng.choice(NAMES + SCRATCH)
        expected = self.model.unlink(name)
        self.call("unlink %s" % name, expected, os.unlink, self.path(name))
        if not self.model.grace:
            self.world.forget()

    def step_scratch(self):
        name, data = self.rng.choice(SCRATCH), any_text(self.rng)
        fd = self.call("create %s %r" % (name, data), None, os.open, self.path(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(fd, data)
        self.call("close %s" % name, None, os.close, fd)
        self.model.scratch[name] = data
        if self.rng.random() < 0.7:
            self.rename(name, self.rng.choice(NAMES))

    def rename(self, old, new):
        if old in self.model.drafts or new in self.model.drafts or old in self.model.empty:
            return
        if new in self.model.pending and old not in self.model.scratch:
            return
        expected = self.model.rename(old, new)
        self.call("rename %s %s" % (old, new), expected, os.rename, self.path(old), self.path(new))

    def step_rename(self):
        old = self.rng.choice(NAMES + SCRATCH)
        self.rename(old, self.rng.choice(NAMES if old in NAMES else NAMES + SCRATCH))

    def step_replace(self):
        """unlink, then create: as mv, install and tar do it."""
        name = self.rng.choice(NAMES)
        if self.fds or not self.model.grace or not self.model.has(name):
            return
        self.call("unlink %s" % name, self.model.unlink(name), os.unlink, self.path(name))
        self.open(name, os.O_EXCL)
        self.step_write()
        self.step_close()

    def step_backup(self):
        """A resource is renamed to a scratch name, and then written again or brought back: as editors do it."""
        name, backup = self.rng.choice(NAMES), "u~"
        if self.fds or not self.model.has(name) or backup in self.model.scratch:
            return
        expected = self.model.back_up(name, backup, self.shown(name))
        self.call("rename %s %s" % (name, backup), expected, os.rename, self.path(name), self.path(backup))
        self.check()
        if self.rng.random() < 0.5:
            self.open(name, os.O_EXCL)
            # The name was a resource's: an empty file in its place is its update.
            self.step_write()
            self.check()
            self.step_close()
        if name in self.model.away:
            self.rename(backup, name)
        else:
            self.call("unlink %s" % backup, self.model.unlink(backup), os.unlink, self.path(backup))

    def step_outside(self):
        name = self.rng.choice(NAMES)
        if name in self.model.drafts or name in self.model.empty or name in self.model.away:
            return
        # What the mount wrote is held against lists that do not show it yet, until one has shown it.
        self.world.refresh()
        self.check_tree()
        if name not in self.model.account:
            self.outside_create(name)
        elif self.rng.random() < 0.3 and name not in self.model.pending:
            self.world.api("DELETE", "/applications/" + self.world.applications()[name[:-5]]["id"])
            self.model.outside_delete(name)
            self.log.append("outside: delete %s" % name)
        else:
            most = self.rng.randrange(1, 9)
            self.world.api("PATCH", "/applications/" + self.world.applications()[name[:-5]]["id"], {"max_instances": most})
            self.model.outside_patch(name, most)
            self.log.append("outside: %s has %d instances at most" % (name, most))
        self.world.forget()

    def outside_create(self, name):
        doc = (self.rng.randrange(1, 9), "red")
        self.world.api("POST", "/applications", dict(document(*doc), name=name[:-5]))
        self.model.outside_create(name, doc)
        self.log.append("outside: create %s" % name)

    def step_sync(self):
        if not self.fds:
            fd = os.open(self.world.dir, os.O_RDONLY)
            self.call("fsync .", self.model.sync(), os.fsync, fd)
            os.close(fd)
            self.world.forget()

    # ---- what is true after each step

    def check_account(self):
        want = {name[:-5]: resource for name, resource in self.model.account.items()}
        got = self.world.applications()
        if set(got) != set(want):
            raise Different("the account has %s, and must have %s" % (sorted(got), sorted(want)))
        for name, resource in want.items():
            app = got[name]
            doc = app["max_instances"], app["configuration"]["environment_variables"][0]["value"]
            if doc != resource.doc:
                raise Different("%s in the account is %s, and must be %s" % (name, doc, resource.doc))
            if app["version"] != resource.version:
                raise Different("%s is at version %d, and must be at %d" % (name, app["version"], resource.version))

    def check_tree(self):
        want = self.model.visible()
        names = set(os.listdir(self.world.dir))
        expected = set(want) | self.model.directories()
        if names != expected:
            raise Different("the directory lists %s, and must list %s" % (sorted(names), sorted(expected)))
        for name, content in want.items():
            data = self.shown(name)
            if isinstance(content, Resource):
                shown = json.loads(data)
                doc = shown["max_instances"], shown["configuration"]["environment_variables"][0]["value"]
                if doc != content.doc:
                    raise Different("%s shows %s, and must show %s" % (name, doc, content.doc))
            elif data != content:
                raise Different("%s has %r, and must have %r" % (name, data, content))
            if os.stat(self.path(name)).st_size != len(data):
                raise Different("%s has size %d, and %d bytes" % (name, os.stat(self.path(name)).st_size, len(data)))

    def check(self):
        self.check_account()
        self.check_tree()

    def run(self):
        for name in NAMES:
            if self.rng.random() < 0.5:
                self.outside_create(name)
        self.world.refresh()
        steps = [self.step_open] * 4 + [self.step_write] * 4 + [self.step_close] * 3 + [
            self.step_truncate, self.step_fsync, self.step_unlink, self.step_scratch, self.step_scratch, self.step_rename,
            self.step_replace, self.step_backup, self.step_outside, self.step_sync]
        for _ in range(STEPS):
            self.rng.choice(steps)()
            self.check()
        self.step_close()
        self.check()
        self.step_sync()
        self.check()

    def clean(self):
        for fd in self.fds.values():
            try:
                os.close(fd)
            except OSError:
                pass
        for name in os.listdir(self.world.dir):
            if os.path.isfile(self.path(name)):
                try:
                    os.unlink(self.path(name))
                except OSError:
                    pass
        fd = os.open(self.world.dir, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)
        self.world.forget()
        # A name that came back with its draft's end.
        for app in self.world.applications().values():
            self.world.api("DELETE", "/applications/" + app["id"])
        self.world.forget()


def main():
    mount, base, control, token, account, seed, count = sys.argv[1:8]
    grace = "grace" in sys.argv[8:]
    world = World(mount, base, control, token, account)
    unsure = 0
    print("seed %s, %s sequences" % (seed, count), flush=True)
    for number in range(int(count)):
        sequence = Sequence(world, random.Random("%s-%d" % (seed, number)), grace)
        try:
            sequence.run()
        except Unsure:
            unsure += 1
        except Different as difference:
            print("seed %s, sequence %d:" % (seed, number))
            print("\n".join("  " + line for line in sequence.log))
            sys.exit("DIFFERENT: %s" % difference)
        sequence.clean()
    print("%s sequences agree; %d of them were left early" % (count, unsure))


main()
