"""What other processes are doing, as far as proc(5) shows it. Reads only.

Elsewhere than on Linux there is no /proc: nothing is found, and leases alone protect what is in use.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple

PROC = "/proc"

PF_KTHREAD: Final = 0x00200000
"""The flag of a kernel thread, in `stat` (include/linux/sched.h). It has no files and runs no program."""

PF_FORKNOEXEC: Final = 0x00000040
"""The flag of a process that was forked and has executed nothing since, in `stat` (include/linux/sched.h)."""

_FIRST_NAMESPACE: Final = 0xEFFFFFFC
"""The inode of the first PID namespace (PROC_PID_INIT_INO, include/linux/proc_ns.h)."""


class Seen(NamedTuple):
    """One process that has to do with a path, or that cannot be looked into.

    Attributes:
        pid: Its number; 0 stands for all processes that the mount option `hidepid=2` leaves out of /proc.
        paths: The paths under the one asked for that it was seen with; none is possible where it is opaque.
        opaque: Whether the kernel hid part of it: another user's process, or one that is not dumpable.
    """

    pid: int
    paths: frozenset[str]
    opaque: bool


class Look(NamedTuple):
    """What one process shows of itself.

    Attributes:
        arguments: Its command line.
        program: The path of the program that it runs; empty where it is hidden.
        directory: Its working directory; empty where it is hidden.
        mapped: The files that it maps.
        opened: The files that it has open.
        opaque: Whether the kernel hid part of it: another user's process, or one that is not dumpable.
    """

    arguments: tuple[str, ...]
    program: frozenset[str]
    directory: frozenset[str]
    mapped: frozenset[str]
    opened: frozenset[str]
    opaque: bool


INVISIBLE: Final = Seen(0, frozenset(), opaque=True)


def start_ticks(pid: int) -> str:
    """When a process started, in clock ticks since boot; `""` if it is gone or there is no /proc.

    With the pid it names a process for good: pids are used again, these pairs are not.
    """
    fields = status(pid)
    return fields[19] if len(fields) > 19 else ""


def boot_time() -> int | None:
    """When the host was started, in seconds since the epoch by the clock of now; `None` without a /proc."""
    try:
        with open(f"{PROC}/stat", "rb") as file:
            return next(int(line.split()[1]) for line in file if line.startswith(b"btime "))
    except (OSError, ValueError, StopIteration):
        return None


def started_at(pid: int, booted: int | None) -> datetime | None:
    """When a process started, to about a second; `None` if it is gone, or /proc hides that.

    A fork starts a process and an exec does not, so it may run a younger program.

    Args:
        pid: Its number.
        booted: As `boot_time` returned it.
    """
    ticks = start_ticks(pid)
    if not ticks or booted is None:
        return None
    return datetime.fromtimestamp(booted + int(ticks) / os.sysconf("SC_CLK_TCK"), UTC)


def status(pid: int) -> list[str]:
    """The fields of `stat` from the third, the state, on; empty if the process is gone or hidden."""
    try:
        with open(f"{PROC}/{pid}/stat", "rb") as file:
            # The second, the command in parentheses, may hold anything, ")" and spaces included.
            return file.read().rpartition(b")")[2].decode().split()
    except OSError:
        return []


def is_running(pid: int, ticks: str) -> bool:
    """Whether the process that had this pid and start time still runs.

    One that is dead and that nobody has waited for does not: in a container without an init it stays so.
    """
    if pid <= 0:  # kill(2) takes these for process groups
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    if status(pid)[:1] in (["Z"], ["X"]):
        return False
    return not ticks or start_ticks(pid) == ticks


def service_of(pid: int | str) -> str | None:
    """The systemd service whose control group a process is in; `None` for no service, and if it is hidden.

    Args:
        pid: Its number, or `"self"`.

    Returns:
        As `service_in` does.
    """
    try:
        with open(f"{PROC}/{pid}/cgroup", encoding="utf-8", errors="surrogateescape") as file:
            return service_in(file.read())
    except OSError:
        return None


def service_in(text: str) -> str | None:
    """The systemd service in a `/proc/PID/cgroup`, see cgroups(7).

    Only the innermost unit counts: `user@1000.service` has the units of a user's own manager below it, and a
    scope, such as a login's, is not restarted.

    Returns:
        The whole path of the control group down to the service, so that services of two managers differ.
    """
    rows = [line.split(":", 2) for line in text.splitlines() if line.count(":") >= 2]
    # systemd's own hierarchy first, version 2 before version 1.
    for _, _, path in sorted(rows, key=lambda row: (row[1] != "", row[1] != "name=systemd")):
        parts = path.split("/")
        units = [n for n, part in enumerate(parts) if part.endswith((".service", ".scope"))]
        if units:
            return "/".join(parts[: units[-1] + 1]) if parts[units[-1]].endswith(".service") else None
    return None


def command_name(pid: int) -> str:
    """The short name of what a process runs, which a fork keeps and an exec changes; `""` if it is gone."""
    try:
        with open(f"{PROC}/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().rstrip("\n")
    except OSError:
        return ""


def owner(pid: int) -> int | None:
    """The number of the user that a process runs as; `None` if it is gone."""
    try:
        return os.stat(f"{PROC}/{pid}").st_uid
    except OSError:
        return None


def command_line(pid: int) -> tuple[str, ...]:
    """The arguments of a process, its program first; none of a thread of the kernel, or one that is gone.

    Raises:
        OSError: They are hidden, by the mount option `hidepid=1`.
    """
    try:
        with open(f"{PROC}/{pid}/cmdline", "rb") as file:
            # The last one ends with a zero too. A process that writes a title over them leaves zeros.
            text = os.fsdecode(file.read().rstrip(b"\0"))
    except (FileNotFoundError, ProcessLookupError):
        return ()
    return tuple(text.split("\0")) if text else ()


def ancestors(pid: int) -> Iterator[int]:
    """The process's parent, its parent, and so on, up to the first one that cannot be seen."""
    seen = {pid}
    while len(fields := status(pid)) > 1 and (pid := int(fields[1])) > 0 and pid not in seen:
        seen.add(pid)
        yield pid


