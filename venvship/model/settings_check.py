"""The settings of a check: its kinds, and the keys of `[[check]]`. `settings` says how to add a setting."""

# No `from __future__ import annotations`: the annotations are values here.

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, NamedTuple

from venvship.model import setting_values as values
from venvship.model.setting import CheckKind, Setting
from venvship.model.toml_table import boolean, each, integer, number, one_of, string

CHECK: Final = "check"
"""The key of the checks, of which each is a table `[[check]]`."""


CHECK_KINDS: Final[Mapping[str, CheckKind]] = {
    "command": CheckKind(
        read=values.command,
        is_array=True,
        is_command=True,
        text="Exit status 0 passes, 75 means “ask again”, anything else fails.",
        example=["shop-admin", "check"],
        name="self-test",
    ),
    "import": CheckKind(
        read=each(values.module_name, "an array of module names", least=1),
        is_array=True,
        text="Modules that must import, in the release's interpreter.",
        example=["shop.wsgi"],
        name="imports",
        when="candidate",
    ),
    "http": CheckKind(
        read=values.http_url,
        text="URL: `http://`, `https://` or `unix:/path/to.sock:/path`. No proxies, no redirects."
        " See `body`.",
        example="http://127.0.0.1:8000/healthz",
        name="answers",
        keys=("status", "body", "headers", "ca", "from_release"),
    ),
    "tcp": CheckKind(
        read=values.tcp_address,
        text="`host:port`, which must accept a connection.",
        example="127.0.0.1:8000",
        name="listens",
        keys=("from_release",),
    ),
    "audit": CheckKind(
        read=values.audit_target,
        text='`"all"` fails on known vulnerabilities, `"fixable"` on those with a fix. As'
        " {ref}`command-audit` finds them. Its `timeout` is 120 by default. It is inconclusive if the"
        " advisories cannot be had.",
        example="fixable",
        name="vulnerabilities",
        when="candidate",
        defaults=MappingProxyType({"timeout": 120.0}),
    ),
}
"""The keys of a check that say what it does; each check has exactly one. `health/kinds.py` has the function
that asks for each, and says how to add a kind.
"""


def kinds_with(key: str) -> tuple[str, ...]:
    """The kinds of check that alone have this key of a check; empty for a key that all have."""
    return tuple(name for name, kind in CHECK_KINDS.items() if key in kind.keys)


class Check(NamedTuple):
    """One `[[check]]`.

    Attributes:
        kind: Which of `CHECK_KINDS` it is.
        target: As the kind's `read` returns it: an argument list, or for example a single URL.
    """

    name: Annotated[
        str, Setting(values.check_name, "Unique, and usable as a file name.", default_text="none; required")
    ]
    kind: str
    target: tuple[str, ...]
    when: Annotated[
        str, Setting(one_of("candidate", "live"), "`candidate`: before the switch; `live`: after it.")
    ] = "live"
    status: Annotated[
        tuple[int, ...],
        Setting(
            values.status_codes,
            "Status code that the answer must have, or several of which it must have one.",
            type_text="integer, or array of integers",
        ),
    ] = (200,)
    body: Annotated[
        str | None,
        Setting(
            string,
            "Text that the answer must contain; `{release}` is the release's id.",
            example="{release}",
        ),
    ] = None
    headers: Annotated[
        Mapping[str, str],
        Setting(
            values.http_headers,
            "Header fields to send, `Host` too. They replace those that venvship sends.",
            example={"Host": "shop.example.com"},
        ),
    ] = MappingProxyType({})
    ca: Annotated[
        str | None,
        Setting(
            values.path,
            "PEM file of the authorities to trust for `https`. The system's are not trusted then. Relative to"
            " the root or absolute.",
            example="/etc/ssl/own.pem",
        ),
    ] = None
    from_release: Annotated[
        bool,
        Setting(
            boolean,
            "Whether all processes that hold the socket must run from this release. See {ref}`from-release`.",
        ),
    ] = False
    timeout: Annotated[float, Setting(values.seconds, "Seconds for one attempt.")] = 5.0
    interval: Annotated[float, Setting(values.seconds, "Seconds between two attempts.")] = 1.0
    deadline: Annotated[
        float,
        Setting(
            number(values.WEEK, zero=True),
            "Seconds in which attempts are repeated; 0 is one attempt.",
            candidate=0.0,
        ),
    ] = 30.0
    successes: Annotated[int, Setting(integer(1, 1000), "Number of attempts in a row that must succeed.")] = 1
    required: Annotated[
        bool, Setting(boolean, "Whether its failure counts; otherwise it is only reported.")
    ] = True
