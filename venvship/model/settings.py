"""The settings of a root, each declared once.

An attribute of `Settings`, of one of its tables or of `Check` is the only place where a setting stands. Its
type and its default are those of the attribute, and the `Setting` beside the type has the reader and the
text. `Check` and the kinds of check are in `settings_check`. Generated from this are the reader of the file
(`settings_reading`), the copy that a root keeps of the settings of its last promotion (`settings_form`), the
file that `init` writes (`settings_template`), and the tables of the reference.

To add a setting, write one attribute:

    keep: Annotated[int, Setting(integer(2, 10_000), "Number of proven releases to keep.")] = 5

The reader is one of `toml_table` or `setting_values`, or a new one there. The first sentence of the text also
stands in the template, so it fits a line there; further sentences stand in the reference alone. Where the
default is `None` or empty, an `example` shows the form. A new table is a `NamedTuple` of such attributes, and
an attribute of `Settings` with a comment. A setting that can refuse a release belongs in `[hooks]` or in a
check: `health_digest` covers these two, and the variables that they get. A new key there changes every
digest, so that the refusals of all roots lapse once; to prevent that, let `settings_form` leave the key out
at its default. A key that only some kinds of check have changes no other digest; `CheckKind.keys` names it.
"""

# No `from __future__ import annotations`: the annotations are values here.

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, NamedTuple

from venvship.model import setting_values as values
from venvship.model.setting import Setting
from venvship.model.settings_audit import AuditSettings
from venvship.model.settings_check import Check
from venvship.model.settings_project import ProjectSettings
from venvship.model.settings_service import ServiceSettings
from venvship.model.toml_table import boolean, each, integer, line, number, one_of, string
from venvship.model.variables import env_table

_names = each(values.normalised_name, "an array of names")
_plain_names = each(values.name, "an array of names")


class LockSettings(NamedTuple):
    """`[lock]`: how `venvship lock` generates the lockfile."""

    inputs: Annotated[
        tuple[str, ...],
        Setting(
            each(values.path, "an array of files"),
            "Requirement files. Relative to the root. Where there is no `requirements.in`, the default is the"
            " `pyproject.toml` of `[project]`.",
            example=("requirements.in",),
            default_text="`requirements.in`, else the project's",
        ),
    ] = ()
    cooldown_days: Annotated[
        float,
        Setting(
            number(3650, zero=True),
            "Ignore versions that were uploaded less than this number of days ago; 0 is off.",
        ),
    ] = 0.0
    index: Annotated[
        Mapping[str, str],
        Setting(
            values.index_table,
            "Packages of one index only, by name. `*` stands for any characters. A name without"
            " it counts before all patterns, then the longest pattern. No other index is asked for them. The"
            " index is one of pip's, without credentials, or a folder of `--find-links`, relative to the"
            " root or absolute.",
            example={"shop-*": "https://packages.example.com/simple"},
        ),
    ] = MappingProxyType({})  # type: ignore[assignment]  # it hides tuple.index, which is not used


class UpdateSettings(NamedTuple):
    """`[update]`: what `venvship update` may do without a person."""

    resume_on_new_lockfile: Annotated[
        bool,
        Setting(
            boolean,
            "Whether a new lockfile ends a person's switch hold. New is a lockfile of another environment"
            " than all that were left under the hold, and than the lockfile had at these moments. It never"
            " ends a hold that `venvship hold` set, and `update --upgrade` stays refused.",
        ),
    ] = False
    window: Annotated[
        tuple[str, ...],
        Setting(
            values.windows,
            "When `update` may begin, by the host's clock. One window, or several. Outside of them it does"
            " nothing and exits with 0. Days are `Mon` to `Sun`; without days, a window is of every day. One"
            " whose end is not later than its begin ends on the next day.",
            example="Mon-Fri 09:00-16:00",
            type_text="string, or array of strings",
            default_text="always",
        ),
    ] = ()
    only: Annotated[
        str,
        Setting(
            one_of("patch", "minor", "all"),
            "How far `update --upgrade` goes: `patch`, `minor` or `all`. By the release segments of a"
            " version, literally: 0.1 to 0.2 is minor, and 2024.12 to 2025.1 is major. New packages have no"
            " limit.",
        ),
    ] = "all"
    groups: Annotated[
        Mapping[str, tuple[str, ...]],
        Setting(
            values.groups_table,
            "Packages that move together in `update --upgrade`. Each group is an"
            " array of names; `*` stands for any characters. A package that may not move keeps its group.",
            example={"django": ("django*",)},
        ),
    ] = MappingProxyType({})
    trials: Annotated[
        int,
        Setting(
            integer(0, 10_000),
            "Number of trials that may look for the upgrades which fail. With 0, an upgrade that fails is"
            " refused as a whole.",
        ),
    ] = 40
    trials_deadline: Annotated[
        float,
        Setting(values.seconds, "Seconds after which no further trial begins."),
    ] = 1800.0


