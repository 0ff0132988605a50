"""Needles: secrets, tokens, credentials and job values are written, accepted and refused, over HTTP/1, HTTP/2 and TLS; then
they are looked for, in every spelling, in the memory of the processes, in logs, in the state, in errors and rejected texts.

needle.py [--only http1|http2|tls]. As root (the memory of a process that cannot be dumped is root's to read)."""
import argparse
import base64
import json
import os
import secrets
import socket
import subprocess
import sys
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from world import Failed, World, attempt, main, read, wait_until, write

# Shorter pieces than this turn up by chance.
PIECE = 16


def needle(what):
    return "%s-%s" % (what, secrets.token_hex(20))


def spellings(value):
    """The needle as any text could hold it: whole, cut, escaped, folded."""
    raw = value.encode()
    found = {"whole": raw, "first half": raw[:max(PIECE, len(raw) // 2)], "second half": raw[-max(PIECE, len(raw) // 2):],
             "base64": base64.b64encode(raw)[:-4], "percent": urllib.parse.quote(value, safe="").encode(),
             "json": json.dumps(value)[1:-1].encode(), "upper": raw.upper(), "utf-16": value.encode("utf-16-le")}
    return {name: text for name, text in found.items() if len(text) >= PIECE}


def regions(pid):
    with open("/proc/%d/maps" % pid) as lines:
        for line in lines:
            fields = line.split()
            if fields[1][0] == "r" and fields[-1] not in ("[vvar]", "[vsyscall]", "[vvar_vclock]"):
                first, last = (int(x, 16) for x in fields[0].split("-"))
                yield first, last, fields[-1] if len(fields) > 5 else "anonymous"


def search_memory(pid, needles):
    hits = []
    with open("/proc/%d/mem" % pid, "rb", buffering=0) as memory:
        for first, last, name in regions(pid):
            try:
                memory.seek(first)
                data = memory.read(last - first)
            except (OSError, ValueError, OverflowError):
                continue
            for what, texts in needles.items():
                hits += ["%s (%s) in memory, %s at %x" % (what, how, name, first + at)
                         for how, text in texts.items() for at in [data.find(text)] if at >= 0]
    return hits


def search_files(paths, needles):
    hits = []
    for top in paths:
        for folder, _, names in os.walk(top) if os.path.isdir(top) else [(os.path.dirname(top), [], [os.path.basename(top)])]:
            for name in names:
                path = os.path.join(folder, name)
                try:
                    data = read(path)
                except OSError:
                    continue
                hits += ["%s (%s) in %s" % (what, how, path) for what, texts in needles.items()
                         for how, text in texts.items() if text in data]
    return hits


def control_files(mount):
    """What the mount itself tells: its control directory by its known names, and extended attributes."""
    yield from (mount.path(".cfcfs/" + name) for name in ("errors.jsonl", "metrics", "history.jsonl", "plan", "plan.json", "offers.json",
                                                          "overview", "overview.json", "changes.jsonl"))
    yield mount.path(".cfcfs/rejected")
    yield mount.path(".cfcfs/deleted")


def search_xattrs(mount, needles):
    hits = []
    for folder in ("secrets", "registries", "applications", "applications/batch/jobs", ""):
        top = mount.path(folder)
        for name in ["."] + (os.listdir(top) if os.path.isdir(top) else []):
            path = os.path.join(top, name)
            try:
                names = os.listxattr(path) + ["user.cfcfs.error"]
            except OSError:
                continue
            for attribute in names:
                try:
                    data = os.getxattr(path, attribute)
                except OSError:
                    continue
                hits += ["%s (%s) in %s of %s" % (what, how, attribute, path) for what, texts in needles.items()
                         for how, text in texts.items() if text in data]
    return hits


def deeds(mount, emulator):
    """Everything that takes a secret, accepted and refused. What was used, by what it is."""
    used = {}

    def take(what):
        used[what] = needle(what.split()[0])
        return used[what]

    write(mount.path("secrets/plain"), take("secret accepted") + "\n")
    write(mount.path("secrets/lines"), "%s\n%s\n" % (take("secret line"), take("secret line two")))
    write(mount.path("secrets/plain"), take("secret changed"))
    # The service refuses, and quotes what it was given, whole, in JSON and cut.
    for how in ("plain", "json", "cut"):
        value = take("secret refused " + how)
        told = {"plain": value, "json": json.dumps({"error": "VALIDATE_INPUT", "details": {"value": value}}), "cut": value[:30] + "…"}
        emulator.control("POST", "faults", {"method": "POST", "path": "/secrets", "times": 1, "status": 400, "body": json.dumps(
            {"success": False, "errors": [{"code": 1000, "message": told[how]}], "messages": [], "result": None})})
        attempt(write, mount.path("secrets/refused" + how), value)
    attempt(write, mount.path("applications/batch.json"), json.dumps(
        {"instances": 0, "max_instances": 1, "jobs": True, "configuration": {"image": "docker.io/library/redis:7"}}))
    job = {"entrypoint": ["/bin/true"], "command": [], "secrets": [{"name": "A", "type": "env", "value": take("jobsecret accepted")}]}
    attempt(write, mount.path("applications/batch/jobs/one.json"), json.dumps(job))
    bad = {**job, "secrets": [{"name": "A", "type": "env", "value": take("jobsecret refused")}], "nonsense": 1}
    attempt(write, mount.path("applications/batch/jobs/two.json"), json.dumps(bad))
    attempt(write, mount.path("applications/batch/jobs/three.json"), json.dumps(bad)[:-3] + ",,")
    registry = {"kind": "ECR", "is_public": False, "auth": {"public_credential": "user",
                                                            "private_credential": take("registry refused")}}
    domain = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
    attempt(write, mount.path("registries/%s.json" % domain), json.dumps({**registry, "nonsense": 1}))
    attempt(write, mount.path("registries/%s.json" % domain), json.dumps(registry)[:-4] + "}}}}")
    asked = mount.path("registries/registry.cloudflare.com/credentials.json")
    if attempt(write, asked, '{"permissions":["pull"],"expiration_minutes":1}') == 0:
        used["credential"] = json.loads(read(asked))["password"]
    return used


def rotate(mount, emulator_token):
    """The token that was used until now is forgotten once the file holds another."""
    with open(mount.token_file, "w") as file:
        file.write(emulator_token + "\n")
    mount.process.send_signal(1)


def look_again(mount):
    """Ordinary use: what freed memory is used again by."""
    for _ in range(20):
        mount.refresh()
        for name in ("applications", "secrets", "deployments", "registries"):
            attempt(os.listdir, mount.path(name))


def proxy(world, emulator, way):
    """nginx in front for HTTP/2 and TLS; the base address, and more options for the mount."""
    if way == "http1":
        return emulator.base, {}
    folder = os.path.join(world.folder, "nginx")
    os.makedirs(folder)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", folder + "/key.pem", "-out", folder + "/cert.pem"],
                   check=True, stderr=subprocess.DEVNULL)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    http2 = " http2" if way == "http2" else ""
    with open(folder + "/nginx.conf", "w") as file:
        file.write("""daemon off; pid %(f)s/pid; error_log %(f)s/error.log; worker_processes 1;
events {} http { access_log off; client_body_temp_path %(f)s; proxy_temp_path %(f)s; fastcgi_temp_path %(f)s; uwsgi_temp_path %(f)s;
scgi_temp_path %(f)s; server { listen 127.0.0.1:%(p)d ssl%(h)s; ssl_certificate %(f)s/cert.pem; ssl_certificate_key %(f)s/key.pem;
location / { proxy_pass http://%(e)s; proxy_http_version 1.1; proxy_set_header Host %(e)s; } } }
""" % {"f": folder, "p": port, "h": http2, "e": emulator.host})
    nginx = subprocess.Popen(["nginx", "-p", folder, "-c", folder + "/nginx.conf"], stderr=subprocess.DEVNULL)
    world.started.insert(0, type("Nginx", (), {"process": nginx, "stop": lambda self: (self.process.terminate(), self.process.wait(10))})())
    def open_port():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0
    wait_until(10, "nginx", open_port)
    return "https://127.0.0.1:%d%s" % (port, emulator.prefix), {"cacert": folder + "/cert.pem"}


def search(way):
    old, new = needle("token"), needle("newtoken")
    with World() as world:
        emulator = world.emulator("--profile", "ideal", token=old)
        base, more = proxy(world, emulator, way)
        mount = world.mount(emulator, base=base, loglevel="debug", delete_grace=0, timeout=5, retries=0, **more)
        used = deeds(mount, emulator)
        look_again(mount)
        needles = {what: spellings(value) for what, value in used.items()}
        # A credential is kept until it expires: it may be read again until then.
        in_memory = {what: texts for what, texts in needles.items() if what != "credential"}
        files = [mount.log, os.path.join(world.folder, "state"), *control_files(mount)]
        hits = search_memory(mount.process.pid, in_memory) + search_xattrs(mount, needles)
        hits += search_files(files, {**needles, "token": spellings(old)})
        rotate(mount, new)
        wait_until(10, "the new token to be read", lambda: b"credentials were read again and differ" in read(mount.log))
        look_again(mount)
        hits += search_memory(mount.process.pid, {"rotated token": spellings(old)})
        status = mount.stop()
        hits += search_files(files[:2], {**needles, "token": spellings(old), "new token": spellings(new)})
        if status < 0:
            hits.append("it ended by signal %d" % -status)
    return len(used) + 2, hits


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=("http1", "http2", "tls"), default="")
    options = parser.parse_args()
    if os.geteuid() != 0:
        raise Failed("needles are looked for in memory that is root's alone to read: run it as root")
    flags, count = [], 0
    for way in [options.only] if options.only else ["http1", "http2", "tls"]:
        used, hits = search(way)
        count += used
        flags += ["%s: %s" % (way, hit) for hit in hits]
    for flag in flags:
        print("FLAG %s" % flag)
    print("%d needles, %d flags" % (count, len(flags)))
    return 1 if flags or not count else 0


if __name__ == "__main__":
    main(run)
