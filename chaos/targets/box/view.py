"""The part of this machine's files that a program in the box sees: what it needs, read-only, and its own folders.

A view is a mount namespace with its own root. The system's programs and what the stack needs are bound into it,
everything else does not exist there. Unprivileged programs can neither change it nor find what was left out.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from chaos.errors import TargetError
from chaos.naming import SHARED
from chaos.targets.box.init import MS_BIND, mount

READABLE = "CHAOS_READABLE"  # additional paths that nodes may read, separated by colons
SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc", "sys", "nix/store", "gnu/store")
LINKED = ("/etc/hosts", "/etc/passwd", "/etc/resolv.conf")  # may be links that lead out of /etc
DEVICES = ("full", "null", "random", "tty", "urandom", "zero")
LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"}
OWN_SIZE = "512m"  # of /tmp, and of the home folder

_CLONE_NEWNS = 0x20000
_MS_REC, _MS_PRIVATE, _MNT_DETACH = 1 << 14, 1 << 18, 2
_RDONLY, _NOSUID, _NODEV = 1, 2, 4  # MOUNT_ATTR_*, and MS_* as well
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_MOUNT_SETATTR = 442  # the same on all architectures except alpha and MIPS
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class View:
    """`shown` is read-only, `own` is writable; both have the same paths as outside."""

    shown: tuple[Path, ...]
    own: tuple[Path, ...]
    home: Path  # the caller's home folder: empty like /tmp, except for the parts that are shown


def refused() -> int:
    """The error with which the kernel refuses to make a file tree read-only: ENOSYS, EPERM, or 0. Changes nothing."""
    _libc.syscall(_MOUNT_SETATTR, ctypes.c_int(-1), b"", ctypes.c_uint(0), None, ctypes.c_size_t(0))
    found = ctypes.get_errno()
    return found if found in (errno.ENOSYS, errno.EPERM) else 0


def needed(root: Path, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """What programs of the stack in `root` need: its folder, our Python with its packages, and the folders in PATH etc.

    Raises TargetError if that would expose what the box has to hide.
    """
    if str(root) in SHARED:
        raise TargetError(f"{root}: the stack's description is in a shared folder, and its nodes would see "
                          "all of it; move it into a folder of its own")  # fmt: skip
    package = Path(__file__).parents[2]
    python = Path(os.path.realpath(sys.executable)).parent.parent
    found = [package, Path(sys.prefix), Path(sys.base_prefix), python]
    found += map(package_of, _named(environ, "PATH"))
    found += _named(environ, "PYTHONPATH", "LD_LIBRARY_PATH", "CHAOS_FAKETIME", READABLE)
    home = home_of(environ)
    return (root, *(p for p in found if str(p) not in SHARED and not home.is_relative_to(os.path.realpath(p))))


def _named(environ: Mapping[str, str], *variables: str) -> list[Path]:
    paths = ":".join(environ.get(variable, "") for variable in variables).split(":")
    return [Path(path) for path in paths if path.startswith("/") and os.path.exists(path)]


def package_of(path: Path) -> Path:
    """/opt/NAME contains a program with everything it needs."""
    return Path(*path.parts[:3]) if path.parts[1:2] == ("opt",) else path


def home_of(environ: Mapping[str, str]) -> Path:
    return Path(os.path.realpath(environ.get("HOME") or "/root"))


def build(scratch: Path, view: View) -> int:
    """A descriptor of the view, which exists as long as it is open. Blocks for about 10 ms. Raises TargetError.

    unshare(2) affects only one thread, so it is called in a temporary thread.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_build, scratch, view).result()


