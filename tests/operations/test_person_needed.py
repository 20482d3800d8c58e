"""An exit with code 23: `status` says that a person is needed, until the live release passes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.operations.test_status import figures, slugs
from tests.support.roots import Site
from venvship.errors import RollbackFailedError


class Service:
    """A service that a live check asks, and that can break down for every release."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._sign: Path = site.path.parent / "service-works"
        site.settings(
            f"[[check]]\nname = 'answers'\ndeadline = 0\ncommand = ['/usr/bin/test', '-e', '{self._sign}']\n"
        )
        self.works()

    def works(self) -> None:
        self._sign.touch()

    def breaks_down(self) -> None:
        self._sign.unlink()


@pytest.fixture
def service(stocked: Site) -> Service:
    return Service(stocked)


def outage(service: Service) -> tuple[str, str]:
    """A release during an outage fails, and so does the one that is restored; returns the two before it."""
    site = service.site
    a, b = site.release("1.0"), site.release("1.1")
    service.breaks_down()
    site.lock("1.2")
    with pytest.raises(RollbackFailedError):
        site.open().release()
    assert site.current == b
    return a, b


def test_status_says_after_an_exit_23_that_a_person_is_needed_and_what_to_do(service: Service) -> None:
    site = service.site
    a, b = outage(service)

    done = site.run("status")
    assert "Problems" not in done.out
    assert f"a person is needed: {b} is live, and has not passed since " in done.err
    assert "check 'answers' failed: " in done.err
    assert "; restart the service by hand, then `venvship check`" in done.err
    assert f"; or go back to {a}: venvship rollback" in done.err
    assert figures(site)['venvship_warnings"person-needed"'] == 1


def test_a_check_that_passes_ends_that_and_one_that_fails_does_not(service: Service) -> None:
    site = service.site
    _a, b = outage(service)

    assert site.run("check").code == 40
    assert slugs(site.open().status()) == ["person-needed"]
    service.works()
    assert site.run("check").code == 0
    assert slugs(site.open().status()) == []
    assert site.events()[-1] == "checked"
    assert site.run("check").code == 0
    assert site.events().count("checked") == 1, "a check that nobody waits for leaves nothing"
    assert site.open().show(b).release.failed_at is None


def test_a_release_that_was_restored_in_an_outage_stays_the_way_back(service: Service) -> None:
    site = service.site
    _a, b = outage(service)
    service.works()
    site.lock("1.3")
    site.open().release()

    assert site.previous == b
    assert site.open().status().passed_over == ()
    site.open().rollback()
    assert site.current == b


def test_a_persons_rollback_that_fails_needs_a_person_too_with_its_cause_beside_the_message(
    service: Service,
) -> None:
    site = service.site
    a, _b = site.release("1.0"), site.release("1.1")
    service.breaks_down()
    assert site.run("rollback", "-m", "it is slow").code == 23

    told = site.run("status").err
    assert f"a person is needed: {a} is live, " in told
    assert "check 'answers' failed: " in told
    service.works()
    assert site.run("check").code == 0
    assert slugs(site.open().status()) == []
    assert site.open().show(a).release.failed_at is None, "it has passed a live check since"


def test_a_check_of_what_is_not_live_ends_nothing(service: Service) -> None:
    a, _b = outage(service)
    service.works()
    assert service.site.run("check", a).code == 0
    assert slugs(service.site.open().status()) == ["person-needed"]
