"""`update` under the real cron daemon: what it releases, takes back, and mails.

The daemon runs in a mount namespace of its own, with crontabs, a pid file and a sendmail of the test's own,
so that nothing of the host's cron is touched. For root on Linux.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.roots import Site, command, refuses

pytestmark = pytest.mark.slow

CRON = "/usr/sbin/cron"

NAMESPACE = """\
set -eu
mount --make-rprivate /
mount -t tmpfs tmpfs "$1/mounts"
mkdir "$1/mounts/upper" "$1/mounts/work"
mount -t overlay overlay -o "lowerdir=/usr/sbin,upperdir=$1/mounts/upper,workdir=$1/mounts/work" /usr/sbin
rm -f /usr/sbin/sendmail
cp "$1/sendmail" /usr/sbin/sendmail
mount -t tmpfs tmpfs /etc/cron.d
mount --bind /dev/null /etc/crontab
mount --bind "$1/pam" /etc/pam.d/cron
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/spool/cron
mkdir -m 1730 /var/spool/cron/crontabs
cp "$1/crontab" /var/spool/cron/crontabs/root
chmod 600 /var/spool/cron/crontabs/root
exec /usr/sbin/cron -f
"""

PAM = "auth required pam_permit.so\naccount required pam_permit.so\nsession required pam_permit.so\n"


@dataclass
class Cron:
    """The daemon's traces.

    Attributes:
        path: Where they are.
    """

    path: Path

    def mails(self) -> list[str]:
        """What it has mailed, in order."""
        return [file.read_text() for file in sorted((self.path / "mails").iterdir())]

    def ticks(self) -> int:
        """How often the job has ended."""
        ticks = self.path / "ticks"
        return len(ticks.read_text().splitlines()) if ticks.exists() else 0

    def wait(self, condition: Callable[[], bool], *, seconds: float = 100) -> None:
        """Wait until something is so."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"{self.ticks()} ticks, mails: {self.mails()}"
            time.sleep(0.2)

    def wait_for_ticks(self, count: int) -> None:
        """Wait for so many more, whole ones. The first may be a minute off, and cron just beginning."""
        wanted = self.ticks() + count + 1
        self.wait(lambda: self.ticks() >= wanted, seconds=120 + 60 * count)


@pytest.fixture
def cron(site: Site, tmp_path: Path) -> Iterator[Cron]:
    """The daemon, with what `schedule` prints as root's crontab, six times a minute."""
    if os.geteuid() != 0:
        pytest.skip("needs root, for a crontab and mounts")
    if not os.path.exists(CRON) or shutil.which("unshare") is None:
        pytest.skip("there is no cron here, or no unshare")
    place = tmp_path / "cron"
    for folder in ("mails", "mounts"):
        (place / folder).mkdir(parents=True)
    sendmail = place / "sendmail"
    # A mail is there as a whole or not at all, whoever looks.
    mail = f"{place}/mail.$$"
    sendmail.write_text(f'#!/bin/sh\ncat >"{mail}"\nmv "{mail}" "{place}/mails/$(date +%s.%N)"\n')
    sendmail.chmod(0o755)
    (place / "pam").write_text(PAM)
    line = site.run("schedule", "cron", "--every", "1m", "-q").out.splitlines()[-1]
    assert line.startswith(("*/1 * * * * ", "* * * * * ")), line
    job = line.split(" ", 5)[5].partition(" --jitter")[0]
    assert command() in job
    # Every ten seconds: cron itself knows minutes only. A run that takes longer is waited for.
    rows = [f"* * * * * sleep {10 * n}; {job} --wait 50; echo tick >>{place}/ticks" for n in range(6)]
    (place / "crontab").write_text("\n".join([*rows, ""]))
    script = [
        "unshare",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "sh",
        "-c",
        NAMESPACE,
        "sh",
        str(place),
    ]
    log = (place / "log").open("w")
    daemon = subprocess.Popen(script, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    found = Cron(place)
    try:
        yield found
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.kill()
        daemon.wait()
        log.close()
        print((place / "log").read_text())


def test_cron_releases_what_is_new_takes_back_what_is_broken_and_mails_each_of_it_once(
    site: Site, cron: Cron
) -> None:
    first = site.release("1.0")
    cron.wait_for_ticks(1)
    assert cron.mails() == []

    site.lock("1.1")
    cron.wait(lambda: site.current != first)
    cron.wait_for_ticks(1)
    second = site.current
    assert len(cron.mails()) == 1
    assert f"shop: released {second} in " in cron.mails()[0]
    assert "app 1.0 → 1.1" in cron.mails()[0]

    site.settings(refuses("1.2"))
    site.lock("1.2")
    cron.wait(lambda: len(cron.mails()) == 2)
    assert f"Still live: {second}" in cron.mails()[1]
    assert "will not be released again until the lockfile" in cron.mails()[1]
    before = site.events()
    cron.wait_for_ticks(3)
    assert len(cron.mails()) == 2
    assert site.events() == before
    assert before.count("rolled-back") == 1
    assert site.current == second

    site.lock("1.3")
    cron.wait(lambda: len(cron.mails()) == 3)
    assert "app 1.1 → 1.3" in cron.mails()[2]
