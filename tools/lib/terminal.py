"""What tools/picture and tools/recording share: an emulator with a mount of it, and the frame of a terminal in SVG."""
import contextlib
import os
import subprocess
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("CFCFS_BUILD_DIR", os.path.join(TOP, "build"))
ACCOUNT = "0123456789abcdef0123456789abcdef"
LETTER, LINE, EDGE, BAR = 7.83, 18, 16, 30
COLOURS = {"plain": "#d8dee9", "head": "#8fbcbb", "bad": "#ff7b72", "busy": "#e3b341", "dim": "#8b949e", "prompt": "#7ee787"}
BACKGROUND = "#0d1117"
FONT = "font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"13\""


@contextlib.contextmanager
def folder():
    """A temporary one, with the token in it."""
    with tempfile.TemporaryDirectory() as path:
        with open(os.open(f"{path}/token", os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            file.write("picture\n")
        yield path


@contextlib.contextmanager
def running(*command, **more):
    process = subprocess.Popen(command, **more)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def emulator(*options):
    """Its base address."""
    with running(f"{BUILD}/emulator/cfcfs-emulator", "--listen", "127.0.0.1:0", "--token", "picture", "--rate", "0/1", *options,
                 stdout=subprocess.PIPE, text=True) as process:
        yield process.stdout.readline().strip()


@contextlib.contextmanager
def mounted(path, address, **more):
    """The mount point, in the folder."""
    mnt = f"{path}/mnt"
    os.mkdir(mnt)
    with running(f"{BUILD}/fs/cfcfs", "-f", "-o", f"url={address},token_file={path}/token,state_dir={path}/state", ACCOUNT, mnt,
                 **more) as process:
        while not os.path.ismount(mnt):
            if process.poll() is not None:
                raise SystemExit("cfcfs does not mount")
            time.sleep(0.05)
        yield mnt


def height_of(lines):
    return BAR + lines * LINE + 2 * EDGE


def baseline(number):
    """Of a line of text, from 0."""
    return BAR + EDGE + number * LINE + 4


def frame(columns, lines, title):
    """How the picture begins: a window of that size."""
    width, height = columns * LETTER + 2 * EDGE, height_of(lines)
    return [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" {FONT}>', f"  <title>{title}</title>",
            f'  <rect width="{width:.0f}" height="{height}" rx="8" fill="{BACKGROUND}"/>', *dots()]


def dots():
    return [f'  <circle cx="{20 + 20 * i}" cy="18" r="6" fill="{c}"/>' for i, c in enumerate(("#ff5f56", "#ffbd2e", "#27c93f"))]
