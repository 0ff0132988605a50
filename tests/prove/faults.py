"""The fault matrix: every kind of operation against every kind of fault. For each cell: the call ends by its deadline; what it
said is what the account has; a failure is told, and what was refused can be written again; nothing is there twice; the mount
lives. Prints the table; a cell that is not as promised is a flag, and the exit status 1.

faults.py [--only REGEX] [--workers N] [--short]"""
import argparse
import base64
import collections
import concurrent.futures
import hashlib
import itertools
import json
import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from world import Failed, World, attempt, main, name_of, read, write

TIMEOUT = 4  # of the mount, in seconds
# What a call may take over its deadline on a loaded machine before it counts as one that hangs.
SLACK = 20

APP = {"scheduling_policy": "default", "instances": 0, "max_instances": 3,
       "configuration": {"image": "docker.io/library/nginx:1", "instance_type": "lite"}}
DEPLOYMENT = {"image": "docker.io/library/nginx:1", "location": "sfo06", "instance_type": "lite"}


def text(document):
    return json.dumps(document, indent=2) + "\n"


def key(name):
    """A well-formed public key that is this name's alone."""
    blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + hashlib.sha256(name.encode()).digest()
    return "ssh-ed25519 %s %s\n" % (base64.b64encode(blob).decode(), name)


class Fault:
    def __init__(self, name, spec, lost=False):
        self.name, self.spec = name, spec
        self.lost = lost  # whether the change may have been made although no answer came


def body(value):
    return value if isinstance(value, str) else json.dumps(value)


def faults():
    good = {"success": True, "errors": [], "messages": []}
    for status in (400, 401, 403, 404, 405, 409, 429, 500, 502, 503):
        spec = {"status": status}
        if status == 429:
            spec["retry_after"] = 1
        yield Fault("%d" % status, spec)
    yield Fault("400 bare", {"status": 400, "body": '{"error":"VALIDATE_INPUT"}'})
    yield Fault("502 html", {"status": 502, "body": "<html><body>bad gateway</body></html>"})
    yield Fault("200 html", {"status": 200, "body": "<html><body>welcome</body></html>"})
    yield Fault("200 empty", {"status": 200, "body": ""})
    yield Fault("null result", {"status": 200, "body": body({**good, "result": None})})
    yield Fault("no result", {"status": 200, "body": body(good)})
    yield Fault("empty object", {"status": 200, "body": "{}"})
    yield Fault("error member", {"status": 200, "body": '{"error":"INTERNAL"}'})
    yield Fault("success a string", {"status": 200, "body": body({**good, "success": "false", "result": {}})})
    yield Fault("success false", {"status": 200, "body": body({"success": False, "errors": [{"code": 1000, "message": "no"}]})})
    yield Fault("array for object", {"status": 200, "body": body({**good, "result": [[1]]})})
    yield Fault("object for array", {"status": 200, "body": body({**good, "result": {"a": 1}})})
    yield Fault("items without ids", {"status": 200, "body": body({**good, "result": [{"name": "x"}]})})
    yield Fault("204", {"status": 204, "body": ""})
    yield Fault("redirect", {"status": 302, "body": ""})
    yield Fault("closed before", {"close": "before"}, lost=True)
    yield Fault("closed after", {"close": "after"}, lost=True)
    yield Fault("cut", {"truncate": 20}, lost=True)
    yield Fault("slow", {"latency_ms": 700}, lost=True)
    yield Fault("stalled", {"stall": True}, lost=True)
    yield Fault("stalled in the middle", {"stall": 15}, lost=True)


class Operation:
    """kind.verb: prepare makes what is needed without a fault; act is what meets it; wanted says whether the account has it. told is
    what the path of a recorded failure has in it, the cell's name if it is not said. look_first: it has no name in the account, and
    the text of an unknown outcome says to look before it is written again."""
    def __init__(self, name, method, path, prepare, act, wanted, changes=True, told=None, look_first=False):
        self.name, self.method, self.path = name, method, path
        self.prepare, self.act, self.wanted, self.changes, self.told = prepare, act, wanted, changes, told
        self.look_first = look_first


def apps_named(emulator, name):
    return [app for app in emulator.applications() if app["name"] == name]


def one_app(emulator, name, check=lambda app: True):
    found = apps_named(emulator, name)
    if len(found) > 1:
        raise Failed("'%s' is there %d times" % (name, len(found)))
    return bool(found) and check(found[0])


