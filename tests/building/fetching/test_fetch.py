"""Fetching what a lockfile pins, from an index that is healthy, wrong, silent or hostile."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import tarfile
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.fetching import (
    SECRET,
    ZEROS,
    Fetcher,
    by_lockfile_variable,
    everything_said,
    names,
    pin_with_hash,
    pins,
    processes_in,
    with_credentials,
)
from tests.support.index import LocalIndex
from tests.support.processes import script_at
from tests.support.wheels import as_zip, build_sdist, build_setuptools, build_wheel, lockfile_text
from venvship.errors import (
    BuildError,
    DiskFullError,
    DistributionNotFoundError,
    HashMismatchError,
    IndexUnreachableError,
    InvalidWheelError,
    NoCompatibleWheelError,
    SourceOnlyError,
    VenvshipError,
)
from venvship.model.interpreter import Interpreter


@pytest.fixture
def fetcher(fetcher: Fetcher) -> Fetcher:
    # Something about keyrings, whatever it is, is for pip: these are tests of what pip does.
    return replace(fetcher, environ={**fetcher.environ, "PIP_KEYRING_PROVIDER": "subprocess"})


# -- what works -----------------------------------------------------------------------------------------


def test_dependencies_are_not_fetched(fetcher: Fetcher, wheelhouse: Path, index: LocalIndex) -> None:
    build_wheel(wheelhouse, "dependency")
    wheel = build_wheel(wheelhouse, "app", requires=["dependency"])
    fetcher(pins(wheel))
    assert index.downloads() == [wheel.filename]


def test_a_wheel_that_was_added_to_the_index_later_does_not_get_in_the_way(
    fetcher: Fetcher, wheelhouse: Path, interpreter: Interpreter
) -> None:
    locked = build_wheel(wheelhouse, "both")
    build_wheel(wheelhouse, "both", tag=interpreter.tags[0])
    (one,) = fetcher(pins(locked))
    assert one.sha256 == locked.sha256


def test_extras_markers_comments_and_continuations_reach_pip_as_they_are(
    fetcher: Fetcher, wheelhouse: Path
) -> None:
    wheel = build_wheel(wheelhouse, "app", extras={"web": ["nowhere"]})
    text = f'app[web]==1.0 ; python_version >= "3.8" \\\n    --hash=sha256:{wheel.sha256}\n    # via föö\n'
    assert names(fetcher(text)) == [wheel.filename]


def test_a_wheel_by_path_needs_no_index_and_stays_where_it_is(
    fetcher: Fetcher, tmp_path: Path, index: LocalIndex
) -> None:
    wheel = build_wheel(tmp_path / "vendor", "vendored")
    index.stop()
    (one,) = fetcher(f"vendored @ file://{wheel.path} --hash=sha256:{wheel.sha256}\n")
    assert one.path == str(wheel.path)


def test_find_links_and_no_index_of_the_lockfile_are_honoured(
    fetcher: Fetcher, tmp_path: Path, index: LocalIndex
) -> None:
    wheel = build_wheel(tmp_path / "links", "linked")
    fetcher(pins(wheel, options=["--no-index", f"--find-links {tmp_path / 'links'}"]))
    assert not index.requests


def test_the_files_of_the_scratch_directory_are_private(fetcher: Fetcher, wheelhouse: Path) -> None:
    fetcher(pins(build_wheel(wheelhouse, "one")))
    scratch = fetcher.runs[-1] / "scratch"
    for entry in scratch.iterdir():
        assert stat.S_IMODE(entry.stat().st_mode) == 0o700
    assert stat.S_IMODE(fetcher.log.stat().st_mode) == 0o600


# -- hashes ---------------------------------------------------------------------------------------------


def test_a_tampered_file_is_refused_and_none_of_its_code_has_run(
    fetcher: Fetcher, wheelhouse: Path, index: LocalIndex, tmp_path: Path
) -> None:
    mark = tmp_path / "ran"
    good = build_wheel(wheelhouse, "good")
    source = build_sdist(wheelhouse, "evil", mark=mark)
    index.tampered.add(source.filename)
    with pytest.raises(HashMismatchError) as caught:
        fetcher(pins(good, source), sdists=["*"])
    assert "evil 1.0 (requirements.txt, line 3)" in caught.value.message
    assert caught.value.data["package"] == "evil"
    assert not mark.exists()


def test_another_file_than_the_locked_one_is_refused_with_both_sides_named(
    fetcher: Fetcher, wheelhouse: Path
) -> None:
    wheel = build_wheel(wheelhouse, "swapped")
    with pytest.raises(HashMismatchError, match=r"swapped 1\.0 \(requirements.txt, line 1\)") as caught:
        fetcher(pin_with_hash("swapped", "1.0", ZEROS))
    assert caught.value.data["got"] == [wheel.sha256]


def test_a_wheel_by_path_with_another_hash_is_refused(fetcher: Fetcher, tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path / "vendor", "vendored")
    with pytest.raises(HashMismatchError, match=r"vendored .*its sha256 is " + wheel.sha256):
        fetcher(f"vendored @ file://{wheel.path} --hash=sha256:{ZEROS}\n")


@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
def test_a_wheel_by_path_is_compared_by_the_hash_that_its_pin_has(
    fetcher: Fetcher, tmp_path: Path, algorithm: str
) -> None:
    wheel = build_wheel(tmp_path / "wheels", "app")
    digits = hashlib.new(algorithm, wheel.path.read_bytes()).hexdigest()
    (one,) = fetcher(f"{wheel.path} --hash={algorithm}:{digits}\n")
    assert one.sha256 == wheel.sha256
    with pytest.raises(HashMismatchError):
        fetcher(f"{wheel.path} --hash={algorithm}:{digits[::-1]}\n")


def test_a_wheel_by_path_that_is_not_there_is_not_found(fetcher: Fetcher, tmp_path: Path) -> None:
    with pytest.raises(DistributionNotFoundError, match="there is no file"):
        fetcher(f"gone @ file://{tmp_path}/gone-1.0-py3-none-any.whl --hash=sha256:{ZEROS}\n")


def test_a_pip_that_checks_no_hashes_changes_nothing(
    fetcher: Fetcher, wheelhouse: Path, tmp_path: Path, interpreter: Interpreter
) -> None:
    """Our own check stands alone: here the interpreter that runs pip lies about what it did."""
    wheel = build_wheel(wheelhouse, "swapped")
    liar = script_at(
        tmp_path / "python", f'#!/bin/sh\nwhile [ "$1" != --dest ]; do shift; done; cp "{wheel.path}" "$2"\n'
    )
    fetcher.interpreter = Interpreter.from_json({**interpreter.to_json(), "path": str(liar)})
    assert names(fetcher(pins(wheel))) == [wheel.filename]
    with pytest.raises(HashMismatchError, match="its sha256 is " + wheel.sha256):
        fetcher(pin_with_hash("swapped", "1.0", ZEROS))
    with pytest.raises(BuildError, match="brought no file for it"):
        fetcher(pin_with_hash("other", "1.0", ZEROS))


# -- what the index does not have -----------------------------------------------------------------------


def test_an_unknown_version_names_those_that_are_there(fetcher: Fetcher, wheelhouse: Path) -> None:
    build_wheel(wheelhouse, "app", "1.0")
    build_wheel(wheelhouse, "app", "1.1")
    with pytest.raises(DistributionNotFoundError, match=r"app==2\.0 here, only 1\.0, 1\.1"):
        fetcher(pin_with_hash("app", "2.0", ZEROS))


def test_a_wheel_by_url_for_another_platform_is_named_as_such(
    fetcher: Fetcher, wheelhouse: Path, index: LocalIndex
) -> None:
    wheel = build_wheel(wheelhouse, "native", tag="cp39-cp39-manylinux_2_17_s390x")
    with pytest.raises(NoCompatibleWheelError, match="native"):
        fetcher(f"native @ {index.file_url(wheel.filename)} --hash=sha256:{wheel.sha256}\n")


def test_a_wheel_by_path_for_another_platform_is_named_as_such(fetcher: Fetcher, tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path / "vendor", "native", tag="cp39-cp39-manylinux_2_17_s390x")
    with pytest.raises(NoCompatibleWheelError, match="native"):
        fetcher(f"native @ file://{wheel.path} --hash=sha256:{wheel.sha256}\n")


def test_a_file_that_is_named_otherwise_than_its_pin_is_refused(fetcher: Fetcher, tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path / "vendor", "something")
    other = wheel.path.with_name("something_else-1.0-py3-none-any.whl")
    wheel.path.rename(other)
    text = f"something @ file://{other} --hash=sha256:{hashlib.sha256(other.read_bytes()).hexdigest()}\n"
    with pytest.raises((InvalidWheelError, VenvshipError)):
        fetcher(text)


def test_pages_tell_a_source_from_a_replaced_file_where_only_pip_may_fetch(
    fetcher: Fetcher, wheelhouse: Path, index: LocalIndex
) -> None:
    """Of several indexes, say. pip's log has no hashes of what a page in the JSON form lists."""
    index.form = "json"
    source, wheel = build_sdist(wheelhouse, "app"), build_wheel(wheelhouse, "app")
    with pytest.raises(SourceOnlyError, match=r"only the source distribution app-1\.0\.tar\.gz"):
        fetcher(pins(source))
    with pytest.raises(HashMismatchError) as caught:
        fetcher(pins(source).rstrip() + f" --hash=sha256:{ZEROS}\n")
    assert caught.value.data["got"] == [wheel.sha256]


