"""File systems to be tortured: images in memory, mounted through loop devices; power cuts; full disks.

For root on Linux only. Everything is mounted below one directory, and unmounted when the `with` block ends,
however it ends; loop devices free themselves with the last unmount.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

GOING_DOWN = 0x8004587D
"""`XFS_IOC_GOINGDOWN`, which ext4 calls `EXT4_IOC_SHUTDOWN`; its argument points to a 32-bit number."""

FLUSH_LOG, NO_FLUSH = 1, 2
"""Cut with the file system's own journal written out first, or as it is on the disk."""

FICLONE = 0x40049409
"""ioctl_ficlone(2)."""


class CannotMountError(Exception):
    """A file system could not be mounted: after a cut, its own repair has failed."""


@dataclass(frozen=True)
class Kind:
    """A kind of file system.

    Attributes:
        name: As the tables show it.
        make: The command that makes one; the image's path is added. `()`: a tmpfs, which needs no image.
        size: Of the image, in MiB. xfs has a smallest size.
        options: Mount options.
        clone: A power cut is a clone of the image: there is no ioctl for it.
    """

    name: str
    make: tuple[str, ...]
    size: int
    options: str = ""
    clone: bool = False


EXT4 = ("mkfs.ext4", "-q", "-F", "-m", "0")
XFS = ("mkfs.xfs", "-q", "-f")
BTRFS = ("mkfs.btrfs", "-q", "-f", "-m", "single")

KINDS = {
    kind.name: kind
    for kind in (
        Kind("ext4", EXT4, 64),
        Kind("ext4-writeback", EXT4, 64, options="data=writeback,noauto_da_alloc"),
        Kind("xfs", XFS, 320),
        Kind("btrfs", BTRFS, 128, clone=True),
    )
}
"""The file systems whose power is cut."""


def reason_to_skip(*kinds: Kind) -> str:
    """Why these cannot be had here; `""` if they can."""
    if sys.platform != "linux":
        return "needs Linux"
    if os.geteuid() != 0:
        return "needs root, to mount file systems"
    if not os.path.exists("/dev/loop-control"):
        return "there are no loop devices"
    programs = {kind.make[0] for kind in kinds} | ({XFS[0]} if any(kind.clone for kind in kinds) else set())
    missing = sorted(program for program in programs if shutil.which(program) is None)
    return f"{', '.join(missing)} is not installed" if missing else ""


def make_image(path: Path, kind: Kind, *options: str) -> None:
    """Make a file system in a new file."""
    with open(path, "xb") as file:
        file.truncate(kind.size << 20)
    subprocess.run([*kind.make, *options, path], check=True, capture_output=True)


def unmount(path: Path, *, seconds: float = 5.0) -> None:
    """Unmount what is there; lazily, if something that was killed does not let go of it in time."""
    deadline = time.monotonic() + seconds
    while True:
        done = subprocess.run(["umount", path], capture_output=True, text=True, check=False)
        if done.returncode == 0 or "not mounted" in done.stderr or "no mount point" in done.stderr:
            return
        if time.monotonic() > deadline:
            subprocess.run(["umount", "-l", path], capture_output=True, check=False)
            return
        time.sleep(0.02)


