"""`relocate`: make the releases of a root that was moved usable where it is now.

Every release that cannot be used here, since it was built for another path or its interpreter is gone, is
built again under a new id, from the store. The journal's `relocated` hands over its state, its place in the
lineage, its pin and its holds. The one that is current comes last, and then `current` moves.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from venvship.errors import (
    BuildError,
    DiskFullError,
    FormatError,
    InterpreterError,
    LockfileError,
    NotRelocatedError,
    OperationWarning,
    ReleaseError,
    VenvshipError,
)
from venvship.model.event import EventName
from venvship.model.interpreter import Interpreter
from venvship.model.release import Manifest, State
from venvship.model.settings import Settings
from venvship.model.settings_form import settings_naming
from venvship.operations.planning import recorded_interpreter
from venvship.operations.planning.build import Origin, Replaced, build_release
from venvship.operations.planning.replacement import Interpreters, Replacement, replacement_of
from venvship.operations.reporting.trees import compare_trees
from venvship.operations.retention.debris import sweep_debris
from venvship.operations.switching import links
from venvship.operations.switching.loading import load_before_switch
from venvship.operations.switching.recovery import recover_switch, renew_previous
from venvship.printable import lines
from venvship.system.faults import root_faults
from venvship.workspace.holding import BuildHeld, SwitchHeld, hold_build, hold_switch
from venvship.workspace.place import built_for
from venvship.workspace.releases import is_known, release_ids
from venvship.workspace.usable import host_problem, usable_problem
from venvship.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Relocated:
    """A release that another one takes the place of: both ids."""

    from_: str
    to: str


@dataclass(frozen=True, slots=True)
class Left:
    """A release that stays as it is, not usable here, and the reason."""

    release: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RelocateResult:
    """The result of `Root.relocate`.

    Attributes:
        relocated: The releases that were built again, the oldest first.
        left: Those that could not be built again.
        current: The id of the release that is live now; `None` for nothing.
        moved_from: The roots that the releases were built for, absolute; none if only interpreters were gone.
        changed: Whether a later command can see a difference.
        warnings: The warnings of the operation.
    """

    relocated: tuple[Relocated, ...] = ()
    left: tuple[Left, ...] = ()
    current: str | None = None
    moved_from: tuple[str, ...] = ()
    changed: bool = False
    warnings: tuple[OperationWarning, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The `data` of `relocate --json`."""
        return {
            "changed": self.changed,
            "relocated": [{"from": one.from_, "to": one.to} for one in self.relocated],
            "left": [{"release": one.release, "reason": one.reason} for one in self.left],
            "current": self.current,
            "moved_from": list(self.moved_from),
        }


def relocate(workspace: Workspace, *, python: str | None = None) -> RelocateResult:
    """Build every release that cannot be used here again, from the store.

    No hook and no check runs: on a new host the service is started afterwards.

    Crash: some releases are relocated. One that was being built is debris. One that was sealed is not yet in
    the place of the other; the next `relocate` puts it there. Where the journal has the new release as the
    live one and `current` names the old one, recovery moves the link.

    Arguments and errors: `Root.relocate`.
    """
    with root_faults(workspace.layout.path):
        workspace.open_for_writing()
        with hold_build(workspace, "relocate") as held:
            recover_switch(workspace)
            sweep_debris(held)
            relocating = _Relocating(held, workspace.settings_or_kept(), python)
            try:
                relocating.run()
            except VenvshipError as error:
                error.carrying(relocating.result())
                raise
        workspace.keep_reserve()
    result = relocating.result()
    if result.left:
        raise _not_relocated(result)
    return result


def _not_relocated(result: RelocateResult) -> NotRelocatedError:
    texts = [f"{one.release} is not usable here, and stays as it is: {one.reason}" for one in result.left]
    hint = "`venvship release` fetches the wheels and builds the release of the lockfile"
    if any("interpreter" in one.reason for one in result.left):
        hint += "; for a release whose interpreter is gone, name another: venvship relocate --python P"
    error = NotRelocatedError(lines(*texts), hint=hint, releases=[one.release for one in result.left])
    return error.carrying(result, shown=True)


