"""console.py FILE: runs the ```console blocks of a page in one shell, in the current directory, and compares what each command
prints with what the page says. "…" stands for anything in a line, and alone on one for any lines. A block after
"<!-- not run: REASON -->" is passed over. Prints how many commands ran."""
import re
import subprocess
import sys

END = "end-of-command-7f3a"


def blocks(text):
    """The commands of each block with what follows them: [command, wanted lines]."""
    for match in re.finditer(r"(<!-- not run:[^>]*-->\n+)?```console\n(.*?)```", text, re.S):
        if match.group(1):
            continue
        command = None
        for line in match.group(2).splitlines():
            if line.startswith("$ "):
                if command:
                    yield command
                command = [line[2:], []]
            elif command and command[0].endswith("\\"):
                command[0] = command[0][:-1] + line.strip()
            elif command:
                command[1].append(line)
        if command:
            yield command


def matches(wanted, got):
    """Whether the lines are those; an ellipsis is any text."""
    pattern = ""
    for line in wanted:
        if line.strip() == "…":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*".join(re.escape(part) for part in re.sub(r"\s*#  .*", "", line).rstrip().split("…")) + r"[ \t]*\n"
    return re.fullmatch(pattern, got) is not None


def main():
    page = open(sys.argv[1], encoding="utf-8").read()
    shell = subprocess.Popen(["bash", "--norc"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    # As on a terminal of 100 columns.
    shell.stdin.write('ls() { command ls -C -T 0 -w 100 "$@"; }\n')
    count = 0
    for command, wanted in blocks(page):
        command = re.sub(r"\s+#\s.*", "", command)
        shell.stdin.write("{ %s\n} </dev/null; echo; echo %s\n" % (command, END))
        shell.stdin.flush()
        got = ""
        for line in shell.stdout:
            if line.strip() == END:
                break
            got += line
        else:
            sys.exit("the shell ended in: %s\n%s" % (command, got))
        got = got[:-1] if got.endswith("\n\n") or got == "\n" else got
        if not matches(wanted, got):
            sys.exit("%s\nprinted:\n%s\nthe page says:\n%s" % (command, got, "\n".join(wanted)))
        count += 1
    shell.stdin.close()
    shell.wait()
    print(count)


main()