def mount(source: Path | str, target: Path, *, kind: str = "", options: str = "") -> None:
    """Mount an image, or a file system that needs no device."""
    target.mkdir(exist_ok=True)
    arguments = ["-t", kind] if kind else []
    given = ",".join(filter(None, ["loop" if isinstance(source, Path) else "", options]))
    if given:
        arguments += ["-o", given]
    done = subprocess.run(["mount", *arguments, source, target], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CannotMountError(f"cannot mount {source} ({done.returncode}): {done.stderr.strip()}")


@contextlib.contextmanager
def mounted(source: Path | str, target: Path, *, kind: str = "", options: str = "") -> Iterator[Path]:
    """Mount for the length of a `with` block."""
    try:
        mount(source, target, kind=kind, options=options)
        yield target
    finally:
        unmount(target)


@contextlib.contextmanager
def images(path: Path) -> Iterator[Path]:
    """A directory for images, in memory: what survives is decided by the file system above, not by a disk."""
    with mounted("tmpfs", path, kind="tmpfs", options="size=6g"):
        yield path


@contextlib.contextmanager
def cloneable_images(path: Path) -> Iterator[Path]:
    """A directory for images that can be cloned: an xfs in a file in memory."""
    with images(path) as memory:
        make_image(memory / "clones.img", Kind("clones", XFS, 4096))
        with mounted(memory / "clones.img", memory / "clones"):
            yield memory / "clones"


@dataclass
class Disk:
    """One computer's disk: an image, mounted at a place, whose power can be cut.

    Args:
        kind: The file system.
        folder: Where images are; on a file system with clones if the kind needs them.
        path: Where it is mounted.
    """

    kind: Kind
    folder: Path
    path: Path
    _number: int = 0
    _cut: Path | None = field(default=None, repr=False)

    @property
    def _image(self) -> Path:
        return self.folder / f"disk-{self._number}.img"

    def insert(self, image: Path | None = None) -> None:
        """Mount a copy of a prepared image, or a new file system."""
        self.remove()
        # A new name each time: something that was killed may still be busy with the old one.
        self._number += 1
        if not self.kind.make:
            mount("tmpfs", self.path, kind="tmpfs", options=self.kind.options)
            return
        if image is None:
            make_image(self._image, self.kind)
        else:
            subprocess.run(["cp", "--reflink=auto", image, self._image], check=True)
        mount(self._image, self.path, options=self.kind.options)

    def keep(self, name: str) -> Path:
        """Unmount, which makes it durable, and keep the image for `insert`.

        Raises:
            CannotMountError: Something keeps the file system.
        """
        self._unmount()
        kept = self.folder / f"{name}.img"
        os.replace(self._image, kept)
        return kept

    def remove(self) -> None:
        """Unmount, and delete the image.

        Raises:
            CannotMountError: Something keeps the file system.
        """
        self._unmount()
        self._image.unlink(missing_ok=True)

    def cut(self, how: int) -> None:
        """Cut the power, at this instant. Nothing that happens from here on reaches the disk.

        ext4 and xfs are told to stop, by the ioctl that their own tests use. btrfs has none. There the image
        is cloned: the clone takes the image's inode lock, and the loop device makes each of its writes under
        that lock, so what is cloned is what the device held between two of its writes. That is a disk
        that keeps whatever it has acknowledged, in order; what btrfs had not yet written is lost.
        """
        if not self.kind.clone:
            fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.ioctl(fd, GOING_DOWN, struct.pack("I", how))
            finally:
                os.close(fd)
            return
        self._cut = self._image.with_name(f"cut-{self._number}.img")
        with open(self._image, "rb") as source, open(self._cut, "xb") as target:
            fcntl.ioctl(target.fileno(), FICLONE, source.fileno())

    def restart(self) -> None:
        """Mount what the cut has left; the file system repairs itself. Whoever ran on it is dead by now.

        Raises:
            CannotMountError: Something keeps the file system that was cut.
        """
        if self._cut is None:
            self._unmount()
        else:
            self.remove()
            self._number += 1
            os.replace(self._cut, self._image)
            self._cut = None
            # The kernel remembers the newer generation that it saw on the other device.
            subprocess.run(["btrfs", "device", "scan", "--forget"], capture_output=True, check=False)
        mount(self._image, self.path, options=self.kind.options)

    def _unmount(self, *, seconds: float = 120.0) -> None:
        """Unmount, and wait until the kernel has let go of the file system, and of the loop device with it.

        An unmounted one lives on as long as another mount namespace has a copy of the mount: whoever calls
        unshare(2) meanwhile has one. Until then its last writes are not in the image, and to mount that, or a
        copy, is to get the same file system once more: one that was cut fails every read with EIO.
        """
        unmount(self.path)
        deadline = time.monotonic() + seconds
        while self.kind.make and (devices := _loop_devices(self._image)):
            if time.monotonic() > deadline:
                raise CannotMountError(f"{devices} still has {self._image}, after {seconds} s")
            time.sleep(0.02)


def _loop_devices(image: Path) -> str:
    """The loop devices that have an image, as losetup(8) lists them; `""`: none."""
    argv = ["losetup", "--noheadings", "--output", "NAME", "--associated", str(image)]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


@contextlib.contextmanager
def disk(folder: Path, kind: Kind) -> Iterator[Disk]:
    """A disk below a directory, at `<folder>/mounted`; the same place for every kind."""
    folder.mkdir(parents=True, exist_ok=True)
    where = cloneable_images if kind.clone else images
    with _ending_in_order(), where(folder / "images") as made:
        found = Disk(kind, made, folder / "mounted")
        found.path.mkdir(exist_ok=True)
        try:
            yield found
        finally:
            found.remove()


@contextlib.contextmanager
def _ending_in_order() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end this process by an exception, so that everything is unmounted."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(signum: int, _frame: object) -> None:
        sys.exit(128 + signum)

    before = {signum: signal.signal(signum, end) for signum in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
