"""Where pip would look, held against where it looks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.index import LocalIndex
from venvship.building.fetching.pip_settings import (
    DEFAULT_INDEX,
    NotPlainError,
    every_index,
    expanded,
    plain_sources,
)
from venvship.building.fetching.sources import Sources

PLACES = ["xdg", "legacy", "user", "named", "section", "environment", "lockfile"]
"""Where an index can be set, each overriding those before it."""


def host_has_a_say() -> bool:
    """Whether the host's own configuration, which no variable turns off, says where packages come from."""
    try:
        return plain_sources([], {"HOME": "/nonexistent"}, [], "/") != Sources((DEFAULT_INDEX,))
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
    assert plain_sources(options, environ, [sys.prefix], "/").indexes == (expected,)


@plain_host
def test_a_file_that_is_named_replaces_those_of_the_user(tmp_path: Path) -> None:
    (tmp_path / ".pip").mkdir()
    (tmp_path / ".pip" / "pip.conf").write_text("[global]\nuse-feature = fast-deps\n")
    named = tmp_path / "named.conf"
    environ = {"HOME": str(tmp_path), "PIP_CONFIG_FILE": str(named), "XDG_CONFIG_DIRS": str(tmp_path)}
    with pytest.raises(NotPlainError, match="use-feature"):
        plain_sources([], environ, [], "/")
    named.write_text("")
    assert plain_sources([], environ, [], "/").indexes == (DEFAULT_INDEX,)


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
    assert plain_sources([], environ, [], str(tmp_path)).indexes == (url,)


def test_on_macos_only_pip_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(NotPlainError, match="macOS"):
        plain_sources([], {"HOME": "/nonexistent"}, [], "/")
    assert plain_sources([], {"PIP_CONFIG_FILE": os.devnull}, [], "/").indexes == (DEFAULT_INDEX,)


@plain_host
def test_a_prefix_has_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("[global]\nuse-feature = fast-deps\n")
    environ = {"HOME": str(tmp_path / "none"), "XDG_CONFIG_DIRS": str(tmp_path / "none")}
    with pytest.raises(NotPlainError, match="pip is set up with use-feature"):
        plain_sources([], environ, [str(tmp_path)], "/")
    environ["PIP_CONFIG_FILE"] = os.devnull
    assert plain_sources([], environ, [str(tmp_path)], "/").indexes == (DEFAULT_INDEX,)


PYPI = (DEFAULT_INDEX,)
ONE, TWO, THREE = (f"https://{name}.example.org/simple" for name in ("one", "two", "three"))


