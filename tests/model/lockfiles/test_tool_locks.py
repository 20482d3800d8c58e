"""The part of a poetry.lock, pdm.lock or Pipfile.lock that an interpreter gets."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

import pytest

from tests.support.releases import LINUX
from venvship.errors import LockfileError
from venvship.model.interpreter import Interpreter
from venvship.model.lockfiles.lockfile import Lockfile, read_lockfile, select, with_selection
from venvship.model.lockfiles.selection import Selection, SourcedEntry

A, B, C = (letter * 64 for letter in "abc")
COMMIT = "0123456789abcdef" * 2 + "01234567"
WINDOWS = LINUX._replace(markers={**LINUX.markers, "sys_platform": "win32"})


def read(name: str, text: str, *, sdists: Collection[str] = ()) -> Lockfile:
    def of(path: str) -> bytes:
        if path != f"/srv/shop/{name}":
            raise FileNotFoundError(2, "No such file or directory", path)
        return text.encode()

    return read_lockfile([f"/srv/shop/{name}"], read=of, sdists=sdists)


def chosen(
    name: str,
    text: str,
    *,
    interpreter: Interpreter = LINUX,
    extras: Sequence[str] = (),
    groups: Sequence[str] = (),
    sdists: Collection[str] = (),
) -> Selection:
    return select(read(name, text, sdists=sdists), interpreter, extras=extras, groups=groups)


def names(selection: Selection) -> list[str]:
    return [requirement.name for requirement in selection.requirements]


def problems(name: str, text: str, **kwargs: Any) -> list[tuple[int | None, str]]:
    with pytest.raises(LockfileError) as caught:
        chosen(name, text, **kwargs)
    assert "\n" not in str(caught.value.hint)
    assert str(caught.value.hint).startswith("cd /srv/shop && ")
    found = caught.value.data["problems"]
    assert isinstance(found, list)
    return [(each["line"], each["message"]) for each in found]


# -- poetry ---------------------------------------------------------------------------------------------

POETRY_END = f"""
[extras]
pg = ["psycopg"]
Rich_Text = ["rich"]

