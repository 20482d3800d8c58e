"""The order of a promotion and a rollback on disk: a step is durable before the next one relies on it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.roots import Site

SEEN = {
    "symlink": (".to.", ".back."),
    "rename": ("current", "previous"),
    "fsync": (".", "state/journal.jsonl"),
    "syncfs": ("",),
}
"""The effects that the order is about, each with the beginnings of the paths, relative to the root."""


def effects(site: Site, tmp_path: Path, *command: str, refuses: str = "never") -> list[str]:
    """Run a command, and return its effects on the links and the journal, and its calls of the restart hook.

    Args:
        site: The root.
        tmp_path: For the trace.
        command: The command and its arguments.
        refuses: The `VENVSHIP_EVENT` at which the restart hook fails.
    """
    trace = tmp_path / "trace"
    script = f'echo "0 restart $VENVSHIP_EVENT" >> {trace}; test "$VENVSHIP_EVENT" != {refuses}'
    site.settings(f"[hooks]\nrestart = ['sh', '-c', '''{script}''']\n")
    site.run(*command, env={"VENVSHIP_FAILPOINTS": f"trace:{trace}"})
    found = []
    for line in trace.read_text().splitlines():
        _, effect, path = line.split(" ", 2)
        path = path.removeprefix(str(site.path)).removeprefix("/") or "."
        if effect == "restart":
            found.append(f"restart {path}")
        elif effect == "syncfs":
            found.append(effect)
        elif any(path == one or (path.startswith(one) and one.endswith(".")) for one in SEEN.get(effect, ())):
            found.append(f"{effect} {re.sub(r'[.][0-9a-f]{16}$', '', path)}")
    return found


SWITCHED = [
    "symlink .to",
    "symlink .back",
    "fsync state/journal.jsonl",
    "syncfs",
    "rename current",
    "fsync .",
    "restart promote",
    "fsync state/journal.jsonl",
]
"""A promotion, as far as it is the same for a release that passes and one that does not."""


def test_a_promotion_is_armed_journalled_and_durable_before_it_switches(site: Site, tmp_path: Path) -> None:
    a, _b = site.release("1.0"), site.release("1.1")

    assert effects(site, tmp_path, "promote", a) == [*SWITCHED, "rename previous", "fsync ."]


def test_going_back_is_journalled_before_the_link_and_durable_before_the_restart(
    site: Site, tmp_path: Path
) -> None:
    site.release("1.0")
    new = site.release("1.1", no_promote=True)

    assert effects(site, tmp_path, "promote", new, refuses="promote") == [
        *SWITCHED,
        "rename current",
        "fsync .",
        "restart rollback",
        "fsync state/journal.jsonl",
    ]


@pytest.mark.parametrize("refuses", ["never", "rollback"])
def test_a_rollback_is_journalled_before_the_link_and_syncs_no_file_system(
    refuses: str, site: Site, tmp_path: Path
) -> None:
    site.release("1.0"), site.release("1.1"), site.release("1.2")

    assert effects(site, tmp_path, "rollback", refuses=refuses) == [
        "fsync state/journal.jsonl",
        "rename current",
        "fsync .",
        "symlink .back",
        "rename previous",
        "fsync .",
        "restart rollback",
        "fsync state/journal.jsonl",
        "fsync .",
    ]