@pytest.mark.parametrize(
    ("environ", "options", "found"),
    [
        ({}, ["--pre", "--prefer-binary", "--require-hashes"], Sources(PYPI)),
        ({"INDEX_URL": ""}, [], Sources(PYPI)),
        ({"RETRIES": "9", "NO_CACHE_DIR": "1", "CACHE_DIR": "/c"}, [], Sources(PYPI)),
        ({"CERT": "/ca.pem", "TIMEOUT": "3.5"}, [], Sources(PYPI, certificates="/ca.pem", timeout=3.5)),
        ({"CLIENT_CERT": "me.pem"}, [], Sources(PYPI, client_certificate="/here/me.pem")),
        ({"DEFAULT_TIMEOUT": "60"}, [], Sources(PYPI, timeout=60.0)),
        ({"PROXY": "http://me:secret@proxy:3128"}, [], Sources(PYPI, proxy="http://me:secret@proxy:3128")),
        ({"KEYRING_PROVIDER": "auto"}, [], Sources(PYPI)),
        ({"KEYRING_PROVIDER": "disabled"}, [], Sources(PYPI)),
        ({"EXTRA_INDEX_URL": f"{ONE}  {TWO} {ONE}"}, [], Sources((DEFAULT_INDEX, ONE, TWO))),
        ({"INDEX_URL": ONE, "EXTRA_INDEX_URL": TWO}, [], Sources((ONE, TWO))),
        # The line of a lockfile replaces all; further ones are added.
        ({"EXTRA_INDEX_URL": TWO}, [f"--index-url {ONE}"], Sources((ONE,))),
        ({"EXTRA_INDEX_URL": TWO}, [f"--extra-index-url {ONE}"], Sources((DEFAULT_INDEX, TWO, ONE))),
        ({}, [f"--index-url {ONE}", f"--extra-index-url {TWO}"], Sources((ONE, TWO))),
        ({"NO_INDEX": "1", "EXTRA_INDEX_URL": TWO}, [f"--index-url {ONE}"], Sources()),
        ({"NO_INDEX": "false"}, [], Sources(PYPI)),
        ({}, [f"--index-url {ONE}", "--no-index", f"--extra-index-url {TWO}"], Sources()),
        (
            {"FIND_LINKS": "/here /here/wheels file:///here/wheels"},
            [],
            Sources(PYPI, (), ("/here", "/here/wheels")),
        ),
        ({}, ["--find-links wheels", "--find-links ~/wheels"], Sources(PYPI, (), ("/here/wheels",))),
        ({}, ["--find-links /none", f"--find-links {ONE}"], Sources(PYPI, (ONE,))),
        (
            {"TRUSTED_HOST": "Build.example.org"},
            ["--trusted-host one.example.org:8080", "--index-url http://one.example.org:8080/s"],
            Sources(
                ("http://one.example.org:8080/s",), trusted=("build.example.org", "one.example.org:8080")
            ),
        ),
        (
            {"WHO": "me", "WORD": "p%40ss", "EMPTY": ""},
            ["--index-url https://${WHO}:${WORD}@index.example.org/${EMPTY}/${GONE}/simple"],
            Sources(("https://me:p%40ss@index.example.org/${EMPTY}/${GONE}/simple",)),
        ),
        ({}, ["--index-url 'https://index.example.org/a b'"], "the index is not a URL"),
        ({}, ["--index-url http://index.example.org/simple"], "the index is not one of https"),
        ({"EXTRA_INDEX_URL": "http://one.example.org/"}, [], "the index is not one of https"),
        ({"TRUSTED_HOST": "one.example.org:81"}, ["--index-url http://one.example.org/"], "not one of https"),
        ({}, ["--index-url file:///srv/simple"], "the index is not one of https"),
        ({}, ["--index-url https://me@index.example.org/simple"], "a user without a password"),
        ({}, ["--index-url 'https://index.example.org"], "the lockfile has the option --index-url"),
        ({}, ["--find-links http://one.example.org/"], "a URL of find-links is not one of https"),
        ({}, [f"--find-links {ONE}/app-1.0-py3-none-any.whl"], "find-links names a file"),
        ({}, ["--find-links /here/app-1.0-py3-none-any.whl"], "find-links: Not a directory"),
        ({}, ["--find-links /here/pages"], "a folder of find-links has a page in it"),
        ({"NO_INDEX": "perhaps"}, [], "neither true nor false"),
        ({"TIMEOUT": "soon"}, [], "no number of seconds"),
        ({"TIMEOUT": "-1"}, [], "no number of seconds"),
        ({"PROXY": "socks5://proxy"}, [], "a proxy that is no URL of http"),
        ({"KEYRING_PROVIDER": "subprocess"}, [], "pip is set up with keyring-provider"),
        *(
            ({name: "x"}, [], f"pip is set up with {name.lower().replace('_', '-')}")
            for name in ("NO_PROXY_ENV", "USE_DEPRECATED", "USE_FEATURE", "SOMETHING_OF_NEXT_YEAR")
        ),
    ],
)  # fmt: skip
def test_what_is_understood_is_where_pip_would_look(
    tmp_path: Path, environ: dict[str, str], options: list[str], found: Sources | str
) -> None:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "index.HTML").touch()
    (tmp_path / "app-1.0-py3-none-any.whl").touch()
    here = str(tmp_path)
    options = [line.replace("/here", here) for line in options]
    variables = {"PIP_CONFIG_FILE": os.devnull, "HOME": here}
    for name, value in environ.items():
        prefix = "" if name in {"WHO", "WORD", "EMPTY"} else "PIP_"
        variables[prefix + name] = value.replace("/here", here)
    if isinstance(found, str):
        with pytest.raises(NotPlainError, match=found):
            plain_sources(options, variables, [], here)
        return
    client = found.client_certificate and found.client_certificate.replace("/here", here)
    folders = tuple(path.replace("/here", here) for path in found.folders)
    assert plain_sources(options, variables, [], here) == found._replace(
        folders=folders, client_certificate=client
    )