class BuildSettings(NamedTuple):
    """`[build]`: how a lockfile becomes a release. Names are normalised, and optimisation levels ascend."""

    sdists: Annotated[
        tuple[str, ...],
        Setting(
            each(values.normalised_name_or_all, "an array of names"),
            'Names that may be built from source; `"*"` allows all.',
        ),
    ] = ()
    timeout: Annotated[float, Setting(values.seconds, "Seconds for the whole fetch.")] = 600.0
    optimize: Annotated[
        tuple[int, ...], Setting(values.optimisation_levels, "Bytecode optimisation levels to compile.")
    ] = (0,)
    closed: Annotated[bool, Setting(boolean, "Whether an unmet dependency is an error.")] = False
    overlap: Annotated[
        tuple[str, ...],
        Setting(
            each(string, "an array of paths and names"),
            "Paths or package names whose code two wheels may both contain.",
        ),
    ] = ()
    bad_record: Annotated[
        tuple[str, ...], Setting(_names, "Names of wheels whose RECORD is known to be wrong.")
    ] = ()
    extras: Annotated[
        tuple[str, ...],
        Setting(_plain_names, "Extras of the project to install. A requirements file has none."),
    ] = ()
    groups: Annotated[
        tuple[str, ...],
        Setting(
            _plain_names,
            "Dependency groups to install. In a pylock file they replace the default groups, in the lock of a"
            " tool they come besides the project's own dependencies.",
        ),
    ] = ()
    archives: Annotated[
        bool, Setting(boolean, "Whether the store keeps the wheel files that it has unpacked.")
    ] = True


class HookSettings(NamedTuple):
    """`[hooks]`: commands that act, each an argument list or `None`."""

    generate: Annotated[
        tuple[str, ...] | None,
        Setting(
            values.command,
            "Writes files to `$VENVSHIP_GENERATED`. It runs before the seal, and the files are sealed as"
            " `generated/` of the release. A failure is a failed build.",
            example=("django-admin", "collectstatic", "--noinput"),
        ),
    ] = None
    prepare: Annotated[
        tuple[str, ...] | None,
        Setting(
            values.command,
            "Runs before the switch, from the candidate. Its refusal rejects the release. `{bin}/NAME` is the"
            " release's own program.",
            example=("shop-admin", "migrate"),
        ),
    ] = None
    restart: Annotated[
        tuple[str, ...] | None,
        Setting(
            values.command,
            "Runs after a switch. A name without a path is a program of the host, never of the release.",
            example=("/usr/bin/systemctl", "restart", "shop.service"),
        ),
    ] = None
    notify: Annotated[
        tuple[str, ...] | None,
        Setting(
            values.command,
            "Receives one JSON event on its standard input. A name without a path is a program of the host.",
            example=("/usr/local/bin/tell-ops",),
        ),
    ] = None
    timeout: Annotated[
        float, Setting(values.seconds, "Seconds for each hook that has no time-out of its own.")
    ] = 60.0
    generate_timeout: Annotated[
        float | None,
        Setting(values.seconds, "Seconds for the generate hook.", example=300, default_text="`timeout`"),
    ] = None
    prepare_timeout: Annotated[
        float | None,
        Setting(values.seconds, "Seconds for the prepare hook.", example=600, default_text="`timeout`"),
    ] = None
    restart_timeout: Annotated[
        float | None,
        Setting(values.seconds, "Seconds for the restart hook.", example=120, default_text="`timeout`"),
    ] = None
    notify_timeout: Annotated[
        float | None,
        Setting(values.seconds, "Seconds for the notify hook.", example=10, default_text="`timeout`"),
    ] = None

    def seconds(self, name: str) -> float:
        """The time-out of the hook of this name."""
        own: float | None = getattr(self, f"{name}_timeout")
        return self.timeout if own is None else own