# -- an index that fails --------------------------------------------------------------------------------


def test_an_index_that_is_down_is_unreachable_not_without_the_package(
    fetcher: Fetcher, wheelhouse: Path, index: LocalIndex
) -> None:
    wheel = build_wheel(wheelhouse, "app")
    index.stop()
    with pytest.raises(IndexUnreachableError, match="Connection refused") as caught:
        fetcher(pins(wheel))
    assert "app 1.0 (requirements.txt, line 1)" in caught.value.message


def test_a_dead_second_index_is_named_although_the_first_is_fine(
    fetcher: Fetcher, wheelhouse: Path, index: LocalIndex
) -> None:
    text = pin_with_hash("private", "1.0", ZEROS)
    with pytest.raises(IndexUnreachableError, match=r"127\.0\.0\.1:9/"):
        fetcher("--extra-index-url http://127.0.0.1:9/simple\n" + text)


def test_one_failing_pip_ends_the_others_at_once(
    fetcher: Fetcher, wheelhouse: Path, index: LocalIndex, tmp_path: Path
) -> None:
    """The first half of the requirements hangs on another index; the second is not there."""
    with LocalIndex(tmp_path) as silent:
        silent.hang = True
        hanging = f"slow @ {silent.file_url('slow-1.0-py3-none-any.whl')} --hash=sha256:{ZEROS}\n"
        missing = "".join(pin_with_hash(f"pkg-{letter}", "1.0", ZEROS) for letter in "abcdefgh")
        began = time.monotonic()
        with pytest.raises(DistributionNotFoundError):
            fetcher(hanging + missing, timeout=120, environ={"PIP_DEFAULT_TIMEOUT": "100"})
        assert time.monotonic() - began < 50
    assert not processes_in(fetcher.runs[-1])


