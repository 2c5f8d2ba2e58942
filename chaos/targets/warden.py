"""The root of a node without namespaces: its orphans become its children, and nobody below it outlives it.

Run by path with the standard library alone: `warden.py KEEPER ROOT_FILE EXIT_FILE CWD COMMAND...`. It ends with its
command, on SIGTERM, and when its keeper (pid KEEPER, who started it) dies; each time everything below it goes first.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
READY = 3  # descriptor on which a byte says that the node is there


def children() -> list[int]:
    own, found = str(os.getpid()), []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as f:
                state, parent = f.read().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if parent == own and state != "Z":
            found.append(int(name))
    return found


def clear_out() -> None:
    """Grandchildren become children as their parents die, so this ends when nobody is left."""
    while left := children():
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        for pid in left:
            os.waitpid(pid, 0)


def started(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rpartition(")")[2].split()[19]


def reap(command: int) -> int | None:
    """Collect whoever has ended; the command's exit code once it is among them."""
    code = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if not pid:
            return code
        if pid == command:
            raw = os.waitstatus_to_exitcode(status)
            code = raw if raw >= 0 else 128 - raw


def main(keeper: str, root_file: str, exit_file: str, cwd: str, *command: str) -> int:
    os.dup2(1, 2)  # what is said from here on is the node's
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD, signal.SIGTERM])
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != int(keeper):  # it died before we could ask to be told
        return 1
    with open(root_file + ".new", "w") as f:
        f.write(f"{os.getpid()} {started(os.getpid())}")
    os.replace(root_file + ".new", root_file)
    os.write(READY, b"\n")
    os.close(READY)
    try:
        os.chdir(cwd)
        pid = os.posix_spawnp(command[0], command, os.environ, setsigmask=[], setsigdef=[signal.SIGPIPE])
    except OSError as e:
        print(f"{command[0]}: {e.strerror}", file=sys.stderr, flush=True)
        code: int | None = 127
    else:
        code = None
        while code is None:
            code = 137 if signal.sigwait([signal.SIGCHLD, signal.SIGTERM]) == signal.SIGTERM else reap(pid)
    clear_out()
    with open(exit_file, "w") as f:
        f.write(str(code))
    return code or 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
