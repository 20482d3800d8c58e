"""Which files of a project without packaging are in its releases."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from venvship.model.patterns import Patterns
from venvship.model.project_files import (
    ProjectFile,
    Rules,
    choose,
    first_line_for_release,
    is_lfs_pointer,
    names_of_root,
    outside_of_root,
    sensitive_kind,
    skipped_folder,
    warnings_about,
    without_links,
)

# -- the choice ------------------------------------------------------------------------------------------


def test_tracked_files_are_taken_and_others_are_not() -> None:
    choice = choose(["manage.py", "shop/urls.py", ".gitignore"], ["notes.txt", "dist/app.js"], Rules())
    assert choice.files == (".gitignore", "manage.py", "shop/urls.py")


def test_include_takes_what_git_does_not_track_and_what_is_sensitive_by_its_name() -> None:
    rules = Rules(include=("web/dist/", "fixtures.db"))
    choice = choose(["manage.py", "fixtures.db", "live.db"], ["web/dist/app.js", "web/x.js"], rules)
    assert choice.files == ("fixtures.db", "manage.py", "web/dist/app.js")
    assert choice.sensitive == {"databases": ("live.db",)}


def test_exclude_wins_over_include_and_is_silent() -> None:
    rules = Rules(include=("*.db",), exclude=("docs", "*.db", ".env"))
    choice = choose(["docs/a.md", "a.db", "manage.py", ".env"], ["b.db"], rules)
    assert choice.files == ("manage.py",)
    assert choice.sensitive == {}


def test_files_in_the_place_of_a_shared_folder_are_counted_and_not_taken() -> None:
    rules = Rules(shared=("media", "var/data"), include=("media",))
    choice = choose(["media/.gitkeep", "media/a", "var/data", "mediator.py"], ["media/b"], rules)
    assert choice.files == ("mediator.py",)
    assert choice.replaced == {"media": 2, "var/data": 1}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (".env", "environment files"),
        ("deploy/.env.production", "environment files"),
        (".envrc", "environment files"),
        (".ENV", "environment files"),
        (".env.example", None),
        (".env.local.template", None),
        (".environment.py", "environment files"),
        ("env.py", None),
        ("certs/server.pem", "keys and passwords"),
        ("server.KEY", "keys and passwords"),
        ("id_rsa", "keys and passwords"),
        ("id_ed25519_sk", "keys and passwords"),
        ("id_rsa.pub", None),
        (".netrc", "keys and passwords"),
        ("keys.py", None),
        ("monkey", None),
        ("db.sqlite3", "databases"),
        ("db.sqlite3-wal", "databases"),
        ("shop/data.db", "databases"),
        ("db.py", None),
        ("sqlite3", None),
    ],
)
def test_a_name_tells_whether_a_file_is_sensitive(name: str, kind: str | None) -> None:
    assert sensitive_kind(name) == kind


NAMES = st.lists(
    st.sampled_from(["a", "b.py", "media", "dist", "x.db", ".env", "__pycache__", "c.pyc"]),
    min_size=1,
    max_size=3,
).map("/".join)
PATTERNS = st.lists(st.sampled_from(["*.db", "dist/", "a", "/media", "b.py", ".env"]), max_size=2).map(tuple)
RULES = st.builds(
    Rules, include=PATTERNS, exclude=PATTERNS, shared=st.sampled_from([(), ("media",), ("a/media", "dist")])
)


@settings(deadline=None)
@given(tracked=st.sets(NAMES), others=st.sets(NAMES), rules=RULES)
def test_every_tracked_name_is_taken_or_left_out_for_one_reason(
    tracked: set[str], others: set[str], rules: Rules
) -> None:
    choice = choose(tracked, others, rules)
    sensitive = {path for paths in choice.sensitive.values() for path in paths}
    shared = {p for p in tracked if any(f"{p}/".startswith(f"{name}/") for name in rules.shared)}
    excluded = set(filter(Patterns(rules.exclude).match, tracked))
    cached = {path for path in tracked if "__pycache__" in path.split("/")}
    taken = set(choice.files)
    assert taken & tracked == tracked - sensitive - shared - excluded - cached
    assert not sensitive & (taken | shared | excluded)
    assert sum(choice.replaced.values()) == len(shared - excluded - cached)


@settings(deadline=None)
@given(tracked=st.sets(NAMES), others=st.sets(NAMES), rules=RULES)
def test_nothing_that_git_does_not_track_is_taken_without_include(
    tracked: set[str], others: set[str], rules: Rules
) -> None:
    choice = choose(tracked, others, rules)
    assert choice.files == tuple(sorted(choice.files))
    assert all(Patterns(rules.include).match(path) for path in set(choice.files) - tracked)
    assert not any(sensitive_kind(p) for p in choice.files if not Patterns(rules.include).match(p))


# -- what is named ---------------------------------------------------------------------------------------


def told(
    rules: Rules, tracked: Sequence[str], untracked: Sequence[str], ignored: Sequence[str]
) -> dict[str, str]:
    choice = choose(tracked, (), rules)
    found = warnings_about(choice, untracked=untracked, ignored=ignored, rules=rules)
    return {warning["slug"]: warning["message"] for warning in found}


def test_nothing_is_said_where_nothing_is_missed() -> None:
    assert told(Rules(), ["manage.py"], [], ["__pycache__/", "node_modules/", ".venv/", "x.log"]) == {}


def test_files_that_somebody_may_miss_are_named_once_each() -> None:
    rules = Rules(shared=("media",))
    warnings = told(
        rules,
        ["manage.py", ".env", "db.sqlite3", "media/a"],
        ["new.py", "other/", "media/"],
        ["web/dist/", "node_modules/", "locale/de/django.mo"],
    )
    assert sorted(warnings) == ["ignored-output", "sensitive-files", "shared-replaces", "untracked-files"]
    assert ".env" in warnings["sensitive-files"]
    assert "db.sqlite3" in warnings["sensitive-files"]
    assert "media (1)" in warnings["shared-replaces"]
    assert "new.py, other/." in warnings["untracked-files"]
    assert "locale/de/django.mo, web/dist/." in warnings["ignored-output"]


def test_what_the_settings_speak_of_is_not_named() -> None:
    rules = Rules(include=("web/dist/*.js", "new.py"), exclude=("other/",))
    assert told(rules, [], ["new.py", "other/"], ["web/dist/"]) == {}


def test_many_files_are_not_all_named() -> None:
    warnings = told(Rules(), [], [f"new{n}.py" for n in range(9)], [])
    assert "new0.py, new1.py, new2.py, new3.py, new4.py and 4 more." in warnings["untracked-files"]


# -- without git -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "inside", "skipped"),
    [
        (".git", [], True),
        ("CVS", [], True),
        ("__pycache__", ["a.pyc"], True),
        ("node_modules", [], True),
        ("shop.egg-info", [], True),
        ("env", ["bin", "lib", "pyvenv.cfg"], True),
        ("srv", ["venvship.toml", "releases", "state"], True),
        ("store", ["store.mutex", "wheels"], True),
        ("stock", ["selections", "wheels"], False),
        ("deploy", ["venvship.toml"], False),
        ("shop", ["__init__.py"], False),
        ("build", [], False),
    ],
)
def test_folders_that_are_no_part_of_a_project_are_known(
    name: str, inside: Sequence[str], skipped: bool
) -> None:
    assert skipped_folder(name, inside) is skipped


# -- links -----------------------------------------------------------------------------------------------


def links(**targets: str) -> list[ProjectFile]:
    return [ProjectFile(path.replace("__", "/"), target=target) for path, target in targets.items()]


PLAIN = [ProjectFile("a/x.py"), ProjectFile("a/run", executable=True), ProjectFile("b/y.py")]


def test_a_link_becomes_the_file_that_it_leads_to() -> None:
    found, problems = without_links([*PLAIN, *links(b__x="../a/x.py", run="b/../a/run", again="b/x")])
    assert problems == {}
    assert found["b/x"] == found["again"] == ProjectFile("a/x.py")
    assert found["run"].executable


def test_a_link_to_a_folder_becomes_the_files_in_it() -> None:
    found, problems = without_links([*PLAIN, *links(c="a", a__deep="../b", d="c/deep")])
    assert problems == {}
    assert {path: file.path for path, file in found.items() if path not in {one.path for one in PLAIN}} == {
        "a/deep/y.py": "b/y.py",
        "c/deep/y.py": "b/y.py",
        "c/run": "a/run",
        "c/x.py": "a/x.py",
        "d/y.py": "b/y.py",
    }


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("/etc/passwd", "leads out of the project: to /etc/passwd"),
        ("../secret", "leads out of the project"),
        ("a/../../secret", "leads out of the project"),
        ("gone", "leads to nothing"),
        ("link", "in a circle"),
        (".", "in a circle"),
        ("other", "in a circle"),
        ("out/deep", "leads out of the project: to /opt"),
    ],
)
def test_a_link_that_leads_nowhere_is_a_problem(target: str, problem: str) -> None:
    files = [*PLAIN, *links(link=target, other="link", out="/opt")]
    found, problems = without_links(files)
    assert problem in problems["link"]
    assert "link" not in found


def test_folders_that_lead_to_each_other_are_a_problem() -> None:
    _, problems = without_links([*PLAIN, *links(a__b="../b", b__a="../a")])
    assert set(problems) == {"a/b", "b/a"}


def test_links_that_multiply_end() -> None:
    # Ten folders, each with ten links to the next: 10**10 files.
    files = [ProjectFile("f9/x")]
    files += [ProjectFile(f"f{n}/l{m}", target=f"../f{n + 1}") for n in range(9) for m in range(10)]
    _, problems = without_links(files)
    assert "too many files" in problems["f0/l0"]


TARGETS = st.lists(st.sampled_from(["a", "b", "..", ".", "l", "m", "f"]), min_size=1, max_size=4).map(
    "/".join
)


@settings(deadline=None)
@given(
    targets=st.dictionaries(st.sampled_from(["l", "a/l", "b/m", "a/b/l"]), TARGETS, max_size=4),
)
def test_the_files_at_links_are_those_that_the_kernel_finds(
    tmp_path_factory: pytest.TempPathFactory, targets: dict[str, str]
) -> None:
    top = tmp_path_factory.mktemp("links", numbered=True) / "outside" / "top"
    plain = [ProjectFile("f"), ProjectFile("a/f"), ProjectFile("a/b/f"), ProjectFile("b/f")]
    for file in plain:
        (top / file.path).parent.mkdir(parents=True, exist_ok=True)
        (top / file.path).write_text(file.path)
    for path, target in targets.items():
        (top / path).symlink_to(target)
    found, problems = without_links([*plain, *(ProjectFile(p, target=t) for p, t in targets.items())])
    for path, file in found.items():
        assert (top / path).read_text() == file.path
    for path in targets:
        if path not in problems:
            assert os.path.realpath(top / path).startswith(f"{top}/")
            assert (top / path).exists()
        elif problems[path].startswith("it leads to nothing"):
            assert not os.path.isfile(top / path)


# -- contents --------------------------------------------------------------------------------------------


def test_a_pointer_of_git_lfs_is_known_by_its_contents() -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    assert is_lfs_pointer(len(pointer), pointer)
    assert not is_lfs_pointer(5000, pointer)
    assert not is_lfs_pointer(10, b"version 12")


@pytest.mark.parametrize(
    "line",
    [
        "#!/usr/bin/env python",
        "#!/usr/bin/env python3",
        "#! /usr/bin/python3.11",
        "#!/home/me/.venv/bin/python\r",
        "#!python",
    ],
)
def test_a_script_for_python_gets_the_placeholder_of_a_wheel(line: str) -> None:
    assert first_line_for_release(f"{line}\nimport os\n".encode()) == b"#!python\nimport os\n"


@pytest.mark.parametrize(
    "head",
    [
        b"#!/bin/sh\n",
        b"#!/usr/bin/env python3 -u\n",
        b"#!/usr/bin/env -S python3\n",
        b"#!/usr/bin/python2\n",
        b"#!/usr/bin/env python3",
        b"#!/usr/bin/pythonista\n",
        b"import os\n#!/usr/bin/env python3\n",
        b"",
    ],
)
def test_another_first_line_stays(head: bytes) -> None:
    assert first_line_for_release(head) == head


def test_the_names_of_a_root_are_no_part_of_a_project() -> None:
    inside = ["venvship.toml", "state", "shop", "releases", "requirements.txt"]
    assert names_of_root(inside) == {"venvship.toml", "state", "releases"}
    assert names_of_root(["state", "shop"]) == names_of_root(["venvship.toml", "shop"]) == set()


def test_only_the_names_of_the_root_are_left_out() -> None:
    names = ("current", "new.py", "state/", "srv/current", "srv/new.py", "srv/")
    assert outside_of_root(names, ".") == ("new.py", "srv/current", "srv/new.py", "srv/")
    assert outside_of_root(names, "srv") == ("current", "new.py", "state/", "srv/new.py")
    assert outside_of_root(names, "../elsewhere") == names
