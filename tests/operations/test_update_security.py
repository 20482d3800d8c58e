"""`update --security`: exactly the vulnerable packages move, from recorded answers of PyPI and of OSV."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.advisory_service import (
    DOUBLE,
    FIXED,
    UNFIXED,
    WITHDRAWN,
    AdvisoryService,
    advisory_service,
    document,
)
from tests.support.checkouts import GIT_ENVIRONMENT, commit, git, project_files, repository
from tests.support.index import LocalIndex
from tests.support.roots import Finished, Site, refuses
from tests.support.wheels import Distribution, build_wheel
from tests.torture.children import effects, run_forked
from tests.torture.lab import Scenario

NAMES = ("a", "b", "base")


@pytest.fixture
def service() -> Iterator[AdvisoryService]:
    """A service that knows all versions of the packages, and no vulnerability of any."""
    with advisory_service() as served:
        for name in ("a", "b", "base"):
            for version in ("1.0", "1.1", "1.2", "1.3", "2.0"):
                served.vulnerabilities[f"{name} {version}"] = []
        yield served


@pytest.fixture
def shop(site: Site, index: LocalIndex, wheelhouse: Path, service: AdvisoryService) -> Site:
    """A root that is live with `a`, `b` and `base` 1.0; the index has later versions of all three."""
    del site.environment["PIP_NO_INDEX"]
    site.environment.update(PIP_INDEX_URL=index.url, PIP_RETRIES="0")
    for name in NAMES:
        offer(wheelhouse, name, "1.0", requires=["base"] if name == "a" else [])
    configure(site, service)
    (site.path / "requirements.in").write_text("a\nb\n")
    (site.path / "requirements.txt").unlink()
    assert site.run("lock").code == 0
    assert site.run("release").code == 0
    for name in NAMES:
        for version in ("1.1", "1.2", "2.0"):
            offer(wheelhouse, name, version, requires=["base"] if name == "a" else [])
    return site


def configure(site: Site, service: AdvisoryService, text: str = "", lock: str = "") -> None:
    site.settings(f'[lock]\ninputs = ["requirements.in"]\n{lock}\n[audit]\nurl = "{service.url}"\n{text}\n')


def offer(wheelhouse: Path, name: str, version: str, requires: Any = ()) -> Distribution:
    """Have the index offer a version of a package."""
    files = {f"{name}.py": f"VERSION = {version!r}\n"}
    return build_wheel(wheelhouse, name, version, files=files, requires=requires)


def vulnerable(service: AdvisoryService, package: str, *advisories: dict[str, Any]) -> None:
    """Have the service answer about a version of a package, `name version`."""
    service.vulnerabilities[package] = list(advisories) or [FIXED]


def secure(site: Site, *options: str) -> Finished:
    return site.run("update", "--security", *options)


def pins(site: Site) -> list[str]:
    lines = (site.path / "requirements.txt").read_text().splitlines()
    return [line.removesuffix(" \\") for line in lines if line[:1].isalnum()]


def test_nothing_to_fix_is_silent_and_writes_nothing_but_the_answers(
    shop: Site, service: AdvisoryService
) -> None:
    before, events = pins(shop), shop.events()
    done = secure(shop)
    assert (done.code, done.out, done.err) == (0, "", "")
    assert (pins(shop), shop.events()) == (before, events)
    assert sorted(service.asked) == ["a 1.0", "b 1.0", "base 1.0"]
    assert secure(shop).code == 0
    assert len(service.asked) == 3, "the answers were kept"


def test_only_the_vulnerable_package_moves_to_the_lowest_fixed_version(
    shop: Site, service: AdvisoryService, wheelhouse: Path
) -> None:
    vulnerable(service, "b 1.0", DOUBLE, FIXED, WITHDRAWN)
    done = secure(shop)
    assert (done.code, done.err) == (0, "")
    assert "b 1.0 → 1.1" in done.out
    assert "Fixed: b 1.1: PYSEC-2099-1" in done.out
    assert pins(shop) == ["a==1.0", "b==1.1", "base==1.0"]
    fixed = Distribution(next(wheelhouse.glob("b-1.1-*.whl")), "b", "1.1")
    assert fixed.sha256 in (shop.path / "requirements.txt").read_text(), "the hash is the new file's"
    assert sorted(service.asked) == ["a 1.0", "b 1.0", "b 1.1", "base 1.0"]
    assert shop.events()[-3:] == ["promoting", "promoted", "lockfile-written"]
    again = secure(shop)
    assert (again.code, again.out, again.err) == (0, "", "")
    assert len(service.asked) == 4
    assert shop.run("update").out == "", "the lockfile is that of the live release"


def test_a_vulnerability_without_a_fix_is_reported_once(shop: Site, service: AdvisoryService) -> None:
    vulnerable(service, "b 1.0", UNFIXED)
    before = pins(shop)
    done = secure(shop)
    assert (done.code, done.out) == (0, "")
    assert "b 1.0 stays vulnerable, PYSEC-2099-2: no fix is known" in done.err
    again = secure(shop)
    assert (again.code, again.out, again.err) == (0, "", "")
    assert pins(shop) == before


def test_a_withdrawn_advisory_is_none(shop: Site, service: AdvisoryService) -> None:
    vulnerable(service, "b 1.0", WITHDRAWN)
    assert (secure(shop).out, pins(shop)) == ("", ["a==1.0", "b==1.0", "base==1.0"])


def test_a_document_of_osv_is_heeded(shop: Site, service: AdvisoryService) -> None:
    service.documents = {"b": [document("GHSA-x", name="B")]}
    configure(shop, service, 'service = "osv"')
    service.affects = lambda _, version: version in {"1.0", "1.1"}
    done = secure(shop)
    assert done.code == 0, done.err
    assert pins(shop) == ["a==1.0", "b==1.2", "base==1.0"]
    assert sorted(service.asked) == ["a 1.0", "b 1.0", "b 1.2", "base 1.0"], "1.1.1 is not on offer"


def test_a_service_that_cannot_be_reached_releases_nothing_and_is_mailed_once(
    shop: Site, service: AdvisoryService
) -> None:
    vulnerable(service, "b 1.0")
    service.broken = 503
    before, live = pins(shop), shop.current
    done = secure(shop)
    assert done.code == 20
    assert "answers 503" in done.err
    assert "nothing was changed" in done.err
    again = secure(shop)
    assert (again.code, again.out, again.err) == (20, "", "")
    assert (pins(shop), shop.current) == (before, live)


def test_a_service_that_breaks_off_before_the_fix_is_audited_releases_nothing(
    shop: Site, service: AdvisoryService
) -> None:
    vulnerable(service, "b 1.0")
    service.broken_after = 3
    before, live = pins(shop), shop.current
    assert secure(shop).code == 20
    assert (pins(shop), shop.current) == (before, live)


def test_a_version_with_another_vulnerability_is_passed_over(shop: Site, service: AdvisoryService) -> None:
    vulnerable(service, "b 1.0")
    vulnerable(service, "b 1.1", {**UNFIXED, "id": "PYSEC-2099-9", "aliases": []})
    assert secure(shop).code == 0
    assert pins(shop) == ["a==1.0", "b==1.2", "base==1.0"]


def test_a_version_that_the_index_does_not_have_is_no_fix(shop: Site, service: AdvisoryService) -> None:
    vulnerable(service, "b 1.0", {**FIXED, "fixed_in": ["3.0"]})
    done = secure(shop)
    assert done.code == 0
    assert "b 1.0 stays vulnerable, PYSEC-2099-1: the index offers no version that fixes it here" in done.err


def test_what_a_fix_requires_moves_no_farther_than_it_must(
    shop: Site, service: AdvisoryService, wheelhouse: Path
) -> None:
    offer(wheelhouse, "a", "1.1", requires=["base>=1.2"])
    offer(wheelhouse, "base", "1.3")
    vulnerable(service, "a 1.0")
    done = secure(shop)
    assert done.code == 0, done.err
    assert pins(shop) == ["a==1.1", "b==1.0", "base==1.2"]


def test_a_package_that_holds_a_fix_back_moves_too(
    shop: Site, service: AdvisoryService, wheelhouse: Path
) -> None:
    for version, bound in (("1.0", "<1.1"), ("1.1", "<1.1"), ("1.2", "<2"), ("2.0", "")):
        offer(wheelhouse, "b", version, requires=[f"base{bound}"])
    subprocess.run(["rm", "-r", str(shop.store)], check=True)
    (shop.path / "requirements.txt").unlink()
    (shop.path / "requirements.in").write_text("a<1.1\nb<1.1\n")
    assert shop.run("lock").code == 0
    assert shop.run("release", "--rebuild").code == 0
    (shop.path / "requirements.in").write_text("a\nb\n")
    assert pins(shop) == ["a==1.0", "b==1.0", "base==1.0"]
    vulnerable(service, "base 1.0")
    done = secure(shop)
    assert done.code == 0, done.err
    assert pins(shop) == ["a==1.0", "b==1.2", "base==1.1"]


def test_the_cooldown_a_hold_and_the_policy_do_not_hold_a_fix_back(
    shop: Site, service: AdvisoryService, index: LocalIndex
) -> None:
    index.uploaded["b-1.1-py3-none-any.whl"] = f"{shop.now - timedelta(days=2):%Y-%m-%dT%H:%M:%SZ}"
    configure(
        shop,
        service,
        '[update]\nonly = "patch"\ngroups = { both = ["a", "b"] }',
        lock="cooldown_days = 7",
    )
    assert shop.run("hold", "b", "-m", "breaks").code == 0
    vulnerable(service, "b 1.0")
    done = secure(shop, "--json")
    assert done.code == 0, done.out
    (fix,) = done.data["fixes"]
    assert fix == {
        "package": "b",
        "from": "1.0",
        "to": "1.1",
        "advisories": ["PYSEC-2099-1"],
        "despite": ["hold", "only", "group", "cooldown"],
    }
    assert pins(shop) == ["a==1.0", "b==1.1", "base==1.0"]
    configure(shop, service, lock="cooldown_days = 7")
    assert shop.run("unhold", "b").code == 0
    assert shop.run("lock").code == 0
    assert "b==1.1" in pins(shop), "a lock with a cooldown leaves the fix"
    assert shop.run("update", "--upgrade").code == 0
    assert pins(shop) == ["a==2.0", "b==2.0", "base==2.0"]


def test_a_hold_of_the_root_stops_a_fix_and_is_told_once(shop: Site, service: AdvisoryService) -> None:
    assert shop.run("hold", "-m", "stocktaking").code == 0
    assert secure(shop).code == 0, "there is nothing to fix"
    vulnerable(service, "b 1.0")
    for path in (shop.path / "state").glob("advisories.json"):
        path.unlink()
    done = secure(shop)
    assert done.code == 25
    assert "waiting: a fix of b" in done.err
    assert (secure(shop).err, pins(shop)) == ("", ["a==1.0", "b==1.0", "base==1.0"])


def test_of_two_fixes_one_is_refused_by_a_check_and_the_other_is_released(
    shop: Site, service: AdvisoryService
) -> None:
    script = "import a, sys; sys.exit(a.VERSION != '1.0')"
    check = f"[[check]]\nname = 'old-a'\nwhen = 'candidate'\ncommand = ['python', '-c', \"{script}\"]\n"
    configure(shop, service, check)
    vulnerable(service, "a 1.0")
    vulnerable(service, "b 1.0", {**FIXED, "id": "PYSEC-2099-7", "aliases": []})
    done = secure(shop)
    assert done.code == 0, done.err
    assert "b 1.0 → 1.1" in done.out
    assert "a 1.0 stays vulnerable, PYSEC-2099-1: the release of its fix was refused" in done.err
    assert "old-a" in done.err
    assert pins(shop) == ["a==1.0", "b==1.1", "base==1.0"]
    again = secure(shop)
    assert (again.code, again.out, again.err) == (20, "", ""), "it is paused"


def test_a_fix_that_fails_while_live_is_rolled_back_and_the_other_stays(
    shop: Site, service: AdvisoryService
) -> None:
    configure(shop, service, refuses("1.1").replace("app", "a"))
    vulnerable(service, "a 1.0")
    vulnerable(service, "b 1.0", {**FIXED, "id": "PYSEC-2099-7", "aliases": []})
    done = secure(shop)
    assert done.code == 0, done.err
    assert pins(shop) == ["a==1.0", "b==1.1", "base==1.0"]
    again = secure(shop)
    assert (again.code, again.out, again.err) == (25, "", "")


def test_a_lockfile_that_a_person_has_changed_stays(
    shop: Site, service: AdvisoryService, wheelhouse: Path
) -> None:
    vulnerable(service, "b 1.0")
    assert shop.run("lock", "-P", "base==1.1").code == 0
    done = secure(shop)
    assert done.code == 0, done.err
    assert pins(shop) == ["a==1.0", "b==1.0", "base==1.1"]
    live = shop.run("show", "--json").data["release"]["packages"]
    assert live == [
        {"name": "a", "version": "1.0"},
        {"name": "b", "version": "1.1"},
        {"name": "base", "version": "1.0"},
    ]


def test_inputs_that_have_changed_are_a_persons_business(shop: Site, service: AdvisoryService) -> None:
    vulnerable(service, "b 1.0")
    (shop.path / "requirements.in").write_text("a\nb\nbase>=1.1\n")
    done = secure(shop)
    assert done.code == 20
    assert "ask for other packages than the live release has: base 1.0 → " in done.err
    assert secure(shop).err == ""


# -- a lockfile that brings a fixed version back ---------------------------------------------------------


@pytest.fixture
def fixed(shop: Site, service: AdvisoryService) -> Site:
    """The root, with `b` 1.1 live by a security update."""
    vulnerable(service, "b 1.0")
    assert secure(shop).code == 0
    return shop


def put(site: Site, text: str) -> None:
    """Write the lockfile a minute ago."""
    (site.path / "requirements.txt").write_text(text)
    subprocess.run(["touch", "-d", "1 minute ago", str(site.path / "requirements.txt")], check=True)


@pytest.fixture
def old(shop: Site, service: AdvisoryService) -> str:
    """The lockfile with `b` 1.0, and another version of `base`."""
    before = (shop.path / "requirements.txt").read_text()
    assert shop.run("lock", "-P", "base==1.1").code == 0
    text = (shop.path / "requirements.txt").read_text()
    (shop.path / "requirements.txt").write_text(before)
    return text


def test_a_lockfile_that_brings_a_fixed_version_back_waits_for_a_person(old: str, fixed: Site) -> None:
    live = fixed.current
    put(fixed, old)
    done = fixed.run("update")
    assert done.code == 25
    line = next(number for number, text in enumerate(old.splitlines(), 1) if text.startswith("b==1.0"))
    assert f"b 1.0 (requirements.txt, line {line}) has PYSEC-2099-1" in done.err
    assert f"which {live} fixed by b 1.1" in done.err
    assert fixed.run("update").err == "", "it is told once"
    assert fixed.current == live
    status = fixed.run("status")
    assert status.code == 0
    assert fixed.run("release").code == 0, "a person decides otherwise"
    assert fixed.current != live
    put(fixed, old.replace("base==1.1", "base==1.1 "))
    assert fixed.run("update").code == 0, "what is live has the vulnerability, so nothing is brought back"


def test_a_lockfile_with_the_fix_or_a_later_version_is_released(
    old: str, fixed: Site, wheelhouse: Path
) -> None:
    later = Distribution(next(wheelhouse.glob("b-1.2-*.whl")), "b", "1.2")
    earlier = Distribution(next(wheelhouse.glob("b-1.0-*.whl")), "b", "1.0")
    put(fixed, old.replace("b==1.0", "b==1.2").replace(earlier.sha256, later.sha256))
    done = fixed.run("update")
    assert done.code == 0, done.err
    assert "b 1.1 → 1.2" in done.out


# -- the world around it ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lockfile", "step"),
    [
        ("uv.lock", "uv lock -P b==1.1"),
        ("poetry.lock", "poetry update --lock b"),
        ("pdm.lock", "pdm update --no-sync b"),
        ("Pipfile.lock", "pipenv upgrade --lock-only b==1.1"),
    ],
)
def test_the_lockfile_of_another_tool_is_reported_with_the_tools_own_command(
    shop: Site, service: AdvisoryService, lockfile: str, step: str
) -> None:
    vulnerable(service, "b 1.0")
    shop.settings(f'lockfile = "{lockfile}"\n[audit]\nurl = "{service.url}"\n')
    live = shop.current
    done = secure(shop, "--json")
    assert done.code == 11
    error = done.json["error"]
    assert f"{live} has known vulnerabilities with a fix: b 1.0 (PYSEC-2099-1); " in error["message"]
    assert error["hint"].startswith(f"cd {shop.path} && {step}, and release: venvship -C ")
    assert (secure(shop).err, shop.current) == ("", live), "it is told once"


def test_a_lockfile_in_the_checkout_is_reported_with_the_option_for_its_own_command(
    shop: Site, service: AdvisoryService, tmp_path: Path
) -> None:
    checkout = repository(tmp_path / "src", {**project_files(), "requirements.txt": "b==1.0\n"})
    vulnerable(service, "b 1.0")
    shop.settings(
        f'[project]\npath = "{checkout}"\nlockfile = "requirements.txt"\n[audit]\nurl = "{service.url}"\n'
    )
    done = secure(shop, "--json")
    assert done.code == 11
    assert "with -P b==1.1, then commit it, and release" in done.json["error"]["hint"]


def test_the_code_of_the_project_is_that_of_the_live_release(
    shop: Site, service: AdvisoryService, tmp_path: Path
) -> None:
    checkout = repository(tmp_path / "src", project_files())
    text = (shop.path / "venvship.toml").read_text().partition("[lock]")
    shop.settings(f'[project]\npath = "{checkout}"\ntimeout = 120\n[lock]{text[2]}')
    shop.environment.update(GIT_ENVIRONMENT)
    assert shop.run("release").code == 0
    live = git(checkout, "rev-parse", "HEAD")
    commit(checkout, {"shop/__init__.py": "NEW = True\n"})
    vulnerable(service, "b 1.0")
    done = secure(shop)
    assert done.code == 0, done.err
    released = shop.run("show", "--json").data["release"]
    assert [one["name"] for one in released["packages"]] == ["a", "b", "base", "shop"]
    assert released["project"]["commit"] == live


def test_a_kill_leaves_the_old_or_the_new_and_the_next_run_completes_it(
    shop: Site, service: AdvisoryService, tmp_path: Path
) -> None:
    vulnerable(service, "b 1.0")
    first = shop.current
    snapshot = tmp_path / "snapshot"
    subprocess.run(["cp", "-a", shop.path, snapshot], check=True)
    scenario = Scenario(site=shop, snapshot=snapshot, command=("update", "--security"))
    run_forked(shop, scenario.command)
    every = effects(scenario.restore(), scenario.command, tmp_path / "trace")
    switched = max(number for number, effect in enumerate(every, 1) if effect.endswith("/current"))
    written = max(number for number, effect in enumerate(every, 1) if effect.endswith("/requirements.txt"))
    # A few places before the switch, and each second one from there to the lockfile; the torture has all.
    for number in (2, switched // 2, switched - 1, *range(switched + 1, written + 3, 2)):
        scenario.restore()
        assert run_forked(shop, scenario.command, plan=f"kill@{number}").code == -9
        if number < switched:
            assert shop.current == first
        assert pins(shop) in (["a==1.0", "b==1.0", "base==1.0"], ["a==1.0", "b==1.1", "base==1.0"])
        assert shop.run("recover").code in {0, 22}
        assert secure(shop).code == 0
        assert shop.run("show", "--json").data["release"]["packages"][1] == {"name": "b", "version": "1.1"}
        assert pins(shop) == ["a==1.0", "b==1.1", "base==1.0"], every[number - 1]
        journal = (shop.path / "state" / "journal.jsonl").read_text().splitlines()
        kept = [json.loads(line) for line in journal if '"promoted"' in line][-1]
        assert [fix["advisories"] for fix in kept["fixes"]] == [["PYSEC-2099-1"]]
        assert shop.debris() == []


def test_the_mail_and_the_diff_say_who_asks_how_old_it_is_and_where_the_changelog_is(
    shop: Site, service: AdvisoryService, index: LocalIndex, wheelhouse: Path
) -> None:
    metadata = (
        "Metadata-Version: 2.1\nName: base\nVersion: 1.1\nProject-URL: Change Log, https://example.com/c\n"
    )
    build_wheel(wheelhouse, "base", "1.1", files={"base.py": ""}, metadata=f"{metadata}\n")
    index.uploaded["base-1.1-py3-none-any.whl"] = f"{shop.now - timedelta(days=3):%Y-%m-%dT%H:%M:%SZ}"
    vulnerable(service, "base 1.0")
    line = "    base: through a, uploaded 3 days ago, https://example.com/c"
    done = secure(shop)
    assert done.code == 0, done.err
    assert line in done.out.splitlines()
    assert line in shop.run("diff", "previous", "--long").out.splitlines()
    assert "https" not in shop.run("diff", "previous").out
    (detail,) = shop.run("diff", "previous", "--long", "--json").data["details"]
    assert (detail["package"], detail["direct"], detail["through"]) == ("base", False, ["a"])
    assert detail["uploaded"] == index.uploaded["base-1.1-py3-none-any.whl"]
    done = shop.run("update", "--upgrade")
    assert done.code == 0, done.err
    assert re.search(r"(?m)^    a: direct, uploaded \d+ days ago$", done.out), done.out
