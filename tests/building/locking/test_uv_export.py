"""uv on a uv.lock: what it is given, where it runs, and what its ends mean.

A script stands in for uv, so that each end can be had. `test_real_uv.py` asks uv itself.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.releases import LINUX
from venvship.building.locking.uv_export import UvExport, export_uv_lock, private_directory
from venvship.building.locking.uv_program import MINIMUM, Uv, find_uv, uv_paths
from venvship.errors import (
    LockfileError,
    ProgramNotFoundError,
    SettingsError,
    StaleLockfileError,
    UntrustedError,
)
from venvship.system.signals import Signals

PYLOCK = b'lock-version = "1.0"\ncreated-by = "uv"\npackages = []\n'
CONTENTS = {"uv.lock": b"version = 1\n", "pyproject.toml": b"[project]\n"}


def program(folder: Path, text: str, name: str = "uv") -> str:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def export(
    tmp_path: Path,
    script: str,
    *,
    contents: dict[str, bytes] | None = None,
    extras: tuple[str, ...] = (),
    groups: tuple[str, ...] = (),
    member: str = "",
) -> bytes:
    uv = Uv(program(tmp_path / "bin", script), MINIMUM)
    request = UvExport(
        path="/srv/shop/uv.lock",
        contents=CONTENTS if contents is None else contents,
        interpreter=LINUX,
        extras=extras,
        groups=groups,
        member=member,
    )
    with private_directory(str(tmp_path), "abc") as directory:
        return export_uv_lock(request, uv, directory=directory, signals=Signals())


EXPORTS = f'[ "$1" = export ] && cat <<END\n{PYLOCK.decode()}END\nexit 0'


def test_the_export_is_what_uv_prints(tmp_path: Path) -> None:
    assert export(tmp_path, EXPORTS) == PYLOCK
    assert not list(tmp_path.glob("venvship-uv-*"))


def test_uv_runs_offline_on_copies_and_without_the_users_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_INDEX_URL", "https://me:hunter2@p.example/simple")
    seen = tmp_path / "seen"
    script = (
        f'(echo "$@"; env; find "$HOME" -type f; cat "$HOME"/copy/up/m/pyproject.toml) >>{seen}\n{EXPORTS}'
    )
    contents = {**CONTENTS, "../m/pyproject.toml": b"# the member\n"}
    export(tmp_path, script, contents=contents, extras=("pg",), groups=("prod",), member="shop")
    text = seen.read_text()
    private = tmp_path / "venvship-uv-abc"
    checked, exported = (line for line in text.splitlines() if line.startswith(("lock ", "export ")))
    assert checked == (
        f"lock --check --project {private}/copy/up/project --no-python-downloads --python {LINUX.path}"
    )
    assert "--frozen --format pylock.toml" in exported
    assert "--no-default-groups --extra=pg --group=prod --package=shop" in exported
    assert "UV_OFFLINE=1" in text
    assert f"UV_CACHE_DIR={private}/cache" in text
    assert "hunter2" not in text
    assert "# the member" in text
    assert f"{private}/copy/up/project/uv.lock" in text


def test_default_groups_but_dev_are_exported_where_no_group_is_named(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    export(tmp_path, f'echo "$@" >>{seen}\n{EXPORTS}')
    assert "--no-dev" in seen.read_text()
    assert "--no-default-groups" not in seen.read_text()


def test_folders_above_the_copies_have_settings_and_a_workspace_of_ours(tmp_path: Path) -> None:
    """Otherwise uv goes on upwards, into a folder where other users may write."""
    seen = tmp_path / "seen"
    export(tmp_path, f'(ls "$HOME"/copy; cd "$HOME"/copy; cat uv.toml pyproject.toml) >{seen}\n{EXPORTS}')
    assert seen.read_text() == "project\npyproject.toml\nuv.toml\n[tool.uv.workspace]\nmembers = []\n"


@pytest.mark.parametrize(
    "check",
    ["exit 1", "echo 'The lockfile needs to be updated, but --check was provided' >&2; exit 2"],
)
def test_a_lock_that_uv_would_change_is_stale(tmp_path: Path, check: str) -> None:
    with pytest.raises(StaleLockfileError) as caught:
        export(tmp_path, f'[ "$1" = lock ] && {{ {check}; }}\n{EXPORTS}')
    assert caught.value.hint == "lock again: cd /srv/shop && uv lock"


@pytest.mark.parametrize("message", ["Failed to build", "Failed to generate package metadata for"])
def test_staleness_is_not_asked_without_a_project_file_or_where_only_a_build_could_tell(
    tmp_path: Path, message: str
) -> None:
    stale = f'[ "$1" = lock ] && exit 1\n{EXPORTS}'
    assert export(tmp_path, stale, contents={"uv.lock": b""}) == PYLOCK
    unknown = f'[ "$1" = lock ] && {{ echo "error: {message} shop" >&2; exit 2; }}\n{EXPORTS}'
    assert export(tmp_path, unknown) == PYLOCK


@pytest.mark.parametrize("command", ["lock", "export"])
def test_words_of_uv_are_shown_without_secrets_where_it_refuses(tmp_path: Path, command: str) -> None:
    secret = {**CONTENTS, "pyproject.toml": b'url = "https://me:hunter2@p.example/simple"\n'}
    says = "echo Using CPython >&2; echo 'error: https://me:hunter2@p.example/simple: unknown version 2' >&2"
    with pytest.raises(LockfileError) as caught:
        export(tmp_path, f'[ "$1" = {command} ] && {{ {says}; exit 2; }}\n{EXPORTS}', contents=secret)
    assert "unknown version 2" in caught.value.message
    assert "Using CPython" not in caught.value.message
    assert "hunter2" not in f"{caught.value.message} {caught.value.data}"
    assert caught.value.hint == "cd /srv/shop && uv lock"


def test_an_export_without_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LockfileError, match="larger than"):
        export(tmp_path, '[ "$1" = lock ] && exit 0\nhead -c 20000000 /dev/zero')


# -- which uv -------------------------------------------------------------------------------------------


def found(tmp_path: Path, environ: dict[str, str], recorded: str | None = None) -> Uv:
    with private_directory(str(tmp_path), "abc") as directory:
        return find_uv(
            environ,
            recorded,
            executable=str(tmp_path / "own" / "python"),
            require=lambda _: None,
            directory=directory,
            signals=Signals(),
        )


def test_uv_is_found_on_path_and_where_the_root_recorded_it(tmp_path: Path) -> None:
    new = program(tmp_path / "new", "echo 'uv 9.1.2 (abc 2026-01-01)'")
    assert found(tmp_path, {"PATH": str(tmp_path / "new")}) == Uv(new, (9, 1, 2))
    # cron's PATH has no such folder.
    assert found(tmp_path, {"PATH": "/usr/bin:/bin"}, new) == Uv(new, (9, 1, 2))
    assert uv_paths({"PATH": str(tmp_path / "new")}, new, executable=str(tmp_path / "own")) == [new]


def test_uv_beside_venvship_comes_first(tmp_path: Path) -> None:
    beside = program(tmp_path / "own", "echo 'uv 9.0.0'")
    new = program(tmp_path / "new", "echo 'uv 9.1.2'")
    environ = {"PATH": str(tmp_path / "new")}
    assert uv_paths(environ, None, executable=str(tmp_path / "own" / "python")) == [beside, new]


def test_an_old_uv_is_passed_over_and_named_if_it_is_the_only_one(tmp_path: Path) -> None:
    old = program(tmp_path / "old", "echo 'uv 0.4.30'")
    new = program(tmp_path / "new", "echo 'uv 9.1.2'")
    assert found(tmp_path, {"PATH": str(tmp_path / "new")}, old).path == new
    with pytest.raises(SettingsError) as caught:
        found(tmp_path, {"PATH": str(tmp_path / "old")})
    assert f"{old} is uv 0.4.30" in caught.value.message
    assert "-m pip install --upgrade 'uv>=" in str(caught.value.hint)


def test_a_program_that_is_no_uv_is_not_taken_for_one(tmp_path: Path) -> None:
    program(tmp_path / "bad", "echo hello; exit 3")
    with pytest.raises(SettingsError, match="does not answer to --version as uv does"):
        found(tmp_path, {"PATH": str(tmp_path / "bad")})


def test_without_uv_the_error_has_the_line_that_brings_it(tmp_path: Path) -> None:
    with pytest.raises(ProgramNotFoundError) as caught:
        found(tmp_path, {"PATH": str(tmp_path)}, str(tmp_path / "gone"))
    assert caught.value.exit_code == 10
    assert "-m pip install --upgrade 'uv>=" in str(caught.value.hint)


def test_a_uv_that_others_can_write_is_not_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    program(tmp_path / "new", f"touch {ran}; echo 'uv 9.1.2'")

    def require(path: str) -> None:
        raise UntrustedError(f"{path} can be written by others")

    environ = {"PATH": str(tmp_path / "new")}
    with private_directory(str(tmp_path), "abc") as directory, pytest.raises(UntrustedError):
        find_uv(
            environ,
            None,
            executable=str(tmp_path / "own" / "python"),
            require=require,
            directory=directory,
            signals=Signals(),
        )
    assert not os.path.lexists(ran)
