"""A real systemd as process 1 of namespaces of its own, for tests of units and of boots. It takes root.

It sees the files of the host, but its units, /run and cgroups are its own. Nothing of the host is started in
it, and what it starts ends with it. Units and settings are kept between its boots; /run is empty at each. For
one on which packages and users are installed see `whole_host`.
"""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from tests.support import whole_host
from tests.support.processes import eventually
from tests.support.whole_host import SYSTEMD, Host, cgroups, remove_cgroup

UNITS: Final = "/etc/systemd/system"

_OWN: Final = (UNITS, "/etc/tmpfiles.d", "/etc/sudoers.d")
"""Folders that the namespace has of its own."""

_START: Final = """
set -e
mkdir -p "$cgroup"
echo $$ >"$cgroup/cgroup.procs"
exec unshare --mount --pid --fork --uts --ipc --net --cgroup --propagation private --kill-child sh -ec '
    mount -t proc proc /proc
    umount -l /sys/fs/cgroup
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    mount -t tmpfs -o mode=755 tmpfs /run
    for own in '"$own"'; do
        mount --bind "$folder$own" "$own"
    done
    exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=test SYSTEMD_UNIT_PATH='"$units"' \
        SYSTEMD_GENERATOR_PATH=/nonexistent '"$program"' --system --unit=multi-user.target \
        --log-target=null --show-status=no --default-standard-output=null
'
"""
"""`container` keeps it from swap and mounts of the host when it ends."""

_TMPFILES: Final = """\
[Unit]
DefaultDependencies=no
Before=sysinit.target shutdown.target
Conflicts=shutdown.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'set -- /etc/tmpfiles.d/*.conf; [ ! -e "$$1" ] || systemd-tmpfiles --create "$$@"'
"""


class Systemd:
    """One host, as far as systemd is concerned.

    Args:
        folder: What it keeps between boots. Made, if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pid = 0
        self._unshare: subprocess.Popen[bytes] | None = None
        parent = cgroups()
        assert parent is not None, reason_to_skip()
        self._cgroup = parent / f"venvship-{folder.name}-{os.getpid()}"
        for own in _OWN:
            Path(f"{folder}{own}").mkdir(parents=True, exist_ok=True)
        for path in (*Path(SYSTEMD).parent.glob("system/*.target"), *_exits()):
            self.install(f"{UNITS}/{path.name}", path.read_text())
        self.install(f"{UNITS}/systemd-tmpfiles-setup.service", _TMPFILES)
        self.want("systemd-tmpfiles-setup.service", by="sysinit.target")

    def install(self, path: str, text: str) -> None:
        """Write a file into a folder of its own, such as a unit; `text` is what it then has."""
        assert os.path.dirname(path) in _OWN, path
        place = Path(f"{self.folder}{path}")
        place.write_text(text)
        place.chmod(0o440 if path.startswith("/etc/sudoers.d/") else 0o644)

    def install_printed(self, files: Mapping[str, str]) -> None:
        """Write the files that venvship has printed for it."""
        for path, text in files.items():
            self.install(path, text)

    def want(self, unit: str, *, by: str = "multi-user.target") -> None:
        """Enable a unit, as `[Install]` of it would."""
        wants = Path(f"{self.folder}{UNITS}/{by}.wants")
        wants.mkdir(exist_ok=True)
        wants.joinpath(unit).symlink_to(f"../{unit}")

    def boot(self, *, wait: Callable[[], bool] | None = None) -> None:
        """Start it, and wait until it has started what is wanted.

        Args:
            wait: Instead, until this is so.

        Raises:
            AssertionError: It does not come up.
        """
        environment = {
            "PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin",
            "folder": str(self.folder),
            "cgroup": str(self._cgroup),
            "own": " ".join(_OWN),
            "units": UNITS,
            "program": SYSTEMD,
        }
        self._unshare = subprocess.Popen(
            ["sh", "-c", _START], env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        assert eventually(self._is_up, seconds=120), f"systemd did not come up: {self._said()}"
        if wait is not None:
            assert eventually(wait, seconds=300), "systemd is up, and something else is not"
            return
        eventually(lambda: self.control("is-system-running") not in {"initializing", "starting"}, seconds=300)

    def enter(self) -> list[str]:
        """The beginning of a command line that runs the rest beside it."""
        return Host(self.pid).command()

    def run(self, *command: str) -> str:
        """What a program says on its standard output, run beside it; without the end of the line."""
        return Host(self.pid).run(*command, timeout=300).stdout.strip()

    def control(self, *arguments: str) -> str:
        """What `systemctl` says."""
        return self.run("systemctl", *arguments)

    def property(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.control("show", "--value", "-p", name, unit)

    def cut(self) -> None:
        """End it at once, and all that runs in it, as a power cut does."""
        if self._unshare is not None:
            if self.pid:
                with suppress(ProcessLookupError):
                    os.kill(self.pid, signal.SIGKILL)
            self._unshare.kill()
            self._unshare.wait(60)
            assert self._unshare.stderr is not None
            self._unshare.stderr.close()
            self._unshare, self.pid = None, 0
        remove_cgroup(self._cgroup)

    def shut_down(self) -> None:
        """Have it stop all units in their order, and end."""
        assert self._unshare is not None
        unshare = self._unshare
        self.control("exit", "--no-block")
        assert eventually(lambda: unshare.poll() is not None, seconds=120), "systemd does not end"
        self.cut()

    def _is_up(self) -> bool:
        assert self._unshare is not None
        if self._unshare.poll() is not None:
            raise AssertionError(f"systemd ended with {self._unshare.returncode}: {self._said()}")
        own = f"/proc/{self._unshare.pid}/task/{self._unshare.pid}/children"
        for pid in Path(own).read_text().split():
            with suppress(OSError):
                if os.path.basename(os.readlink(f"/proc/{pid}/exe")) == "systemd":
                    self.pid = int(pid)
        return bool(self.pid) and Path(f"/proc/{self.pid}/root/run/systemd/private").exists()

    def _said(self) -> str:
        assert self._unshare is not None
        if self._unshare.poll() is None or self._unshare.stderr is None:
            return ""
        return self._unshare.stderr.read().decode(errors="replace").strip()


@functools.cache
def reason_to_skip() -> str:
    """Why no systemd can be started here; `""` if it can. It is tried."""
    if reason := whole_host.reason_to_skip():
        return reason
    folder = Path(tempfile.mkdtemp(prefix="systemd-"))
    try:
        host = Systemd(folder)
        try:
            host.boot()
        finally:
            host.cut()
    except (AssertionError, OSError) as error:
        return f"systemd cannot be started in namespaces here: {error}"
    finally:
        shutil.rmtree(folder)
    return ""


def _exits() -> list[Path]:
    return [
        path
        for name in ("systemd-exit",)
        if (path := Path(SYSTEMD).parent / f"system/{name}.service").exists()
    ]
