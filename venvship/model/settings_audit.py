"""The settings of `[audit]`. `settings` says how to add a setting."""

# No `from __future__ import annotations`: the annotations are values here.

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Final, NamedTuple

from venvship.model import setting_values as values
from venvship.model.advisories.ignored import Ignored
from venvship.model.setting import Setting
from venvship.model.toml_table import WrongValueError, each, line, number, one_of, string

SERVICES: Final[Mapping[str, str]] = {
    "pypi": "https://pypi.org/pypi",
    "osv": "https://api.osv.dev/v1",
}
"""The services that can be asked, each with its address.

https://docs.pypi.org/api/json/#known-vulnerabilities and https://google.github.io/osv.dev/post-v1-query/.
"""


def _day(value: object) -> str:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    text = line(10)(value)
    try:
        if len(text) == 10:
            return date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    raise WrongValueError(f'must be a day, such as "2027-01-31", not {text!r}')


def _ignored(value: object) -> Ignored:
    if not isinstance(value, Mapping):
        raise WrongValueError('must be a table, such as { id = "CVE-2024-1", reason = "…", until = "…" }')
    readers = {"id": line(100), "reason": line(500), "until": _day, "package": values.normalised_name}
    problems = [
        WrongValueError(f"no such key; the keys here are {', '.join(sorted(readers))}", f".{name}")
        for name in value
        if name not in readers
    ]
    problems += [
        WrongValueError(f"has no {name!r}: an entry says why, and ends")
        for name in Ignored._fields
        if name not in value and name not in Ignored._field_defaults
    ]
    found: dict[str, str] = {}
    for name, read in readers.items():
        if name in value:
            try:
                found[name] = read(value[name])
            except WrongValueError as problem:
                problems.append(WrongValueError(problem.message, f".{name}{problem.path}"))
    if problems:
        raise WrongValueError(problems[0].message, problems[0].path, problems[1:])
    return Ignored(**found)


def _address(value: object) -> str:
    (url,) = values.http_url(value)
    if url.startswith("unix:"):
        raise WrongValueError("must begin with http:// or https://")
    return url.rstrip("/")


class AuditSettings(NamedTuple):
    """`[audit]`: where `venvship audit` looks for known vulnerabilities."""

    service: Annotated[
        str,
        Setting(
            one_of(*SERVICES),
            "Service to ask: `pypi` or `osv`. It gets the names and versions of the packages.",
        ),
    ] = "pypi"
    url: Annotated[
        str | None,
        Setting(
            _address,
            "Address of a mirror of that service. It has no user name and password in it.",
            example="https://pypi.example.com/pypi",
            default_text="the service's own",
        ),
    ] = None
    advisories: Annotated[
        str | None,
        Setting(
            values.path,
            "File or folder of advisories, instead of a service. JSON documents in OSV's form."
            " Relative to the root or absolute.",
            example="/var/lib/advisories/pypi",
        ),
    ] = None
    max_age: Annotated[
        float,
        Setting(
            number(values.WEEK, zero=True),
            "Seconds for which an answer is kept. So no package is asked about twice.",
        ),
    ] = 21600.0
    timeout: Annotated[
        float, Setting(values.seconds, "Seconds for asking the service about all packages.")
    ] = 120.0
    private: Annotated[
        tuple[str, ...],
        Setting(
            each(string, "an array of patterns"),
            "Names of packages that no service is told. `*` stands for any characters.",
            example=("shop-*",),
        ),
    ] = ()
    ignore: Annotated[
        tuple[Ignored, ...],
        Setting(
            each(_ignored, "an array of tables"),
            "Vulnerabilities to ignore. Each has a reason and a last day. `id` is an identifier or"
            " an alias. With `package` it is ignored for that package alone. After the day in `until` it"
            " counts again.",
            example=({"id": "CVE-2024-1", "reason": "unused", "until": "2027-03-31"},),
            type_text="array of tables",
        ),
    ] = ()

    @property
    def address(self) -> str:
        """The address of the service."""
        return self.url or SERVICES[self.service]
