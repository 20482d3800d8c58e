"""Which program a hook or check means: the release's, or the host's."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from tests.support.processes import script_at
from venvship.errors import ProgramNotFoundError
from venvship.health.context import Context
from venvship.health.hooks import find_programs, find_programs_of_the_host, run_hook
from venvship.health.lookup import command_of, outside_path, shown_command
from venvship.health.programs import ask_command
from venvship.model.settings import HookSettings, Settings
from venvship.model.settings_check import Check

HOOKS = ("prepare", "restart", "notify")
HOST = {"restart": True, "notify": True, "prepare": False, "check": False}
"""Whether a bare name is the host's."""


@pytest.fixture
def shadowed(context: Context, tmp_path: Path) -> Context:
    """A release and a host that both have a program `systemctl`, and one that each has alone."""
    host = tmp_path / "host"
    host.mkdir()
    for folder, whose in ((host, "host"), (Path(context.release_path, "bin"), "release")):
        for name in ("systemctl", f"of-the-{whose}"):
            script_at(folder / name, f"#!/bin/sh\necho {whose} $* >> {tmp_path}/ran\n")
    return dataclasses.replace(context, environ={"PATH": f"{host}:/usr/bin:/bin"})


def ran(context: Context, what: str, *argv: str) -> str:
    """Run a hook, or a check; returns which program it was, and its arguments."""
    path = Path(context.root, "ran")
    path.write_text("")
    if what == "check":
        check = Check(name="x", kind="command", target=argv)
        ok = ask_command(check, context, heading="", poll=lambda: None).passed
    else:
        ok = run_hook(what, argv, context, timeout=50).ok
    return path.read_text().strip() if ok else "failed"


@pytest.mark.parametrize("what", HOST)
def test_a_bare_name_is_the_hosts_where_a_hook_acts_on_the_host(shadowed: Context, what: str) -> None:
    assert ran(shadowed, what, "systemctl", "x") == ("host x" if HOST[what] else "release x")
    assert ran(shadowed, what, "of-the-host") == "host"
    assert ran(shadowed, what, "of-the-release") == ("failed" if HOST[what] else "release")


@pytest.mark.parametrize("what", HOST)
def test_a_program_below_bin_is_the_releases_everywhere(shadowed: Context, what: str) -> None:
    assert ran(shadowed, what, "{bin}/systemctl", "x") == "release x"
    assert shown_command(("{bin}/systemctl", "{bin}/y", "a{bin}/y")) == "bin/systemctl bin/y 'a{bin}/y'"
    assert ran(shadowed, what, "{bin}/of-the-host") == "failed"
    folder = f"{shadowed.release_path}/bin"
    assert ran(shadowed, what, "{bin}/systemctl", "{bin}/y", "a{bin}/y", "{bin}") == (
        f"release {folder}/y a{{bin}}/y {{bin}}"
    )


@pytest.mark.parametrize("what", HOST)
@pytest.mark.parametrize("through", ["sh", "sh in sh", "env", "a script of the host"])
def test_what_a_hook_starts_finds_the_same_programs(
    shadowed: Context, what: str, through: str, tmp_path: Path
) -> None:
    script = script_at(tmp_path / "script", "#!/usr/bin/env sh\nsystemctl x\n")
    argv = {
        "sh": ("/bin/sh", "-c", "systemctl x"),
        "sh in sh": ("/bin/sh", "-c", "/bin/sh -c 'exec systemctl x'"),
        "env": ("/usr/bin/env", "systemctl", "x"),
        "a script of the host": (str(script),),
    }[through]
    assert ran(shadowed, what, *argv) == ("host x" if HOST[what] else "release x")


@pytest.mark.parametrize("what", HOST)
def test_a_shell_does_not_find_what_the_release_alone_has_where_it_acts_on_the_host(
    shadowed: Context, what: str
) -> None:
    """Last in PATH would not do: a name that the host lacks, or a misspelt one, would be the release's."""
    assert ran(shadowed, what, "sh", "-c", "of-the-release") == ("failed" if HOST[what] else "release")
    meant = ("sh", "-c", '"$VENVSHIP_RELEASE_PATH"/bin/of-the-release')
    assert ran(shadowed, what, *meant) == "release"


@pytest.mark.parametrize("what", HOST)
def test_the_interpreter_of_a_script_is_looked_up_as_its_hook_looks_up_programs(
    shadowed: Context, what: str, tmp_path: Path
) -> None:
    """`#!/usr/bin/env NAME` of a program that only the release has."""
    script_at(Path(shadowed.release_path, "bin", "only-here"), "#!/bin/sh\nexit 0\n")
    script = str(script_at(tmp_path / "script", "#!/usr/bin/env only-here\n"))
    if what != "check":
        hooks = HookSettings()._replace(**{what: (script,)})
        if HOST[what]:
            with pytest.raises(ProgramNotFoundError, match="only-here"):
                find_programs(hooks, (), shadowed)
        else:
            find_programs(hooks, (), shadowed)
    assert ran(shadowed, what, script) == ("failed" if HOST[what] else "")