def deployments(emulator, name):
    return [d for d in emulator.api("GET", "/deployments/v2")
            if any(l.get("name") == "cfcfs.name" and l.get("value") == name for l in d.get("labels") or [])]


def one_deployment(emulator, name, check=lambda d: True):
    found = deployments(emulator, name)
    if len(found) > 1:
        raise Failed("deployment '%s' is there %d times" % (name, len(found)))
    return bool(found) and check(found[0])


def listed(emulator, path, key_name, value):
    found = [item for item in emulator.api("GET", path) if item.get(key_name) == value]
    if len(found) > 1:
        raise Failed("'%s' is there %d times" % (value, len(found)))
    return bool(found)


def image(n):
    return {**APP, "configuration": {**APP["configuration"], "image": "docker.io/library/nginx:%d" % n}}


def rollouts_to(emulator, name, tag):
    app = apps_named(emulator, name)[0]
    return [r for r in emulator.api("GET", "/applications/%s/rollouts" % app["id"])
            if (r.get("target_configuration") or {}).get("image", "").endswith(tag)]


def once_rolled(emulator, name, tag):
    found = rollouts_to(emulator, name, tag)
    if len(found) > 1:
        raise Failed("the rollout of '%s' is there %d times" % (name, len(found)))
    return bool(found)


def one_of_app(emulator, name, what):
    """Whether the application has one job, or rollout; two are a failure."""
    found = emulator.api("GET", "/applications/%s/%s" % (apps_named(emulator, name)[0]["id"], what))
    if len(found) > 1:
        raise Failed("'%s' has %d %s" % (name, len(found), what))
    return bool(found)


def default_memory(name):
    """Another number for each cell, in steps that the service takes."""
    return 272 + 16 * (int(name.split("n")[1]) % 200)


def rarer_operations():
    nothing = lambda m, n: None
    make = lambda where, document: lambda m, n: write(m.path(where % n), text(document))
    with_jobs = make("applications/%s.json", {**APP, "jobs": True})
    make_app = make("applications/%s.json", APP)
    make_job = make("applications/%s/jobs/first.json", {"entrypoint": ["/bin/report"], "command": ["--month", "10"]})
    has_job = lambda e, n: one_of_app(e, n, "jobs")
    both = lambda f, g: lambda m, n: (f(m, n), g(m, n))
    remove = lambda where: lambda m, n: os.unlink(m.path(where % n))
    yield Operation("job.create", "POST", "/applications/*/jobs", with_jobs, make_job, has_job, look_first=True)
    yield Operation("job.delete", "DELETE", "/applications/*/jobs/*", both(with_jobs, make_job),
                    remove("applications/%s/jobs/first.json"), lambda e, n: not has_job(e, n))
    yield Operation("rollout.create", "POST", "/applications/*/rollouts", make_app, make("applications/%s/rollouts/second.json", {
        "description": "to 2", "strategy": "rolling", "kind": "full_auto", "step_percentage": 100,
        "target_configuration": image(2)["configuration"]}), lambda e, n: one_of_app(e, n, "rollouts"), look_first=True)
    make_registry = make("registries/%s.example.com.json", {"is_public": True})
    has_registry = lambda e, n: listed(e, "/registries", "domain", n + ".example.com")
    yield Operation("registry.create", "POST", "/registries", nothing, make_registry, has_registry)
    yield Operation("registry.delete", "DELETE", "/registries/*", make_registry, remove("registries/%s.example.com.json"),
                    lambda e, n: not has_registry(e, n))
    proto = lambda path: make("registry-protocols/%s.json", {"domains": [{"domain": "keep.example.com", "path": path}]})
    has_proto = lambda e, n, path: [p["domains"][0]["path"] for p in e.api("GET", "/registries/protos") if p["proto"] == n] == [path]
    yield Operation("protocol.create", "POST", "/registries/protos", nothing, proto("one"), lambda e, n: has_proto(e, n, "one"))
    yield Operation("protocol.update", "PUT", "/registries/protos", proto("one"), proto("two"), lambda e, n: has_proto(e, n, "two"))
    yield Operation("protocol.delete", "DELETE", "/registries/protos/*", proto("one"), remove("registry-protocols/%s.json"),
                    lambda e, n: not listed(e, "/registries/protos", "proto", n))
    yield Operation("defaults.update", "PATCH", "/me", nothing,
                    lambda m, n: write(m.path("account/defaults.json"), text({"vcpus": 0.25, "memory_mib": default_memory(n), "disk_mb": 2000})),
                    lambda e, n: e.api("GET", "/me")["defaults"]["memory_mib"] == default_memory(n), told="account/defaults.json")
    def ask_credentials(m, n):
        where = m.path("registries/registry.cloudflare.com/credentials.json")
        write(where, '{"permissions": ["pull"], "expiration_minutes": 5}\n')
        if not json.loads(read(where)).get("password"):
            raise Failed("credentials without a password")
    yield Operation("credentials.ask", "POST", "/registries/*/credentials", nothing, ask_credentials, None, changes=False)


