"""`audit`: known vulnerabilities, from recorded answers of PyPI and OSV or from files, and what is kept."""

from __future__ import annotations

import json
import os
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
from tests.support.roots import Site
from venvship.errors import AuditFailedError, UntrustedError, VulnerableError
from venvship.operations.audit import AuditResult


@pytest.fixture
def service() -> Iterator[AdvisoryService]:
    """A service that knows `dep`, and `app` 1.0 with a fixed, an unfixed and a withdrawn vulnerability."""
    with advisory_service() as served:
        served.vulnerabilities = {
            "dep 1.0": [],
            "app 1.0": [DOUBLE, FIXED, UNFIXED, WITHDRAWN],
            "app 1.2": [UNFIXED],
        }
        yield served


def configure(site: Site, service: AdvisoryService, text: str = "", *, top: str = "") -> None:
    site.settings(f'{top}\n[audit]\nurl = "{service.url}"\n{text}\n')


@pytest.fixture
def live(site: Site, service: AdvisoryService) -> str:
    configure(site, service)
    return site.release("1.0")


def found(site: Site, **options: Any) -> AuditResult:
    """The result of an audit that finds something."""
    with pytest.raises(VulnerableError) as caught:
        site.open().audit(**options)
    assert caught.value.exit_code == 40
    assert isinstance(caught.value.result, AuditResult)
    return caught.value.result


def kept(site: Site) -> Path:
    return site.path / "state" / "advisories.json"


def test_doubles_are_one_and_withdrawn_advisories_none(site: Site, live: str) -> None:
    result = found(site)

    assert result.release == live
    one, other = result.vulnerabilities
    assert (one.package, one.version, one.advisory.id) == ("app", "1.0", "PYSEC-2099-1")
    assert one.advisory.aliases == ("CVE-2099-1000", "GHSA-aaaa-bbbb-cccc")
    assert one.advisory.fixed == ("1.1", "1.2"), "ascending, and only those above 1.0"
    assert one.advisory.summary == "A crafted upload fills the memory."
    assert (other.advisory.id, other.advisory.fixed) == ("PYSEC-2099-2", ())
    assert (result.packages, len(result.fixable), result.unaudited) == (2, 1, ())


def test_one_request_a_package_and_none_within_max_age(
    site: Site, live: str, service: AdvisoryService
) -> None:
    assert found(site).asked == 2
    assert sorted(service.asked) == ["app 1.0", "dep 1.0"]

    result = found(site)
    assert result.asked == 0
    assert len(result.vulnerabilities) == 2
    assert len(service.asked) == 2, "the answers were kept"

    site.release("1.2")
    found(site)
    assert service.asked[2:] == ["app 1.2"], "dep is as it was"

    site.now += timedelta(hours=7)
    with pytest.raises(VulnerableError):
        site.open(clock=lambda: site.now).audit()
    assert sorted(service.asked[3:]) == ["app 1.2", "dep 1.0"], "the answers are too old"

    site.now -= timedelta(days=30)
    with pytest.raises(VulnerableError):
        site.open(clock=lambda: site.now).audit()
    assert len(service.asked) == 7, "an answer of the future is none: the clock was set back"


def test_another_service_is_asked_anew(site: Site, live: str, service: AdvisoryService) -> None:
    found(site)
    service.documents = {"app": [document("GHSA-xxxx-yyyy-zzzz", aliases=["CVE-2099-1000"])]}
    site.settings(f'[audit]\nservice = "osv"\nurl = "{service.url}/"\n')

    # The settings name the same address; the services are told apart by it in the field.
    kept(site).unlink()
    result = found(site)
    assert [one.advisory.id for one in result.vulnerabilities] == ["GHSA-xxxx-yyyy-zzzz"]
    assert result.vulnerabilities[0].advisory.fixed == ("1.1.1", "1.2")
    assert sorted(service.asked[2:]) == ["app 1.0", "dep 1.0"]


def test_a_withdrawn_document_of_osv_is_none(site: Site, live: str, service: AdvisoryService) -> None:
    service.documents = {"app": [document("GHSA-x", withdrawn="2099-01-01T00:00:00Z")]}
    site.settings(f'[audit]\nservice = "osv"\nurl = "{service.url}"\n')

    assert site.open().audit().vulnerabilities == ()


