"""`status` reports what it has looked at, and no more; a person's `release` looks at what is live."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.roots import Site
from venvship import StatusResult, errors
from venvship.cli.prometheus import exposition
from venvship.cli.style import unstyled as unstyle
from venvship.cli.text import Page, status_lines


def damage(site: Site, release_id: str | None = None) -> Path:
    """Remove a module of a release, the live one by default, as a cleaner of old files does."""
    release = site.path / "releases" / str(release_id or site.current)
    [module] = release.glob("lib/python*/site-packages/app.py")
    module.parent.chmod(0o755)
    module.unlink()
    module.parent.chmod(0o555)
    return module


def line(status: StatusResult, label: str, **later: float) -> str:
    """The text after a label, read now or later; `""` without such a line."""
    page = Page(width=None, now=datetime.now(UTC) + timedelta(**later))
    found = [unstyle(text) for text in status_lines(status, page)]
    return next((text[10:] for text in found if text.startswith(f"{label} ")), "")


def slugs(result: Any) -> list[str]:
    return [warning.slug for warning in result.warnings]


def figures(site: Site) -> dict[str, float]:
    """The metrics without labels besides `root`, and the warnings by slug."""
    found = {}
    for text in exposition(site.open().measure()):
        if not text.startswith("#"):
            name, _, rest = text.partition("{")
            labels, _, value = rest.rpartition("} ")
            found[name + labels.partition('",slug=')[2]] = float(value)
    return found


# -- files ------------------------------------------------------------------------------------------------


def test_status_reports_the_last_verify_and_claims_nothing_of_its_own(site: Site) -> None:
    site.release("1.0")
    root = site.open()
    assert root.status().verified is None
    assert line(root.status(), "Files").startswith("never verified")
    assert "venvship_verified_damaged" not in figures(site)

    root.verify()
    seen = root.status().verified
    assert seen is not None
    assert seen.damaged == 0
    assert seen.files > 5
    assert line(root.status(), "Files").endswith(f"intact, {seen.files} files")
    assert slugs(root.status()) == []

    damage(site)
    assert root.status().verified == seen, "status has not looked, and says when verify did"
    with pytest.raises(errors.DamagedError):
        root.verify()
    status = root.status()
    assert status.verified is not None
    assert status.verified.damaged == 1
    assert "1 path DAMAGED" in line(status, "Files")
    assert line(status, "Problems") == ""
    assert slugs(status) == ["damage-found"]
    assert status.to_json()["verified"] == status.verified.to_json()
    assert figures(site)["venvship_verified_damaged"] == 1
    assert figures(site)['venvship_warnings"damage-found"'] == 1


def test_each_release_has_its_own_last_verify_and_garbage_is_none(site: Site) -> None:
    a, b = site.release("1.0"), site.release("1.1")
    root = site.open()
    damage(site, a)
    with pytest.raises(errors.DamagedError):
        root.verify(all=True)
    assert slugs(root.status()) == []
    assert line(root.status(), "Files").endswith("files")
    assert json.loads((site.path / "state" / "verified.json").read_text())["releases"].keys() == {a, b}

    (site.path / "state" / "verified.json").write_text("[")
    assert root.status().verified is None
    root.verify(b)
    assert root.status().verified is not None


@contextlib.contextmanager
def writable(folder: Path) -> Iterator[Path]:
    """A folder of a release, to write into as root can."""
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o555)


def change(module: Path, data: bytes) -> None:
    """Change a file as a bad disk does, to the same size; its other name, in the store, stays as it was."""
    with writable(module.parent):
        module.unlink()
        module.write_bytes(data)
        module.chmod(0o444)


def test_status_tells_bytecode_and_a_wrong_place_apart_from_intact(site: Site) -> None:
    site.release("1.0")
    root = site.open()
    release = site.path / "releases" / str(site.current)
    [folder] = release.glob("lib/python*/site-packages/__pycache__")
    stray = folder / "app.cpython-39.pyc"
    with writable(folder):
        stray.touch()
    with pytest.raises(errors.StrayBytecodeError) as caught:
        root.verify()
    status = root.status()
    assert status.verified is not None
    assert (status.verified.damaged, status.verified.stray) == (0, 1)
    assert line(status, "Files").endswith("files, and 1 path of bytecode that is not part of it")
    assert slugs(status) == ["stray-found"]
    assert line(status, "Problems") == ""
    remedy = str(caught.value.hint).partition("remove it as root: ")[2]
    with writable(folder):
        subprocess.run(["sh", "-c", remedy], check=True)
    root.verify()
    assert slugs(root.status()) == []

    with writable(folder):
        stray.with_name("evil.py").touch()
    with pytest.raises(errors.DamagedError, match=r"__pycache__/evil\.py: not part of the release") as added:
        root.verify()
    assert "remove those" in (added.value.hint or ""), "the store has nothing to do with it"
    assert root.status().to_json()["verified"]["examples"] == []  # type: ignore[index]
    with writable(folder):
        stray.with_name("evil.py").unlink()

    site.path.rename(site.path.with_name("moved"))
    moved = replace(site, path=site.path.with_name("moved"))
    with pytest.raises(errors.ReleaseError, match="cannot be used"):
        moved.open().verify()
    text = line(moved.open().status(), "Files")
    assert "files; NOT USABLE then: it was built for " in text


def test_a_rollback_passes_over_what_verify_found_damaged_and_status_names_the_same(site: Site) -> None:
    a, b, _c = site.release("1.0"), site.release("1.1"), site.release("1.2")
    root = site.open()
    [module] = (site.path / "releases" / b).glob("lib/python*/site-packages/late.py")
    sealed = module.read_bytes()

    def told() -> tuple[str | None, list[str]]:
        status = site.open().status()
        planned = site.open().rollback(dry_run=True)
        assert status.previous is not None
        assert (planned.release.id, planned.passed_over) == (status.previous.id, status.passed_over)
        return status.previous.id, [f"{one.id}: {one.reason}" for one in status.passed_over]

    change(module, b"#" * len(sealed))
    assert told() == (b, []), "nobody has looked"
    with pytest.raises(errors.DamagedError):
        root.verify(b)
    target, [over] = told()
    assert target == a
    assert over.startswith(f"{b}: cannot be used: damaged, as `venvship verify` found on ")
    assert over.endswith(f"{module.relative_to(site.path / 'releases' / b)}: its contents have changed")
    site.open().recover()
    assert site.previous == a, "or the next rollback would need room"
    with pytest.raises(errors.ReleaseError, match="cannot be used: it is damaged"):
        root.promote(b)

    change(module, sealed)
    assert told() == (b, []), "the file was put back since"
    assert "of which those looked at again are not any more" in unstyle(site.run("status").out)

    change(module, b"#" * len(sealed))
    done = site.open().rollback()
    assert (done.release.id, site.current) == (a, a)
    assert "release-skipped" not in slugs(done), "the result names it"
    assert [passed.id for passed in done.passed_over] == [b]
    named = site.open().rollback(b)
    assert (named.release.id, site.current) == (b, b), "a person may know better, and have no other"
    assert "damage-found" in slugs(named)


def test_with_no_other_target_the_hint_goes_to_the_damaged_one(site: Site) -> None:
    a, b = site.release("1.0"), site.release("1.1")
    [module] = (site.path / "releases" / a).glob("lib/python*/site-packages/late.py")
    change(module, b"#" * module.stat().st_size)
    with pytest.raises(errors.DamagedError):
        site.open().verify(a)
    with pytest.raises(errors.NothingToRollBackToError, match=f"passed over {a}: cannot be used") as caught:
        site.open().rollback()
    assert site.current == b
    assert "venvship rollback @{1};" in (caught.value.hint or "")
    assert site.open().rollback("@{1}").release.id == a


def test_files_that_were_added_keep_no_rollback_away_and_are_told(site: Site) -> None:
    a = site.release("1.0")
    site.release("1.1")
    with writable(site.path / "releases" / a / "bin") as folder:
        (folder / "core.1234").touch()
    with pytest.raises(errors.DamagedError):
        site.open().verify(a)
    status = site.open().status()
    assert status.previous is not None
    assert status.previous.id == a
    assert status.to_json()["previous_verified"] == status.previous_verified.to_json()  # type: ignore[union-attr]
    shown = site.run("status").out
    assert f"intact, and 1 path that somebody added; `venvship verify {a}` looks again" in shown
    assert site.open().rollback().release.id == a


def test_a_verify_that_cannot_be_recorded_warns_and_is_done(site: Site) -> None:
    site.release("1.0")
    (site.path / "state" / "verified.json").mkdir()
    result = site.open().verify()
    assert [one.ok for one in result.releases] == [True]
    assert slugs(result) == ["verify-not-recorded"]


@pytest.mark.parametrize("trouble", ["file", "interpreter"])
def test_a_persons_release_builds_a_damaged_live_release_anew(site: Site, trouble: str) -> None:
    a = site.release("1.0")
    if trouble == "file":
        damage(site)
    else:
        python = site.path / "releases" / a / "bin" / "python"
        python.parent.chmod(0o755)
        python.unlink()
        python.symlink_to("/no/such/python")
        python.parent.chmod(0o555)
    root = site.open()
    planned = root.release(dry_run=True)
    assert (planned.plan, planned.changed, slugs(planned)) == ("build", True, ["current-unusable"])
    if trouble == "file":
        assert root.update().outcome == "unchanged", "which looks at no file, every five minutes"
    with pytest.raises(errors.ReleaseError, match="cannot be used"):
        root.promote(a)
    built = root.release()
    assert (built.outcome, built.changed) == ("released", True)
    assert "current-unusable" in slugs(built)
    assert site.current != a
    root.verify()


# -- the link ---------------------------------------------------------------------------------------------


def test_a_missing_current_is_told_with_the_release_that_was_live(site: Site) -> None:
    site.release("1.0")
    b = site.release("1.1")
    (site.path / "current").unlink()
    root = site.open()
    status = root.status()
    assert slugs(status) == slugs(root.list()) == ["current-missing"]
    assert f"venvship promote {b}" in status.warnings[0].message
    assert (status.current, status.lockfile_changed, line(status, "Live")) == (None, None, "nothing")
    assert figures(site)['venvship_warnings"current-missing"'] == 1
    with pytest.raises(errors.HeldError):
        root.update()  # which has noticed it, so that the journal says now that nothing is live
    assert slugs(root.status()) == ["current-missing"]
    result = root.rollback()
    assert (result.outcome, result.previous, site.current) == ("switched", None, b)
    assert slugs(root.status()) == []


def test_a_root_where_nothing_was_ever_live_misses_nothing(site: Site) -> None:
    assert slugs(site.open().status()) == []
    site.release("1.0", no_promote=True)
    assert slugs(site.open().status()) == []


# -- the lockfile -----------------------------------------------------------------------------------------


def test_a_lockfile_has_changed_if_a_release_would_be_of_another_environment(site: Site) -> None:
    site.release("1.0")

    def told() -> tuple[bool | None, str]:
        status = site.open().status()
        assert status.to_json()["lockfile_changed"] is status.lockfile_changed
        return status.lockfile_changed, line(status, "Lockfile")

    assert told() == (False, "")
    site.lock("1.0", comment="nothing but a comment")
    assert told() == (False, "")
    site.lock("1.1")
    assert told() == (True, "differs from the live release; see `venvship release --dry-run`")
    (site.path / "requirements.txt").write_text("app\n")
    changed, text = told()
    assert changed is None
    assert text.startswith("cannot be compared: ")
    (site.path / "requirements.txt").unlink()
    changed, text = told()
    assert changed is None
    assert "requirements.txt cannot be read: No such file" in text
    assert "venvship_lockfile_changed" not in figures(site)
    assert slugs(site.open().status()) == [], "a release may name another lockfile"


def test_each_of_several_lockfiles_counts(site: Site) -> None:
    site.settings("lockfile = ['requirements.txt', 'more.txt']\n")
    site.lock("1.0")
    more = site.path / "more.txt"
    more.write_text("")
    site.open().release()
    assert site.open().status().lockfile_changed is False
    site.lock("1.0", comment="a comment")
    assert site.open().status().lockfile_changed is False
    more.write_text(site.lock("1.1", name="other.txt").read_text())
    (site.path / "requirements.txt").write_text("# moved\n")
    assert site.open().status().lockfile_changed is True
    more.unlink()
    assert site.open().status().lockfile_changed is None


def test_another_interpreter_is_another_environment_and_is_named(site: Site) -> None:
    site.release("1.0")
    record = site.path / "state" / "python.json"
    known = json.loads(record.read_text())
    site.settings(f"python = '{known['path']}'\n")
    status = site.open().status()
    assert (status.lockfile_changed, status.lockfile.python) == (False, None), "the same one, named otherwise"

    # As the record is once an update has begun with another setting.
    other = {"version": "3.99.1", "soabi": "cpython-399", "magic": "00000000", "setting": known["path"]}
    record.write_text(json.dumps({**known, **other}))
    status = site.open().status()
    assert status.lockfile_changed is True
    assert line(status, "Python").startswith("CPython 3.99.1 is set, the live release was built for 3.")
    assert line(status, "Lockfile") == ""
    assert site.open().release(dry_run=True).diff.python == status.lockfile.python

    site.settings("python = '/no/such/python'\n")
    status = site.open().status()
    assert (status.lockfile_changed, slugs(status)) == (None, ["interpreter-unusable"])


# -- failures of update -----------------------------------------------------------------------------------


def test_failures_of_update_are_told_until_it_tries_something_else(site: Site) -> None:
    site.release("1.0")
    lockfile = site.path / "requirements.txt"
    good = lockfile.read_text()
    lockfile.write_text(f"gone==1.0 --hash=sha256:{'0' * 64}\n")
    then = site.now.timestamp() - 60
    os.utime(lockfile, (then, then))
    with pytest.raises(errors.BuildError) as failed:
        site.open().update()
    with pytest.raises(errors.PausedError):
        site.open().update()
    status = site.open().status()
    assert status.failing is not None
    assert status.failing.count == 1
    assert status.failing.reason == failed.value.message.splitlines()[0]
    text = line(status, "Updates")
    assert text.startswith("1 attempt failed, the last one at ")
    assert "not tried again before " in text
    assert "not tried again" not in line(status, "Updates", hours=1), "the pause is over then"
    assert site.open(clock=site.later(hours=1)).status().failing == status.failing
    assert figures(site)["venvship_update_failures"] == 1

    lockfile.write_text(good)
    status = site.open().status()
    assert (status.failing, status.to_json()["failing"]) == (None, None)
    found = figures(site)
    assert found["venvship_update_failures"] == 0
    assert "venvship_update_paused_until_timestamp_seconds" not in found