def operations():
    yield from common_operations()
    yield from rarer_operations()
    yield from looks()


def common_operations():
    a, d = "applications/%s.json", "deployments/%s.json"
    nothing = lambda m, n: None
    make_app = lambda m, n: write(m.path(a % n), text(APP))
    make_dep = lambda m, n: write(m.path(d % n), text(DEPLOYMENT))

    yield Operation("application.create", "POST", "/applications", nothing, make_app, one_app)
    yield Operation("application.update", "PATCH", "/applications/*", make_app,
                    lambda m, n: write(m.path(a % n), text({**APP, "max_instances": 7})),
                    lambda e, n: one_app(e, n, lambda app: app["max_instances"] == 7))
    yield Operation("application.image", "POST", "/applications/*/rollouts", make_app,
                    lambda m, n: write(m.path(a % n), text(image(2))), lambda e, n: once_rolled(e, n, ":2"))
    yield Operation("application.rename", "PATCH", "/applications/*", make_app,
                    lambda m, n: os.rename(m.path(a % n), m.path(a % (n + "-new"))),
                    lambda e, n: one_app(e, n + "-new") and not one_app(e, n))
    yield Operation("application.delete", "DELETE", "/applications/*", make_app,
                    lambda m, n: os.unlink(m.path(a % n)), lambda e, n: not one_app(e, n))
    yield Operation("application.look", "GET", "/applications/*", make_app,
                    lambda m, n: write(m.path(a % n), text({**APP, "max_instances": 8})),
                    lambda e, n: one_app(e, n, lambda app: app["max_instances"] == 8))
    yield Operation("deployment.create", "POST", "/deployments/v2", nothing, make_dep, one_deployment)
    yield Operation("deployment.update", "PATCH", "/deployments/*/v2", make_dep,
                    lambda m, n: write(m.path(d % n), text({**DEPLOYMENT, "image": "docker.io/library/nginx:2"})),
                    lambda e, n: one_deployment(e, n, lambda dep: dep["image"].endswith(":2")))
    yield Operation("deployment.delete", "DELETE", "/deployments/*/v2", make_dep,
                    lambda m, n: os.unlink(m.path(d % n)), lambda e, n: not deployments(e, n))
    secret = lambda value: lambda m, n: write(m.path("secrets/%s" % n), value)
    yield Operation("secret.create", "POST", "/secrets", nothing, secret("one"), lambda e, n: listed(e, "/secrets", "name", n))
    yield Operation("secret.update", "PATCH", "/secrets/*", secret("one"), secret("two"),
                    lambda e, n: any(s["name"] == n and s.get("version", 0) > 1 for s in e.api("GET", "/secrets")))
    yield Operation("secret.delete", "DELETE", "/secrets/*", secret("one"), lambda m, n: os.unlink(m.path("secrets/%s" % n)),
                    lambda e, n: not listed(e, "/secrets", "name", n))
    ssh = lambda m, n: write(m.path("ssh-keys/%s.pub" % n), key(n))
    yield Operation("ssh_key.create", "POST", "/ssh-public-keys", nothing, ssh, lambda e, n: listed(e, "/ssh-public-keys", "name", n))
    yield Operation("ssh_key.delete", "DELETE", "/ssh-public-keys/*", ssh, lambda m, n: os.unlink(m.path("ssh-keys/%s.pub" % n)),
                    lambda e, n: not listed(e, "/ssh-public-keys", "name", n))


