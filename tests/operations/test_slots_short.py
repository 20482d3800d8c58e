"""A slot that must be stopped is stopped, or reported, whatever else is wrong."""

from __future__ import annotations

from tests.operations.test_service import released
from tests.operations.test_slots_kept import workspace_of
from tests.support.limits import no_more_descriptors
from tests.support.service import Slots
from venvship.operations.service.proof import stop_quietly
from venvship.operations.service.slots import hold_slots


def test_a_slot_that_could_not_be_stopped_for_want_of_descriptors_is_reported(service: Slots) -> None:
    variables = service.site.path / "service.env"
    variables.write_text("A=1\n")
    service.write_settings(top="env_file = 'service.env'")
    variables.chmod(0o600)
    released(service, "1.0")
    workspace = workspace_of(service)
    settings = workspace.settings()
    with hold_slots(workspace, settings) as held:
        assert held.slots.accepts("a")
        assert workspace.variables(settings).values == {"A": "1"}
        with no_more_descriptors():
            stop_quietly(held, "a")
    assert service.up == ["a"]
    assert {one.slug for one in workspace.warnings} == {"env-file-unread", "slot-not-stopped"}
    # Where it cannot be told whether others may write that file, it is not read, and the slot is stopped.
    workspace = workspace_of(service)
    with hold_slots(workspace, settings) as held:
        variables.chmod(0o666)
        workspace.layout.trust_file.write_text("{}")
        stop_quietly(held, "a")
    assert service.up == []
    assert {one.slug for one in workspace.warnings} == {"env-file-unread"}