# -- building from source -------------------------------------------------------------------------------


def test_a_source_beside_foreign_wheels_is_named_with_them(fetcher: Fetcher, wheelhouse: Path) -> None:
    source = build_sdist(wheelhouse, "app")
    wheel = build_wheel(wheelhouse, "app", tag="cp39-cp39-win_amd64")
    with pytest.raises(SourceOnlyError, match=r"other platforms only \(cp39-cp39-win_amd64") as caught:
        fetcher(lockfile_text([source, wheel]), sdists=["something-else"])
    assert 'add "app" to `[build] sdists`' in (caught.value.hint or "")


def test_a_source_whose_hash_is_not_allowed_is_no_way_out(fetcher: Fetcher, wheelhouse: Path) -> None:
    build_sdist(wheelhouse, "app")
    wheel = build_wheel(wheelhouse, "app", tag="cp39-cp39-win_amd64")
    with pytest.raises(NoCompatibleWheelError):
        fetcher(pins(wheel))


def test_an_allowed_source_is_built_and_both_hashes_are_known(fetcher: Fetcher, wheelhouse: Path) -> None:
    source = build_sdist(wheelhouse, "only-source")
    wheel = build_wheel(wheelhouse, "app")
    built, plain = fetcher(pins(source, wheel), sdists=["*"])
    assert built.source_sha256 == source.sha256
    assert built.path.endswith("only_source-1.0-py3-none-any.whl")
    assert built.sha256 == hashlib.sha256(Path(built.path).read_bytes()).hexdigest()
    assert plain.sha256 == wheel.sha256
    assert plain.source_sha256 is None