def descendants(pid: int) -> frozenset[int]:
    """The processes that a process has started, those that they have started, and so on."""
    try:
        pids = [int(name) for name in os.listdir(PROC) if name.isdigit()]
    except OSError:
        return frozenset()
    return frozenset(one for one in pids if one != pid and pid in ancestors(one))


def own_program() -> str | None:
    """The real path of the program that this process runs; `None` where the kernel does not tell.

    Of one that was replaced since, the path ends in ` (deleted)` (proc_pid_exe(5)); and nobody can write to
    one that runs (ETXTBSY, execve(2)). So what is at the path, if it is one, is what runs.
    """
    try:
        return os.readlink(f"{PROC}/self/exe")
    except OSError:
        return None


def processes_under(path: str, *, let_start: Callable[[], None] | None = None) -> Iterator[Seen]:
    """Yield the processes that run from, map, have open or stand in something below a path.

    Looks at the command line, the executable, the working directory, the mapped files and the open
    descriptors. A process that hides some of them is yielded too, as `opaque`, with the paths that it shows:
    its command line at most. On every host there are some, so the caller decides what they may use.

    Args:
        path: Absolute and real, without a trailing slash.
        let_start: Waits for an instant. Where a program that hides itself starts another one, it does so by a
            fork that hides until its exec: such are looked at once more, after this. `None`: they are not.
    """
    prefix = path.rstrip("/") + "/"
    listed = listing()
    if listed.hides:
        yield INVISIBLE
    starting = []
    for pid in listed.pids:
        seen = _look_at(pid, prefix)
        if seen is not None and let_start is not None and seen.opaque and not seen.paths and is_fork(pid):
            starting.append(pid)
        elif seen is not None:
            yield seen
    if starting and let_start is not None:
        let_start()
        yield from filter(None, (_look_at(pid, prefix) for pid in starting))


