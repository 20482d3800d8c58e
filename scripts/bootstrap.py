"""Make the development virtualenv from the hashed lockfile, if the one that is there will not do.

Run by `scripts/bootstrap.sh`; needs nothing but the standard library. The virtualenv gets what
`scripts/requirements-dev.txt` pins, or another lockfile, and venvship itself as an editable install. A
stamp, written last, says what it was made from: another lockfile, interpreter or setup.cfg makes it anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from urllib.parse import urljoin, urlsplit

REPO = Path(__file__).resolve().parent.parent
LOCKFILE = REPO / (os.environ.get("VENVSHIP_DEV_LOCKFILE") or "scripts/requirements-dev.txt")
VENV = Path(os.environ.get("VENVSHIP_DEV_VENV") or REPO / ".venv").absolute()
STAMP = VENV / "venvship-dev.json"

NEUTRAL = {
    # Settings of pip that change what is installed, or where. Where from is the developer's own business:
    # index, proxy and certificate settings stay. /dev/null and not "": pip ignores an empty variable.
    "PIP_CONSTRAINT": "/dev/null",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_REQUIRE_VIRTUALENV": "0",
    "PIP_USER": "0",
}
DROPPED = ("PIP_PREFIX", "PIP_ROOT", "PIP_TARGET", "PYTHONHOME", "PYTHONPATH")


class SetupError(Exception):
    """The virtualenv could not be made; the message says what to do."""


def base_interpreter() -> str:
    """The interpreter below any virtualenv that is active, by its real path."""
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


def wanted_stamp() -> dict[str, str]:
    """What the virtualenv has to be made from to be used as it is."""
    files = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (LOCKFILE, REPO / "setup.cfg")
    }
    return {**files, "python": base_interpreter(), "version": sys.version, "repository": str(REPO)}


def is_current(stamp: dict[str, str]) -> bool:
    """Whether the virtualenv that is there was finished, and made from the same things."""
    try:
        return json.loads(STAMP.read_text()) == stamp and (VENV / "bin" / "python").exists()
    except (OSError, ValueError):
        return False


def say(text: str) -> None:
    """Tell what is being done, at once: what follows may take a while."""
    print(f"==> {text}", flush=True)


def run(*argv: str | Path, quiet: bool = False) -> None:
    """Run a command to its end; `quiet`: its output is shown only if it fails.

    Raises:
        SetupError: It failed; its own output has said why.
    """
    environ = {k: v for k, v in os.environ.items() if k not in DROPPED} | NEUTRAL
    output = subprocess.PIPE if quiet else None
    done = subprocess.run(
        [str(a) for a in argv], env=environ, check=False, cwd=REPO, stdout=output, stderr=subprocess.STDOUT
    )
    if done.returncode != 0:
        sys.stdout.buffer.write(done.stdout or b"")
        raise SetupError("failed: " + " ".join(str(a) for a in argv))


def has_ensurepip() -> bool:
    """Whether `python -m venv` can bring a pip. Debian packages ensurepip apart, in python3-venv."""
    try:
        import venv  # noqa: F401
        from ensurepip import version
    except ImportError:
        return False
    return bool(version())


def make_venv(scratch: Path) -> list[str]:
    """Make an empty virtualenv and return the command line of a pip that installs into it.

    Args:
        scratch: An empty directory, for the pip.

    Raises:
        SetupError: The interpreter cannot make one.
    """
    if VENV.exists() and not (VENV / "pyvenv.cfg").is_file() and any(VENV.iterdir()):
        raise SetupError(f"{VENV} exists and is not a virtualenv; move it away, or set VENVSHIP_DEV_VENV")
    python = base_interpreter()
    if has_ensurepip():
        run(python, "-m", "venv", "--clear", VENV)
        return [str(VENV / "bin" / "python"), "-m", "pip"]
    say("this interpreter has no ensurepip: taking the pip that the lockfile pins from the package index")
    try:
        import venv  # noqa: F401
    except ImportError:
        raise SetupError(
            f"{python} has no venv module; on Debian and Ubuntu: apt-get install python3-venv"
        ) from None
    run(python, "-m", "venv", "--clear", "--without-pip", VENV)
    wheel = fetch_pip(scratch)
    return [str(VENV / "bin" / "python"), f"{wheel}/pip"]


def fetch_pip(directory: Path) -> Path:
    """Download the pinned pip's wheel, and hold it against the lockfile's hashes.

    Raises:
        SetupError: It cannot be had, or is not what the lockfile pins.
    """
    remedy = "install ensurepip instead (on Debian and Ubuntu: apt-get install python3-venv)"
    found = re.search(
        r"^pip==(\S+)((?:\s*\\\s*--hash=sha256:[0-9a-f]{64})+)", LOCKFILE.read_text(), re.MULTILINE
    )
    if found is None:
        raise SetupError(f"{LOCKFILE} pins no pip; {remedy}")
    name = f"pip-{found[1]}-py3-none-any.whl"
    index = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/")
    host = urlsplit(index).hostname  # what messages name: the whole URL may hold a password
    request = urllib.request.Request(f"{index}/pip/", headers={"Accept": "text/html"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            page, address = answer.read().decode(), answer.url
        link = re.search(rf'href="([^"#]*{re.escape(name)})[#"]', page)
        if link is None:
            raise SetupError(f"{host} has no {name}; {remedy}")
        with urllib.request.urlopen(urljoin(address, link[1]), timeout=60) as answer:
            content = answer.read()
    except OSError as error:
        raise SetupError(f"cannot fetch {name} from {host}: {error}; {remedy}") from error
    if hashlib.sha256(content).hexdigest() not in found[2]:
        raise SetupError(f"{name} from {host} does not have a hash that {LOCKFILE} allows")
    wheel = directory / name
    wheel.write_bytes(content)
    return wheel


def main() -> int:
    """Make the virtualenv, or find that it is there."""
    if sys.argv[1:] == ["--print-path"]:
        print(VENV)
        return 0
    stamp = wanted_stamp()
    if is_current(stamp):
        return 0
    say(f"making {VENV} with {base_interpreter()} ({sys.version.split()[0]})")
    try:
        with tempfile.TemporaryDirectory(prefix="venvship-dev-") as scratch:
            pip = make_venv(Path(scratch))
            say(f"installing {LOCKFILE.relative_to(REPO)}")
            hashed = ("--require-hashes", "--only-binary", ":all:")
            run(*pip, "install", "--quiet", *hashed, "-r", LOCKFILE)
        say("installing venvship, editable")
        offline = ("--no-index", "--no-deps", "--no-build-isolation")
        run(VENV / "bin" / "python", "-m", "pip", "install", *offline, "-e", REPO, quiet=True)
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    STAMP.write_text(json.dumps(stamp, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
