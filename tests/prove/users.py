"""What another user of the machine may try, on a mount that is its owner's alone and on one that is open to others. Each line is
an attempt with the errno that it must give. Run as root: the others are users 65534 and 65533.

users.py"""
import ctypes
import errno
import json
import os
import signal
import stat
import subprocess
import sys
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from world import ACCOUNT, CFCFS, Failed, World, attempt, main, name_of, read, write

OTHER, GROUP = 65534, 65533
APP = {"scheduling_policy": "default", "instances": 0, "max_instances": 1,
       "configuration": {"image": "docker.io/library/nginx:1", "environment_variables": [{"name": "PASSWORD", "value": "visible"}]}}


def as_user(uid, gid, function, *arguments):
    """The errno of function in a process of that user."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        result = 255
        try:
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)
            result = attempt(function, *arguments)
        except BaseException:
            traceback.print_exc()
        os.write(writer, str(result).encode())
        os._exit(0)
    os.close(writer)
    text = os.read(reader, 16)
    os.close(reader)
    os.waitpid(pid, 0)
    return int(text)


def ptrace_attach(pid):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(16, pid, 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")
    os.kill(pid, signal.SIGKILL)


def fsync_dir(path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class Table:
    def __init__(self):
        self.rows, self.flags = 0, []

    def expect(self, what, got, *wanted):
        self.rows += 1
        good = name_of(got) in wanted
        print("%-4s %-70s %s" % ("ok" if good else "FLAG", what, name_of(got)))
        if not good:
            self.flags.append("%s: %s, wanted %s" % (what, name_of(got), " or ".join(wanted)))


def open_folder(path):
    while path != "/":
        os.chmod(path, os.stat(path).st_mode | 0o055)
        path = os.path.dirname(path)


def process_attempts(table, mount):
    pid = mount.process.pid
    for name in ("mem", "environ", "maps"):
        table.expect("read /proc/PID/%s of the server" % name, as_user(OTHER, OTHER, read, "/proc/%d/%s" % (pid, name)), "EACCES", "EPERM")
    table.expect("ptrace the server", as_user(OTHER, OTHER, ptrace_attach, pid), "EPERM")
    table.expect("signal the server", as_user(OTHER, OTHER, os.kill, pid, signal.SIGTERM), "EPERM")


def file_attempts(table, world, mount):
    state = os.path.join(world.folder, "state")
    for folder, _, names in os.walk(state):
        for name in names:
            path = os.path.join(folder, name)
            table.expect("read the state's %s" % name, as_user(OTHER, OTHER, read, path), "EACCES")
            if stat.S_IMODE(os.stat(path).st_mode) & 0o077:
                table.flags.append("%s has mode %o" % (path, os.stat(path).st_mode))
    table.expect("read the token file", as_user(OTHER, OTHER, read, mount.token_file), "EACCES")


def refused_starts(table, world, emulator):
    """Links and files of others in the place of the log, the token and the state."""
    trap = os.path.join(world.folder, "trap")
    os.makedirs(trap)
    os.chmod(trap, 0o777)
    victim = os.path.join(world.folder, "victim")
    with open(victim, "w") as file:
        file.write("precious\n")
    os.symlink(victim, trap + "/log")
    loose = os.path.join(world.folder, "loose")
    with open(loose, "w") as file:
        file.write(emulator.token)
    os.chmod(loose, 0o644)
    os.mkfifo(trap + "/fifo")
    point = os.path.join(world.folder, "point")
    os.makedirs(point)
    token = os.path.join(world.folder, "token")
    state = os.path.join(world.folder, "state2")
    for what, options in (("a log that is a link", "token_file=%s,logfile=%s/log" % (token, trap)),
                          ("a log that is a pipe", "token_file=%s,logfile=%s/fifo" % (token, trap)),
                          ("a token file that others can read", "token_file=%s" % loose)):
        try:
            run = subprocess.run([CFCFS, "-o", "url=%s,state_dir=%s,%s" % (emulator.base, state, options), ACCOUNT, point],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=20)
            table.expect("mount with " + what, errno.EACCES if run.returncode else 0, "EACCES")
            if run.returncode == 0:
                subprocess.run(["fusermount3", "-u", point], check=False)
        except subprocess.TimeoutExpired:
            table.expect("mount with " + what, errno.ETIMEDOUT, "EACCES")
    table.expect("the link's target is as it was", 0 if read(victim) == b"precious\n" else errno.EIO, "ok")


def alone(table, world):
    emulator = world.emulator("--profile", "ideal")
    open_folder(world.folder)
    mount = world.mount(emulator, delete_grace=0)
    write(mount.path("applications/web.json"), json.dumps(APP))
    write(mount.path("secrets/db"), "value\n")
    table.expect("list a mount that is its owner's alone", as_user(OTHER, OTHER, os.listdir, mount.point), "EACCES")
    table.expect("read a document there", as_user(OTHER, OTHER, read, mount.path("applications/web.json")), "EACCES")
    table.expect("even as root's group", as_user(OTHER, 0, os.listdir, mount.point), "EACCES")
    process_attempts(table, mount)
    file_attempts(table, world, mount)
    refused_starts(table, world, emulator)
    mount.stop()
    emulator.stop()


def shared(table, world):
    folder = os.path.join(world.folder, "shared")
    os.makedirs(folder)
    emulator = world.emulator("--profile", "ideal")
    mount = world.mount(emulator, folder=folder, allow_other=True, delete_grace=5, uid=0, gid=GROUP)
    open_folder(folder)
    os.chmod(folder + "/token", 0o600)
    web = mount.path("applications/web.json")
    write(web, json.dumps(APP))
    write(mount.path("secrets/db"), "value\n")
    attempt(write, mount.path("applications/bad.json"), '{"max_instances": "many"}')
    outsider = lambda f, *a: as_user(OTHER, OTHER, f, *a)
    member = lambda f, *a: as_user(OTHER, GROUP, f, *a)
    table.expect("allow_other: an outsider lists", outsider(os.listdir, mount.path("applications")), "EACCES")
    table.expect("allow_other: an outsider reads a document", outsider(read, web), "EACCES")
    for leaf in ("status.json", "versions.json"):
        table.expect("allow_other: an outsider reads %s" % leaf, outsider(read, mount.path("applications/web/" + leaf)), "EACCES")
    table.expect("allow_other: a member of the group reads", member(read, web), "ok")
    table.expect("allow_other: a member of the group writes", member(write, web, json.dumps({**APP, "max_instances": 2})), "EACCES")
    table.expect("allow_other: a member removes", member(os.unlink, web), "EACCES")
    table.expect("allow_other: a member reads a secret", member(read, mount.path("secrets/db")), "EACCES")
    table.expect("root reads a secret", attempt(read, mount.path("secrets/db")), "EACCES")
    for name in ("errors.jsonl", "metrics"):
        table.expect("allow_other: a member reads .cfcfs/" + name, member(read, mount.path(".cfcfs/" + name)), "EACCES")
    table.expect("allow_other: a member reads a rejected text", member(read, mount.path(".cfcfs/rejected/applications/bad.json")), "EACCES")
    table.expect("allow_other: a member drops the cache", member(write, mount.path(".cfcfs/refresh"), "/\n"), "EACCES")
    table.expect("allow_other: a member chmods", member(os.chmod, web, 0o666), "EPERM")
    table.expect("allow_other: a member chowns", member(os.chown, web, OTHER, GROUP), "EPERM")
    # The deletes that are pending are their owner's business.
    os.unlink(web)
    table.expect("fsync of a directory by another: a success", member(fsync_dir, mount.path("applications")), "ok")
    sent = [r for r in emulator.control("GET", "requests") if r["method"] == "DELETE"]
    table.expect("... that sent nothing", errno.EIO if sent else 0, "ok")
    table.expect("fsync of a directory by the owner", attempt(fsync_dir, mount.path("applications")), "ok")
    sent = [r for r in emulator.control("GET", "requests") if r["method"] == "DELETE"]
    table.expect("... that sent what was pending", 0 if sent else errno.EIO, "ok")
    # Links lead nowhere but to editors' locks.
    table.expect("a link that leads out", attempt(os.symlink, "/etc/passwd", mount.path("applications/.#web")), "EPERM")
    table.expect("a link of another name", attempt(os.symlink, "x", mount.path("applications/link")), "EPERM")
    table.expect("an editor's lock", attempt(os.symlink, "me@host.123", mount.path("applications/.#web.json")), "ok")
    table.expect("a device", attempt(os.mknod, mount.path("applications/dev"), stat.S_IFCHR | 0o666, os.makedev(1, 3)), "EPERM", "ENOSYS")
    table.expect("a hard link", attempt(os.link, mount.path("account/limits.json"), mount.path("applications/hard")), "EPERM", "ENOSYS")
    mount.stop()


def run():
    if os.geteuid() != 0:
        raise Failed("other users are played by root: run it as root")
    table = Table()
    with World() as world:
        alone(table, world)
        shared(table, world)
    for flag in table.flags:
        print("FLAG %s" % flag)
    print("%d attempts, %d flags" % (table.rows, len(table.flags)))
    return 1 if table.flags else 0


if __name__ == "__main__":
    main(run)
