"""The lockfile that users install from: every file has its hash, and the versions are those of the tests."""

from __future__ import annotations

import re
from configparser import ConfigParser
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"


def pins(name: str) -> dict[str, tuple[str, int]]:
    """The version of each package in a lockfile, and how many hashes it has."""
    text = (SCRIPTS / name).read_text(encoding="utf-8")
    found = {}
    for block in re.split(r"\n(?=[A-Za-z0-9])", text):
        pin = re.match(r"([A-Za-z0-9._-]+)==([^ \\]+)", block)
        if pin:
            found[canonicalize_name(pin[1])] = (pin[2], block.count("--hash=sha256:"))
    return found


def declared(*, extras: bool) -> list[Requirement]:
    """What setup.cfg asks for, also for its extras if that is asked."""
    parser = ConfigParser()
    parser.read(SCRIPTS.parent / "setup.cfg")
    values = [parser["options"]["install_requires"]]
    values += parser["options.extras_require"].values() if extras else []
    lines = "\n".join(values).splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def test_users_get_the_versions_that_the_tests_run_with_each_with_its_hash() -> None:
    users, tested = pins("requirements.txt"), pins("requirements-dev.txt")

    assert {name: version for name, (version, _) in users.items()}.items() <= {
        name: version for name, (version, _) in tested.items()
    }.items()
    assert all(hashes for _, hashes in users.values())
    assert "setuptools" in users, "venvship itself is built with it, without another look at the index"


def test_every_lockfile_fits_the_ranges_of_setup_cfg() -> None:
    for name in ("requirements.txt", "requirements-dev.txt", "requirements-lowest.txt"):
        pinned = pins(name)
        for requirement in declared(extras=name != "requirements.txt"):
            version, _ = pinned[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version), (name, requirement)


def test_the_lowest_lockfile_has_the_lowest_versions() -> None:
    pinned = pins("requirements-lowest.txt")
    for requirement in declared(extras=True):
        (bound,) = requirement.specifier
        version, _ = pinned[canonicalize_name(requirement.name)]
        assert version.startswith(bound.version), requirement
