"""Which index pip would ask, held against the index that it asks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.index import LocalIndex
from venvship.building.fetching.pip_settings import (
    DEFAULT_INDEX,
    Index,
    NotPlainError,
    expanded,
    plain_index,
    refusal,
)

PLACES = ["xdg", "legacy", "user", "named", "section", "environment", "lockfile"]
"""Where an index can be set, each overriding those before it."""


def host_has_a_say() -> bool:
    """Whether the host's own configuration, which no variable turns off, says where packages come from."""
    try:
        return plain_index([], {"HOME": "/nonexistent"}, [], "/").url != DEFAULT_INDEX
    except NotPlainError:
        return True


plain_host = pytest.mark.skipif(host_has_a_say(), reason="this host's own pip.conf has a say")


@plain_host
@pytest.mark.parametrize("last", range(len(PLACES)))
def test_each_place_overrides_the_ones_before_it_as_in_pip(
    tmp_path: Path, index: LocalIndex, last: int
) -> None:
    home = tmp_path / "home"
    environ = {
        "PATH": os.defpath,
        "HOME": str(home),
        "XDG_CONFIG_DIRS": f"{tmp_path / 'none'}:{tmp_path / 'xdg'}",
        "PIP_RETRIES": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    paths = {
        "xdg": tmp_path / "xdg" / "pip" / "pip.conf",
        "legacy": home / ".pip" / "pip.conf",
        "user": home / ".config" / "pip" / "pip.conf",
        "named": tmp_path / "named.conf",
        # A section of the command has the last word, also if it stands in the file that is read first.
        "section": tmp_path / "xdg" / "pip" / "pip.conf",
    }
    options = []
    for place in PLACES[: last + 1]:
        url = f"http://127.0.0.1:{index.port}/{place}"
        if place == "environment":
            environ["PIP_INDEX_URL"] = url
        elif place == "lockfile":
            options.append(f"--index-url {url}")
        else:
            paths[place].parent.mkdir(parents=True, exist_ok=True)
            with open(paths[place], "a") as file:
                file.write(f"[{'download' if place == 'section' else 'global'}]\nindex_url = {url}\n")
        if place == "named":
            environ["PIP_CONFIG_FILE"] = str(paths[place])
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("\n".join([*options, "app==1.0", ""]))
    subprocess.run(
        [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "-r", requirements],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    expected = f"http://127.0.0.1:{index.port}/{PLACES[last]}"
    assert [path.rstrip("/") for path in index.requests] == [f"/{PLACES[last]}/app"]
    assert plain_index(options, environ, [sys.prefix], "/").url == expected


@plain_host
def test_a_file_that_is_named_replaces_those_of_the_user(tmp_path: Path) -> None:
    (tmp_path / ".pip").mkdir()
    (tmp_path / ".pip" / "pip.conf").write_text("[global]\nextra-index-url = https://two.example.org/\n")
    named = tmp_path / "named.conf"
    environ = {"HOME": str(tmp_path), "PIP_CONFIG_FILE": str(named), "XDG_CONFIG_DIRS": str(tmp_path)}
    with pytest.raises(NotPlainError, match="extra-index-url"):
        plain_index([], environ, [], "/")
    named.write_text("")
    assert plain_index([], environ, [], "/").url == DEFAULT_INDEX


@plain_host
def test_a_relative_name_of_a_file_is_relative_to_where_pip_runs(tmp_path: Path, index: LocalIndex) -> None:
    url = f"http://127.0.0.1:{index.port}/there"
    (tmp_path / "there.conf").write_text(f"[global]\nindex-url = {url}\n")
    environ = {"HOME": str(tmp_path), "PIP_CONFIG_FILE": "there.conf", "PATH": os.defpath, "PIP_RETRIES": "0"}
    subprocess.run(
        [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "app==1.0"],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert "/there/app/" in index.requests
    assert plain_index([], environ, [], str(tmp_path)).url == url


def test_on_macos_only_pip_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(NotPlainError, match="macOS"):
        plain_index([], {"HOME": "/nonexistent"}, [], "/")
    assert plain_index([], {"PIP_CONFIG_FILE": os.devnull}, [], "/").url == DEFAULT_INDEX


@plain_host
def test_a_prefix_has_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("[global]\nproxy = http://proxy.example.org:3128\n")
    environ = {"HOME": str(tmp_path / "none"), "XDG_CONFIG_DIRS": str(tmp_path / "none")}
    with pytest.raises(NotPlainError, match="pip is set up with proxy"):
        plain_index([], environ, [str(tmp_path)], "/")
    environ["PIP_CONFIG_FILE"] = os.devnull
    assert plain_index([], environ, [str(tmp_path)], "/").url == DEFAULT_INDEX


@pytest.mark.parametrize(
    ("environ", "options", "index"),
    [
        ({}, ["--pre", "--prefer-binary", "--require-hashes"], Index(DEFAULT_INDEX)),
        ({"PIP_INDEX_URL": ""}, [], Index(DEFAULT_INDEX)),
        ({"PIP_RETRIES": "9", "PIP_NO_CACHE_DIR": "1", "PIP_CACHE_DIR": "/c"}, [], Index(DEFAULT_INDEX)),
        ({"PIP_CERT": "/ca.pem", "PIP_TIMEOUT": "3.5"}, [], Index(DEFAULT_INDEX, "/ca.pem", 3.5)),
        ({"PIP_DEFAULT_TIMEOUT": "60"}, [], Index(DEFAULT_INDEX, None, 60.0)),
        (
            {"WHO": "me", "WORD": "p%40ss", "EMPTY": ""},
            ["--index-url https://${WHO}:${WORD}@index.example.org/${EMPTY}/${GONE}/simple"],
            Index("https://me:p%40ss@index.example.org/${EMPTY}/${GONE}/simple"),
        ),
        ({}, ["--index-url 'https://index.example.org/a b'"], "the index is not a URL"),
        ({}, ["--index-url http://index.example.org/simple"], "the index is not one of https"),
        ({}, ["--index-url file:///srv/simple"], "the index is not one of https"),
        ({}, ["--index-url https://me@index.example.org/simple"], "a user without a password"),
        ({}, ["--index-url 'https://index.example.org"], "the lockfile has the option --index-url"),
        ({}, ["--find-links /srv/wheels"], "the lockfile has the option --find-links"),
        ({}, ["--no-index"], "the lockfile has the option --no-index"),
        ({"PIP_TIMEOUT": "soon"}, [], "no number of seconds"),
        ({"PIP_TIMEOUT": "-1"}, [], "no number of seconds"),
        *(
            ({f"PIP_{name}": "x"}, [], f"pip is set up with {name.lower().replace('_', '-')}")
            for name in (
                "CLIENT_CERT", "EXTRA_INDEX_URL", "FIND_LINKS", "KEYRING_PROVIDER", "NO_INDEX",
                "NO_PROXY_ENV", "PROXY", "TRUSTED_HOST", "USE_DEPRECATED", "USE_FEATURE",
                "SOMETHING_OF_NEXT_YEAR",
            )
        ),
    ],
)  # fmt: skip
def test_one_index_is_plain_and_what_is_not_understood_is_not(
    environ: dict[str, str], options: list[str], index: Index | str
) -> None:
    environ = {**environ, "PIP_CONFIG_FILE": os.devnull}
    if isinstance(index, Index):
        assert plain_index(options, environ, [], "/") == index
    else:
        with pytest.raises(NotPlainError, match=index):
            plain_index(options, environ, [], "/")


@pytest.mark.parametrize("contents", [b"no section = x\n", b"[global]\nindex-url = \xff\xfe\n", b"[global\n"])
def test_a_file_that_cannot_be_read_is_for_pip(tmp_path: Path, contents: bytes) -> None:
    (tmp_path / "pip.conf").write_bytes(contents)
    environ = {
        "PIP_CONFIG_FILE": str(tmp_path / "pip.conf"),
        "HOME": str(tmp_path),
        "XDG_CONFIG_DIRS": "/none",
    }
    with pytest.raises(NotPlainError, match=r"pip\.conf cannot be read"):
        plain_index([], environ, [], "/")


def test_no_message_holds_a_secret() -> None:
    for options in (
        ["--index-url http://me:hidden@index.example.org"],
        ["--index-url https://hidden@x.example.org"],
        ["--index-url https://me:hid/hidden@index.example.org"],
        ["--index-url https://me:123/hidden@index.example.org"],
    ):
        with pytest.raises(NotPlainError) as caught:
            plain_index(options, {"PIP_CONFIG_FILE": os.devnull}, [], "/")
        assert "hidden" not in str(caught.value)


def test_the_loopback_takes_no_certificate() -> None:
    for host in ("localhost:1", "127.0.0.1", "127.1.2.3:80", "[::1]:3141"):
        assert refusal(f"http://{host}/simple") is None
    for host in ("127.0.0.1.example.org", "localhost.example.org", "128.0.0.1", "[::2]"):
        assert refusal(f"http://{host}/simple") is not None
    assert refusal("http://[::1/simple") == "is not a URL"


def test_variables_are_replaced_by_what_is_set() -> None:
    assert expanded("${A}${B}${c}$A", {"A": "1", "B": "", "c": "3"}) == "1${B}${c}$A"
