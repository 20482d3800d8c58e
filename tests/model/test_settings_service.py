"""What the settings of a service tell besides."""

from __future__ import annotations

import pytest

from venvship.model.settings_service import ServiceSettings, log_command


@pytest.mark.parametrize(
    ("start", "shows"),
    [
        ("/usr/bin/systemctl start shop@{slot}.service", "journalctl --unit=shop@b.service --lines=50"),
        ("systemctl --user start shop@{slot}", "journalctl --user-unit=shop@b --lines=50"),
        (
            "sudo -n supervisorctl -c /etc/s.conf start shop-{slot}",
            "supervisorctl -c /etc/s.conf tail shop-b",
        ),
        ("systemctl start web@{slot}.service --no-block", "journalctl --unit=web@b.service --lines=50"),
        ("systemctl start --no-block", ""),
        ("/srv/shop/run.sh start {slot}", ""),
        ("systemctl restart shop@{slot}", ""),
    ],
)
def test_the_manager_of_a_slot_has_the_log_of_its_application(start: str, shows: str) -> None:
    assert log_command(ServiceSettings(start=tuple(start.split())), "b") == shows
