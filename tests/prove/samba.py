"""The mount behind a Samba server of its own, on loopback: reads, writes, renames, deletes, what is refused, and what changes
behind its back. Run as root: files of the server are those of the mount's owner.

samba.py"""
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from world import Failed, World, main, wait_until

CONFIG = """[global]
server role = standalone
map to guest = Bad User
guest account = root
smb ports = {port}
interfaces = 127.0.0.1
bind interfaces only = yes
disable netbios = yes
load printers = no
disable spoolss = yes
private dir = {folder}
lock directory = {folder}
state directory = {folder}
cache directory = {folder}
pid directory = {folder}
ncalrpc dir = {folder}/nc
log file = {folder}/log
[cf]
path = {path}
guest ok = yes
read only = no
force user = root
"""


class Samba:
    def __init__(self, mount):
        self.folder = tempfile.mkdtemp(dir=mount.folder)
        self.port = str(20000 + os.getpid() % 20000)
        config = os.path.join(self.folder, "smb.conf")
        with open(config, "w") as file:
            file.write(CONFIG.format(port=self.port, folder=self.folder, path=mount.point))
        self.process = subprocess.Popen(["smbd", "--foreground", "--no-process-group", "-s", config], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        wait_until(20, "Samba", lambda: self.process.poll() is None and self.do("ls")[0])

    def do(self, command):
        result = subprocess.run(["smbclient", "-N", "-p", self.port, "//127.0.0.1/cf", "-c", command],
                                capture_output=True, text=True, timeout=60)
        text = result.stdout + result.stderr
        return result.returncode == 0 and "NT_STATUS" not in text, text

    def get(self, name):
        path = os.path.join(self.folder, "got")
        done, text = self.do("get %s %s" % (name.replace("/", "\\"), path))
        if not done:
            raise Failed("%s cannot be read: %s" % (name, text))
        with open(path) as file:
            return json.load(file)

    def put(self, name, document):
        path = os.path.join(self.folder, "put")
        with open(path, "w") as file:
            json.dump(document, file)
        return self.do("put %s %s" % (path, name.replace("/", "\\")))

    def stop(self):
        os.killpg(self.process.pid, 15)
        self.process.wait(20)


def check(flags, what, right):
    print("%-60s %s" % (what, "ok" if right else "FLAG"))
    if not right:
        flags.append(what)


def use(samba, emulator, flags):
    def instances(name):
        return [app["max_instances"] for app in emulator.applications() if app["name"] == name]

    ident = {app["name"]: app["id"] for app in emulator.applications()}
    document = samba.get("applications/app-00001.json")
    check(flags, "the directory is listed", "app-00002.json" in samba.do("ls applications\\*")[1])
    document["max_instances"] = 7
    check(flags, "a document is replaced", samba.put("applications/app-00001.json", document)[0] and instances("app-00001") == [7])
    check(flags, "a new one is made", samba.put("applications/fresh.json", document)[0] and instances("fresh") == [7])
    for number in range(3):
        emulator.api("PATCH", "/applications/" + ident["app-00002"], {"max_instances": 20 + number})
        wait_until(20, "what changed behind it", lambda: samba.get("applications/app-00002.json")["max_instances"] == 20 + number)
    check(flags, "what changes behind it shows, again and again", True)
    check(flags, "it is renamed", samba.do("rename applications\\fresh.json applications\\fresher.json")[0] and
          instances("fresh") == [] and instances("fresher") == [7])
    check(flags, "what is refused is an error", not samba.put("applications/app-00002.json", {"max_instances": "many"})[0])
    check(flags, "and the file is as before, time after time",
          [samba.get("applications/app-00002.json")["max_instances"] for _ in range(5)] == [22] * 5)
    check(flags, "it is deleted", samba.do("del applications\\fresher.json")[0])
    wait_until(20, "the deletion", lambda: instances("fresher") == [])


def run():
    flags = []
    with World() as world:
        emulator = world.emulator("--seed", '{"applications":20,"deployments":2}', "--profile", "ideal")
        mount = world.mount(emulator, view="spec", cache_ttl=1, delete_grace=0.2, rollout="none")
        samba = Samba(mount)
        try:
            use(samba, emulator, flags)
        finally:
            samba.stop()
    print("%d flags" % len(flags))
    return 1 if flags else 0


if __name__ == "__main__":
    main(run)
