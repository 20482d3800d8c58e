"""Faults of the file system: which of our errors each becomes, and which file it names."""

from __future__ import annotations

import errno
import os

import pytest

from venvship.errors import BuildError, DiskFullError, NotWritableError
from venvship.system.faults import build_faults, root_faults


def fault(number: int, path: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), path)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_ends_a_build_with_an_error_that_names_the_file_system(number: int) -> None:
    with (
        pytest.raises(DiskFullError, match="no room left on the file system of /srv/shop "),
        build_faults("link", "/srv/shop"),
    ):
        raise fault(number, "/srv/shop/releases/x")


def test_a_read_only_file_system_is_a_fault_of_the_root_and_not_of_the_build() -> None:
    with pytest.raises(NotWritableError, match=r"/srv/x"), build_faults("link", "/srv"):
        raise fault(errno.EROFS, "/srv/x")


def test_any_other_fault_of_a_build_names_the_step_the_file_and_the_kernels_reason() -> None:
    with (
        pytest.raises(BuildError, match="could not link: /srv/x: Input/output error") as caught,
        build_faults("link", "/srv"),
    ):
        raise fault(errno.EIO, "/srv/x")

    assert type(caught.value) is BuildError


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_outside_of_a_build_names_the_file(number: int) -> None:
    with (
        pytest.raises(DiskFullError, match=r"file system of /srv/shop/current") as caught,
        root_faults("/srv"),
    ):
        raise fault(number, "/srv/shop/current")

    assert "venvship prune" in (caught.value.hint or "")


def test_any_other_fault_outside_of_a_build_names_the_file_or_else_the_root() -> None:
    with pytest.raises(NotWritableError, match=r"^/srv/x: Permission denied$"), root_faults("/srv"):
        raise fault(errno.EACCES, "/srv/x")
    with pytest.raises(NotWritableError, match=r"^/srv: Input/output error$"), root_faults("/srv"):
        raise fault(errno.EIO)