def test_an_allowed_name_still_comes_as_a_wheel_where_there_is_one(
    fetcher: Fetcher, wheelhouse: Path, tmp_path: Path
) -> None:
    mark = tmp_path / "ran"
    source = build_sdist(wheelhouse, "app", mark=mark)
    wheel = build_wheel(wheelhouse, "app")
    (one,) = fetcher(lockfile_text([source, wheel]), sdists=["app"])
    assert one.sha256 == wheel.sha256
    assert not mark.exists()


def test_archives_of_a_forge_are_built_and_their_versions_come_with_the_build(
    fetcher: Fetcher, wheelhouse: Path, index: LocalIndex, tmp_path: Path
) -> None:
    """They are called after tags and commits, so two of them may have one name."""
    mine, yours = build_sdist(tmp_path, "mine", "1.2"), build_sdist(tmp_path, "yours", "3.0")
    archives = {"mine": mine.path.rename(wheelhouse / "v1.2.tar.gz")}
    with LocalIndex(tmp_path / "other") as other:
        other.directory.mkdir()
        archives["yours"] = yours.path.rename(other.directory / "v1.2.tar.gz")
        archives["zipped"] = as_zip(build_sdist(tmp_path, "zipped", "5"), wheelhouse / "3f9a1c2d00aa.zip")
        urls = {
            name: (other if name == "yours" else index).file_url(path.name) for name, path in archives.items()
        }
        hashes = {name: hashlib.sha512(path.read_bytes()).hexdigest() for name, path in archives.items()}
        text = "".join(f"{name} @ {urls[name]} --hash=sha512:{hashes[name]}\n" for name in archives)
        fetched = fetcher(text, sdists=["mine", "yours", "zipped"])
    assert names(fetched) == [f"{pin}-py3-none-any.whl" for pin in ("mine-1.2", "yours-3.0", "zipped-5")]
    assert [one.source_sha256 for one in fetched] == [
        hashlib.sha256(path.read_bytes()).hexdigest() for path in archives.values()
    ]


def test_wheels_that_are_named_by_their_urls_share_pips_although_they_might_be_built(
    fetcher: Fetcher, wheelhouse: Path, index: LocalIndex
) -> None:
    """As those of a pylock file are, each of them, with `sdists = ["*"]`: a pip takes a second to start."""
    wheels = [build_wheel(wheelhouse, f"wheel-{letter}") for letter in "abcdefgh"]
    source = build_sdist(wheelhouse, "only-source")
    lines = [
        f"{one.name} @ {index.file_url(one.path.name)} --hash=sha256:{one.sha256}\n"
        for one in (*wheels, source)
    ]
    fetched = fetcher("".join(lines), sdists=["*"])
    assert [one.sha256 for one in fetched[:-1]] == [one.sha256 for one in wheels]
    pips = [name for name in os.listdir(fetcher.runs[-1] / "scratch") if name.isdigit()]
    assert len(pips) == 3, "two for eight wheels, and one for the source"


def test_a_folder_of_an_archive_is_built(
    fetcher: Fetcher, wheelhouse: Path, index: LocalIndex, tmp_path: Path
) -> None:
    inner = build_sdist(tmp_path, "inner", "2")
    with tarfile.open(inner.path) as tar:
        tar.extractall(tmp_path / "all" / "python", filter="data")
    archive = wheelhouse / "main.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "all", "all")
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    url = f"{index.file_url(archive.name)}#subdirectory=python/inner-2"
    (built,) = fetcher(f"inner @ {url} --hash=sha256:{sha256}\n", sdists=["inner"])
    assert names([built]) == ["inner-2-py3-none-any.whl"]
    assert built.source_sha256 == sha256