def test_for_a_look_an_unknown_setting_does_not_matter() -> None:
    environ = {"PIP_CONFIG_FILE": os.devnull, "PIP_USE_FEATURE": "x", "PIP_KEYRING_PROVIDER": "import"}
    options = [
        "--something",
        f"--index-url {ONE}",
        f"--extra-index-url {TWO}",
        "--extra-index-url http://x.org/",
    ]
    assert every_index(options, environ, [], "/").indexes == (ONE, TWO)
    assert every_index([*options, "--no-index"], environ, [], "/").indexes == ()
    assert every_index(options, {**environ, "PIP_TIMEOUT": "soon"}, [], "/") == Sources()


@pytest.mark.parametrize("contents", [b"no section = x\n", b"[global]\nindex-url = \xff\xfe\n", b"[global\n"])
def test_a_file_that_cannot_be_read_is_for_pip(tmp_path: Path, contents: bytes) -> None:
    (tmp_path / "pip.conf").write_bytes(contents)
    environ = {
        "PIP_CONFIG_FILE": str(tmp_path / "pip.conf"),
        "HOME": str(tmp_path),
        "XDG_CONFIG_DIRS": "/none",
    }
    with pytest.raises(NotPlainError, match=r"pip\.conf cannot be read"):
        plain_sources([], environ, [], "/")


def test_no_message_holds_a_secret() -> None:
    for options in (
        ["--index-url http://me:hidden@index.example.org"],
        ["--index-url https://hidden@x.example.org"],
        ["--index-url https://me:hid/hidden@index.example.org"],
        ["--index-url https://me:123/hidden@index.example.org"],
    ):
        with pytest.raises(NotPlainError) as caught:
            plain_sources(options, {"PIP_CONFIG_FILE": os.devnull}, [], "/")
        assert "hidden" not in str(caught.value)


def test_the_loopback_takes_no_certificate() -> None:
    for host in ("localhost:1", "127.0.0.1", "127.1.2.3:80", "[::1]:3141"):
        assert Sources().refusal(f"http://{host}/simple") is None
    for host in ("127.0.0.1.example.org", "localhost.example.org", "128.0.0.1", "[::2]"):
        assert Sources().refusal(f"http://{host}/simple") is not None
    assert Sources().refusal("http://[::1/simple") == "is not a URL"


def test_a_trusted_host_is_one_by_its_name_or_with_its_port() -> None:
    one = Sources(trusted=("one.example.org", "two.example.org:8443", "[::2]"))
    for url in (
        "http://one.example.org/",
        "https://ONE.example.org:1/",
        "https://two.example.org:8443/",
        "http://[::2]:5/",
    ):
        assert one.trusts(url)
        assert one.refusal(url) is None
    for url in ("http://sub.one.example.org/", "http://two.example.org/", "http://one.example.org.evil/"):
        assert not one.trusts(url)
        assert one.refusal(url) == "is not one of https"


def test_variables_are_replaced_by_what_is_set() -> None:
    assert expanded("${A}${B}${c}$A", {"A": "1", "B": "", "c": "3"}) == "1${B}${c}$A"