def _build(scratch: Path, view: View) -> int:
    try:
        _call(_libc.unshare(_CLONE_NEWNS), "unshare")
        mount("none", "/", flags=_MS_REC | _MS_PRIVATE)
        _furnish(str(scratch), view)
        _enter(scratch)
        return os.open("/proc/thread-self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as e:
        raise TargetError(f"its view of the files could not be made: {e.filename or 'its files'}: {e.strerror}") from e


def _furnish(root: str, view: View) -> None:
    mount("tmpfs", root, "tmpfs", _NOSUID | _NODEV, "mode=0755,size=1m")
    for name in SYSTEM:
        if os.path.islink(f"/{name}"):  # /bin is /usr/bin
            os.symlink(os.readlink(f"/{name}"), f"{root}/{name}")
        elif os.path.isdir(f"/{name}"):
            _show(root, f"/{name}")
    _show(root, "/proc")  # a node can only mount its own /proc if the mounts on /proc are visible
    _devices(f"{root}/dev")
    _empty(root, "/tmp")
    os.makedirs(f"{root}/var/tmp")
    mount(f"{root}/tmp", f"{root}/var/tmp", flags=MS_BIND)
    laid: list[tuple[str, Callable[[str, str], None]]] = []
    laid += [(str(view.home), _empty)] if view.home.is_dir() and str(view.home) not in SHARED else []
    laid += [(path, _show) for path in places((*view.shown, *map(Path, LINKED)), view.home)]
    laid += [(str(path), _write) for path in view.own]
    for path, lay in sorted(laid, key=lambda one: one[0].count("/")):  # outer folders first
        lay(root, path)
    for path in private(view.home, (*view.shown, *view.own)):
        _hide(root, path)
    _set(root, _RDONLY, recursive=False)


def places(paths: Iterable[Path], home: Path) -> list[str]:
    """The paths to show, with the targets of links, without those inside a system's folder or inside another shown
    path.

    Nothing counts as shown by a path that contains the home folder, if it lies in the home folder.
    """
    shown = [f"/{name}" for name in SYSTEM]
    for path in sorted({p for one in paths for p in (str(one), os.path.realpath(one))}):
        around = [s for s in shown if Path(path).is_relative_to(s)]
        at_home = Path(path).is_relative_to(home) and path != str(home)
        if not any(not (at_home and home.is_relative_to(s) and s != str(home)) for s in around):
            shown.append(path)
    return shown[len(SYSTEM) :]


def private(home: Path, shown: Iterable[Path]) -> list[str]:
    """If the home folder itself is shown: its dot files, which are private by convention."""
    needed = [os.path.realpath(path) for path in shown]
    if str(home) not in needed:
        return []
    dotted = [str(home / name) for name in os.listdir(home) if name.startswith(".")]
    return [path for path in dotted if not any(Path(n).is_relative_to(path) for n in needed)]


def _devices(dev: str) -> None:
    os.makedirs(dev)
    mount("tmpfs", dev, "tmpfs", _NOSUID, "mode=0755,size=64k")
    for name in DEVICES:
        if os.path.exists(f"/dev/{name}"):
            open(f"{dev}/{name}", "w", encoding="utf-8").close()
            mount(f"/dev/{name}", f"{dev}/{name}", flags=MS_BIND)
    for name, target in LINKS.items():
        os.symlink(target, f"{dev}/{name}")
    for name in ("shm", "pts"):
        os.mkdir(f"{dev}/{name}")
    mount("tmpfs", f"{dev}/shm", "tmpfs", _NOSUID | _NODEV, "mode=1777")
    mount("devpts", f"{dev}/pts", "devpts", _NOSUID, "newinstance,ptmxmode=0666,mode=0620")
    _set(dev, _RDONLY, recursive=False)


def _empty(root: str, path: str) -> None:
    """A new empty folder at each start, which contains no links."""
    os.makedirs(root + path, exist_ok=True)
    mount("tmpfs", root + path, "tmpfs", _NOSUID | _NODEV, f"mode=0700,size={OWN_SIZE}")


def _show(root: str, path: str) -> None:
    _bind(root, path, path)
    _set(root + path, _RDONLY | _NOSUID | _NODEV)


def _write(root: str, path: str) -> None:
    _bind(root, path, path)
    _set(root + path, _NOSUID | _NODEV)


def _hide(root: str, path: str) -> None:
    if os.path.islink(path):
        return  # the target of a link is shown separately, or does not exist
    if os.path.isdir(path):
        mount("tmpfs", root + path, "tmpfs", _RDONLY, "mode=0755,size=4k")
    else:
        mount("/dev/null", root + path, flags=MS_BIND)


def _bind(root: str, path: str, place: str) -> None:
    at = root + place
    if os.path.isdir(path):
        os.makedirs(at, exist_ok=True)
    elif not os.path.exists(at):
        os.makedirs(os.path.dirname(at), exist_ok=True)
        open(at, "w", encoding="utf-8").close()
    mount(path, at, flags=MS_BIND | _MS_REC)


def _set(path: str, attributes: int, recursive: bool = True) -> None:
    wanted = struct.pack("QQQQ", attributes, 0, 0, 0)
    flags = ctypes.c_uint(_AT_RECURSIVE if recursive else 0)
    size = ctypes.c_size_t(len(wanted))
    _call(_libc.syscall(_MOUNT_SETATTR, ctypes.c_int(_AT_FDCWD), os.fsencode(path), flags, wanted, size), path)


def _enter(root: Path) -> None:
    """Make it the root, and remove everything else."""
    os.chdir(root)
    _call(_libc.pivot_root(b".", b"."), "pivot_root")
    _call(_libc.umount2(b".", _MNT_DETACH), "umount")
    os.chdir("/")


def _call(result: int, what: str) -> None:
    if result:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), what)