def test_a_package_that_the_service_does_not_know_is_listed(
    site: Site, live: str, service: AdvisoryService
) -> None:
    del service.vulnerabilities["dep 1.0"]

    assert found(site).unaudited == ("dep",)
    status = site.open().status().audited
    assert status is not None
    assert (status.vulnerabilities, status.fixable, status.unaudited) == (2, 1, 1)


def test_a_private_name_is_told_to_nobody(site: Site, live: str, service: AdvisoryService) -> None:
    configure(site, service, 'private = ["De*"]')

    assert found(site).unaudited == ("dep",)
    assert service.asked == ["app 1.0"]


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (503, "127.0.0.1 answers 503"),
        (404, "knows none of the release's packages \\(2\\)"),
        (b"<html>", "the answer about app 1.0 makes no sense"),
        (b'{"vulnerabilities": {"a": 1}}', "makes no sense"),
        (b'{"vulnerabilities": [{"id": "\\u001b[2J", "aliases": []}]}', "makes no sense"),
        (b'{"vulnerabilities": [' + b"[" * 100_000, "makes no sense"),
    ],
    ids=["unavailable", "unknown", "no JSON", "no list", "an identifier that clears the screen", "nested"],
)
def test_an_answer_that_is_none_changes_nothing(
    site: Site, live: str, service: AdvisoryService, broken: int | bytes, said: str
) -> None:
    service.broken = broken
    with pytest.raises(AuditFailedError, match=said) as caught:
        site.open().audit()
    assert caught.value.exit_code == 20
    assert not kept(site).exists()
    assert site.open().status().audited is None
    assert site.open().current() == live


def test_the_text_ends_with_the_release_and_the_count(
    site: Site, live: str, service: AdvisoryService
) -> None:
    done = site.run("audit")
    assert done.code == 40
    said = f"Vulnerable: {live}, 2 known vulnerabilities, 1 of them fixable, in 2 packages"
    assert said in done.out.splitlines()

    service.vulnerabilities = {"dep 1.0": [], "app 1.0": []}
    kept(site).unlink()
    done = site.run("audit")
    assert done.out.splitlines() == [f"Audited: {live}, no known vulnerabilities in 2 packages"]


def test_a_service_that_cannot_be_reached_is_an_error(site: Site, live: str) -> None:
    with advisory_service() as gone:
        configure(site, gone)
    done = site.run("audit", "--json")

    assert done.code == 20
    assert done.json["error"]["slug"] == "audit-failed"
    assert "nothing was changed" in done.json["error"]["message"]
    assert not kept(site).exists()


@pytest.mark.parametrize(("day", "counts"), [("2026-06-30", 1), ("2026-06-29", 2)])
def test_an_entry_of_the_ignore_list_ends_after_its_day(
    site: Site, live: str, service: AdvisoryService, day: str, counts: int
) -> None:
    entry = f'{{ id = "cve-2099-2000", reason = "no uploads", until = {day}, package = "App" }}'
    configure(site, service, f"ignore = [{entry}]")
    site.now = site.now.replace(year=2026, month=6, day=30, hour=23)

    with pytest.raises(VulnerableError) as caught:
        site.open(clock=lambda: site.now).audit()
    result = caught.value.result
    assert isinstance(result, AuditResult)
    assert len(result.counting) == counts
    assert len(result.expired) == counts - 1
    assert [one.slug for one in caught.value.warnings] == ["ignore-expired"] * (counts - 1)
    status = site.open(clock=lambda: site.now).status().audited
    assert status is not None
    assert (status.vulnerabilities, status.ignored) == (counts, 2 - counts)


def test_only_the_fixable_ones_fail(site: Site, live: str, service: AdvisoryService) -> None:
    site.release("1.2")

    assert len(site.open().audit(fixable=True).counting) == 1
    assert len(found(site, release=live, fixable=True).fixable) == 1


def test_status_metrics_and_hook_tell_it_and_ask_nobody(
    site: Site, live: str, service: AdvisoryService
) -> None:
    assert "Audit" not in site.run("status").out
    found(site)
    asked = list(service.asked)

    assert "2 known vulnerabilities, 1 fixable" in site.run("status").out
    metrics = site.run("status", "--prometheus").out
    assert 'fixable="yes"} 1' in metrics
    assert 'fixable="no"} 1' in metrics
    note = site.path / "note.json"
    configure(site, service, f"[hooks]\nnotify = ['sh', '-c', 'cat > {note}']\n")
    site.release("1.0", rebuild=True)
    told = json.loads(note.read_text())["vulnerabilities"]
    assert (told["vulnerabilities"], told["fixable"]) == (2, 1)
    assert service.asked == asked


