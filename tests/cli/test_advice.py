"""A command in a message works where its reader reads it: it names the root, unless the reader is there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import venvship.cli.commands  # noqa: F401 - the commands register themselves
from tests.cli.test_text import NOW, status, view
from tests.support.roots import Finished, Site, command, finish
from tests.support.terminals import Terminal
from venvship import LockfileState, LockResult, PackageDiff, ReleaseResult, State
from venvship.cli.advice import addressed
from venvship.cli.fitting import Page, fold
from venvship.cli.hold_text import unhold_lines
from venvship.cli.lock_text import lock_lines
from venvship.cli.relocation import relocate_lines
from venvship.cli.style import unstyled as unstyle
from venvship.cli.text import release_lines, status_lines
from venvship.model.hold import SWITCH_HOLD, Hold, HoldKind
from venvship.operations.marks import HoldResult
from venvship.operations.relocate import Relocated, RelocateResult
from venvship.printable import Lines, lines_of
from venvship.workspace.way_back import CommandBack

ROOT = "/srv/shop"
BARE = re.compile(r"(?<!/)\bvenvship (?!-)")


def bare(text: str) -> bool:
    """Whether a text has a command without a root, the sentence about holds apart."""
    return BARE.search(" ".join(text.split()).replace(SWITCH_HOLD, "")) is not None


def test_a_message_of_several_lines_keeps_them() -> None:
    message = addressed(Lines("bad\nlook: venvship status"), ROOT)
    assert lines_of(message) == ["bad", "look: venvship -C /srv/shop status"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("venvship release", "venvship -C /srv/shop release"),
        (
            "look at `venvship status`; or: venvship list",
            "look at `venvship -C /srv/shop status`; or: venvship -C /srv/shop list",
        ),
        ("`venvship update --upgrade`", "`venvship -C /srv/shop update --upgrade`"),
        ("`venvship -C /srv/other init`", "`venvship -C /srv/other init`"),
        ("venvship release --help", "venvship release --help"),
        ("venvship --help", "venvship --help"),
        ("venvship was upgraded", "venvship was upgraded"),
        ("this venvship runs in a service", "this venvship runs in a service"),
        ("sudo -u deploy /usr/bin/venvship status", "sudo -u deploy /usr/bin/venvship status"),
        (
            "sudo -u deploy /usr/bin/python -m venvship status",
            "sudo -u deploy /usr/bin/python -m venvship status",
        ),
        (
            f"held. {SWITCH_HOLD} See `venvship status`",
            f"held. {SWITCH_HOLD} See `venvship -C /srv/shop status`",
        ),
    ],
)
def test_the_root_stands_in_every_command_and_in_nothing_else(text: str, expected: str) -> None:
    assert addressed(text, ROOT) == expected
    assert addressed(text, "") == text


@pytest.mark.parametrize("width", [None, 60])
def test_every_text_with_a_command_names_the_root(width: int | None) -> None:
    page = Page(width=width, now=NOW, root=ROOT)
    hold = Hold(kind=HoldKind.ENVIRONMENT, since=NOW, by="venvship", reason="HTTP 500")
    failing = "the lockfile is missing: venvship lock"
    differs = HoldResult(status=status(lockfile=LockfileState(changed=True)))
    bad = HoldResult(status=status(), ended=(hold,), released_again="X")
    for shown in (
        status_lines(status(), page),
        status_lines(status(releases=0, current=None, next_step="venvship release"), page),
        status_lines(status(lockfile=LockfileState(changed=True)), page),
        status_lines(status(lockfile=LockfileState(problem=failing)), page),
        status_lines(status(holds=(hold,), held=hold), page),
        release_lines(ReleaseResult(outcome="built", release=view(1, current=False)), page),
        release_lines(
            ReleaseResult(
                outcome="released",
                release=view(1),
                back=CommandBack("venvship rollback", view(1).id, State.PROVEN),
            ),
            page,
        ),
        lock_lines(
            LockResult(
                lockfile="/l", changed=True, first=True, diff=PackageDiff(), packages=1, python="3.11"
            ),
            page,
        ),
        relocate_lines(RelocateResult(relocated=(Relocated(view(1).id, view(2).id),), current="X"), page),
        unhold_lines(differs, page),
        unhold_lines(bad, page),
    ):
        text = "\n".join(map(unstyle, shown))
        assert f"venvship -C {ROOT} " in text, text
        assert not bare(text), text


def test_a_command_is_not_broken_into_two_lines() -> None:
    text = (
        "it was not released; see `venvship -C /srv/shop release --dry-run`, "
        "or go back: venvship -C /srv/shop rollback"
    )
    for width in range(10, len(text)):
        folded = fold(text, width)
        assert any("`venvship -C /srv/shop release --dry-run`" in line for line in folded)
        assert any("venvship -C /srv/shop rollback" in line for line in folded)


def without_lockfile(site: Site) -> str:
    (site.path / "requirements.txt").unlink()
    return f"venvship -C {shlex.quote(str(site.path))} lock"


def test_a_mail_of_cron_names_the_root_wherever_the_job_ran(site: Site) -> None:
    wanted = without_lockfile(site)
    for done in (site.run_as_cron("update"), site.run("update", "-v")):
        assert (done.code, wanted in done.err, bare(done.err)) == (11, True, False), done.err


def test_a_mail_about_a_hold_has_the_sentence_and_the_command_that_ends_it(site: Site) -> None:
    assert site.run("hold").code == 0
    done = site.run_as_cron("update")
    assert done.code == 25
    rule, _, rest = done.err.partition("Unattended releases are held until `venvship unhold`.")
    assert rest == f" To end it now: `venvship -C {site.path} unhold`.\n"
    assert not bare(rule)


def test_output_that_is_read_in_the_root_has_the_command_as_it_is_typed_there(
    site: Site, tmp_path: Path
) -> None:
    wanted = without_lockfile(site)
    below = site.path / "state"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    def names_it(done: Finished) -> bool:
        assert done.code == 11
        found = wanted in done.out + done.err
        assert found is not bare(done.out + done.err), done
        return found

    assert not names_it(site.run("release"))
    assert not names_it(site.run("release", "--json"))
    assert not names_it(site.run("-C", "..", "release", cwd=below))
    for arguments in (["release"], ["release", "--json"], ["release", "--dry-run"]):
        assert names_it(site.run("-C", str(site.path), *arguments, cwd=elsewhere))
        # Whoever reads this output need not have the variable.
        assert names_it(site.run(*arguments, env={"VENVSHIP_ROOT": str(site.path)}))
    env = {**site.environment, "VENVSHIP_ROOT": str(site.path)}
    shown = Terminal([command(), "release"], env=env, cwd=elsewhere, columns=300).finish()
    assert "venvship lock" in shown.text, "the next command at this terminal has the variable"


def test_a_root_that_is_not_there_can_be_made_by_the_command_in_the_message(
    tmp_path: Path, site: Site
) -> None:
    for name in ("new root", "empty"):
        if name == "empty":
            (tmp_path / name).mkdir()
        done = finish(command(), "-C", name, "status", cwd=tmp_path, env=site.environment)
        assert done.code == 12
        found = re.search(r"`(venvship -C [^`]+ init)`", done.err)
        assert found is not None, done.err
        program = shlex.split(found[1])
        made = finish(command(), *program[1:], cwd=Path("/"), env=site.environment)
        assert (made.code, (tmp_path / name / "venvship.toml").exists()) == (0, True), made


def test_a_root_that_exists_and_a_path_that_is_no_directory_get_advice_that_works(
    site: Site, tmp_path: Path
) -> None:
    done = finish(command(), "-C", str(site.path), "init", cwd=tmp_path, env=site.environment)
    assert f"venvship -C {site.path} status" in done.err
    (tmp_path / "file").touch()
    done = finish(command(), "-C", "file", "status", cwd=tmp_path, env=site.environment)
    assert (done.code, "init" in done.err) == (12, False), done.err