[metadata]
lock-version = "2.1"
python-versions = ">=3.11"
content-hash = "{A}"
"""


def poetry(name: str, *lines: str, version: str = "1.0", groups: str = '["main"]', files: str = "") -> str:
    files = files or f'[{{file = "{name}-{version}-py3-none-any.whl", hash = "sha256:{A}"}}]'
    head = f'[[package]]\nname = "{name}"\nversion = "{version}"\ndescription = ""\noptional = false\n'
    rest = "".join(f"{line}\n" for line in lines)
    return f'{head}python-versions = ">=3.8"\ngroups = {groups}\nfiles = {files}\n{rest}\n'


POETRY = (
    poetry("Flask", version="3.00")
    + poetry("colorama", "markers = \"sys_platform == 'win32'\"")
    + poetry("rich", 'markers = "extra == \\"rich-text\\" or extra == \\"all\\""')
    + poetry("psycopg", 'markers = \'extra == "pg" and extra != "lite"\'')
    + poetry("pytest", groups='["dev"]')
    + poetry(
        "idna",
        "markers = {main = \"sys_platform == 'win32'\", docs = \"python_version >= '3.9'\"}",
        groups='["main", "docs"]',
    )
    + POETRY_END
)


def test_poetry_installs_the_main_group_and_no_extra_unless_they_are_asked_for() -> None:
    assert names(chosen("poetry.lock", POETRY)) == ["flask"]
    assert names(chosen("poetry.lock", POETRY, interpreter=WINDOWS)) == ["colorama", "flask", "idna"]
    assert names(chosen("poetry.lock", POETRY, groups=["dev"])) == ["flask", "pytest"]
    assert names(chosen("poetry.lock", POETRY, groups=["docs"])) == ["flask", "idna"]
    assert names(chosen("poetry.lock", POETRY, extras=["rich_text", "pg"])) == ["flask", "psycopg", "rich"]


def test_a_package_of_poetry_is_a_pin_with_the_hashes_of_all_its_files() -> None:
    files = f'[{{file = "a.whl", hash = "sha256:{B}"}}, {{file = "a.tar.gz", hash = "sha256:{A}"}}]'
    (flask,) = chosen("poetry.lock", poetry("Flask", version="3.00", files=files) + POETRY_END).requirements
    assert (flask.name, flask.version, flask.url) == ("flask", "3.0", None)
    assert flask.hashes == (f"sha256:{A}", f"sha256:{B}")
    assert flask.text == f"flask==3.0 --hash=sha256:{A} --hash=sha256:{B}"
    assert (flask.file, flask.line) == ("/srv/shop/poetry.lock", 1)


def test_an_unknown_group_or_extra_is_refused_with_those_that_there_are() -> None:
    found = problems("poetry.lock", POETRY, groups=["prod"], extras=["mysql"])
    assert [message for _, message in found] == [
        "`[build] groups` names prod; the file has main, dev, docs",
        "`[build] extras` names mysql; the file has pg, rich-text",
    ]


def test_two_versions_for_two_interpreters_are_no_conflict() -> None:
    first = poetry("numpy", "markers = \"sys_platform == 'win32'\"", version="1.0")
    other = poetry("numpy", "markers = \"sys_platform != 'win32'\"", version="2.0")
    assert chosen("poetry.lock", first + other + POETRY_END).requirements[0].version == "2.0"
    again = poetry("numpy", version="3.0")
    (found,) = problems("poetry.lock", other + again + POETRY_END)
    assert "numpy is pinned twice" in found[1]


POETRY_PLACES = [
    (
        "git",
        (
            'url = "https://g.example/x.git"\nreference = "main"\n'
            f'resolved_reference = "{COMMIT}"\nsubdirectory = "py"'
        ),
        "https://g.example/x.git",
        COMMIT,
        "py",
    ),
    ("directory", 'url = "./members/x/"', "", "", "members/x"),
    ("directory", 'url = "../x"', "", "", "../x"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "source", "repository", "commit", "folder"), POETRY_PLACES)
def test_a_source_of_poetry_comes_out_with_its_place(
    kind: str, source: str, repository: str, commit: str, folder: str
) -> None:
    text = poetry("x", "develop = true", f'[package.source]\ntype = "{kind}"\n{source}', files="[]")
    selection = chosen("poetry.lock", text + POETRY_END)
    assert selection.sourced == (SourcedEntry("x", repository, commit, folder, True, 1),)
    assert selection.requirements == ()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ext::sh -c touch% ran", "no URL of a git repository"),
        ("ext::touch", "no URL of a git repository"),
        ("--upload-pack=touch", "no URL of a git repository"),
        ("javascript://x", "no URL of a git repository"),
        ("https://me:hunter2@g.example/x.git", "with a password in it"),
    ],
)
def test_a_repository_by_a_transport_that_runs_programs_or_with_a_secret_is_refused(
    url: str, says: str
) -> None:
    source = f'[package.source]\ntype = "git"\nurl = "{url}"\nresolved_reference = "{COMMIT}"'
    ((_, message),) = problems("poetry.lock", poetry("x", source, files="[]") + POETRY_END)
    assert says in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    "url", ["git@g.example:me/x.git", "ssh://git@g.example/x.git", "../x.git", "/srv/git/x"]
)
def test_other_ways_to_name_a_repository_are_taken(url: str) -> None:
    source = f'[package.source]\ntype = "git"\nurl = "{url}"\nresolved_reference = "{COMMIT}"'
    selection = chosen("poetry.lock", poetry("x", source, files="[]") + POETRY_END)
    assert selection.sourced[0].repository == url


def test_files_of_poetry_by_url_and_by_path_are_pinned_where_they_are() -> None:
    wheel = f'[{{file = "x-1.0-py3-none-any.whl", hash = "sha256:{A}"}}]'
    by_url = '[package.source]\ntype = "url"\nurl = "https://w.example/x-1.0-py3-none-any.whl"'
    by_path = '[package.source]\ntype = "file"\nurl = "wheels/x-1.0-py3-none-any.whl"'
    for source, place in ((by_url, "https://w.example/"), (by_path, "/srv/shop/wheels/")):
        (found,) = chosen("poetry.lock", poetry("x", source, files=wheel) + POETRY_END).requirements
        assert found.url == f"{place}x-1.0-py3-none-any.whl"
        assert found.version == "1.0"


def test_source_by_url_is_built_only_if_the_settings_allow_it() -> None:
    archive = f'[{{file = "x-1.0.tar.gz", hash = "sha256:{A}"}}]'
    text = poetry(
        "x", '[package.source]\ntype = "url"\nurl = "https://w.example/x-1.0.tar.gz"', files=archive
    )
    assert "does not allow building x" in problems("poetry.lock", text + POETRY_END)[0][1]
    (found,) = chosen("poetry.lock", text + POETRY_END, sdists=["x"]).requirements
    assert found.version is None


def legacy(name: str, url: str) -> str:
    return poetry(name, f'[package.source]\ntype = "legacy"\nurl = "{url}"\nreference = "own"')


def test_a_private_index_is_an_extra_one_beside_the_default_and_the_only_one_without() -> None:
    private = legacy("x", "https://p.example/simple")
    both = chosen("poetry.lock", poetry("flask") + private + POETRY_END)
    assert both.options == ("--extra-index-url https://p.example/simple",)
    assert chosen("poetry.lock", private + POETRY_END).options == ("--index-url https://p.example/simple",)
    assert chosen("poetry.lock", legacy("x", "https://pypi.org/simple/") + POETRY_END).options == ()


def test_only_the_indexes_of_selected_packages_are_asked() -> None:
    private = legacy("x", "https://p.example/simple").replace('["main"]', '["dev"]')
    assert chosen("poetry.lock", poetry("flask") + private + POETRY_END).options == ()


@pytest.mark.parametrize(
    "url",
    [
        "https://me:hunter2@p.example/simple",
        "https://p.example/simple?token=hunter2",
        "ftp://hunter2",
        "https://a b/hunter2",
    ],
)
def test_an_index_with_a_secret_or_no_url_is_refused_and_not_shown(url: str) -> None:
    ((line, message),) = problems("poetry.lock", poetry("flask") + legacy("x", url) + POETRY_END)
    assert line == 10
    if "ftp" not in url and " " not in url:
        assert "hunter2" not in message
        assert "write ${VARIABLE}" in message


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('lock-version = "2.1"', 'lock-version = "2.0"', "poetry 2.0 and later write 2.1"),
        ('lock-version = "2.1"', 'lock-version = "1.1"', "poetry 2.0 and later write 2.1"),
        ('lock-version = "2.1"', 'lock-version = "3.0"', "this venvship knows 2"),
        ('lock-version = "2.1"', 'lock-version = "x"', "which is none"),
        ('lock-version = "2.1"', "lock-version = 2.1", "not a string"),
        ('lock-version = "2.1"', "", "has no `lock-version`"),
        ('groups = ["main"]', "groups = []", "is in no group"),
        ('groups = ["main"]', "", "is in no group"),
        ('groups = ["main"]', 'groups = "main"', "not an array of strings"),
        ('name = "Flask"', "name = 7", "not a string"),
        ('name = "Flask"', 'name = "../x"', "`../x`"),
        ('version = "3.00"', 'version = "next"', "the version `next`, which is none"),
        ('version = "3.00"', f'version = "{"1" * 300}"', "300 characters"),
        (f"sha256:{A}", "md5:abc", "has only md5 hashes"),
        (f"sha256:{A}", "sha256:abc", "not a sha256 hash"),
        ('hash = "sha256', 'hesh = "sha256', "has no `hash`"),
        ("[extras]", "[[extras]]", "not a table"),
        ("[[package]]", "[package.x]", "not an array of tables"),
    ],
)
def test_a_poetry_lock_that_is_not_as_poetry_writes_it_is_refused(old: str, new: str, says: str) -> None:
    text = (poetry("Flask", version="3.00") + POETRY_END).replace(old, new)
    assert says in problems("poetry.lock", text)[0][1]


def test_an_entry_that_is_not_selected_may_be_any() -> None:
    other = poetry("x", files="[]", groups='["dev"]')
    assert names(chosen("poetry.lock", poetry("flask") + other + POETRY_END)) == ["flask"]
    assert (
        "x has no hash" in problems("poetry.lock", poetry("flask") + other + POETRY_END, groups=["dev"])[0][1]
    )


@pytest.mark.parametrize("name", ["poetry.lock", "pdm.lock"])
def test_packages_without_a_wheel_that_runs_here_are_named_all_at_once(name: str) -> None:
    """The lock lists the files that the index has, so nothing is fetched or built to find this out."""

    def package(one: str, *files: str, groups: str = "") -> str:
        rows = ", ".join(f'{{file = "{one}-1-{file}", hash = "sha256:{A}"}}' for file in files)
        kept = groups or ("main" if name == "poetry.lock" else "default")
        return f'[[package]]\nname = "{one}"\nversion = "1"\ngroups = ["{kept}"]\nfiles = [{rows}]\n'

    text = (
        package("plain", "py3-none-any.whl", "x.tar.gz")
        + package("mac", "cp311-cp311-macosx_11_0_arm64.whl", "x.tar.gz")
        + package("old", "x.tar.gz")
        + package("test", "x.tar.gz", groups="dev")
    )
    end = POETRY_END if name == "poetry.lock" else ""
    head = PDM_HEAD if name == "pdm.lock" else ""
    found = problems(name, head + text + end)
    assert [message.partition(",")[0] for _, message in found] == [
        f"mac has no wheel for {LINUX.label}",
        f"old has no wheel for {LINUX.label}",
    ]
    assert names(chosen(name, head + text + end, sdists=["mac", "old"])) == ["mac", "old", "plain"]


# -- pdm ------------------------------------------------------------------------------------------------

PDM_HEAD = f"""[metadata]
groups = ["default", "dev", "pg"]
strategy = ["inherit_metadata"]
lock_version = "4.5.0"
content_hash = "sha256:{A}"

