"""One root: how to open or make it, and the methods that write."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from venvship.api.arguments import require_range, require_several, require_sha256
from venvship.api.making import RootMaking
from venvship.api.runtime import default_runtime
from venvship.api.service import RootService
from venvship.errors import UsageError
from venvship.root import RootLayout
from venvship.workspace.runtime import Runtime

if TYPE_CHECKING:
    from venvship.operations.bisect import BisectResult
    from venvship.operations.destroy import DestroyResult
    from venvship.operations.lock import LockResult
    from venvship.operations.promote import PromoteResult
    from venvship.operations.prune import PruneResult
    from venvship.operations.recover import RecoverResult
    from venvship.operations.release_result import ReleaseResult
    from venvship.operations.relocate import RelocateResult
    from venvship.operations.rollback import RollbackResult
    from venvship.operations.verify import VerifyResult


class Root(RootMaking, RootService):
    """One application's root. Make one with `Root.open` or `Root.init`.

    Crash: `current` is the old release or the new one. The next method that writes, or `recover`, finishes or
    undoes the operation; see `venvship.operations` for each.
    """

    def __repr__(self) -> str:
        return f"Root.open({str(self.path)!r})"

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, runtime: Runtime | None = None) -> Root:
        """Open a root. Reads only whether it is one.

        Args:
            path: The directory that holds `venvship.toml`.
            runtime: The clock, environment, user and so on; see `default_runtime`.

        Raises:
            RootError: It is no root, or its path cannot be used.
        """
        return cls(RootLayout.at(path), runtime or default_runtime())

    def lock(
        self, *, upgrade: bool = False, upgrade_package: Sequence[str] = (), explain: str | None = None
    ) -> LockResult:
        """Generate the lockfile from the files in `[lock] inputs`.

        Args:
            upgrade: Whether to upgrade all pins. By default existing pins are kept where possible.
            upgrade_package: Packages to upgrade: names, or names with versions such as `"django<6"`.
            explain: A package to explain: who asks for it, and what holds it back. Nothing is locked then.

        Raises:
            UsageError: One of `upgrade_package` is not a requirement. Or the lockfile has no package
                `explain`, or that is given with another option.
            SettingsError: There are no inputs, one is missing, the lockfile is not one that pip-compile
                writes, or the interpreter is gone.
            LockError: pip-compile failed, or generated a lockfile that `release` would refuse, or the
                lockfile was changed meanwhile.
            IndexChangedError: Packages could only have come from another index than before. A person may
                decide so at a terminal with `upgrade`, anyone by naming them in `upgrade_package`.
            BuildError: The index could not be reached, it took too long, or the disk is full.
            RootError: The root or the lockfile cannot be written.
            BusyError: Another command is building or locking.
            InterruptedByError: A signal came. The lockfile is as it was.
            TypeError: `upgrade_package` is a `str`.
        """
        require_several("upgrade_package", upgrade_package)
        if explain is not None:
            if upgrade or upgrade_package:
                raise UsageError("--explain locks nothing; give it without --upgrade and -P")
            from venvship.operations.explain import explain as explain_package

            return self._read(explain_package, explain)
        from venvship.operations.lock import lock

        return self._write(lock, upgrade=upgrade, packages=upgrade_package)

    def bisect(self, good: str, bad: str, *, command: Sequence[str] = ()) -> BisectResult:
        """Find the package changes between two releases or lockfiles that make a check fail.

        Environments with some of the changes are built, judged and removed. Nothing in the root changes but
        the store, which gets the packages of a lockfile. No index is asked for what it has.

        Args:
            good: A release that passes: id, unique prefix, `"current"`, `"previous"` or `"@{N}"`. With a dot
                or a slash in it, the path of a lockfile.
            bad: A release or lockfile that fails.
            command: Judges each environment: exit status 0 for good, 125 for one that it cannot judge,
                another up to 127 for bad. Empty: the candidate checks judge.

        Raises:
            NotToldApartError: `good` is not good or `bad` is not bad; or the command ended by a signal, or
                with a status of 128 or more.
            ReleaseError: There is no such release, or its manifest is damaged.
            BuildError: The store has lost a wheel of a release, or a lockfile cannot be built.
            LockfileError: A lockfile is refused, or given in a root with a project.
            SettingsError: The settings or the interpreter cannot be used.
            RootError: The root cannot be written.
            BusyError: Another command is building.
            InterruptedByError: A signal came; nothing is left.
            TypeError: `command` is a `str`.
        """
        require_several("command", command)
        from venvship.operations.bisect import bisect

        return self._write(bisect, good, bad, command=command)

    def release(  # noqa: PLR0913 - the options of the command
        self,
        *,
        lockfile: str | os.PathLike[str] | Sequence[str] = (),
        no_promote: bool = False,
        message: str = "",
        rebuild: bool = False,
        force: bool = False,
        dry_run: bool = False,
        ref: str = "",
        dirty: bool = False,
        one_way: bool = False,
    ) -> ReleaseResult:
        """Build a release from the lockfile, check it, and make it live; roll back if it fails.

        Args:
            lockfile: The path of another lockfile than the settings', or several paths.
            no_promote: Whether to build and check only, and leave `current` as it is.
            message: The reason, for the manifest and the journal; by default the subject of the commit.
            rebuild: Whether to build even if a usable release of this environment exists.
            force: Whether to go on even if the environment is bad, or the root has a switch hold.
            dry_run: Whether to return the plan only and write nothing. What would refuse the release before
                it is built or switched is raised all the same.
            ref: The branch, tag or commit of the project to release; by default `[project] ref`.
            dirty: Whether to release the tracked files of the project as they are, with uncommitted changes.
            one_way: Whether the prepare hook may do what no rollback undoes. The release then stays even if
                it does not pass. Needs a message.

        Raises:
            UsageError: `ref` is no name of a commit, or `dirty` is given with it; `one_way` without a
                message, or with `no_promote`.
            SettingsError: The settings, a file that they name, the interpreter, or the program of a hook or
                check.
            LockfileError: The lockfile is refused.
            UncommittedChangesError: The project has changes that would not be released.
            CheckoutError: The project cannot be read, or not be released.
            RootError: The root or its journal is unusable.
            OwnServiceError: This runs in the service that the restart hook restarts. Nothing was switched.
            BuildError: The release could not be built.
            RejectedError: A candidate check or the prepare hook refused the release.
            OneWayNeededError: The prepare hook asks for `one_way`.
            RolledBackError: The release was live, did not pass, and was rolled back.
            RollbackFailedError: It was rolled back, and the previous release does not pass either.
            NotAnsweringError: Nothing was to be done, and no slot of the service answers.
            StaysError: The release is one-way, does not pass, and stays live.
            NoWayBackError: The environment is one of before a one-way release.
            HeldError: The environment is bad. Or the root is held: by any hold, if the runtime is unattended;
                by a switch hold, if no person is present, or if the environment is one that was rolled back.
            BusyError: Another command is building or switching.
            SupersededError: `current` moved during the build. The release was built, not promoted.
            ReleaseError: The release was damaged before its switch, and was not promoted.
            InterruptedByError: A signal came. `current` is as it was, unless the error's `result` has the
                release as live.
        """
        from venvship.operations.release import ReleaseOptions, release

        if one_way and not message.strip():
            raise UsageError(
                "--one-way needs a message", hint="say what there is no way back from: --one-way -m MSG"
            )
        if one_way and no_promote:
            raise UsageError(
                "--one-way is about a release that is made live, and --no-promote makes none live"
            )
        paths = [lockfile] if isinstance(lockfile, str | os.PathLike) else lockfile
        options = ReleaseOptions(
            lockfiles=tuple(os.path.abspath(path) for path in paths),
            promote=not no_promote,
            message=message,
            rebuild=rebuild,
            force=force,
            dry_run=dry_run,
            ref=ref,
            dirty=dirty,
            one_way=one_way,
        )
        return self._write(release, options)

    def update(self, *, upgrade: bool = False, security: bool = False, jitter: float = 0.0) -> ReleaseResult:
        """Release unattended, if the lockfile has something new that may be released.

        Args:
            upgrade: Whether to lock again first. The lockfile is replaced only if its release stays live.
            security: Whether to lock the versions that fix the known vulnerabilities of the live release, and
                to release these alone.
            jitter: The maximum of a random pause before the start, in seconds; at least 0.

        Raises:
            HeldError: The environment is bad, or the root is held. `told` if that was reported before.
            PausedError: The last attempts failed, and it is too early for another one.
            AuditFailedError: With `security`: the source of advisories could not be asked.
            UsageError: `upgrade` and `security` are both given.
            VenvshipError: Any error of `Root.release`, and of `Root.lock` with `upgrade` or `security`.
            ValueError: `jitter` is less than 0, or not finite.
        """
        require_range("jitter", jitter, 0)
        if upgrade and security:
            raise UsageError("--upgrade upgrades everything, and --security as little as it can; give one")
        from venvship.operations.update import unattended, update

        return self._write(
            lambda workspace: update(unattended(workspace), upgrade=upgrade, security=security, jitter=jitter)
        )

    def promote(
        self, release: str, *, message: str = "", force: bool = False, dry_run: bool = False
    ) -> PromoteResult:
        """Make an existing release live, checked like a new one.

        Args:
            release: An id, a unique prefix of one, `"current"`, `"previous"` or `"@{N}"`.
            message: The reason, for the journal.
            force: Whether to go on even if the release is known to be bad, the root has a switch hold, or a
                one-way release lies between.
            dry_run: Whether to return the plan only and write nothing. No check or hook is run. What would
                refuse the promotion before them is raised all the same.

        Raises:
            ReleaseError: There is no such release, or it is not usable.
            NoWayBackError: A one-way release lies between it and the live release.
            HeldError: The release is known to be bad. Or the root has a switch hold, and no person is present
                or the environment is one that was rolled back.
            RejectedError: A candidate check or the prepare hook refused the release.
            RolledBackError: The release was live, did not pass, and was rolled back.
            RollbackFailedError: It was rolled back, and the previous release does not pass either.
            NotAnsweringError: Nothing was to be done, and no slot of the service answers.
            BusyError: Another command is switching.
            SupersededError: `current` moved during the candidate checks.
            SettingsError: The settings, a file that they name, or the program of a hook or check.
            RootError: The root or its journal is unusable.
            OwnServiceError: This runs in the service that the restart hook restarts. Nothing was switched.
            DiskFullError: There is no room to switch.
            InterruptedByError: A signal came. `current` is as it was, unless the error's `result` has the
                release as live.
        """
        from venvship.operations.promote import promote

        return self._write(promote, release, message=message, force=force, dry_run=dry_run)

    def rollback(
        self,
        release: str | None = None,
        *,
        message: str = "",
        no_checks: bool = False,
        from_: str | None = None,
        force: bool = False,
        dry_run: bool = False,
    ) -> RollbackResult:
        """Switch to the last good release, or to a named one.

        Args:
            release: The release to switch to. By default the nearest usable one of the
                lineage that is proven or was live, unchecked, for a day; else the nearest unchecked one.
            message: The reason, for the journal.
            no_checks: Whether to leave out the live checks. The restart hook runs in any case.
            from_: Only if this release is current: then a second call does not go back twice.
            force: Whether to go back past a one-way release.
            dry_run: Whether to return the target only and write nothing. No check or hook is run.

        Raises:
            NothingToRollBackToError: The lineage holds no other release that is usable, and proven or
                unchecked.
            NoWayBackError: A one-way release lies between.
            ReleaseError: The named release does not exist, or is not usable.
            RollbackFailedError: It was switched, and the restart hook or a check fails, or could not run.
            SupersededError: Another release than `from_` is current.
            BusyError: Another rollback is under way.
            RootError: `current` is not a link that venvship made, or another user owns the root.
            OwnServiceError: This runs in the service that the restart hook restarts. Nothing was switched.
            DiskFullError: There is no room, even without the reserve, and `previous` names another release.
            InterruptedByError: A signal came before the switch. A later one changes nothing.
        """
        from venvship.operations.rollback import rollback

        return self._write(
            rollback,
            release,
            message=message,
            no_checks=no_checks,
            from_=from_,
            force=force,
            dry_run=dry_run,
        )

    def recover(self, *, boot: bool = False) -> RecoverResult:
        """Finish or undo an interrupted operation.

        Args:
            boot: Whether to run no hooks and no checks: an interrupted promotion is undone.

        Raises:
            RolledBackError: The interrupted promotion was undone.
            RollbackFailedError: It was undone, and the live release does not pass.
            BusyError: Another command is under way, so nothing was interrupted.
            RootError: The root or its journal is unusable.
            SettingsError: The settings cannot be read, or a program in them is missing.
        """
        from venvship.operations.recover import recover

        return self._write(recover, boot=boot)

    def relocate(self, *, python: str | None = None) -> RelocateResult:
        """Make the releases usable at the path that the root has now, from the store, without the network.

        Every release that was built for another path, or whose interpreter is gone, is built again under a
        new id, with the same files. `current` moves last. No hook and no check runs.

        Args:
            python: The interpreter for releases whose own is gone: a version such as `"3.11"`, or a path.

        Raises:
            NotRelocatedError: Some releases could not be built from the store; the others were relocated.
            InterpreterError: `python` is missing, does not run, or is too old.
            SettingsError: Neither the settings nor those of the last promotion can be read.
            BusyError: Another command is building or switching.
            RootError: The root or its journal is unusable.
            DiskFullError: There is no room for a release.
            InterruptedByError: A signal came. What was relocated stays so; the next call goes on.
        """
        from venvship.operations.relocate import relocate

        return self._write(relocate, python=python)

    def prune(
        self,
        *,
        keep: int | None = None,
        keep_days: float | None = None,
        damaged: bool = False,
        dry_run: bool = False,
    ) -> PruneResult:
        """Remove the releases that retention does not keep, then clean the store.

        Args:
            keep: The number of proven and unchecked releases to keep, at least 2. By default the settings'.
            keep_days: The days for which to keep releases after they were live, at least 0. By default the
                settings'.
            damaged: Whether releases go, too, that `verify` has found damaged and that still are.
            dry_run: Whether to return the decisions only and remove nothing.

        Raises:
            SettingsError: The settings cannot be read.
            BusyError: Another command is switching.
            RootError: The root or its journal is unusable.
            DiskFullError: There is no room to record a removal.
            InterruptedByError: A signal came.
            ValueError: `keep` is less than 2, or `keep_days` less than 0 or not finite.
        """
        require_range("keep", keep, 2)
        require_range("keep_days", keep_days, 0)
        from venvship.operations.prune import prune

        return self._write(prune, keep=keep, keep_days=keep_days, damaged=damaged, dry_run=dry_run)

    def verify(self, *releases: str, all: bool = False, expect: str | None = None) -> VerifyResult:  # noqa: A002
        """Re-hash every file, compare it with the manifest, and that with its hash in the journal.

        Changes no release. If the caller owns the root, `status` reports the result from then on.

        Args:
            *releases: The releases to verify. By default the current one.
            all: Whether to verify all releases.
            expect: The SHA-256 that the manifest of the one release must have, hexadecimal: `manifest_sha256`
                of `list` when it was built, or of the system log. By default only the journal's counts.

        Raises:
            ValueError: `expect` is no SHA-256, or is given for several releases.
            DamagedError: A file of a release differs from its manifest, or that from its hash.
            UnknownLinksError: A file of a release has a hard link elsewhere; no file differs.
            StrayBytecodeError: Bytecode stands in a release that is not part of it; nothing else differs.
            ReleaseError: There is no such release, or one is intact and was built for another directory.
            RootError: The root is unusable.
            InterruptedByError: A signal came.
        """
        expected = None if expect is None else require_sha256("expect", expect)
        if expected is not None and (all or len(releases) > 1):
            raise ValueError("expect: a hash is of one release")
        from venvship.operations.verify import verify

        return self._read(verify, releases, all=all, expect=expected)

    def destroy(self, *, force: bool = False) -> DestroyResult:
        """Remove the root, without a question: releases, links, its own store, state, logs and settings.

        The lockfile goes, and the directory, if it holds nothing else. Otherwise they stay. A
        store outside of the root stays, and so does one that other roots build from.

        Args:
            force: Whether to go on although processes that cannot be looked into may use its releases.

        Raises:
            InUseError: Processes run from its releases, or may. Nothing was removed.
            BusyError: Another command is under way, or a build for another root uses the store.
            RootError: Another user owns it, or a file of it cannot be removed. The rest is still a root.
        """
        from venvship.operations.destroy import destroy

        return self._write(destroy, force=force)