class _Relocating:
    """One relocation under way, while build.mutex is held."""

    def __init__(self, held: BuildHeld, settings: Settings, python: str | None) -> None:
        self._held = held
        self._workspace = held.workspace
        self._settings = settings
        self._python = python
        self._moved_from: set[str] = set()
        self._relocated: list[Relocated] = []
        self._left: list[Left] = []

    def result(self) -> RelocateResult:
        """The result as far as it is known."""
        return RelocateResult(
            relocated=tuple(self._relocated),
            left=tuple(self._left),
            current=self._workspace.layout.current(),
            moved_from=tuple(sorted(self._moved_from)),
        )

    def run(self) -> None:
        """Relocate one release after the other, current last."""
        workspace = self._workspace
        load_before_switch(workspace, None, cleans=True)
        given = self._given()
        interpreters = Interpreters(workspace, given)
        for release_id in self._unusable():
            workspace.runtime.signals.raise_if_received()
            try:
                manifest = workspace.manifest(release_id)
                interpreter = interpreters.serving(manifest)
                replacement = replacement_of(workspace, manifest, interpreter, self._settings)
                new_id = self._built(manifest, replacement)
            except DiskFullError:
                raise
            except (BuildError, InterpreterError, LockfileError, ReleaseError, FormatError) as error:
                self._left.append(Left(release_id, " ".join(error.message.split())))
                workspace.tell("left", f"{release_id}: {self._left[-1].reason}", ok=False)
                continue
            with hold_switch(workspace, "relocate") as held:
                self._take_place(held, manifest, new_id)
        if given is not None:
            self._settle(given)
        self._warn_of_settings()

    def _warn_of_settings(self) -> None:
        """Warn of settings that name the path from which the root was moved."""
        here = str(self._workspace.layout.path)
        for old in sorted(self._moved_from):
            named = settings_naming(self._settings, old, but=here)
            if named:
                self._workspace.warn(
                    "old-path",
                    f"{', '.join(named)} in {self._workspace.layout.settings_file} still "
                    f"{'names' if len(named) == 1 else 'name'} {old}: the root is {here} now",
                )

    def _given(self) -> Interpreter | None:
        """The interpreter that was named.

        Raises:
            InterpreterError: It is missing, does not run, or is too old.
        """
        if self._python is None:
            return None
        from venvship.building.interpreter import resolve_interpreter

        runtime = self._workspace.runtime
        return resolve_interpreter(self._python, environ=runtime.environ, signals=runtime.signals)

    def _unusable(self) -> list[str]:
        """The releases that cannot be used here, the oldest first, and current last."""
        workspace = self._workspace
        history, current = workspace.history(), workspace.layout.current()
        found = [
            release_id
            for release_id in reversed(release_ids(workspace.layout, history))
            if history.records[release_id].relocated_to is None and host_problem(workspace, release_id)
        ]
        return sorted(found, key=lambda release_id: release_id == current)

    def _built(self, manifest: Manifest, replacement: Replacement) -> str:
        """Build what takes the place of a release, unless a relocation that was killed has left it sealed."""
        ready = self._ready(manifest, replacement)
        if ready is not None:
            return ready
        workspace = self._workspace
        release_id = build_release(
            self._held,
            replacement.settings,
            replacement.environment,
            message=manifest.message,
            progress=workspace.runtime.progress,
            origin=Origin(replaces=Replaced(manifest, replacement.wheels)),
        )
        built = workspace.manifest(release_id)
        if replacement.same_tree and built.tree_digest != manifest.tree_digest:
            self._warn_of_tree(manifest, built)
        return release_id

    def _warn_of_tree(self, old: Manifest, new: Manifest) -> None:
        """Warn that a release differs from the one whose place it takes, and name the first file."""
        tree = compare_trees(self._workspace, old, new)
        self._workspace.warn(
            "tree-differs",
            f"{new.id} takes the place of {old.id}, which was built by version {old.venvship}, and differs "
            f"from it in files that venvship generates: {tree.summary(old.id, new.id)}",
        )

    def _ready(self, manifest: Manifest, replacement: Replacement) -> str | None:
        workspace = self._workspace
        history = workspace.history()
        taken = {record.relocated_to for record in history.records.values()}
        for release_id in release_ids(workspace.layout, history):
            record = history.records[release_id]
            if (
                record.state is State.SEALED
                and release_id not in taken
                and record.environment_digest == replacement.environment.digest
                and not usable_problem(workspace, release_id, ask=True)
                and (
                    not replacement.same_tree
                    or workspace.manifest(release_id).tree_digest == manifest.tree_digest
                )
            ):
                return release_id
        return None

    def _take_place(self, held: SwitchHeld, manifest: Manifest, new_id: str) -> None:
        """Journal that a release takes the place of another one, and move `current` if that one is live.

        The line comes before the link: `recover` moves the link of a release that was relocated, but could
        not tell a link that was moved before its line from one that an operator has moved.
        """
        workspace = self._workspace
        if not is_known(manifest.id, workspace.history()):
            return  # it was pruned meanwhile
        live = workspace.layout.current() == manifest.id
        link = links.new_link(held, ".to.", new_id) if live else None
        workspace.record(
            EventName.RELOCATED,
            release=new_id,
            reason=f"takes the place of {manifest.id}",
            facts={"from": manifest.id, "to": new_id},
        )
        if link is not None:
            links.point_current(held, link, sync=True)
        self._relocated.append(Relocated(manifest.id, new_id))
        before = built_for(workspace.layout, manifest)
        if before is not None and before != str(workspace.layout.release_path(manifest.id)):
            self._moved_from.add(os.path.dirname(os.path.dirname(before)))
        workspace.tell("relocate", f"{manifest.id} → {new_id}")
        renew_previous(held)
        links.sweep_strays(held)

    def _settle(self, given: Interpreter) -> None:
        """Make the interpreter that was named the root's, if its own is gone and the setting allows that."""
        workspace = self._workspace
        known = workspace.layout.interpreter()
        if known is None or os.access(known[1].path, os.X_OK):
            return
        setting, recorded = known
        if given.identity == recorded.identity and (setting is None or "/" not in setting):
            recorded_interpreter.record_interpreter(workspace, setting, given)
        else:
            workspace.warn(
                "interpreter-gone",
                f"the interpreter of this root, {recorded.path}, is gone: before the next release, set "
                f'python = "{given.path}" in {workspace.layout.settings_file}',
            )
