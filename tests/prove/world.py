"""An emulator and mounts of their own in a folder of their own, for the programs of tools/prove. Everything that is started
is ended by pid, whatever happens; nothing leaves the loopback."""
import atexit
import contextlib
import ctypes
import errno
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("CFCFS_BUILD_DIR") or os.path.join(SOURCE, "build")
CFCFS = os.environ.get("CFCFS_BIN") or os.path.join(BUILD, "fs", "cfcfs")
EMULATOR = os.path.join(BUILD, "emulator", "cfcfs-emulator")
ACCOUNT = "0123456789abcdef0123456789abcdef"


class Failed(Exception):
    """What was promised does not hold; the text says what."""


def wait_until(seconds, what, condition):
    """Polls; the condition's own value, or Failed."""
    until = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise Failed("waited %g s in vain for %s" % (seconds, what))
        time.sleep(0.02)


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def mounts_under(path):
    found = []
    with open("/proc/self/mountinfo") as lines:
        for line in lines:
            point = line.split()[4].encode().decode("unicode_escape")
            if point == path or point.startswith(path + "/"):
                found.append(point)
    return sorted(found, reverse=True)


class Emulator:
    def __init__(self, folder, *arguments, token="emulator"):
        self.folder, self.token = folder, token
        self.log = open(os.path.join(folder, "emulator.log"), "ab")
        rate = () if "--rate" in arguments else ("--rate", "0/1")
        self.process = subprocess.Popen([EMULATOR, "--listen", "127.0.0.1:0", "--token", token, *rate, *arguments],
                                        stdout=subprocess.PIPE, stderr=self.log, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)
        self.base = self.process.stdout.readline().decode().strip()
        if not self.base:
            raise Failed("the emulator did not start: " + open(self.log.name).read())
        url = urllib.parse.urlsplit(self.base)
        self.host, self.prefix = url.netloc, url.path
        self.secure = url.scheme == "https"
        self.local = threading.local()

    def ask(self, method, path, body=None):
        """(status, text); one connection a thread."""
        for attempt in (0, 1):
            if getattr(self.local, "connection", None) is None:
                self.local.connection = http.client.HTTPConnection(self.host, timeout=60)
            try:
                self.local.connection.request(method, path, None if body is None else json.dumps(body),
                                              {"authorization": "Bearer " + self.token, "content-type": "application/json"})
                answer = self.local.connection.getresponse()
                return answer.status, answer.read()
            except (http.client.HTTPException, OSError):
                self.local.connection = None
                if attempt:
                    raise

    def api(self, method, path, body=None):
        """The result of a call past the mount, or Failed. Faults are for the mount's calls; see quiet()."""
        status, text = self.ask(method, "%s/accounts/%s/containers%s" % (self.prefix, ACCOUNT, path), body)
        if status >= 300:
            raise Failed("%s %s: %d %s" % (method, path, status, text[:300]))
        return json.loads(text).get("result") if text else None

    def control(self, method, name, body=None):
        status, text = self.ask(method, "/__emulator/" + name, body)
        if status >= 300:
            raise Failed("control %s %s: %d %s" % (method, name, status, text[:300]))
        return json.loads(text) if text else None

    def applications(self):
        found, token = [], ""
        while True:
            status, text = self.ask("GET", "%s/accounts/%s/containers/applications?per_page=500%s" % (
                self.prefix, ACCOUNT, "&page_token=" + urllib.parse.quote(token) if token else ""))
            if status != 200:
                raise Failed("list of applications: %d" % status)
            answer = json.loads(text)
            found += answer["result"]
            token = (answer.get("result_info") or {}).get("next_page_token")
            if not token:
                return found

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()


class Mount:
    def __init__(self, folder, emulator, name="mnt", base=None, **options):
        self.point = os.path.join(folder, name)
        self.folder, self.emulator = folder, emulator
        os.makedirs(self.point, exist_ok=True)
        self.log = os.path.join(folder, name + ".log")
        self.token_file = os.path.join(folder, "token")
        if not os.path.exists(self.token_file):
            with open(os.open(self.token_file, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
                file.write(emulator.token + "\n")
        words = {"url": base or emulator.base, "token_file": self.token_file, "state_dir": os.path.join(folder, "state"),
                 "rps": 10000, "burst": 100000, **options}
        self.words = ",".join(key if value is True else "%s=%s" % (key, value) for key, value in words.items())
        self.process = None
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([CFCFS, "-f", "-o", self.words, ACCOUNT, self.point], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL)
        def ready():
            if self.process.poll() is not None:
                raise Failed("cfcfs ended with %d: %s" % (self.process.returncode, open(self.log).read()[-500:]))
            return mounts_under(self.point)
        wait_until(30, "the mount", ready)

    def path(self, name):
        return os.path.join(self.point, name)

    def kill(self):
        self.process.kill()
        self.process.wait(20)

    def stop(self):
        """Ends it in good order; its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                return self.process.wait(90)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise Failed("SIGTERM did not end it within 90 s")
        return self.process.returncode

    def refresh(self):
        with open(self.path(".cfcfs/refresh"), "w") as file:
            file.write("/\n")

    def errors(self):
        with open(self.path(".cfcfs/errors.jsonl")) as lines:
            return [json.loads(line) for line in lines]


class World:
    """with World() as world: world.emulator(), world.mount()."""
    def __init__(self, keep=False):
        self.folder = tempfile.mkdtemp(prefix="cfcfs-prove.", dir=os.environ.get("TMPDIR") or "/tmp")
        self.started = []
        self.lock = threading.Lock()
        self.keep = keep
        atexit.register(self.end)

    def emulator(self, *arguments, **more):
        emulator = Emulator(self.folder, *arguments, **more)
        with self.lock:
            self.started.append(emulator)
        return emulator

    def mount(self, emulator, folder=None, **options):
        folder = folder or self.folder
        os.makedirs(folder, exist_ok=True)
        mount = Mount(folder, emulator, **options)
        with self.lock:
            self.started.append(mount)
        return mount

    def end(self):
        with self.lock:
            started, self.started = self.started, []
        for thing in reversed(started):
            with contextlib.suppress(Failed, OSError, subprocess.TimeoutExpired):
                thing.process.kill() if isinstance(thing, Mount) else thing.stop()
                thing.process.wait(20)
        for point in mounts_under(self.folder):
            subprocess.run(["fusermount3", "-u", "-z", "--", point], stderr=subprocess.DEVNULL, check=False)
        if not self.keep and not mounts_under(self.folder):
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


def name_of(error):
    return "ok" if error == 0 else errno.errorcode.get(error, str(error))


def attempt(function, *arguments):
    """The errno of a call, 0 for a success."""
    try:
        function(*arguments)
        return 0
    except OSError as failure:
        return failure.errno


def write(path, text):
    """As cp does it: opened, written, closed, each answer heard."""
    fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644)
    try:
        data = text.encode()
        while data:
            data = data[os.write(fd, data):]
    except OSError:
        with contextlib.suppress(OSError):
            os.close(fd)
        raise
    os.close(fd)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def main(run):
    """Ends the program with a line and a status."""
    try:
        sys.exit(run())
    except Failed as failure:
        print("FAILED: %s" % failure)
        sys.exit(1)
