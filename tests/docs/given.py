"""What a page of the how-to guides may find when it begins: `% given: NAME`.

Everything is made from wheels without code of others, so that the pages run offline.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.roots import command, plain_environment
from tests.support.wheels import Distribution, build_wheel, lockfile_text

SHOP = '''\
"""A shop."""
VERSION = {version!r}


def main():
    import sys, till
    print(f"shop {{VERSION}}, {{' '.join(sys.argv[1:])}}".rstrip(", "))


def wsgi(environ, start_response):
    start_response("200 OK", [])
    return [VERSION.encode()]
'''


def application(place: Path) -> None:
    """Wheels of `shop` 1.0 and 1.1 and of `till` in `wheels/`, and lockfiles for both in `locks/`."""
    wheels = place / "wheels"
    till = build_wheel(wheels, "till", "3.0")
    (place / "locks").mkdir()
    for version in ("1.0", "1.1"):
        shop = build_wheel(
            wheels,
            "shop",
            version,
            files={"shop.py": SHOP.format(version=version)},
            scripts={"shop-admin": "shop:main"},
            requires=["till"],
        )
        (place / "locks" / f"shop-{version}.txt").write_text(_lockfile(wheels, shop, till))


def root(place: Path) -> None:
    """And a root `/srv/shop` with settings and the lockfile of 1.0, nothing released yet."""
    application(place)
    shop = place / "srv" / "shop"
    _run(place, "-C", str(shop), "init")
    (shop / "requirements.txt").write_text((place / "locks" / "shop-1.0.txt").read_text())


def releases(place: Path) -> None:
    """And 1.0 and then 1.1 released."""
    root(place)
    shop = place / "srv" / "shop"
    _run(place, "-C", str(shop), "release", "-m", "the shop opens")
    (shop / "requirements.txt").write_text((place / "locks" / "shop-1.1.txt").read_text())
    _run(place, "-C", str(shop), "release", "-m", "security fixes")


def _lockfile(wheels: Path, *chosen: Distribution) -> str:
    return lockfile_text(*chosen, options=[f"--find-links {wheels}"])


def _run(place: Path, *arguments: str) -> None:
    done = subprocess.run(
        [command(), *arguments],
        env=plain_environment(place),
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