def looks():
    """Reading: a fault gives an error, or the old answer; never an empty or missing thing."""
    a = "applications/%s.json"
    nothing = lambda m, n: None
    make_app = lambda m, n: write(m.path(a % n), text(APP))
    def look(name):
        def act(m, n):
            m.refresh()
            if not read(m.path(name % n if "%" in name else name)).strip():
                raise Failed("%s reads as empty" % name)
        return act
    def names(where):
        def act(m, n):
            m.refresh()
            if not os.listdir(m.path(where)):
                raise Failed("%s reads as empty" % where)
        return act
    for where, path in (("applications", "/applications"), ("deployments", "/deployments/v2"), ("secrets", "/secrets"),
                        ("ssh-keys", "/ssh-public-keys"), ("registries", "/registries"), ("registry-protocols", "/registries/protos"),
                        ("applications/keep-web/rollouts", "/applications/*/rollouts"),
                        ("applications/keep-web/jobs", "/applications/*/jobs"),
                        ("deployments/keep/placements", "/deployments/*/placements")):
        yield Operation("list " + where, "GET", path, nothing, names(where), None, changes=False)
    yield Operation("read application", "GET", "/applications", make_app, look(a), None, changes=False)
    yield Operation("read versions", "GET", "/applications/*/versions", make_app, look("applications/%s/versions.json"), None,
                    changes=False)
    for where, path in (("account/limits.json", "/me"), ("account/locations.json", "/me"), ("account/usage.json", "/usage"),
                        ("applications/keep-web/status.json", "/applications*"), ("applications/keep-web/queue.json", "/applications/*/status"),
                        ("deployments/keep/status.json", "/deployments/*"), ("deployments/keep/events.jsonl", "/deployments/*")):
        yield Operation("read " + where, "GET", path, nothing, look(where), None, changes=False)


# Cells in which the service lies, and its word is all there is: (operation, fault) and why.
EXCUSED = (
    (r"\.delete$", r"^204$", "a DELETE may answer 204: the service says that it is done"),
    (r"\.delete$", r"^(null result|no result|array for object|object for array|items without ids)$",
     "success: true to a DELETE is the service's word that it is done; the contract lets its result be missing"),
    (r"\.look$", r"^404$", "what a GET does not find is gone, for lists lag: the document is made anew"),
    (r"\.delete$", r"^404$", "what is to be deleted is not there, says the service: then it is deleted"),
)

ALLOWED = {  # what an operation may say under a fault at all
    "ok", "EINVAL", "EBADMSG", "EIO", "ETIMEDOUT", "EAGAIN", "EACCES", "EPERM", "ENOENT", "EEXIST", "EBUSY", "ESTALE", "EDQUOT",
    "EOPNOTSUPP", "EPROTO", "ECONNREFUSED", "EHOSTUNREACH",
}


def settled(emulator, name, wanted, answer):
    """Deletes of the service take a while to leave its list."""
    for _ in range(40):
        if wanted(emulator, name) == answer:
            return True
        time.sleep(0.05)
        emulator.control("POST", "clock", {"advance_seconds": 5})
    return False


def check_change(mount, operation, fault, name, said):
    emulator = mount.emulator
    flags = []
    made = operation.wanted(emulator, name)
    if said == "ok" and not made and not settled(emulator, name, operation.wanted, True):
        flags.append("said ok, and it did not happen")
    refused_known = not fault.lost and said not in ("ok", "EIO", "ETIMEDOUT", "EAGAIN")
    if refused_known and made:
        flags.append("said %s, and it happened" % said)
    if said != "ok" and not any((operation.told or name) in e.get("path", "") for e in mount.errors()):
        flags.append("said %s, and errors.jsonl does not say why" % said)
    return flags


def repeat(mount, operation, name):
    """Without the fault the same again is what a person does; then it is done, once."""
    last = 0
    if operation.look_first and operation.wanted(mount.emulator, name):
        return []
    for _ in range(3):
        last = attempt(operation.act, mount, name)
        if last == 0 or settled(mount.emulator, name, operation.wanted, True):
            break
    if not settled(mount.emulator, name, operation.wanted, True):
        return ["the repeat said %s, and it did not happen" % name_of(last)]
    return []