class Listing(NamedTuple):
    """The processes that /proc lists.

    Attributes:
        pids: The numbers of all but this one; none where there is no /proc.
        hides: Whether it leaves some out, or cannot be read.
    """

    pids: tuple[int, ...]
    hides: bool


def listing() -> Listing:
    """List the processes."""
    try:
        names = os.listdir(PROC)
    except FileNotFoundError:
        return Listing((), hides=False)
    except OSError:  # no descriptors, for example: then there may be any process
        return Listing((), hides=True)
    pids = [int(name) for name in names if name.isdigit()]
    # Every system has a process 1.
    return Listing(tuple(pid for pid in pids if pid != os.getpid()), hides=bool(pids) and 1 not in pids)


def lists_processes() -> bool:
    """Whether this system has a /proc that lists processes, this one at least."""
    return os.path.exists(f"{PROC}/self/stat")


def is_first_namespace() -> bool:
    """Whether every process of the host has a number here, as in no container; see pid_namespaces(7)."""
    try:
        return os.stat(f"{PROC}/self/ns/pid").st_ino == _FIRST_NAMESPACE
    except OSError:
        return False


def look_at(pid: int) -> Look | None:
    """See what a process shows of itself; `None` if it is gone."""
    base = f"{PROC}/{pid}"
    opaque = False
    arguments: tuple[str, ...] = ()
    if not os.path.exists(base):
        return None
    try:
        arguments = command_line(pid)
    except OSError:
        opaque = True
    links: dict[str, frozenset[str]] = {"exe": frozenset(), "cwd": frozenset()}
    for link in links:
        try:
            links[link] = frozenset({os.readlink(f"{base}/{link}")})
        except (FileNotFoundError, ProcessLookupError):
            pass  # a kernel thread, or gone
        except OSError:
            opaque = True
    files: dict[Callable[[int], Iterator[str]], set[str]] = {_mapped: set(), opened_files: set()}
    for look, paths in files.items():
        try:
            paths.update(look(pid))
        except (FileNotFoundError, ProcessLookupError):
            pass  # gone meanwhile
        except OSError:
            opaque = True
    return Look(
        arguments=arguments,
        program=links["exe"],
        directory=links["cwd"],
        mapped=frozenset(files[_mapped]),
        opened=frozenset(files[opened_files]),
        opaque=opaque,
    )


def _look_at(pid: int, prefix: str) -> Seen | None:
    look = look_at(pid)
    if look is None:
        return None
    paths = {argument[argument.index(prefix) :] for argument in look.arguments if prefix in argument}
    paths = paths.union(look.program, look.directory, look.mapped, look.opened)
    below = frozenset(p for p in paths if p.startswith(prefix) or p + "/" == prefix)
    if not below and not (look.opaque and may_use_files(pid)):
        return None
    return Seen(pid, below, look.opaque)


def may_use_files(pid: int) -> bool:
    """Whether a process that cannot be looked into is there, alive, and no thread of the kernel."""
    fields = status(pid)
    if not fields:
        return os.path.exists(f"{PROC}/{pid}")  # hidden by hidepid=1
    return fields[0] not in {"Z", "X"} and not int(fields[6]) & PF_KTHREAD


def is_fork(pid: int) -> bool:
    """Whether a process has executed no program since it was forked."""
    fields = status(pid)
    return len(fields) > 6 and bool(int(fields[6]) & PF_FORKNOEXEC)


def _mapped(pid: int) -> Iterator[str]:
    with open(f"{PROC}/{pid}/maps", "rb") as file:
        for line in file:
            fields = line.split(maxsplit=5)
            if len(fields) == 6 and fields[5].startswith(b"/"):
                yield os.fsdecode(fields[5].rstrip(b"\n"))


def opened_files(pid: int) -> Iterator[str]:
    """The files that a process has open, and sockets and the like by the kernel's names for them.

    Raises:
        OSError: It is gone, or they are hidden.
    """
    folder = f"{PROC}/{pid}/fd"
    for fd in os.listdir(folder):
        try:
            yield os.readlink(f"{folder}/{fd}")
        except FileNotFoundError:
            continue