[[metadata.targets]]
requires_python = ">=3.11"
"""


def pdm(name: str, *lines: str, version: str = "1.0", groups: str = '["default"]') -> str:
    head = f'\n[[package]]\nname = "{name}"\nversion = "{version}"\nsummary = ""\ngroups = {groups}\n'
    rest = "".join(f"{line}\n" for line in lines)
    return f'{head}{rest}files = [\n    {{file = "{name}-{version}.whl", hash = "sha256:{A}"}},\n]\n'


def test_pdm_installs_the_default_group_and_knows_extras_as_groups() -> None:
    text = (
        PDM_HEAD
        + pdm("requests")
        + pdm("requests", 'extras = ["socks"]')
        + pdm("colorama", 'marker = "sys_platform == \\"win32\\""')
        + pdm("pytest", groups='["dev"]')
        + pdm("psycopg", groups='["pg"]')
        + pdm("idna", groups='["default", "dev"]')
    )
    selection = chosen("pdm.lock", text)
    assert names(selection) == ["idna", "requests"]
    assert selection.requirements[1].extras == ("socks",)
    assert names(chosen("pdm.lock", text, interpreter=WINDOWS)) == ["colorama", "idna", "requests"]
    assert names(chosen("pdm.lock", text, extras=["pg"])) == ["idna", "psycopg", "requests"]
    assert names(chosen("pdm.lock", text, groups=["dev"])) == ["idna", "pytest", "requests"]


def test_sources_and_files_of_pdm_come_out_with_their_places() -> None:
    text = PDM_HEAD
    text += pdm("a", 'git = "https://g.example/a.git"', 'ref = "v1"', f'revision = "{COMMIT}"')
    text += pdm("b", 'path = "./members/b"', "editable = true")
    text += pdm("c", 'url = "https://w.example/c-2.0-py3-none-any.whl"')
    text += pdm("d", 'path = "./wheels/d-1.0-py3-none-any.whl"')
    text += pdm("e", 'url = "file:///${PROJECT_ROOT}/wheels/e-1.0-py3-none-any.whl"')
    selection = chosen("pdm.lock", text)
    assert selection.sourced == (
        SourcedEntry("a", "https://g.example/a.git", COMMIT, "", False, 10),
        SourcedEntry("b", "", "", "members/b", True, 22),
    )
    assert [(one.version, one.url) for one in selection.requirements] == [
        ("2.0", "https://w.example/c-2.0-py3-none-any.whl"),
        ("1.0", "/srv/shop/wheels/d-1.0-py3-none-any.whl"),
        ("1.0", "/srv/shop/wheels/e-1.0-py3-none-any.whl"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('["inherit_metadata"]', '["cross_platform"]', "without the strategy `inherit_metadata`"),
        ('strategy = ["inherit_metadata"]', "", "without the strategy `inherit_metadata`"),
        ('"4.5.0"', '"3.1"', "this venvship knows 4"),
        ('"4.5.0"', '"5"', "this venvship knows 4"),
        ("[[package]]", "[package.x]", "not an array of tables"),
        ('name = "x"', "", "has no `name`"),
        ('version = "1.0"', "", "has no `version`"),
        ('groups = ["default"]', 'hg = "https://h.example/x"', "venvship knows git"),
        ('groups = ["default"]', 'git = "https://h.example/x"', "not pinned to a full commit"),
        ('groups = ["default"]', 'url = "https://h.example/x"', "neither a wheel nor an archive"),
        ('groups = ["default"]', 'path = "/x"', "relative to the lockfile"),
    ],
)
def test_a_pdm_lock_that_cannot_be_selected_from_is_refused(old: str, new: str, says: str) -> None:
    assert says in problems("pdm.lock", (PDM_HEAD + pdm("x")).replace(old, new))[0][1]


def test_a_pdm_lock_of_another_strategy_names_the_one_to_lock_with() -> None:
    with pytest.raises(LockfileError) as caught:
        read("pdm.lock", PDM_HEAD.replace("inherit_metadata", "cross_platform"))
    assert caught.value.hint == "cd /srv/shop && pdm lock --strategy inherit_metadata"


# -- pipenv ---------------------------------------------------------------------------------------------

SOURCES = [
    {"name": "pypi", "url": "https://pypi.org/simple", "verify_ssl": True},
    {"name": "own", "url": "https://$USER_NAME:${TOKEN}@p.example:8443/simple", "verify_ssl": False},
]


def pipfile(default: object, develop: object = None, *, sources: object = None, **more: object) -> str:
    meta = {"hash": {"sha256": A}, "pipfile-spec": 6, "requires": {}, "sources": sources or SOURCES}
    return json.dumps({"_meta": meta, "default": default, "develop": develop or {}, **more}, indent=4)


def pinned(version: str = "1.0", **more: object) -> dict[str, object]:
    return {"hashes": [f"sha256:{A}"], "version": f"=={version}", **more}


def test_pipenv_installs_the_default_packages_whose_markers_hold() -> None:
    text = pipfile(
        {
            "flask": pinned("3.0", extras=["async"], index="pypi"),
            "colorama": pinned(markers="sys_platform == 'win32'"),
            "tomli": pinned(markers="python_version < '3.11'"),
            "uvloop": pinned(sys_platform="!= 'win32'", markers="python_version >= '3.8'"),
        },
        {"pytest": pinned(markers="('dev' in dependency_groups) and (python_version >= '3.8')")},
        prod={"gunicorn": pinned()},
    )
    selection = chosen("Pipfile.lock", text)
    assert names(selection) == ["flask", "uvloop"]
    assert selection.requirements[0].extras == ("async",)
    assert selection.options == ()
    assert names(chosen("Pipfile.lock", text, interpreter=WINDOWS)) == ["colorama", "flask"]
    assert names(chosen("Pipfile.lock", text, groups=["prod"])) == ["flask", "gunicorn", "uvloop"]
    assert names(chosen("Pipfile.lock", text, groups=["develop"])) == ["flask", "pytest", "uvloop"]
    assert "`[build] extras` names x; the file has none" in problems("Pipfile.lock", text, extras=["x"])[0][1]


def test_an_index_of_pipenv_keeps_its_variables_and_its_missing_verification() -> None:
    selection = chosen("Pipfile.lock", pipfile({"flask": pinned(), "x": pinned(index="own")}))
    assert selection.options == (
        "--extra-index-url https://${USER_NAME}:${TOKEN}@p.example:8443/simple",
        "--trusted-host p.example:8443",
    )


def test_sources_of_pipenv_come_out_with_their_places() -> None:
    text = pipfile(
        {
            "a": {"git": "https://g.example/a.git", "ref": COMMIT, "subdirectory": "py"},
            "shop": {"path": ".", "editable": True},
            "w": {"file": "https://w.example/w-2.0-py3-none-any.whl", "hashes": [f"sha256:{A}"]},
        }
    )
    selection = chosen("Pipfile.lock", text)
    assert [entry[:5] for entry in selection.sourced] == [
        ("a", "https://g.example/a.git", COMMIT, "py", False),
        ("shop", "", "", "", True),
    ]
    assert [one.url for one in selection.requirements] == ["https://w.example/w-2.0-py3-none-any.whl"]


def test_a_problem_of_pipenv_is_named_with_its_line() -> None:
    text = pipfile({"flask": pinned(), "x": pinned("2", index="elsewhere")})
    ((line, message),) = problems("Pipfile.lock", text)
    assert text.split("\n")[(line or 0) - 1].strip() == '"x": {'
    assert "from the index `elsewhere`" in message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not JSON"),
        ("[]", "no object"),
        ("{}", "no `pipfile-spec` of 6"),
        ('{"_meta": []}', "`_meta` that is not a table"),
        (pipfile({}).replace("6", "7"), "no `pipfile-spec` of 6"),
        (pipfile([]), "`default` that is not a table"),
        (pipfile({"x": 1}), "`x` is no table"),
        (pipfile({"x": {}}), "has no `version`"),
        (pipfile({"x": pinned() | {"version": "*"}}), "no pin with =="),
        (pipfile({"x": pinned() | {"hashes": []}}), "has no hash"),
        (pipfile({"x": pinned(markers="sys_platform ~ 'x'")}), "cannot evaluate its marker"),
        (pipfile({"x": pinned()}, sources=[{"url": "https://me:hunter2@p.example/"}]), "a password in it"),
        ('{"a": 1, "a": 2}', "the key `a` stands twice"),
        ('{"_meta": ' * 5000, "nested too deeply"),
        ('{"_meta": ' + "1" * 5000 + "}", "not a Pipfile.lock"),
        (pipfile({}), "it selects nothing"),
    ],
)  # fmt: skip
def test_a_pipfile_lock_that_is_none_is_refused(text: str, says: str) -> None:
    found = problems("Pipfile.lock", text)
    assert says in found[0][1]
    assert "hunter2" not in str(found)


# -- all ------------------------------------------------------------------------------------------------


def test_the_selection_is_kept_as_a_requirements_file_that_selects_the_same() -> None:
    text = pipfile({"flask": pinned("3.0"), "x": pinned(index="own")})
    lockfile = read("Pipfile.lock", text)
    selection = select(lockfile, LINUX, extras=[], groups=[])
    made = with_selection(lockfile, selection, LINUX).made
    again = read_lockfile(["/srv/shop/requirements.txt"], read=lambda _: made, sdists=())
    assert again.options == selection.options
    kept = select(again, LINUX, extras=[], groups=[]).requirements
    assert [(one.name, one.version, one.hashes) for one in kept] == [
        (one.name, one.version, one.hashes) for one in selection.requirements
    ]


@pytest.mark.parametrize("name", ["poetry.lock", "pdm.lock", "Pipfile.lock"])
def test_a_hundred_thousand_entries_are_refused_or_taken_within_bounds(name: str) -> None:
    rows = {
        "poetry.lock": "".join(f'[[package]]\nname = "p{n}"\n' for n in range(100_000)) + POETRY_END,
        "pdm.lock": PDM_HEAD + "".join(f'[[package]]\nname = "p{n}"\n' for n in range(100_000)),
        "Pipfile.lock": pipfile({f"p{n}": {} for n in range(100_000)}),
    }[name]
    with pytest.raises(LockfileError) as caught:
        chosen(name, rows)
    assert len(caught.value.message) < 20_000
