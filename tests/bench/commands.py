"""Parts: commands that build nothing, beside a bare interpreter or what they have to read."""

from __future__ import annotations

import os
from collections.abc import Iterator

from tests.bench.measure import OURS, Command, Row, alternate, run
from tests.bench.workshop import Workshop

REPEATS = 4
"""So many times as many rounds: these are short, and one hiccup of the machine is much of them."""

PYTHON_PASS = "python -I -c pass"


def short(shop: Workshop) -> Iterator[Row]:
    """`update` with nothing changed, `status` and `rollback`, beside starting Python."""
    root = shop.warm
    back = shop.root("back", store=shop.warm / "store")
    run(shop.command(back, "release"))
    run(shop.command(back, "release", "--rebuild"))
    newest = os.path.basename(os.path.realpath(back / "current"))

    def rollback(_: int) -> Command:
        if os.path.basename(os.path.realpath(back / "current")) != newest:
            run(shop.command(back, "promote", "--force", newest))
        return shop.command(back, "rollback", "--no-checks")

    names = {"update": f"{OURS} update", "status": f"{OURS} status", "rollback": f"{OURS} rollback"}
    turns = {
        PYTHON_PASS: lambda _: Command(((shop.python, "-I", "-c", "pass"),), shop.environment, root),
        names["update"]: lambda _: shop.command(root, "update"),
        names["status"]: lambda _: shop.command(root, "status"),
        names["rollback"]: rollback,
    }
    series = alternate(turns, shop.rounds * REPEATS)
    yield series.row("update, nothing changed", PYTHON_PASS, target=12.0, ours=names["update"])
    yield series.row("status", PYTHON_PASS, target=10.0, ours=names["status"])
    yield series.row("rollback, no checks, no hook", PYTHON_PASS, target=16.0, ours=names["rollback"])


def unchanged(shop: Workshop) -> Iterator[Row]:
    """Nothing to do, beside pip-sync, which finds that out by itself too."""
    turns = {
        OURS: lambda _: shop.command(shop.warm, "update"),
        "pip-sync, in place": lambda _: shop.pip_sync(shop.lockfile),
    }
    yield alternate(turns, shop.rounds).row("update, nothing changed", "pip-sync, in place")


def verify(shop: Workshop) -> Iterator[Row]:
    """`verify` of a release, beside hashing the same files."""
    path = os.path.realpath(shop.warm / "current")
    hashing = ("sh", "-c", f"find '{path}' -type f -print0 | xargs -0 sha256sum")
    turns = {
        OURS: lambda _: shop.command(shop.warm, "verify"),
        "sha256sum": lambda _: Command((hashing,), shop.environment, shop.path),
    }
    yield alternate(turns, shop.rounds).row("verify of a whole release", "sha256sum", target=1.5)
