"""chaos.py DIRECTORY SECONDS SEED: threads do to a few names whatever can be done to names: open in every way, write whole and cut
documents, rename, unlink, link, truncate, look. What each is told does not matter; that the mount lives, and is in the end what the
account holds, is for the caller to see."""
import errno
import json
import os
import random
import sys
import threading
import time

FOLDER, SECONDS, SEED = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
THREADS = 6
NAMES = ["f.json", "g.json", "h.json", ".s1", ".s2", "f.json~", "g.json~", ".d1", ".d1/x", ".d1/y.json", "f.json.tmp"]
END = time.time() + SECONDS
counts = [0] * THREADS


def document(r):
    return json.dumps({
        "scheduling_policy": "default", "instances": r.randrange(9), "max_instances": r.randrange(9, 20),
        "configuration": {"image": "registry.cloudflare.com/app:v%d" % r.randrange(3), "instance_type": "lite"},
    }, indent=2).encode()


def write(r, path, other):
    flags = os.O_CREAT | os.O_WRONLY | r.choice([0, os.O_TRUNC, os.O_APPEND, os.O_EXCL])
    if r.random() < .3:
        flags = (flags & ~os.O_WRONLY) | os.O_RDWR
    fd = os.open(path, flags, 0o644)
    try:
        data = r.choice([document(r), b'{ "instances": ', b'{"x":1}\n', b''])
        if data:
            os.write(fd, data[:r.choice([len(data), len(data), 5])])
        if r.random() < .3:
            os.fsync(fd)
        if r.random() < .2:
            os.ftruncate(fd, r.choice([0, 3]))
        if r.random() < .2:
            os.rename(path, other)
        if r.random() < .1:
            os.unlink(path)
    finally:
        os.close(fd)


def look(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fstat(fd)
        os.read(fd, 4000)
        os.listxattr(path)
    finally:
        os.close(fd)


def attributes(path):
    os.listxattr(path)
    os.utime(path)
    os.chmod(path, 0o600)


def one(r):
    path, other = FOLDER + "/" + r.choice(NAMES), FOLDER + "/" + r.choice(NAMES)
    what = r.randrange(16)
    if what < 4:
        write(r, path, other)
    elif what < 8:
        os.rename(path, other)
    elif what == 8:
        os.unlink(path)
    elif what == 9:
        os.symlink("x", path)
    elif what == 10:
        os.mkdir(FOLDER + "/.d1")
    elif what == 11:
        os.rmdir(FOLDER + "/.d1")
    elif what == 12:
        os.truncate(path, r.choice([0, 2, 50]))
    elif what == 13:
        for entry in os.scandir(FOLDER):
            entry.stat(follow_symlinks=False)
    elif what == 14:
        attributes(path)
    else:
        look(path)


def run(number):
    r = random.Random(SEED * 100 + number)
    while time.time() < END:
        try:
            one(r)
        except OSError as e:
            if e.errno == errno.ENOTCONN:
                return
        counts[number] += 1


threads = [threading.Thread(target=run, args=(n,)) for n in range(THREADS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("operations", sum(counts))
sys.exit(sum(counts) < 100)
