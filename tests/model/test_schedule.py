"""Intervals, and the lines and units that they become."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from venvship.errors import SettingsError, UsageError
from venvship.model.schedule import Every, crontab, parse_every
from venvship.model.systemd_syntax import escape_name
from venvship.model.systemd_units import Units

# -- intervals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "cron", "calendar", "jitter"),
    [
        ("1m", "* * * * *", "*-*-* *:0/1:00", 12),
        ("5m", "*/5 * * * *", "*-*-* *:0/5:00", 60),
        ("30m", "*/30 * * * *", "*-*-* *:0/30:00", 360),
        ("60m", "0 * * * *", "*-*-* 0/1:00:00", 600),
        ("1h", "0 * * * *", "*-*-* 0/1:00:00", 600),
        ("120m", "0 */2 * * *", "*-*-* 0/2:00:00", 600),
        ("6h", "0 */6 * * *", "*-*-* 0/6:00:00", 600),
        ("24h", "0 0 * * *", "*-*-* 00:00:00", 600),
        ("1d", "0 0 * * *", "*-*-* 00:00:00", 600),
        ("02:30", "30 2 * * *", "*-*-* 02:30:00", 600),
        ("2:05", "5 2 * * *", "*-*-* 02:05:00", 600),
        ("23:59", "59 23 * * *", "*-*-* 23:59:00", 600),
    ],
)
def test_an_interval_is_the_same_for_cron_and_for_systemd(
    text: str, cron: str, calendar: str, jitter: int
) -> None:
    every = parse_every(text)
    assert (every.cron(), every.calendar(), every.jitter) == (cron, calendar, jitter)


@pytest.mark.parametrize("text", ["7m", "25m", "45m", "90m", "5h", "7h", "48h", "2d", "0m", "0h", "0d"])
def test_what_a_crontab_cannot_say_exactly_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=f"--every {text}: a crontab cannot express this exactly") as caught:
        parse_every(text)
    assert "divide an hour" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "text", ["", "5", "m", "-5m", "5 m", "5M", "1w", "daily", "24:00", "02:60", "2:5", "\u0665m"]
)
def test_what_is_no_interval_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not an interval"):
        parse_every(text)


# -- cron ---------------------------------------------------------------------------------------------------

ODD = [
    "a b",
    "100%",
    "%",
    "50% off's",
    "$HOME",
    "`id`",
    "it's",
    'say "x"',
    "a;b&c|d>e",
    "*",
    "#",
    "~",
    "é",
    "",
]


def vixie(command: str) -> str:
    r"""What most crons hand to sh: up to the first bare `%`, with `\%` undone, whatever is quoted."""
    out, escaped = "", False
    for char in command:
        if escaped and char == "%":
            out = out[:-1]
        elif char == "%":
            break
        out += char
        escaped = char == "\\" and not escaped
    return out


def busybox(command: str) -> str:
    """And what busybox's does: all of it, as it is."""
    return command


@pytest.mark.parametrize("cron", [vixie, busybox])
def test_arguments_come_through_cron_and_sh_as_they_are(cron: object, tmp_path: Path) -> None:
    program = tmp_path / "a 5% $program's"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$PATH" "$@"\n')
    program.chmod(0o755)
    *comments, line = crontab(Every(5), [str(program), *ODD], title="shop").splitlines()
    assert all(comment.startswith("# ") for comment in comments)
    fields = line.split(" ", 5)
    assert fields[:5] == ["*/5", "*", "*", "*", "*"]
    command = cron(fields[5])  # type: ignore[operator]

    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True, env={})

    path, *arguments = done.stdout.splitlines()
    assert arguments == [*ODD, "--jitter", "60"]
    assert "/usr/local/bin" in path.split(":")


@pytest.mark.parametrize(
    ("word", "why"),
    [("a\\b", "crons do not agree"), ("a\nb", "no printable text"), ("\udcff", "no printable")],
)
def test_what_cannot_stand_in_a_crontab_is_refused(word: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        crontab(Every(5), ["/bin/venvship", word], title="shop")


# -- systemd ------------------------------------------------------------------------------------------------


def units(**changes: object) -> Units:
    known: dict[str, object] = {
        "name": "shop",
        "root": "/srv/shop",
        "user": "deploy",
        "command": ("/opt/venvship/bin/venvship", "-C", "/srv/shop"),
    }
    return Units(**{**known, **changes})  # type: ignore[arg-type]


def texts(units: Units) -> dict[str, str]:
    """The units by the last part of their name."""
    found = dict(units.files(Every(15)))
    update, timer, boot = found.values()
    assert all(text.startswith(f"# {path}\n") for path, text in found.items())
    return {"update": update, "timer": timer, "boot": boot}


@pytest.mark.parametrize(
    ("name", "escaped"),
    [
        ("shop", "shop"),
        ("my-shop_2.x:y", "my-shop_2.x:y"),
        ("my shop", r"my\x20shop"),
        ("a/b@c%d", r"a\x2fb\x40c\x25d"),
        ("é\\", r"\xc3\xa9\x5c"),
    ],
)
def test_a_name_is_escaped_for_a_unit(name: str, escaped: str) -> None:
    assert escape_name(name) == escaped


def test_a_name_that_is_too_long_for_a_unit_is_refused() -> None:
    with pytest.raises(SettingsError, match="too long for the name of a systemd unit"):
        escape_name("é" * 100)


def test_a_recovery_at_boot_can_come_before_the_application() -> None:
    boot = texts(units())["boot"]
    assert "\n#Before=NAME.service\n" in boot
    assert "\nWantedBy=multi-user.target\n" in boot
    assert "recover --boot\n" in boot


def test_a_hold_is_no_failure_of_the_unit_and_a_rollback_is_one() -> None:
    update = texts(units())["update"]
    assert "\nSuccessExitStatus=25 30 31\n" in update
    # Whoever reads the unit is not in the root.
    assert "\n#   /opt/venvship/bin/venvship -C /srv/shop status\n" in update
    assert "\nSuccessExitStatus=22\n" in texts(units())["boot"]


def test_any_hook_can_live_in_the_sandbox() -> None:
    text = texts(units(writable=("/var/lib/store",)))
    update = text["update"].splitlines()
    assert "KillMode=process" in update, "a restart hook may start the service itself"
    for lines in (update, text["boot"].splitlines()):
        assert "ProtectHome=read-only" in lines, "pip's settings, and scripts of hooks"
        assert not [line for line in lines if line.startswith("PrivateTmp")], "a socket in /tmp"
        assert "#NoNewPrivileges=yes" in lines, "sudo"
        implying = ("NoNewPrivileges", "ProtectKernel", "RestrictSUIDSGID", "LockPersonality")
        assert not [line for line in lines if line.startswith(implying)]
        assert [line for line in lines if line.startswith("ReadWritePaths=")] == [
            "ReadWritePaths=/srv/shop /var/lib/store",
            "ReadWritePaths=-/tmp -/var/tmp",
        ]


def test_a_path_that_no_line_can_carry_is_refused() -> None:
    with pytest.raises(UsageError, match="no printable text"):
        units(command=("/opt/a\nb/venvship",)).files(Every(5))