def cell(mount, operation, fault, name):
    emulator = mount.emulator
    operation.prepare(mount, name)
    emulator.control("POST", "faults", {"method": operation.method, "path": operation.path, "times": 1, **fault.spec})
    began = time.monotonic()
    said = name_of(attempt(operation.act, mount, name))
    took = time.monotonic() - began
    emulator.control("DELETE", "faults")
    flags = []
    if took > TIMEOUT + SLACK:
        flags.append("took %.1f s" % took)
    if said not in ALLOWED:
        flags.append("said %s" % said)
    if any(re.search(o, operation.name) and re.search(f, fault.name) for o, f, _ in EXCUSED):
        return said + "(excused)", flags
    if operation.changes:
        flags += check_change(mount, operation, fault, name, said)
        flags += repeat(mount, operation, name)
    else:
        flags += ["still %s without the fault" % name_of(e) for e in [attempt(operation.act, mount, name)] if e]
    if mount.process.poll() is not None:
        raise Failed("%s / %s: the mount died" % (operation.name, fault.name))
    return said, flags


class Worker:
    """One emulator and one mount; cells one after another."""
    def __init__(self, world, number):
        folder = os.path.join(world.folder, "w%d" % number)
        os.makedirs(folder)
        emulator = world.emulator("--profile", "ideal")
        for name in ("web", "db"):
            emulator.api("POST", "/applications", {**APP, "name": "keep-" + name, "instances": 1, "jobs": True})
        web = apps_named(emulator, "keep-web")[0]["id"]
        emulator.api("POST", "/applications/%s/jobs" % web, {"entrypoint": ["/bin/report"], "command": ["now"]})
        emulator.api("POST", "/applications/%s/rollouts" % web, {"description": "to 2", "strategy": "rolling", "kind": "full_auto",
                                                                "step_percentage": 100, "target_configuration": image(2)["configuration"]})
        emulator.api("POST", "/registries", {"domain": "keep.example.com", "is_public": True})
        emulator.api("POST", "/registries/protos", {"proto": "keep", "domains": [{"domain": "keep.example.com", "path": "x"}]})
        emulator.api("POST", "/deployments/v2", {**DEPLOYMENT, "labels": [{"name": "cfcfs.name", "value": "keep"}]})
        emulator.api("POST", "/secrets", {"name": "keep", "value": "x"})
        emulator.api("POST", "/ssh-public-keys", {"name": "keep", "public_key": key("keep").strip()})
        self.mount = world.mount(emulator, folder=folder, timeout=TIMEOUT, connect_timeout=1, retries=1, delete_grace=0, cache_ttl=0.2,
                                 status_ttl=0.2, negative_ttl=0.1, max_delete=10000)
        self.serial = itertools.count()
        self.number = number

    def run(self, operation, fault):
        name = "p%dn%d" % (self.number, next(self.serial))
        try:
            return cell(self.mount, operation, fault, name)
        except Failed as failure:
            if self.mount.process.poll() is not None:
                raise
            return "?", [str(failure)]


def show(results):
    by_fault = collections.OrderedDict()
    for (operation, fault), (said, flags) in results.items():
        by_fault.setdefault(operation, []).append((fault, said, flags))
    for operation, cells in by_fault.items():
        print("%-20s %s" % (operation, " ".join("%s=%s%s" % (f.replace(" ", "_"), s, "!" if flags else "") for f, s, flags in cells)))


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--short", action="store_true", help="every eleventh cell")
    options = parser.parse_args()
    cells = [(o, f) for o in operations() for f in faults() if re.search(options.only, "%s / %s" % (o.name, f.name))]
    if options.short:
        cells = cells[::11]
    results, flags = {}, []
    with World() as world:
        workers = [Worker(world, n) for n in range(min(options.workers, len(cells) or 1))]
        def share(number):
            return [(o, f, workers[number].run(o, f)) for o, f in cells[number::len(workers)]]
        with concurrent.futures.ThreadPoolExecutor(len(workers)) as pool:
            for done in pool.map(share, range(len(workers))):
                for operation, fault, (said, found) in done:
                    results[operation.name, fault.name] = said, found
                    flags += ["%s / %s: said %s: %s" % (operation.name, fault.name, said, flag) for flag in found]
    show({(o.name, f.name): results[o.name, f.name] for o, f in cells})
    for flag in flags:
        print("FLAG %s" % flag)
    print("%d cells, %d flags" % (len(cells), len(flags)))
    return 1 if flags or not cells else 0


if __name__ == "__main__":
    main(run)