def test_a_candidate_check_rejects_what_can_be_fixed(site: Site, live: str, service: AdvisoryService) -> None:
    service.vulnerabilities |= {"app 1.1": [FIXED], "app 1.3": [FIXED]}
    check = '[[check]]\nname = "known"\nwhen = "candidate"\naudit = "fixable"\n'
    configure(site, service, check)

    site.lock("1.1")
    rejected = site.run("release", "--json")
    assert (rejected.code, rejected.json["error"]["slug"]) == (21, "rejected")
    assert "PYSEC-2099-1" in rejected.json["error"]["message"]
    site.lock("1.2")
    assert site.run("release").code == 0, "what has no fix is no reason"
    service.broken = 503
    site.lock("1.3")
    refused = site.run("release", "--json")
    assert refused.code == 21
    assert "answers 503" in refused.json["error"]["message"]


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b'{"format": 1, "packages": []}', b'{"format": 1, "packages": {"app==1.0": {"at": 1}}}'],
)
def test_answers_that_are_damaged_are_asked_for_again(
    site: Site, live: str, service: AdvisoryService, damage: bytes
) -> None:
    found(site)
    kept(site).write_bytes(damage)

    assert site.open().status().audited is None
    assert len(found(site).vulnerabilities) == 2
    assert len(service.asked) == 4


def test_answers_that_others_can_write_are_not_believed(
    site: Site, live: str, service: AdvisoryService
) -> None:
    found(site)
    kept(site).chmod(0o666)

    assert site.open().status().audited is None
    found(site)
    assert len(service.asked) == 4
    assert kept(site).stat().st_mode & 0o777 == 0o644


# -- advisories on this host ---------------------------------------------------------------------------------


@pytest.fixture
def advisories(site: Site, live: str, tmp_path: Path) -> Path:
    """A folder with a vulnerability of `app`, told twice, a withdrawn one and one of another package."""
    folder = tmp_path / "advisories"
    folder.mkdir(mode=0o755)
    documents = [
        document("PYSEC-2099-7", aliases=["CVE-2099-7"]),
        document("GHSA-7", aliases=["CVE-2099-7"]),
        document("PYSEC-2099-8", withdrawn="2099-01-01T00:00:00Z"),
        document("PYSEC-2099-9", name="other"),
    ]
    for one in documents:
        (folder / f"{one['id']}.json").write_text(json.dumps(one))
    (folder / "README").write_text("not JSON")
    site.settings(f'[audit]\nadvisories = "{os.path.relpath(folder, site.path)}"\n')
    return folder


def test_a_folder_of_advisories_serves_without_a_network(
    site: Site, advisories: Path, service: AdvisoryService
) -> None:
    result = found(site)

    (one,) = result.vulnerabilities
    assert (one.advisory.id, one.advisory.aliases) == ("PYSEC-2099-7", ("CVE-2099-7", "GHSA-7"))
    assert one.advisory.fixed == ("1.1.1", "1.2")
    assert (result.asked, service.asked) == (0, [])
    status = site.open().status().audited
    assert status is not None
    assert (status.vulnerabilities, status.fixable) == (1, 1)


def test_a_file_with_an_array_serves_too(site: Site, advisories: Path) -> None:
    file = advisories / "all.json"
    file.write_text(json.dumps([document("PYSEC-2099-7"), document("PYSEC-2099-6")]))
    site.settings(f'[audit]\nadvisories = "{file}"\n')

    assert len(found(site).vulnerabilities) == 2


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"affected": 1, "id": "X-1"}'])
def test_a_file_that_is_no_advisory_is_refused(site: Site, advisories: Path, content: str) -> None:
    (advisories / "bad.json").write_text(content)

    with pytest.raises(AuditFailedError, match=r"bad\.json"):
        site.open().audit()


def test_advisories_that_others_can_write_are_refused(site: Site, advisories: Path) -> None:
    (advisories / "GHSA-7.json").chmod(0o666)

    with pytest.raises(UntrustedError):
        site.open().audit()