@pytest.mark.parametrize("part", ["release", "current", "previous", "here", ".", "bin", "../x/bin"])
def test_no_entry_of_path_leads_the_host_into_a_release(shadowed: Context, part: str, tmp_path: Path) -> None:
    """An activated release, a link to one, and what is relative to the directory that hooks work in."""
    for link in ("current", "previous"):
        Path(shadowed.root, link).symlink_to(f"releases/{shadowed.release_id}")
    script_at(Path(shadowed.release_path, "systemctl"), "#!/bin/sh\nexit 9\n")
    first = {
        "release": f"{shadowed.release_path}/bin",
        "current": f"{shadowed.root}/current/bin",
        "previous": f"{shadowed.root}/previous/bin/",
        "here": "",
    }.get(part, part)
    led = dataclasses.replace(shadowed, environ={"PATH": f"{first}:{shadowed.environ['PATH']}"})

    assert ran(led, "restart", "systemctl") == "host"
    assert outside_path(led.environ, led.root) == shadowed.environ["PATH"]


@pytest.mark.parametrize("path", [None, "", ".", "bin::x", "/srv/shop/releases/a/bin:."])
def test_without_a_path_outside_of_releases_the_host_has_the_default_one(path: str | None) -> None:
    assert outside_path({} if path is None else {"PATH": path}, "/srv/shop") == os.defpath


def test_a_program_that_only_the_release_has_is_named_with_the_way_to_write_it(shadowed: Context) -> None:
    with pytest.raises(ProgramNotFoundError) as caught:
        command_of(("of-the-release",), shadowed, host=True)

    assert "the release's own is written {bin}/of-the-release" in caught.value.message
    assert "never in a release" in str(caught.value.hint)
    assert "{bin}/of-the-release" in run_hook("restart", ("of-the-release",), shadowed, timeout=5).output


def test_without_a_release_none_of_its_programs_can_be_meant(shadowed: Context) -> None:
    """The notify hook of a first build that failed."""
    nothing = dataclasses.replace(shadowed, release_id="", release_path=shadowed.root, usable=False)
    script_at(Path(nothing.root, "systemctl"), "#!/bin/sh\nexit 9\n")

    assert ran(nothing, "notify", "systemctl") == "host"
    assert (
        "no release whose bin/tell could run"
        in run_hook("notify", ("{bin}/tell",), nothing, timeout=5).output
    )
    assert nothing.environment()["PATH"] == shadowed.environ["PATH"]


@pytest.mark.parametrize("name", HOOKS)
def test_the_search_before_a_switch_follows_the_same_rules(shadowed: Context, name: str) -> None:
    def missing(*argv: str) -> bool:
        hooks = HookSettings()._replace(**{name: argv})
        try:
            find_programs(hooks, (), shadowed)
        except ProgramNotFoundError as error:
            return [problem["key"] for problem in error.data["problems"]] == [f"hooks.{name}"]
        return False

    assert not missing("systemctl")
    assert missing("of-the-release") == HOST[name]
    assert not missing("{bin}/of-the-release")
    assert missing("{bin}/of-the-host")


@pytest.mark.parametrize("name", HOOKS)
def test_before_the_build_what_cannot_be_the_releases_is_looked_up(shadowed: Context, name: str) -> None:
    def missing(*argv: str) -> bool:
        settings = Settings(name="shop", hooks=HookSettings()._replace(**{name: argv}))
        try:
            find_programs_of_the_host(settings, shadowed.environ, root=shadowed.root)
        except ProgramNotFoundError:
            return True
        return False

    assert missing("/no/such/program")
    assert missing("no-such-program") == HOST[name]
    assert not missing("{bin}/no-such-program")
    assert not missing("of-the-host")


HINTS = {
    "nosuch": "`prepare` and checks look a name up in the release's bin, then in the PATH of venvship itself",
    "{bin}/nosuch": "{bin}/NAME is a program of the release, and no package of the lockfile brings this one",
    "/nosuch/program": "install the program, or name another one in venvship.toml",
    "scripts/nosuch": "a relative path is looked up in the directory of the release",
    "{bin}/activate": "a release is never changed",
}
"""The beginning of the hint, by the way in which a program is written."""


@pytest.mark.parametrize("written", HINTS)
@pytest.mark.parametrize("what", HOST)
def test_the_hint_fits_the_way_in_which_a_program_is_written(
    shadowed: Context, what: str, written: str
) -> None:
    Path(shadowed.release_path, "bin", "activate").write_text("a file that is not executable\n")
    hint = missing(shadowed, what, written).hint
    if HOST[what] and written == "nosuch":
        assert hint is not None
        assert hint.startswith("`restart` and `notify` look a name up in the PATH of venvship")
        return
    assert hint is not None
    assert hint.startswith(HINTS[written])
    assert "chmod" not in hint


def test_programs_that_are_written_in_several_ways_have_the_hints_of_all(shadowed: Context) -> None:
    hooks = HookSettings(prepare=("/nosuch/program",), restart=("nosuch",), notify=("{bin}/nosuch",))
    with pytest.raises(ProgramNotFoundError) as caught:
        find_programs(hooks, (), shadowed)
    assert caught.value.hint is not None
    for part in ("install the program", "`restart` and `notify` look", "no package of the lockfile"):
        assert caught.value.hint.count(part) == 1


def missing(context: Context, what: str, program: str) -> ProgramNotFoundError:
    """The error of a hook, or a check, whose program is missing."""
    hooks = HookSettings(**({} if what == "check" else {what: (program,)}))
    checks = [Check(name="x", kind="command", target=(program,))] if what == "check" else []
    with pytest.raises(ProgramNotFoundError) as caught:
        find_programs(hooks, checks, context)
    return caught.value
