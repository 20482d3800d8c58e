"""The generate hook: what it gets, what a release with it is, and what its failure leaves."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.support.processes import alive
from tests.support.roots import Site, make_removable
from venvship.errors import BuildError, GenerateError, ProgramNotFoundError

WRITES = (
    "generate = ['sh', '-c', 'mkdir $VENVSHIP_GENERATED/css; echo \"a {}\" > $VENVSHIP_GENERATED/css/a.css;"
    " echo collected 1 file']\n"
)


def hook(script: str) -> str:
    return f"generate = ['sh', '-c', {json.dumps(script)}]\n"


def test_what_it_writes_is_sealed_with_the_release_and_outside_of_the_tree_digest(site: Site) -> None:
    plain = site.release("1.0")
    site.settings(f"[hooks]\n{WRITES}")

    done = site.run("release", "--json")

    assert done.code == 0, done.err
    release = site.path / "releases" / done.data["release"]["id"]
    assert (release / "generated" / "css" / "a.css").read_text() == "a {}\n"
    assert "generate" in done.data["timings"]
    rows = json.loads((release / ".venvship" / "files.json").read_text())["files"]
    assert ["generated/css/a.css", "file", "0444", 5] in [row[:4] for row in rows]
    first = site.run("show", plain, "--json").data["release"]
    second = site.run("show", done.data["release"]["id"], "--json").data["release"]
    assert first["tree_digest"] == second["tree_digest"]
    assert first["environment_digest"] != second["environment_digest"], (
        "what the hook makes is in the release"
    )
    assert site.run("verify").code == 0
    path = release / "generated" / "css" / "a.css"
    path.chmod(0o644)
    path.write_text("b {}\n")
    damaged = site.run("verify", "--json")
    assert damaged.code == 40
    assert [one["path"] for one in damaged.data["releases"][0]["damaged"]] == ["generated/css/a.css"]


def test_it_gets_the_variables_of_hooks_and_its_output_is_in_the_log(site: Site, tmp_path: Path) -> None:
    (tmp_path / "shop.env").write_text("SHOP_KEY=key-of-the-shop\n")
    site.release("1.0")
    live = site.current
    site.lock("1.1")
    names = [f"VENVSHIP_{name}" for name in ("EVENT", "RELEASE", "PREVIOUS", "GENERATED")]
    told = "; ".join(f"echo ${name}" for name in (*names, "PYTHONDONTWRITEBYTECODE", "SHOP_KEY"))
    site.settings(
        f"env_file = '{tmp_path}/shop.env'\n[hooks]\n"
        + hook(f"({told}; pwd; app) > {tmp_path}/told; cat {tmp_path}/told")
    )

    result = site.open().release()

    assert result.release is not None
    release = site.path / "releases" / result.release.id
    lines = (tmp_path / "told").read_text().splitlines()
    assert lines == [
        "build",
        result.release.id,
        live,
        f"{release}/generated",
        "1",
        "key-of-the-shop",
        str(release),
        "1.1 1.1",
    ]
    log = (site.path / "log" / result.release.id / "generate.txt").read_text()
    assert f"{release}/generated\n1\n****\n" in log


@pytest.mark.parametrize("command", ["release", "update"])
def test_its_failure_is_a_failed_build(site: Site, tmp_path: Path, command: str) -> None:
    live = site.release("1.0")
    site.lock("1.1")
    site.settings(
        f"[hooks]\nnotify = ['sh', '-c', 'cat > {tmp_path}/told']\n"
        + hook("echo half > $VENVSHIP_GENERATED/a; echo no such template; exit 3")
    )

    done = site.run(command, "--json")

    assert done.code == 20
    error = done.json["error"]
    assert error["slug"] == "generate-failed"
    assert error["message"] == "the generate hook failed: exit 3. Nothing that is live was touched"
    assert error["output"] == "no such template"
    assert "no such template" in Path(error["log"]).read_text()
    assert site.current == live
    assert site.events()[-1] == "build-failed"
    assert site.debris() == []
    assert os.listdir(site.path / "releases") == [live]
    told = json.loads((tmp_path / "told").read_text())
    assert (told["event"], told["reason"]) == ("build-failed", error["message"])
    assert "no such template" not in (site.path / "state" / "journal.jsonl").read_text()


def test_one_that_hangs_is_ended_and_what_it_leaves_running_is_killed(site: Site, tmp_path: Path) -> None:
    site.settings("[hooks]\ngenerate_timeout = 1\n" + hook("sleep 60"))
    with pytest.raises(GenerateError) as caught:
        site.open().release()
    assert "no end after 1 s (`[hooks] generate_timeout` in venvship.toml)" in caught.value.message

    site.settings("[hooks]\n" + hook(f"setsid sleep 60 & echo $! > {tmp_path}/pid"))
    assert site.open().release().outcome == "released"
    assert not alive(int((tmp_path / "pid").read_text()))


def test_a_program_that_is_not_there_is_an_error_of_the_settings(site: Site) -> None:
    site.settings('[hooks]\ngenerate = ["/no/such/collector"]\n')
    with pytest.raises(ProgramNotFoundError):
        site.open().release()
    assert os.listdir(site.path / "log") == [], "it was looked up before the build"

    site.settings('[hooks]\ngenerate = ["no-such-collector"]\n')
    with pytest.raises(ProgramNotFoundError, match=r"hooks\.generate"):
        site.open().release()
    assert site.debris() == []


def test_another_command_makes_another_environment_and_the_same_one_none(site: Site) -> None:
    site.settings(f"[hooks]\n{WRITES}")
    first = site.open().release()
    assert site.open().release().outcome == "unchanged"
    assert site.open().update().outcome == "unchanged"

    site.settings("[hooks]\n" + hook("echo other > $VENVSHIP_GENERATED/b"))
    second = site.open().release()
    assert second.outcome == "released"

    site.settings(f"[hooks]\n{WRITES}")
    third = site.open().release()
    assert third.outcome == "reactivated"
    assert third.release is not None
    assert first.release is not None
    assert third.release.id == first.release.id


def test_code_that_it_writes_into_the_release_fails_the_build(site: Site) -> None:
    site.settings("[hooks]\n" + hook("chmod u+w bin; echo > bin/more"))
    with pytest.raises(BuildError) as caught:
        site.open().release()
    assert "bin/more: not part of the release" in caught.value.message
    assert site.debris() == []


def test_a_relocated_release_has_the_files_without_the_hook(site: Site, tmp_path: Path) -> None:
    site.settings(f"[hooks]\n{WRITES}")
    old = site.release("1.0")
    moved = site.path.with_name("moved")
    os.rename(site.path, moved)
    site.path = moved
    site.settings("[hooks]\n" + hook("exit 1"))

    done = site.run("relocate", "--json")

    assert done.code == 0, done.err
    new = done.data["relocated"][0]["to"]
    assert site.current == new != old
    assert (moved / "releases" / new / "generated" / "css" / "a.css").read_text() == "a {}\n"
    assert site.run("verify").code == 0
    make_removable(moved)
