"""Faults of the file system: which of our errors each becomes, and which file it names."""

from __future__ import annotations

import errno
import os
import re

import pytest

from venvship.errors import BuildError, DiskFullError, HostError, NotWritableError
from venvship.system.faults import build_faults, root_faults
from venvship.system.host import host_error_in, host_faults


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


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN])
def test_a_host_that_is_short_of_something_is_neither_a_failed_build_nor_a_root_to_be_repaired(
    number: int,
) -> None:
    for faults in (build_faults("link", "/srv"), root_faults("/srv"), host_faults("link")):
        with pytest.raises(HostError, match=re.escape(os.strerror(number))) as caught, faults:
            raise fault(number, "/srv/x")
        assert caught.value.hint
        assert caught.value.__cause__ is not None
    found = host_error_in(f"Traceback …\nOSError: [Errno {number}] {os.strerror(number)}\n", "compile")
    assert found is not None
    assert str(found).startswith("could not compile: ")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.ENOENT])
def test_any_other_fault_is_left_to_the_code_that_knows_the_file(number: int) -> None:
    with pytest.raises(OSError, match=os.strerror(number)), host_faults("read"):
        raise fault(number, "/srv/x")
    assert host_error_in(f"OSError: [Errno {number}] {os.strerror(number)}", "read") is None
    assert host_error_in("ConnectionError: Resource temporarily unavailable", "read") is None