class Settings(NamedTuple):
    """Everything that `venvship.toml` says with the files that it extends, defaults filled in.

    `extends` has the paths of all these files, in the order in which they were read, the nested ones too.
    `checks` has no disabled ones.
    """

    name: Annotated[
        str, Setting(line(100), "Name of the application, one line.", default_text="the folder's name")
    ]
    extends: Annotated[
        tuple[str, ...],
        Setting(
            each(values.extended_file, "an array of files"),
            "Files of settings to begin with. Later ones win over earlier ones, and the keys of the file"
            " itself over all. Relative to the file that names them, or absolute. See {ref}`extends`.",
            example=("../shop/deploy/common.toml",),
        ),
    ] = ()
    tier: Annotated[
        str | None,
        Setting(
            line(100),
            "Name of the environment that this root is, one line. For hooks, checks and `run`"
            " (`VENVSHIP_TIER`), the journal, `status` and metrics.",
            example="production",
        ),
    ] = None
    python: Annotated[
        str | None,
        Setting(
            values.python_choice,
            'A version or an absolute path. A version is written in quotes: `"3.11"`.',
            example="3.11",
            default_text="the interpreter that runs venvship",
        ),
    ] = None
    lockfile: Annotated[
        tuple[str, ...],
        Setting(
            values.lockfile_names,
            "One lockfile, or several requirements files. Relative to the root or absolute. One is a"
            " requirements file with hashes, a `uv.lock`, `poetry.lock`, `pdm.lock` or `Pipfile.lock`, or a"
            " pylock file.",
            type_text="string, or array of strings",
        ),
    ] = ("requirements.txt",)
    keep: Annotated[
        int,
        Setting(
            integer(2, 10_000),
            "Number of proven and unchecked releases to keep, proven ones first; at least 2.",
            heading="Retention. A release that is current, previous, pinned or in use is never removed.",
        ),
    ] = 5
    keep_days: Annotated[
        float,
        Setting(number(36_500, zero=True), "Keep all releases that were live within this number of days."),
    ] = 0.0
    keep_failed: Annotated[
        int, Setting(integer(0, 10_000), "Number of bad, inconclusive or rejected releases to keep.")
    ] = 2
    link: Annotated[
        str,
        Setting(
            one_of("auto", "hardlink", "reflink", "copy"),
            "How files get into a release: `auto`, `hardlink`, `reflink` or `copy`.",
        ),
    ] = "auto"
    store: Annotated[
        str,
        Setting(
            values.path, "Directory of the store, which roots may share. Relative to the root or absolute."
        ),
    ] = "store"
    syslog: Annotated[
        bool, Setting(boolean, "Whether the system's log gets a line for each change of state.")
    ] = True
    disable_checks: Annotated[
        tuple[str, ...],
        Setting(
            each(string, "an array of names"),
            "Names of checks to leave out, such as one of a file that is extended.",
            example=("listens",),
        ),
    ] = ()
    env_file: Annotated[
        str | None,
        Setting(
            values.path,
            "File of variables, as systemd's `EnvironmentFile=` has it. For hooks, checks and `run`. Relative"
            " to the root or absolute. Its values win over `[env]`. Nothing that venvship writes has them.",
            example="/etc/shop.env",
        ),
    ] = None
    env: Annotated[
        Mapping[str, str],
        Setting(
            env_table,
            "Variables for hooks, checks and `run`. Not for secrets: the settings are copied to `state/`.",
            example={"SHOP_MODE": "production"},
        ),
    ] = MappingProxyType({})
    project: Annotated[ProjectSettings, "the application's own code, from a checkout"] = ProjectSettings()
    lock: Annotated[LockSettings, "how `venvship lock` generates the lockfile"] = LockSettings()
    update: Annotated[UpdateSettings, "what `venvship update` may do without a person"] = UpdateSettings()
    audit: Annotated[AuditSettings, "where known vulnerabilities are looked for"] = AuditSettings()
    build: Annotated[BuildSettings, "how a lockfile becomes a release"] = BuildSettings()
    service: Annotated[ServiceSettings, "two slots behind one socket, so that no request is lost"] = (
        ServiceSettings()
    )
    hooks: Annotated[HookSettings, "each an array of arguments, never a string"] = HookSettings()
    checks: tuple[Check, ...] = ()

    @property
    def files_of_programs(self) -> tuple[str, ...]:
        """The files that hooks and checks depend on, as they are written: variables and authorities."""
        named = (self.env_file, *(check.ca for check in self.checks))
        return tuple(dict.fromkeys(name for name in named if name is not None))

    @property
    def leaves_service_alone(self) -> bool:
        """Whether neither a service, a restart hook nor a live check is set.

        A promotion only moves the link then: a process that runs goes on with the old release, and nothing
        proves the new one.
        """
        unasked = self.hooks.restart is None and not self.service.is_on
        return unasked and not any(check.when == "live" for check in self.checks)
