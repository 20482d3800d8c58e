"""Release ids, manifests, lists of files, and the digests that are taken of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from tests.support.releases import LINUX
from venvship.model.environment import RecordedEnvironment
from venvship.model.interpreter import Interpreter
from venvship.model.release import (
    FileEntry,
    Manifest,
    Package,
    PackageChange,
    diff_packages,
    is_release_id,
    new_release_id,
    python_change,
    tree_digest,
)
from venvship.model.wheel import StoredFile, StoredWheel

MOMENT = datetime(2026, 11, 22, 9, 41, 43, tzinfo=UTC)
MANIFEST = Manifest(
    id="20261122T094143Z-3f9a1c2",
    created_at=MOMENT,
    environment=RecordedEnvironment(
        digest="2" * 64,
        lockfile_sha256="1" * 64,
        python={"implementation": "cpython", "version": "3.11", "full_version": "3.11.7"},
    ),
    tree_digest="3" * 64,
    files_sha256="4" * 64,
    packages=(Package("django", "5.2.19"), Package("httpx", "0.28.1")),
    wheels={"django": "5" * 64, "httpx": "6" * 64},
    bytecode="cpython-311-x86_64-linux-gnu-a70d0d0a-o0",
    warnings=({"slug": "unmet-dependency", "message": "httpx needs idna"},),
    message="sécurité",
    venvship="1.0",
)


# -- ids ----------------------------------------------------------------------------------------------------


def test_an_id_is_the_time_in_utc_and_seven_digits() -> None:
    cet = timezone(timedelta(hours=1))

    assert new_release_id(MOMENT, "3f9a1c2") == "20261122T094143Z-3f9a1c2"
    assert new_release_id(MOMENT.astimezone(cet), "3f9a1c2") == "20261122T094143Z-3f9a1c2"


@pytest.mark.parametrize("token", ["", "3f9a1c", "3f9a1c22", "3F9A1C2", "3f9a1cg", "3f9a1c2\n", "../../x"])
def test_an_id_takes_no_other_token(token: str) -> None:
    with pytest.raises(ValueError, match="seven"):
        new_release_id(MOMENT, token)


def test_an_id_takes_no_naive_time() -> None:
    with pytest.raises(ValueError, match="aware"):
        new_release_id(MOMENT.replace(tzinfo=None), "3f9a1c2")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "20261122T094143Z",
        "20261122T094143Z-3f9a1c",
        "20261122T094143Z-3f9a1c2 ",
        "20261122T094143Z-3f9a1c2\n",
        " 20261122T094143Z-3f9a1c2",
        ".trash-20261122T094143Z-3f9a1c2",
        "20261122T094143Z-3f9a1c2/..",
        "\uff12\uff10261122T094143Z-3f9a1c2",
        "20261122t094143z-3f9a1c2",
    ],
)
def test_nothing_else_is_an_id(text: str) -> None:
    assert not is_release_id(text)


# -- manifest -----------------------------------------------------------------------------------------------


def test_a_manifest_survives_its_json() -> None:
    written = json.loads(json.dumps(MANIFEST.to_json()))

    assert written["format"] == 1
    assert Manifest.from_json(written) == MANIFEST


def test_a_manifest_keeps_keys_that_it_does_not_know() -> None:
    written = {**MANIFEST.to_json(), "signature": {"by": "alice"}}

    assert Manifest.from_json(written).to_json() == written


def test_a_manifest_that_does_not_say_which_wheels_says_so() -> None:
    """A release from before that was written down; of no wheels at all says another thing."""
    written = MANIFEST.to_json()
    del written["wheels"], written["bytecode"]

    manifest = Manifest.from_json(written)
    assert manifest.wheels is None
    assert manifest.to_json() == written
    assert Manifest.from_json({**written, "wheels": {}}).wheels == {}


def test_an_unknown_key_never_takes_the_place_of_a_known_one() -> None:
    manifest = MANIFEST._replace(extra={"id": "another", "format": 9})

    assert manifest.to_json()["id"] == MANIFEST.id
    assert manifest.to_json()["format"] == 1


@pytest.mark.parametrize(
    "key",
    sorted(
        MANIFEST.to_json().keys()
        - {"format", "wheels", "bytecode", "inputs", "warnings", "message", "venvship"}
    ),
)
def test_a_manifest_without_one_of_its_keys_is_refused(key: str) -> None:
    written = MANIFEST.to_json()
    del written[key]

    with pytest.raises(KeyError):
        Manifest.from_json(written)


@pytest.mark.parametrize(
    "change",
    [
        {"id": "../../etc"},
        {"id": 7},
        {"created_at": "today"},
        {"created_at": None},
        {"packages": [{"name": "django"}]},
        {"packages": ["django"]},
        {"packages": None},
        {"python": "3.11"},
        {"wheels": ["django"]},
    ],
)
def test_a_manifest_of_another_shape_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        Manifest.from_json({**MANIFEST.to_json(), **change})


# -- files --------------------------------------------------------------------------------------------------

ENTRIES = [
    FileEntry(path="lib", type="dir", mode=0o555),
    FileEntry(path="lib/a.py", type="file", mode=0o444, size=3, sha256="a" * 64),
    FileEntry(path="bin/run", type="file", mode=0o555, size=4, sha256="b" * 64),
    FileEntry(path="bin/python", type="link", mode=0o777, target="/usr/bin/python3.11"),
]


@pytest.mark.parametrize(
    "row",
    [
        [],
        ["a"],
        "entry",
        ["a", "file", "0444", 1],
        ["a", "file", "0444", 1, "x", "y"],
        ["a", "socket", "0444", 0, ""],
        ["a", "file", "0999", 1, "x"],
        ["a", "file", "0444", "much", "x"],
    ],
)
def test_a_row_of_another_shape_is_refused(row: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        FileEntry.from_json(row)


@pytest.mark.parametrize(
    "row",
    [
        {}, "row", [], ["a", 1], ["a", 1, "a" * 64, True, True],
        [1, 1, "a" * 64], ["", 1, "a" * 64], ["/a", 1, "a" * 64], ["a/../b", 1, "a" * 64],
        ["a//b", 1, "a" * 64], ["a/.", 1, "a" * 64], ["a\0", 1, "a" * 64], ["\udc80", 1, "a" * 64],
        ["a", -1, "a" * 64], ["a", 1 << 63, "a" * 64], ["a", True, "a" * 64], ["a", 1.0, "a" * 64],
        ["a", 1, "a" * 63], ["a", 1, "\0" * 64], ["a", 1, "é" * 64], ["a", 1, ["a"] * 64],
        ["a", 1, "a" * 64, 1], ["a", 1, "a" * 64, None],
    ],
)  # fmt: skip
def test_a_row_of_the_store_of_another_shape_is_refused(row: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        StoredFile.from_json(row)


def test_a_row_of_the_store_is_read_with_and_without_its_mode() -> None:
    for path in ("a", "site/a.py", "é/..b", ".hidden/a.", "...", "a\nb"):
        assert StoredFile.from_json([path, 1, "a" * 64]) == StoredFile(path, 1, "a" * 64)
        assert StoredFile.from_json([path, 0, "a" * 64, True]) == StoredFile(path, 0, "a" * 64, True)


def test_the_tree_digest_does_not_depend_on_the_order() -> None:
    assert tree_digest(ENTRIES) == tree_digest(reversed(ENTRIES))


def test_the_tree_digest_does_not_depend_on_modes_but_on_what_can_be_executed() -> None:
    a = FileEntry(path="a", type="file", mode=0o444, size=1, sha256="a" * 64)

    assert tree_digest([a]) == tree_digest([a._replace(mode=0o644)])
    assert tree_digest([a]) != tree_digest([a._replace(mode=0o555)])
    folder = ENTRIES[0]
    assert tree_digest([folder]) == tree_digest([folder._replace(mode=0o700)])


@pytest.mark.parametrize(
    ("number", "change"),
    [
        (1, {"sha256": "c" * 64}),
        (1, {"path": "lib/b.py"}),
        (3, {"target": "/usr/bin/python3.12"}),
        (0, {"path": "lib64"}),
        (0, {"type": "file"}),
    ],
)
def test_the_tree_digest_changes_with_what_is_in_the_tree(number: int, change: dict[str, Any]) -> None:
    changed = [e._replace(**change) if i == number else e for i, e in enumerate(ENTRIES)]

    assert tree_digest(changed) != tree_digest(ENTRIES)
    assert tree_digest(ENTRIES[1:]) != tree_digest(ENTRIES)


# -- packages -----------------------------------------------------------------------------------------------


def test_a_comparison_names_what_is_new_gone_and_changed_by_name() -> None:
    before = [Package("idna", "3.9"), Package("django", "5.2.18"), Package("six", "1.0"), Package("a", "1")]
    after = [
        Package("zope", "1"),
        Package("django", "5.2.19"),
        Package("idna", "3.10"),
        Package("six", "1.0"),
    ]

    assert diff_packages(before, after).to_json() == {
        "added": [{"name": "zope", "from": None, "to": "1"}],
        "removed": [{"name": "a", "from": "1", "to": None}],
        "changed": [
            {"name": "django", "from": "5.2.18", "to": "5.2.19"},
            {"name": "idna", "from": "3.9", "to": "3.10"},
        ],
        "python": None,
    }
    assert not any(diff_packages(before, before).to_json().values())


# -- the other values on disk -------------------------------------------------------------------------------


def test_an_interpreter_survives_its_json_and_a_security_update() -> None:
    assert Interpreter.from_json(json.loads(json.dumps(LINUX.to_json()))) == LINUX
    assert LINUX.minor == "3.12"
    assert LINUX._replace(version="3.12.8", path="/opt/python3.12").identity == LINUX.identity
    for change in ({"version": "3.13.1"}, {"soabi": "x"}, {"magic": "x"}, {"platform": "x"}):
        assert LINUX._replace(**change).identity != LINUX.identity  # type: ignore[arg-type]


def test_a_stored_wheel_survives_its_json() -> None:
    wheel = StoredWheel(
        sha256="a" * 64,
        filename="shop-1.0-py3-none-any.whl",
        name="shop",
        version="1.0",
        dist_info="shop-1.0.dist-info",
        requires_python=">=3.11",
        root_is_purelib=True,
        requires=("idna>=3",),
        provides_extra=("fast",),
        scripts=(("shop", "shop.cli", "main", "console"),),
        files=(StoredFile(path="site/shop.py", size=3, sha256="b" * 64, executable=False),),
        data="/store/a/data",
    )

    read = StoredWheel.from_json(json.loads(json.dumps(wheel.to_json())), tree="/store/a/data")

    assert read == wheel
    older = {key: value for key, value in wheel.to_json().items() if key != "requires_python"}
    assert StoredWheel.from_json(older, tree="").requires_python is None


PYTHON = {"implementation": "cpython", "version": "3.13", "full_version": "3.13.1", "soabi": "cpython-313"}


@pytest.mark.parametrize(
    ("changes", "before", "after"),
    [
        ({"full_version": "3.13.2"}, "3.13.1", "3.13.2"),
        ({"version": "3.14", "full_version": "3.14.0"}, "3.13.1", "3.14.0"),
        ({"soabi": "cpython-313t"}, "3.13.1 (cpython-313)", "3.13.1 (cpython-313t)"),
    ],
)
def test_another_interpreter_is_a_change_by_its_version_or_else_by_its_abi(
    changes: dict[str, str], before: str, after: str
) -> None:
    assert python_change(PYTHON, {**PYTHON, **changes}) == PackageChange("python", before, after)


@pytest.mark.parametrize("changes", [{}, {"platform": "linux-armv8l"}, {"path": "/usr/bin/python3.13"}])
def test_the_same_interpreter_on_another_kernel_or_by_another_path_is_no_change(
    changes: dict[str, str],
) -> None:
    assert python_change(PYTHON, {**PYTHON, **changes}) is None
