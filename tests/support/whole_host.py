"""A whole host in namespaces, with systemd as process 1: for pages that install units, users and sites.

It sees the files of this machine. `/etc`, `/tmp`, `/var/lib` and `/var/tmp` can be written there without a
trace here; `/run`, `/srv` and `/var/log` are its own, and so is the network, which is loopback alone.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SYSTEMD: Final = next(filter(os.path.exists, ("/lib/systemd/systemd", "/usr/lib/systemd/systemd")), "")

_CGROUP: Final = """
echo $$ >"$1/cgroup.procs" || exit 1
shift
exec unshare --mount --pid --fork --uts --ipc --net --cgroup --propagation private --kill-child sh -c "$@"
"""

_LOOPBACK: Final = (
    "import fcntl, socket, struct;"
    "fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh', b'lo', 0x41))"  # SIOCSIFFLAGS: up, running
)

_BOOT: Final = """
set -e
place=$1 srv=$2 systemd=$3 kept=$4
"$5" -I -S -c "$6"
mount -t proc proc /proc
umount -l /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs tmpfs /run
mkdir -p /run/keep /run/lock /run/systemd/system /run/over
mount --bind "$place" /run/keep
for folder in /etc /tmp /var/lib /var/tmp; do
    over=/run/over$folder
    mkdir -p $over/upper $over/work
    chmod --reference=$folder $over/upper
    mount -t overlay overlay -o lowerdir=$folder,upperdir=$over/upper,workdir=$over/work $folder
done
mount --bind /run/keep "$place"
umount /run/keep
mkdir -p /srv
mount --bind "$srv" /srv
mount -t tmpfs tmpfs /var/log
mkdir -p /var/log/nginx /var/log/supervisor
# Nothing starts but what is asked for.
rm -rf /etc/systemd/system/*.wants /etc/systemd/system/*.requires
for unit in /lib/systemd/system/*.target.wants/*; do
    name=${unit##*/}
    case " $kept systemd-journald.service systemd-journald.socket systemd-journald-dev-log.socket " in
        *" $name "*) ;;
        *) ln -sf /dev/null /run/systemd/system/$name ;;
    esac
done
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin "$systemd" --system --unit=multi-user.target
"""


@dataclass(frozen=True)
class Host:
    """A host.

    Attributes:
        pid: Its process 1, as it is called here.
    """

    pid: int

    def command(self, *argv: str) -> list[str]:
        """A command line that is run there, in `/`."""
        return ["nsenter", "-t", str(self.pid), "-m", "-p", "-i", "-u", "-n", "-C", *argv]

    def run(self, *argv: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a command there, to its end."""
        return subprocess.run(
            self.command(*argv),
            cwd="/",
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )


def reason_to_skip() -> str:
    """Why there can be no such host; `""` if there can."""
    if os.geteuid() != 0:
        return "systemd in a namespace needs root"
    if not SYSTEMD:
        return "there is no systemd"
    missing = [name for name in ("unshare", "nsenter", "systemctl") if shutil.which(name) is None]
    if missing:
        return f"there is no {missing[0]}"
    if cgroups() is None:
        return "no cgroup2 file system is mounted that can be written"
    return ""


@contextmanager
def host(place: Path, srv: Path, *, kept: tuple[str, ...] = ()) -> Iterator[Host]:
    """Boot a host, and end it with all that runs there.

    Args:
        place: A directory that is the same there, wherever it is.
        srv: The directory that is `/srv` there.
        kept: Units that Debian's targets want and that are to be started.
    """
    parent = cgroups()
    assert parent is not None, reason_to_skip()
    cgroup = parent / f"venvship-test-{os.getpid()}-{time.monotonic_ns()}"
    cgroup.mkdir()
    log = place.with_name(f"{place.name}.boot")
    words = [str(place), str(srv), SYSTEMD, " ".join(kept), os.path.realpath(sys.executable), _LOOPBACK]
    try:
        with log.open("wb") as output:
            outer = subprocess.Popen(
                ["sh", "-c", _CGROUP, "sh", str(cgroup), _BOOT, "sh", *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
            )
        try:
            yield _booted(outer, log)
        finally:
            outer.send_signal(signal.SIGKILL)
            outer.wait()
    finally:
        remove_cgroup(cgroup)


def _booted(outer: subprocess.Popen[bytes], log: Path) -> Host:
    """Wait until a host has started all that its targets want."""
    until = time.monotonic() + 300
    said = ""
    while time.monotonic() < until:
        assert outer.poll() is None, f"the host ended: {log.read_text()}"
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
        if children:
            found = Host(int(children[0]))
            said = found.run("systemctl", "is-system-running").stdout.strip()
            if said == "running":
                return found
            if said == "degraded":
                failed = found.run("systemctl", "--failed", "--no-legend", "--plain").stdout
                raise AssertionError(f"units failed: {failed}")
        time.sleep(0.2)
    raise AssertionError(f"the host is {said or 'not up'}: {log.read_text()}")


def cgroups() -> Path | None:
    """Where a cgroup can be made; `None` if nowhere."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, where, kind, options, *_ = line.split()
        if kind == "cgroup2" and "rw" in options.split(",") and os.access(where, os.W_OK):
            return Path(where)
    return None


def remove_cgroup(cgroup: Path) -> None:
    """Remove a cgroup and those below it, once all processes in it are gone."""
    until = time.monotonic() + 30
    while cgroup.exists() and time.monotonic() < until:
        for folder, _, _ in sorted(os.walk(cgroup), reverse=True):
            with suppress(OSError):
                os.rmdir(folder)
        time.sleep(0.05)
