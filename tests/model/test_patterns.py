"""The patterns of `include` and `exclude` mean what they mean to git."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from venvship.model.patterns import Patterns, problem_with_pattern


@pytest.mark.parametrize(
    ("pattern", "matches", "does_not"),
    [
        ("dist", ["dist", "dist/a.js", "web/dist/a.js"], ["dist.js", "redist", "web/xdist/a"]),
        ("dist/", ["dist/", "dist/a.js", "web/dist/a.js"], ["dist", "web/dist"]),
        ("/dist", ["dist", "dist/a"], ["web/dist"]),
        ("web/dist", ["web/dist/a"], ["x/web/dist/a"]),
        ("*.js", ["a.js", "web/a.js", "a.js/inside"], ["a.jsx", "a.js~"]),
        ("web/*.js", ["web/a.js"], ["web/x/a.js"]),
        ("web/**/a", ["web/a", "web/x/a", "web/x/y/a/b"], ["x/web/a"]),
        ("**/web", ["web", "x/y/web/z"], ["xweb"]),
        ("web/**", ["web/a", "web/a/b"], ["web", "web/"]),
        ("a**b", ["ab", "axxb"], ["a/b"]),
        ("?.py", ["a.py"], [".py", "ab.py"]),
        ("[a-c]?", ["ax"], ["dx", "a/"]),
        ("[!a]x", ["bx"], ["ax", "/x"]),
        ("[]x]", ["]", "x"], ["a"]),
        (r"\!important", ["!important"], ["important"]),
        (r"a\*", ["a*"], ["ab"]),
        ("name  ", ["name"], ["name  "]),
        ("line\nfeed", ["line\nfeed"], ["line"]),
        ("über", ["über"], ["uber"]),
    ],
)
def test_a_pattern_matches_as_in_a_gitignore(
    pattern: str, matches: Sequence[str], does_not: Sequence[str]
) -> None:
    patterns = Patterns([pattern])
    assert [path for path in matches if not patterns.match(path)] == []
    assert [path for path in does_not if patterns.match(path)] == []


def test_several_patterns_match_what_one_of_them_does() -> None:
    patterns = Patterns(text for text in ("a", "b/"))
    assert patterns.match("a")
    assert patterns.match("b/x")
    assert not patterns.match("b")
    assert not Patterns([]).match("")


@pytest.mark.parametrize(
    "pattern", ["", " ", "/", "!a", "[a", "[", "a\\", "[z-a]", "[[:alpha:]]", "../a", "a/..", "./a"]
)
def test_a_pattern_that_means_nothing_is_refused(pattern: str) -> None:
    assert problem_with_pattern(pattern)
    with pytest.raises(ValueError, match=re.escape(repr(pattern))):
        Patterns([pattern])


@pytest.mark.parametrize("pattern", ["a**/b", "/a***/b"])
def test_asterisks_beside_a_name_are_regular_ones(pattern: str) -> None:
    patterns = Patterns([pattern])
    assert [path for path in ("a/b", "ax/b", "a/x/b", "ax/y/b") if patterns.match(path)] == ["a/b", "ax/b"]


# -- held against git ------------------------------------------------------------------------------------

PIECES = ["a", "b", "ab", "*", "?", "**", "/", "/", "[ab]", "[!a]", "\\*", "."]
COMPONENTS = ["a", "b", "ab", "*", "**", "**", "?", "a*", "*b", "[ab]", "[!b]*"]
NAMES = ["a", "b", "ab", "*", ".a"]
ANY_PATTERN = st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join)
LIKELY_PATTERN = st.tuples(
    st.sampled_from(["", "/"]),
    st.lists(st.sampled_from(COMPONENTS), min_size=1, max_size=3).map("/".join),
    st.sampled_from(["", "", "/"]),
).map("".join)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("git") is None:
        pytest.skip("no git here")
    path = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q", path], check=True)
    return path


GITS_OWN = re.compile(r"/?[^*?\[\\]*[^/*?\[\\]\*\*(/|$)|.*\*\*\*")
"""`a**/b` and `***/b`: gitignore(5) calls these asterisks regular ones. git matches the `a` first and then
the rest by itself, where `**/b` is at the start, so it finds `a/x/b`; three count as two. Here the manual
counts."""


def ignored_by_git(repository: Path, pattern: str, paths: Sequence[str]) -> set[str]:
    (repository / ".git" / "info").mkdir(exist_ok=True)
    (repository / ".git" / "info" / "exclude").write_text(f"{pattern}\n")
    result = subprocess.run(
        ["git", "check-ignore", "--no-index", "-z", "--stdin"],
        input="\0".join(paths),
        capture_output=True,
        text=True,
        check=False,
        cwd=repository,
        env={"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull},
    )
    assert result.returncode in {0, 1}, result.stderr
    return set(filter(None, result.stdout.split("\0")))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pattern=ANY_PATTERN | LIKELY_PATTERN | LIKELY_PATTERN,
    paths=st.lists(
        st.lists(st.sampled_from(NAMES), min_size=1, max_size=4).map("/".join),
        min_size=20,
        max_size=40,
        unique=True,
    ),
)
def test_git_ignores_the_same_files(repository: Path, pattern: str, paths: list[str]) -> None:
    if problem_with_pattern(pattern) or "//" in pattern or GITS_OWN.match(pattern):
        return
    found = set(filter(Patterns([pattern]).match, paths))
    assert found == ignored_by_git(repository, pattern, paths)
