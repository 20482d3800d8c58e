"""What a page of the how-to guides may find when it begins: `% given: NAME`.

Everything but `host` is made from wheels without code of others, so that the pages run offline.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from tests.support import whole_host
from tests.support.checkouts import repository
from tests.support.index import LocalIndex
from tests.support.roots import command, plain_environment
from tests.support.wheels import Distribution, build_wheel, lockfile_text

REPOSITORY: Final = Path(__file__).resolve().parent.parent.parent
SOURCES: Final = ("venvship", "scripts", "setup.cfg", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in")

SHOP: Final = '''\
"""A shop."""
VERSION = {version!r}


def main():
    import sys, till
    print(f"shop {{VERSION}}, {{' '.join(sys.argv[1:])}}".rstrip(", "))


def wsgi(environ, start_response):
    start_response("200 OK", [])
    return [VERSION.encode()]
'''


MANAGE: Final = """\
#!/usr/bin/env python3
import sys, till, stock

print(f"{sys.argv[1]}: {stock.ITEMS} items")
"""
PROJECT: Final = {
    "manage.py": MANAGE,
    "stock/__init__.py": "ITEMS = 3\n",
    "media/example.jpg": "",
    "db.sqlite3": "",
    ".env": "SECRET_KEY=s3cret\n",
}


@dataclass
class Scene:
    """Where a page is run.

    Attributes:
        place: HOME, and where it begins.
        environment: Of its commands.
        replaced: Texts of the page, and what stands for them here.
        cleanup: What has to end with it.
        enter: The beginning of a command line that runs the rest on a host of the page's own.
    """

    place: Path
    environment: dict[str, str]
    replaced: dict[str, str]
    cleanup: contextlib.ExitStack
    enter: list[str] = field(default_factory=list)

    @property
    def shop(self) -> Path:
        """The root that most pages are about."""
        return self.place / "srv" / "shop"

    def venvship(self, *arguments: str) -> None:
        """Run a command that must not fail."""
        done = subprocess.run(
            [command(), *arguments],
            env=plain_environment(self.place),
            cwd=self.place,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def lock(self, version: str) -> None:
        """Take the lockfile of a version into the root."""
        (self.shop / "requirements.txt").write_text(
            (self.place / "locks" / f"shop-{version}.txt").read_text()
        )


def wheels(place: Path) -> dict[str, Distribution]:
    """Build `shop` in three versions, and `till`, into `wheels/`."""
    built = {"till": build_wheel(place / "wheels", "till", "3.0")}
    for version in ("1.0", "1.1", "1.2"):
        built[version] = build_wheel(
            place / "wheels",
            "shop",
            version,
            files={"shop.py": SHOP.format(version=version)},
            scripts={"shop-admin": "shop:main"},
            requires=["till"],
        )
    return built


def application(scene: Scene) -> None:
    """Wheels in `wheels/`, and lockfiles for shop 1.0, 1.1 and 1.2 in `locks/`."""
    built = wheels(scene.place)
    (scene.place / "locks").mkdir()
    for version in ("1.0", "1.1", "1.2"):
        text = lockfile_text(built[version], built["till"], options=[f"--find-links {scene.place}/wheels"])
        (scene.place / "locks" / f"shop-{version}.txt").write_text(text)


def root(scene: Scene) -> None:
    """And a root `/srv/shop` with the lockfile of 1.0, nothing released yet."""
    application(scene)
    scene.venvship("-C", str(scene.shop), "init")
    scene.lock("1.0")


def first(scene: Scene) -> None:
    """And 1.0 released."""
    root(scene)
    scene.venvship("-C", str(scene.shop), "release", "-m", "the shop opens")


def releases(scene: Scene) -> None:
    """And 1.1 after it."""
    first(scene)
    scene.lock("1.1")
    scene.venvship("-C", str(scene.shop), "release", "-m", "security fixes")


def wheel(scene: Scene) -> None:
    """A wheel of this venvship, which installers find as they find one on the index."""
    build_own_wheel(scene.place / "dist")
    for name in ("PIP_FIND_LINKS", "UV_FIND_LINKS"):
        scene.environment[name] = str(scene.place / "dist")


def build_own_wheel(folder: Path) -> None:
    """Build a wheel of the checkout that the tests are in, from a copy: a build writes beside its source."""
    with tempfile.TemporaryDirectory() as place:
        copy_checkout(Path(place) / "venvship")
        pip_wheel = ("-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation")
        subprocess.run([sys.executable, *pip_wheel, "--wheel-dir", folder, f"{place}/venvship"], check=True)


def copy_checkout(place: Path) -> None:
    """Copy what a clone has, as far as `pip install` looks at it."""
    place.mkdir()
    for name in SOURCES:
        if (REPOSITORY / name).is_dir():
            shutil.copytree(REPOSITORY / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(REPOSITORY / name, place)


def project(scene: Scene) -> None:
    """A project without packaging in `/srv/src/shop`, and a root `/srv/shop` with its lockfile."""
    till = build_wheel(scene.place / "wheels", "till", "3.0")
    source = scene.place / "srv" / "src" / "shop"
    for name, text in PROJECT.items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (source / "manage.py").chmod(0o755)
    scene.venvship("-C", str(scene.shop), "init")
    options = [f"--find-links {scene.place}/wheels"]
    (scene.shop / "requirements.txt").write_text(lockfile_text(till, options=options))


def checkout(scene: Scene) -> None:
    """Two repositories of code without packaging: `src/shop`, and `src/services` with two folders."""
    till = build_wheel(scene.place / "wheels", "till", "3.0")
    lock = lockfile_text(till, options=[f"--find-links {scene.place}/wheels"])
    source = scene.place / "src"
    repository(source / "shop", {"shop.py": 'VERSION = "1.0"\n', "requirements.txt": lock})
    names = ("web", "worker")
    texts = {f"{name}/{name}.py": "import till\n" for name in names}
    repository(source / "services", texts | {f"{name}/requirements.txt": lock for name in names})


def private_index(scene: Scene) -> None:
    """A root whose packages only an index has that wants a password, and lockfiles that name no index."""
    built = wheels(scene.place)
    index = scene.cleanup.enter_context(LocalIndex(scene.place / "wheels"))
    index.credentials = ("deploy", "s3cret-of-shop")
    (scene.place / "locks").mkdir()
    for version in ("1.0", "1.1", "1.2"):
        text = lockfile_text(built[version], built["till"])
        (scene.place / "locks" / f"private-{version}.txt").write_text(text)
    scene.venvship("-C", str(scene.shop), "init")
    shutil.copy(scene.place / "locks" / "private-1.0.txt", scene.shop / "requirements.txt")
    for name in ("PIP_NO_INDEX", "PIP_CONFIG_FILE"):
        scene.environment.pop(name)
    scene.environment |= {"PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1"}
    scene.replaced |= {
        "machine packages.example.com": "machine 127.0.0.1",  # netrc knows no ports
        "https://packages.example.com": f"http://127.0.0.1:{index.port}",
        "https://${INDEX": "http://${INDEX",
        "https://****@": "http://****@",
        "packages.example.com": f"127.0.0.1:{index.port}",
    }


def host(scene: Scene) -> None:
    """A host of the page's own, with systemd and nginx. Nothing of it stays.

    It has no network, so Django and gunicorn are downloaded before.
    """
    reason = whole_host.reason_to_skip()
    missing = [name for name in ("nginx", "curl", "useradd") if shutil.which(name) is None]
    if reason or missing:
        pytest.skip(reason or f"there is no {missing[0]}")
    packages = scene.place.with_name("wheels")
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--dest", packages, "django", "gunicorn"],
        env=scene.environment | {"HOME": str(scene.place)},
        check=True,
    )
    srv = scene.place / "srv"
    srv.mkdir()
    for parent in (scene.place, srv):
        parent.chmod(0o755)
    started = scene.cleanup.enter_context(whole_host.host(scene.place, srv))
    assert started.run("systemctl", "start", "nginx").returncode == 0
    scene.enter = started.command()
    del scene.replaced["/srv/"], scene.replaced["/var/lib/"]
    scene.environment |= {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(packages),
        "PIP_CONFIG_FILE": "/dev/null",
    }


GIVEN: Final[dict[str, Callable[[Scene], None]]] = {
    "application": application,
    "checkout": checkout,
    "root": root,
    "first": first,
    "host": host,
    "releases": releases,
    "project": project,
    "private-index": private_index,
    "wheel": wheel,
}
"""By the name that a page gives."""
