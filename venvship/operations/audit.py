"""`audit`: look for known vulnerabilities of a release.

It changes no release. Where the owner of the root runs it, its answers are kept for `[audit] max_age`, and
`status` reports from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from venvship.errors import AuditFailedError, NotOwnerError, OperationWarning, VenvshipError, VulnerableError
from venvship.model import bounds
from venvship.model.advisories.advisory import Answer, Vulnerability, vulnerabilities_of
from venvship.model.advisories.ignored import Ignored
from venvship.model.settings_audit import AuditSettings
from venvship.model.spelling import FORMAT, format_time
from venvship.system import files
from venvship.workspace.advised import SEPARATOR, Answers, audited_packages, kept_answers
from venvship.workspace.reading import ReadingWorkspace
from venvship.workspace.releases import resolve_release
from venvship.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class AuditResult:
    """The result of `Root.audit`.

    Attributes:
        release: The id of the release.
        source: The source of the advisories: the address of a service, or the path of a file.
        at: The time of the oldest answer; `None` if the release has no package to ask about.
        packages: The number of packages that the source knows.
        asked: The number of packages that the service was asked about now; the others were kept, or read.
        vulnerabilities: The known vulnerabilities, by package; those that are ignored among them.
        unaudited: Packages that the source does not know, or is not told of: names.
        expired: Entries of `[audit] ignore` whose last day is over, and that would ignore one of these.
        warnings: The warnings of the operation.
    """

    release: str
    source: str
    at: datetime | None
    packages: int
    asked: int
    vulnerabilities: tuple[Vulnerability, ...]
    unaudited: tuple[str, ...] = ()
    expired: tuple[Ignored, ...] = ()
    warnings: tuple[OperationWarning, ...] = ()

    @property
    def counting(self) -> tuple[Vulnerability, ...]:
        """The vulnerabilities that are not ignored."""
        return tuple(one for one in self.vulnerabilities if one.ignored is None)

    @property
    def fixable(self) -> tuple[Vulnerability, ...]:
        """Those of them for which a fixed version is known."""
        return tuple(one for one in self.counting if one.advisory.fixed)

    def to_json(self) -> dict[str, object]:
        """The `data` of `audit --json`."""
        return {
            "release": self.release,
            "source": self.source,
            "at": format_time(self.at) if self.at is not None else None,
            "packages": self.packages,
            "asked": self.asked,
            "vulnerabilities": [one.to_json() for one in self.vulnerabilities],
            "fixable": len(self.fixable),
            "ignored": len(self.vulnerabilities) - len(self.counting),
            "unaudited": list(self.unaudited),
            "expired": [one._asdict() for one in self.expired],
        }


def audit(workspace: ReadingWorkspace, name: str = "current", *, fixable: bool = False) -> AuditResult:
    """Look for known vulnerabilities of a release.

    Crash: see `_keep`.

    Arguments and errors: `Root.audit`.
    """
    history = workspace.known_history().history
    release_id = resolve_release(workspace.layout, name, history)
    result, _ = audited(workspace, release_id)
    for one in result.expired:
        workspace.warn("ignore-expired", expired_text(one))
    counting = result.fixable if fixable else result.counting
    if counting:
        raise _error(result, counting).carrying(result, shown=True)
    return result


def audited(
    workspace: ReadingWorkspace, release_id: str, known: Answers = MappingProxyType({})
) -> tuple[AuditResult, Answers]:
    """Look for known vulnerabilities of a release, and judge nothing.

    Crash: see `_keep`.

    Args:
        workspace: The root.
        release_id: The release.
        known: As for `find_answers`.

    Returns:
        The result, and the answers that it is made of.

    Raises:
        ReleaseError: The release's manifest cannot be read.
        VenvshipError: See `find_answers`.
    """
    settings = workspace.settings().audit
    manifest = workspace.manifest(release_id)
    packages = audited_packages(manifest, settings)
    answers, asked = find_answers(workspace, settings, packages, known)
    now = workspace.runtime.clock()
    found = vulnerabilities_of(packages, answers, settings.ignore, now)
    told = [package for package in packages if not answers[package].unknown]
    own = {one.name for one in (manifest.project, *manifest.built) if one is not None}
    names = {name for name, _ in told} | own
    result = AuditResult(
        release=release_id,
        source=source_of(workspace, settings),
        at=min((answers[package].at for package in packages), default=None),
        packages=len(told),
        asked=asked,
        vulnerabilities=tuple(found),
        unaudited=tuple(one.name for one in manifest.packages if one.name not in names),
        expired=_expired(settings.ignore, found, now),
    )
    return result, answers


def expired_text(entry: Ignored) -> str:
    """The warning about an entry of `[audit] ignore` that has ended."""
    return f"{entry.id} is not ignored any more: the entry in `[audit] ignore` ended on {entry.until}"


def source_of(workspace: ReadingWorkspace, settings: AuditSettings) -> str:
    """The source of the advisories: the address of a service, or a path."""
    if settings.advisories is None:
        return settings.address
    return str(workspace.layout.path / settings.advisories)


def find_answers(
    workspace: ReadingWorkspace,
    settings: AuditSettings,
    packages: Sequence[tuple[str, str]],
    known: Answers = MappingProxyType({}),
) -> tuple[Answers, int]:
    """Find the advisories about packages: read them, or ask about those of which no fresh answer is kept.

    Args:
        workspace: The root.
        settings: Where the advisories are.
        packages: Normalised names, with versions.
        known: Answers that this command has, so that it asks for none of them again.

    Returns:
        The answers by package, and the number of packages that the service was asked about.

    Raises:
        AuditFailedError: The service could not be asked, or the advisories cannot be read.
        UntrustedError: Others can write the advisories.
        InterruptedByError: A signal came.
    """
    # Late: they compare versions, which takes `packaging`.
    from venvship.operations.auditing.local import read_local
    from venvship.operations.auditing.service import ask_service

    try:
        kept = kept_answers(workspace.layout)
    except VenvshipError:
        kept = {}  # garbage: the file is written anew
    now, source = workspace.runtime.clock(), source_of(workspace, settings)
    if settings.advisories is not None:
        found: Mapping[tuple[str, str], Answer]
        found = read_local(workspace, workspace.layout.path / settings.advisories, packages)
        _keep(workspace, {**kept, **found})
        return found, 0
    age = timedelta(seconds=settings.max_age)
    fresh = {
        package: kept[package]
        for package in packages
        if package in kept and kept[package].source == source and now - age < kept[package].at <= now
    }
    fresh |= {package: known[package] for package in packages if package in known}
    missing = [package for package in dict.fromkeys(packages) if package not in fresh]
    asked = ask_service(workspace, settings, missing) if missing else {}
    answers = {**fresh, **asked}
    if asked and all(answer.unknown for answer in answers.values()):
        # A mirror without advisories answers so. Nothing is known then, which is no clean bill.
        raise AuditFailedError(
            f"{source} knows none of the release's packages ({len(answers)}); nothing was changed",
            hint="see whether it has advisories, and is no plain mirror of files: `url` or `service` below"
            " [audit] names another. Packages of your own go into `private`",
        )
    if asked:
        _keep(workspace, {**kept, **asked})
    return answers, len(asked)


def _keep(workspace: ReadingWorkspace, answers: Answers) -> None:
    """Keep answers, best effort: the newest ones. A user who does not own the root keeps none.

    Crash: the file is the old one or the new one; a temporary file is left that recovery sweeps.
    """
    writing = Workspace(workspace.layout, workspace.runtime, workspace.warnings)
    newest = sorted(answers.items(), key=lambda item: item[1].at, reverse=True)[: bounds.ANSWERS]
    try:
        writing.layout.require_writable()
        writing.trusted.require_folders()
        with writing.journal_mutex.hold(wait=5):
            size, entries = 0, {}
            for (name, version), answer in newest:
                form = answer.to_json()
                size += len(repr(form))
                if size > bounds.STATE // 4:  # escapes and indents come on top
                    break
                entries[f"{name}{SEPARATOR}{version}"] = form
            files.write_json(writing.layout.advisories_file, {"format": FORMAT, "packages": entries})
    except NotOwnerError:
        return
    except (OSError, VenvshipError) as error:
        text = error.strerror if isinstance(error, OSError) else error.message
        workspace.warn("audit-not-kept", f"`status` will not know of this audit: {text}")


def _expired(ignore: Sequence[Ignored], found: Sequence[Vulnerability], now: datetime) -> tuple[Ignored, ...]:
    counting = [one for one in found if one.ignored is None]
    return tuple(
        entry
        for entry in ignore
        if entry.is_over(now) and any(entry.covers(one.package, one.advisory.names) for one in counting)
    )


def _error(result: AuditResult, counting: Sequence[Vulnerability]) -> VulnerableError:
    first, others = counting[0], len(counting) - 1
    more = f", and {others} more" if others else ""
    return VulnerableError(
        f"{result.release} has known vulnerabilities: {first.package} {first.version}: "
        f"{first.advisory.id}{more}; {len(result.fixable)} of {len(result.counting)} have a fix",
        hint="release the versions that fix them: `venvship update --security`;"
        " `[audit] ignore` is for those that do not concern you",
        release=result.release,
    )
