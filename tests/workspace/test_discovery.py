"""The root that a command finds by going upwards: only the caller's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.users import NOBODY, as_root_only, trust, unprivileged
from venvship.errors import NotARootError, UntrustedError
from venvship.workspace.discovery import can_be_named, find_root


def test_the_nearest_directory_with_settings_is_the_root(tmp_path: Path) -> None:
    inner = tmp_path / "outer" / "inner"
    (inner / "src" / "deep").mkdir(parents=True)
    (tmp_path / "outer" / "venvship.toml").touch()
    assert find_root(inner / "src" / "deep", {}) == tmp_path / "outer"

    (inner / "venvship.toml").touch()
    assert find_root(inner / "src" / "deep", {}) == inner
    assert find_root(inner, {}) == inner


def test_a_directory_with_the_name_of_the_settings_is_no_root(tmp_path: Path) -> None:
    (tmp_path / "venvship.toml").mkdir()

    with pytest.raises(NotARootError, match="above it") as caught:
        find_root(tmp_path, {})
    assert "init" in (caught.value.hint or "")


def test_looking_for_a_root_passes_over_what_may_not_be_read() -> None:
    def look(base: Path) -> None:
        (base / "closed" / "inner").mkdir(parents=True)
        (base / "venvship.toml").touch()
        (base / "closed").chmod(0o000)
        assert find_root(base / "closed" / "inner", {}) == base

    unprivileged(look)


@pytest.fixture
def found(tmp_path: Path) -> Path:
    """A folder inside of a root."""
    (tmp_path / "shop" / "src").mkdir(parents=True)
    (tmp_path / "shop" / "venvship.toml").touch()
    return tmp_path / "shop" / "src"


@pytest.mark.parametrize(
    ("mode", "refused"),
    [(0o755, ""), (0o700, ""), (0o777, "every user"), (0o1777, "every user"), (0o757, "every user")],
)
def test_a_root_that_others_can_write_is_not_found(found: Path, mode: int, refused: str) -> None:
    root = found.parent
    root.chmod(mode)
    if not refused:
        assert find_root(found, {}) == root
        return
    with pytest.raises(UntrustedError, match=refused) as caught:
        find_root(found, {})
    assert str(root) in caught.value.message
    assert f"chmod go-w {root}" in (caught.value.hint or "")
    assert can_be_named(str(root), {}) == (mode == 0o1777), "others cannot exchange files there"
    assert caught.value.data["root"] == str(root)
    assert caught.value.exit_code == 12


def test_a_directory_above_that_others_can_write_counts_unless_it_is_sticky(found: Path) -> None:
    above = found.parent.parent
    above.chmod(0o777)
    with pytest.raises(UntrustedError, match="every user") as caught:
        find_root(found, {})
    assert f"chmod +t {above}" in (caught.value.hint or "")
    above.chmod(0o1777)
    assert find_root(found, {}) == found.parent


@as_root_only
def test_a_root_of_another_user_is_not_found_but_that_of_who_became_root_with_sudo_is(found: Path) -> None:
    root = found.parent
    os.chown(root, NOBODY, NOBODY)
    for environ in ({}, {"SUDO_UID": "0"}, {"SUDO_UID": "x"}):
        with pytest.raises(UntrustedError, match="belongs to nobody") as caught:
            find_root(found, environ)
        assert caught.value.hint is None
        assert (caught.value.data["owner"], caught.value.data["root_owner"]) == ("nobody", "nobody")
        assert can_be_named(str(root), environ)
    assert find_root(found, {"SUDO_UID": str(NOBODY)}) == root


@as_root_only
def test_who_may_be_root_finds_the_roots_of_root() -> None:
    def look(base: Path) -> None:
        assert find_root(base / "src", {}) == base

    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        (Path(folder) / "src").mkdir()
        (Path(folder) / "venvship.toml").touch()
        unprivileged(lambda _own: look(Path(folder)))


@as_root_only
def test_a_trust_that_the_owner_has_set_counts_for_the_owner(found: Path) -> None:
    root = found.parent
    os.chown(root, 0, NOBODY)
    root.chmod(0o775)
    with pytest.raises(UntrustedError, match="the group nogroup"):
        find_root(found, {})
    trust(root, f"%{NOBODY}")
    assert find_root(found, {}) == root
    # Not a file that another user made there.
    os.chown(root / "state" / "trust.json", NOBODY, NOBODY)
    with pytest.raises(UntrustedError, match=r"trust\.json"):
        find_root(found, {})