def test_an_archive_that_holds_another_project_is_refused(
    fetcher: Fetcher, wheelhouse: Path, index: LocalIndex, tmp_path: Path
) -> None:
    archive = build_sdist(tmp_path, "mine").path.rename(wheelhouse / "v1.tar.gz")
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    with pytest.raises(BuildError) as caught:
        fetcher(f"yours @ {index.file_url('v1.tar.gz')} --hash=sha256:{sha256}\n", sdists=["*"])
    assert "yours" in caught.value.message


def test_a_source_without_pyproject_is_built_with_setuptools_from_the_index(
    fetcher: Fetcher, wheelhouse: Path, tmp_path: Path
) -> None:
    """pip up to 25.2 would take those of the interpreter, where it has them: others on every host."""
    host = tmp_path / "host"
    subprocess.run([fetcher.interpreter.path, "-m", "venv", "--without-pip", host], check=True)
    (site,) = host.glob("lib/python3.*/site-packages")
    for name in ("setuptools", "wheel"):
        (site / f"{name}.py").write_text("raise SystemExit('the host has this')\n")
    build_setuptools(wheelhouse, "old")
    build_wheel(wheelhouse, "wheel")  # which older pips ask for, too
    source = build_sdist(wheelhouse, "old", setup="import setuptools\n")
    here = fetcher.interpreter._replace(path=str(host / "bin/python"))
    # To pip, "false" means no isolation.
    (tmp_path / "pip.conf").write_text("[global]\nno-build-isolation = false\n")
    environ = {"PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}
    (built,) = replace(fetcher, interpreter=here)(pins(source), sdists=["old"], environ=environ)
    assert names([built]) == ["old-1.0-py3-none-any.whl"]


def test_a_source_that_does_not_build_points_to_the_log(fetcher: Fetcher, wheelhouse: Path) -> None:
    source = build_sdist(wheelhouse, "broken", fails=True)
    with pytest.raises(BuildError, match=r"broken 1\.0 .*: building it from source failed") as caught:
        fetcher(pins(source), sdists=["broken"])
    assert type(caught.value) is BuildError
    assert "no compiler found" in fetcher.log.read_text()


def test_what_a_build_requires_comes_from_the_same_index(
    fetcher: Fetcher, wheelhouse: Path, index: LocalIndex
) -> None:
    tool = build_wheel(wheelhouse, "build-tool")
    source = build_sdist(wheelhouse, "app", build_requires=["build-tool"])
    (one,) = fetcher(pins(source), sdists=["app"])
    assert one.source_sha256 == source.sha256
    assert tool.filename in index.downloads()


# -- the settings of pip --------------------------------------------------------------------------------


def test_settings_that_change_what_is_installed_are_without_effect(
    fetcher: Fetcher, wheelhouse: Path, index: LocalIndex, tmp_path: Path, interpreter: Interpreter
) -> None:
    unwanted = build_wheel(wheelhouse, "unwanted")
    wheel = build_wheel(wheelhouse, "app", "1.0", tag=interpreter.tags[0])
    build_wheel(wheelhouse, "app", "2.0")
    (tmp_path / "constraint.txt").write_text("app==2.0\n")
    (tmp_path / "more.txt").write_text(f"unwanted==1.0 --hash=sha256:{unwanted.sha256}\n")
    (tmp_path / "pip.conf").write_text(
        f"[global]\nconstraint = {tmp_path}/constraint.txt\nrequire-virtualenv = true\nquiet = 3\n"
        f"[download]\nrequirement = {tmp_path}/more.txt\nno-binary = :all:\ndest = {tmp_path}/elsewhere\n"
        f"user = true\n[install]\ntarget = {tmp_path}/elsewhere\n"
    )
    fetched = fetcher(
        pins(wheel),
        environ={
            "PIP_CONFIG_FILE": str(tmp_path / "pip.conf"),
            "PIP_CONSTRAINT": str(tmp_path / "constraint.txt"),
            "PIP_REQUIREMENT": str(tmp_path / "more.txt"),
            "PIP_REQUIRE_VIRTUALENV": "1",
            "PIP_TARGET": str(tmp_path / "elsewhere"),
            "PIP_USER": "1",
            "PIP_PREFIX": str(tmp_path / "elsewhere"),
            "PIP_PLATFORM": "win_amd64",
            "PIP_ABI": "cp39",
            "PIP_PYTHON_VERSION": "3.9",
            "PIP_NO_BINARY": ":all:",
            "PIP_DEST": str(tmp_path / "elsewhere"),
            "PIP_PYTHON": "/nonexistent",
            "PIP_LOG": str(tmp_path / "elsewhere"),
            "PYTHONPATH": str(tmp_path),
        },
    )
    assert names(fetched) == [wheel.filename]
    assert index.downloads() == [wheel.filename]
    assert not (tmp_path / "elsewhere").exists()


def test_constraints_in_force_do_not_reach_a_build_from_source(
    fetcher: Fetcher, wheelhouse: Path, index: LocalIndex, tmp_path: Path
) -> None:
    build_wheel(wheelhouse, "build-tool", "2.0")
    source = build_sdist(wheelhouse, "app", build_requires=["build-tool"])
    (tmp_path / "constraint.txt").write_text("build-tool==1.0\n")
    (tmp_path / "pip.conf").write_text(
        f"[global]\nconstraint = {tmp_path}/constraint.txt\nrequire-hashes = true\nuser = true\n"
    )
    (one,) = fetcher(
        pins(source),
        sdists=["app"],
        environ={
            "PIP_CONFIG_FILE": str(tmp_path / "pip.conf"),
            "PIP_CONSTRAINT": str(tmp_path / "constraint.txt"),
        },
    )
    assert one.source_sha256 == source.sha256


def test_index_settings_of_a_configuration_file_stay_in_force(
    fetcher: Fetcher, wheelhouse: Path, index: LocalIndex, tmp_path: Path
) -> None:
    wheel = build_wheel(wheelhouse, "app")
    (tmp_path / "pip.conf").write_text(f"[global]\nindex-url = {index.url}\n")
    environ = {"PIP_CONFIG_FILE": str(tmp_path / "pip.conf"), "PIP_INDEX_URL": ""}
    assert names(fetcher(pins(wheel), environ=environ)) == [wheel.filename]


def test_a_module_called_pip_where_we_stand_is_not_pip(fetcher: Fetcher, wheelhouse: Path) -> None:
    wheel = build_wheel(wheelhouse, "app")
    (fetcher.root / "pip.py").write_text("raise SystemExit('the wrong pip')\n")
    fetcher.cwd = fetcher.root
    assert names(fetcher(pins(wheel))) == [wheel.filename]


# -- secrets --------------------------------------------------------------------------------------------


def test_what_a_build_prints_is_redacted_too(fetcher: Fetcher, wheelhouse: Path, index: LocalIndex) -> None:
    with_credentials(index)
    options, environ = by_lockfile_variable(fetcher, index)
    source = build_sdist(wheelhouse, "talkative", fails=True)
    with pytest.raises(BuildError, match="building it from source failed") as caught:
        fetcher(options + pins(source), sdists=["*"], environ=environ)
    assert "no compiler found" in fetcher.log.read_text()
    assert SECRET not in everything_said(fetcher, caught.value)


# -- the disk -------------------------------------------------------------------------------------------


def test_a_full_disk_is_called_a_full_disk(
    fetcher: Fetcher, wheelhouse: Path, tmp_path: Path, interpreter: Interpreter
) -> None:
    """The interpreter that runs pip says what pip says when a write fails with ENOSPC."""
    wheel = build_wheel(wheelhouse, "app")
    full = tmp_path / "python"
    script_at(
        full,
        "#!/bin/sh\n"
        "echo 'ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device'\n"
        "exit 1\n",
    )
    fetcher.interpreter = Interpreter.from_json({**interpreter.to_json(), "path": str(full)})
    with pytest.raises(DiskFullError):
        fetcher(pins(wheel))


def test_what_nobody_foresaw_is_said_in_pips_own_words(
    fetcher: Fetcher, wheelhouse: Path, tmp_path: Path, interpreter: Interpreter
) -> None:
    broken = script_at(tmp_path / "python", "#!/bin/sh\necho 'ERROR: the moon is in the way'\nexit 2\n")
    fetcher.interpreter = Interpreter.from_json({**interpreter.to_json(), "path": str(broken)})
    with pytest.raises(BuildError, match=r"app 1\.0 .*: the moon is in the way"):
        fetcher(pins(build_wheel(wheelhouse, "app")))
