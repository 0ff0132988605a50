"""Ways to write and read a file that shell tools do not have: io.py WAY SOURCE TARGET. An OSError ends it with status 1."""
import mmap
import os
import sys
import time


def whole(path):
    with open(path, "rb") as file:
        return file.read()


def write_all(fd, data):
    while data:
        data = data[os.write(fd, data):]


def opened(path, flags):
    return os.open(path, flags | os.O_CLOEXEC, 0o644)


def rdwr(source, target):
    fd = opened(target, os.O_RDWR)
    data = whole(source)
    write_all(fd, data)
    os.ftruncate(fd, len(data))
    os.close(fd)


def rdwr_read(source, target):
    fd = opened(target, os.O_RDWR)
    before = os.read(fd, 1 << 20)
    data = whole(source)
    assert len(before) == os.fstat(fd).st_size
    os.pwrite(fd, data, 0)
    os.ftruncate(fd, len(data))
    assert os.pread(fd, 1 << 20, 0) == data
    os.close(fd)


def append_truncated(source, target):
    fd = opened(target, os.O_WRONLY | os.O_APPEND)
    os.ftruncate(fd, 0)
    data = whole(source)
    for at in range(0, len(data), 50):
        write_all(fd, data[at:at + 50])
    os.close(fd)


def ftruncate_shorter(source, target):
    fd = opened(target, os.O_WRONLY)
    data = whole(source)
    os.ftruncate(fd, 40)
    os.pwrite(fd, data[40:], 40)
    os.pwrite(fd, data[:40], 0)
    os.close(fd)


def ftruncate_zero(source, target):
    fd = opened(target, os.O_WRONLY)
    os.ftruncate(fd, 0)
    write_all(fd, whole(source))
    os.close(fd)


def odd_offsets(source, target):
    data = whole(source)
    fd = opened(target, os.O_WRONLY | os.O_TRUNC)
    os.ftruncate(fd, len(data))
    # NUL bytes stand in between until the last piece: what is no document yet must not be sent, nor refused.
    pieces = list(range(0, len(data), 37))
    for at in pieces[::2] + pieces[1::2]:
        try:
            os.pwrite(fd, data[at:at + 37], at)
        except OSError:
            if at == pieces[1::2][-1] or at == pieces[-1]:
                raise
    os.close(fd)


def backwards(source, target):
    data = whole(source)
    fd = opened(target, os.O_WRONLY)
    os.ftruncate(fd, len(data))
    for at in range(len(data) - 1, -1, -1):
        os.pwrite(fd, data[at:at + 1], at)
    os.close(fd)


def copy_file_range(source, target):
    out, size = opened(target, os.O_WRONLY | os.O_TRUNC), os.path.getsize(source)
    with open(source, "rb") as file:
        try:
            left = size
            while left:
                left -= os.copy_file_range(file.fileno(), out, left)
        except OSError as error:
            if error.errno not in (18, 38, 95):
                raise
            write_all(out, whole(source))
    os.close(out)


def sendfile(source, target):
    out, at = opened(target, os.O_WRONLY | os.O_TRUNC), 0
    with open(source, "rb") as file:
        while at < os.path.getsize(source):
            at += os.sendfile(out, file.fileno(), at, 1 << 20)
    os.close(out)


def fallocate_keep(source, target):
    data = whole(source)
    fd = opened(target, os.O_WRONLY | os.O_TRUNC)
    try:
        os.posix_fallocate(fd, 0, 1)
    except OSError:
        pass
    os.ftruncate(fd, 0)
    write_all(fd, data)
    os.close(fd)


def one_byte(source, target):
    fd = opened(target, os.O_WRONLY | os.O_TRUNC)
    for byte in whole(source):
        os.write(fd, bytes([byte]))
    os.close(fd)


def writev(source, target):
    data = whole(source)
    fd = opened(target, os.O_WRONLY | os.O_TRUNC)
    assert os.writev(fd, [data[:10], data[10:100], data[100:]]) == len(data)
    os.close(fd)


def fsync_twice(source, target):
    fd = opened(target, os.O_WRONLY | os.O_TRUNC)
    write_all(fd, whole(source))
    os.fsync(fd)
    os.fdatasync(fd)
    os.close(fd)


def two_descriptors(source, target):
    data = whole(source)
    one = opened(target, os.O_WRONLY | os.O_TRUNC)
    two = opened(target, os.O_WRONLY)
    os.pwrite(one, data[:80], 0)
    os.pwrite(two, data[80:], 80)
    os.close(one)
    os.close(two)


def dup(source, target):
    data = whole(source)
    fd = opened(target, os.O_WRONLY | os.O_TRUNC)
    other = os.dup(fd)
    os.write(fd, data[:80])
    # A close of a copy, in the middle: a flush by the opener's own process, of what merely stops early.
    try:
        os.close(other)
    except OSError:
        pass
    os.write(fd, data[80:])
    os.close(fd)


def mkstemp_rename(source, target):
    scratch = os.path.join(os.path.dirname(target), ".scratch%d" % os.getpid())
    fd = opened(scratch, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    write_all(fd, whole(source))
    os.fchmod(fd, 0o600)
    os.fsync(fd)
    os.close(fd)
    os.rename(scratch, target)


def o_excl_rename(source, target):
    scratch = target + ".tmp"
    fd = opened(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    write_all(fd, whole(source))
    os.rename(scratch, target)
    os.close(fd)


def keeps(target, source):
    """Opens the target, and looks again when the file "go" is beside the source: the same bytes, the same size."""
    data = whole(source)
    fd = opened(target, os.O_RDONLY)
    late = opened(target, os.O_RDONLY)
    assert os.read(fd, 100) == data[:100]
    print("opened", flush=True)
    until = time.monotonic() + 60
    while not os.path.exists(os.path.join(os.path.dirname(source), "go")):
        assert time.monotonic() < until
        time.sleep(0.05)  # poll
    assert os.read(fd, 1 << 20) == data[100:], "the rest of an open file changed"
    assert os.fstat(fd).st_size == len(data), "the size of an open file changed"
    assert os.read(late, 1 << 20) == data, "an open file that was not read yet changed"


def map_file(target):
    with open(target, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as area:
        sys.stdout.buffer.write(area[:])


WAYS = {**globals(), "mmap": map_file}
try:
    WAYS[sys.argv[1]](*sys.argv[2:])
except OSError as error:
    print("io.py %s: %s" % (sys.argv[1], error), file=sys.stderr)
    sys.exit(1)
