"""The lines of `audit`, and the line of `status` on known vulnerabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from venvship.cli import style
from venvship.cli.fitting import Page, counted, when
from venvship.model.spelling import ago

if TYPE_CHECKING:
    from venvship.model.advisories.advisory import Known, Vulnerability
    from venvship.operations.audit import AuditResult


def audit_lines(result: AuditResult, page: Page) -> list[str]:
    """The lines of `audit`: each vulnerability, then the count."""
    lines: list[str] = []
    for one in result.vulnerabilities:
        lines += _vulnerability(one, page)
    if result.unaudited:
        names = ", ".join(result.unaudited)
        lines += page.fold(f"Nothing is known about {counted(len(result.unaudited), 'package')}: {names}")
    count = len(result.counting)
    packages = counted(result.packages, "package")
    if count:
        said = f"{_vulnerabilities(count)}, {len(result.fixable)} of them fixable, in {packages}"
        return [*lines, f"{style.bad('Vulnerable:')} {style.strong(result.release)}, {said}"]
    ignored = len(result.vulnerabilities)
    more = f", but for {ignored} that the settings ignore" if ignored else ""
    said = f"no known vulnerabilities in {packages}{more}"
    return [*lines, f"{style.good('Audited:')} {style.strong(result.release)}, {said}"]


def vulnerabilities_line(known: Known | None, page: Page) -> list[str]:
    """The line of `status`; none where no audit is known."""
    if known is None:
        return []
    said = f"{_vulnerabilities(known.vulnerabilities)}, {known.fixable} fixable"
    if not known.vulnerabilities:
        said = "no known vulnerabilities"
    said += f", audited {when(known.at)} ({ago(known.at, page.now)})"
    if known.ignored:
        said += f"; {known.ignored} ignored"
    if known.unaudited:
        said += f"; nothing is known about {counted(known.unaudited, 'package')}"
    label = style.attention("Audit") if known.vulnerabilities else "Audit"
    return page.labelled("Audit", said, paint=label)


def _vulnerability(one: Vulnerability, page: Page) -> list[str]:
    advisory = one.advisory
    names = " ".join((advisory.id, *advisory.aliases))
    if one.ignored is not None:
        state = f"ignored until {one.ignored.until}: {one.ignored.reason}"
    elif advisory.fixed:
        state = f"fixed in {', '.join(advisory.fixed)}"
    else:
        state = "no fix is known"
    lines = page.fold(f"{one.package} {one.version}  {names}: {state}")
    if advisory.summary:
        lines += [f"    {line}" for line in page.fold(advisory.summary)]
    return lines


def _vulnerabilities(count: int) -> str:
    return f"{count} known {'vulnerability' if count == 1 else 'vulnerabilities'}"
