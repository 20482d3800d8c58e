"""The options that stand before or after the command, and the call that they describe."""

from __future__ import annotations

import contextlib
import math
import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

import click

from venvship.api import Root, default_runtime, own_command
from venvship.cli.steps import PlainSteps
from venvship.cli.terminal import Terminal
from venvship.errors import NotARootError, UntrustedError, VenvshipError
from venvship.model.progress import Step
from venvship.model.spelling import parse_until
from venvship.printable import shell_line
from venvship.system.other_user import line_as
from venvship.system.outlet import Outlets
from venvship.system.signals import Signals
from venvship.workspace.discovery import can_be_named, find_root
from venvship.workspace.runtime import Runtime

if TYPE_CHECKING:
    from venvship.cli.live import LiveSteps
    from venvship.cli.text import Text


class Call:
    """One call of the command line.

    Args:
        root_path: `VENVSHIP_ROOT`, until `-C` is read.
        json: Whether `--json` is among its options, which is known before parsing.
        monitor: Whether it is `check --monitor`, likewise: it exits with 0 to 3, whatever happens.

    Attributes:
        signals: The signals that interrupt it.
        outlets: Its standard output and standard error.
        root_path: `-C`, or `VENVSHIP_ROOT`.
        json: Whether one JSON object is printed instead of text.
        monitor: Whether one line for a monitoring system is printed instead, also for an error.
        quiet: Whether only results are printed.
        verbose: Whether everything is.
        color: Whether colour is allowed.
        wait: Seconds to wait for a mutex.
        command: The command's name, once known.
        text: Turns the command's result into lines, once known.
        root: The root, once opened.
        live_before: The release that was live when the root was opened; empty for none, `None` if unknown.
        only_prints: Whether the output is all that the call is for, as it is without a command: help, the
            version, or a script for a shell.
        only_summary: Whether the steps are left out if the output is not a terminal: cron mails it.
    """

    def __init__(self, *, root_path: str | None = None, json: bool = False, monitor: bool = False) -> None:
        self.signals = Signals(self._redraw)
        self.outlets = Outlets(lambda: self.signals.received is not None)
        self.root_path = root_path
        self.json = json
        self.monitor = monitor
        self.quiet = False
        self.verbose = False
        self.color = True
        self.wait = 0.0
        self.command: str | None = None
        self.text: Text[Any] | None = None
        self.root: Root | None = None
        self.live_before: str | None = None
        self.only_prints = True
        self.only_summary = False
        self._draws = True
        self._steps: PlainSteps | LiveSteps | None = None

    def terminal(self, stream: TextIO) -> Terminal:
        """The abilities of a stream, as far as this call uses them."""
        return Terminal.of(stream, os.environ, color=self.color)

    def runtime(self) -> Runtime:
        """The runtime of this call. From now until `end_steps` no output waits for its reader."""
        self.outlets.be_patient(False)
        return default_runtime(wait=self.wait, signals=self.signals, progress=self._watch)

    def _watch(self, step: Step) -> None:
        """Draw a step, best effort."""
        if self.json or self.quiet or not self._draws:
            return
        try:
            self._draw(step)
        except Exception:  # noqa: BLE001 - a failure to draw must not stop the operation: it may be a switch
            self._draws = False

    def _draw(self, step: Step) -> None:
        """Draw a step; import for it only now that there is one."""
        if self._steps is None:
            terminal = self.terminal(sys.stdout)
            if self.only_summary and terminal.width is None and not self.verbose:
                self._draws = False
                return
            if terminal.moves:
                from venvship.cli.live import LiveSteps

                self._steps = LiveSteps(sys.stdout, terminal, verbose=self.verbose)
            else:
                self._steps = PlainSteps(sys.stdout, terminal, verbose=self.verbose)
        self._steps(step)

    def _redraw(self) -> None:
        """Draw the running steps again, best effort."""
        if self._steps is not None and self._draws:
            try:
                self._steps.redraw()
            except Exception:  # noqa: BLE001 - as in `_watch`
                self._draws = False

    def end_steps(self) -> None:
        """End the drawing, also after a failure half-way: from now on output waits for its reader."""
        self._draws = False
        self.outlets.be_patient(True)
        if self._steps is not None:
            steps, self._steps = self._steps, None
            steps.close(incomplete=self.outlets.dropped("stdout"))

    def address(self, terminal: Terminal) -> str:
        """The root for commands in messages, quoted for a shell; empty where they find it without.

        At a terminal, the next command gets the variable and the directory of this one. Other output may be
        read where the variable is not set, and a mail anywhere.

        Args:
            terminal: The output.
        """
        if self.root is None and not self.root_path:
            return ""
        path = self.root.path if self.root is not None else Path(self.root_path or "")
        named = root_from_environment()
        if terminal.width is not None or not (self.only_summary or named):
            with contextlib.suppress(NotARootError, UntrustedError, OSError):
                if os.path.samefile(here(named) if named else find_root(here(), os.environ), path):
                    return ""
        with contextlib.suppress(NotARootError):
            path = path if path.is_absolute() else here(str(path))
        return shell_line([str(path)])

    def where(self) -> Path:
        """The directory of the root.

        Raises:
            NotARootError: None is named, and there is none here or above.
            UntrustedError: None is named, and the one that is here or above is not the caller's own.
        """
        return here(self.root_path) if self.root_path else find_root(here(), os.environ)

    def open_root(self) -> Root:
        """Open the root.

        Raises:
            RootError: There is none, or it cannot be used.
        """
        self.root = Root.open(self.where(), runtime=self.runtime())
        with contextlib.suppress(VenvshipError):
            self.live_before = self.root.current() or ""
        return self.root


class Amount(click.FloatRange):
    """A number of seconds or days. click lets `nan` and `inf` pass, which no range excludes."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401
        """Read it.

        Raises:
            click.BadParameter: It is no number, or not in the range.
        """
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


class Until(click.ParamType):  # type: ignore[type-arg] # in click 8.2 it is not generic
    """A time that is still to come; see `parse_until`."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:  # noqa: ANN401
        """Read it.

        Raises:
            click.BadParameter: It is none.
        """
        try:
            return value if isinstance(value, datetime) else parse_until(value, datetime.now(UTC))
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


def here(path: str = "") -> Path:
    """A path from the command line, absolute; without one the working directory.

    Raises:
        NotARootError: The working directory is gone, as after the `rm -r` of another shell.
    """
    try:
        return Path(path).absolute()
    except FileNotFoundError as error:
        raise NotARootError(
            "this directory has been removed", hint="cd to one that is there, and name the root with -C /ROOT"
        ) from error


def _store(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(context: click.Context, parameter: click.Parameter, value: Any) -> None:  # noqa: ANN401
        call = context.find_object(Call)
        if name == "root_path" and value == "":
            # Not "the root here": `-C "$ROOT"` with an unset variable must not act on another root.
            raise click.BadParameter("the path is empty", context, parameter)
        # The option may stand on both sides of the command; an absent one changes nothing.
        if call is not None and value is not None and value is not False:
            setattr(call, name, value)

    return callback


def _no_color(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    call = context.find_object(Call)
    if call is not None and value:
        call.color = False


GLOBAL_OPTIONS: Final = (
    click.Option(
        ["-C", "--root"],
        metavar="ROOT",
        type=click.Path(),
        expose_value=False,
        callback=_store("root_path"),
        help="The root. [default: $VENVSHIP_ROOT, else the nearest parent directory with venvship.toml]",
    ),
    click.Option(
        ["--json"],
        is_flag=True,
        expose_value=False,
        callback=_store("json"),
        help="Print one JSON object and nothing else on standard output.",
    ),
    click.Option(
        ["-q", "--quiet"], is_flag=True, expose_value=False, callback=_store("quiet"), help="Print less."
    ),
    click.Option(
        ["-v", "--verbose"],
        is_flag=True,
        expose_value=False,
        callback=_store("verbose"),
        help="Print more.",
    ),
    click.Option(
        ["--no-color"], is_flag=True, expose_value=False, callback=_no_color, help="Print no colours."
    ),
    click.Option(
        ["--wait"],
        metavar="SECONDS",
        type=Amount(min=0),
        expose_value=False,
        callback=_store("wait"),
        help="How long to wait for another command to finish. [default: 0]",
    ),
)
"""The options of the group and of every command, shared by all: they keep no state."""


message_option = click.option(
    "-m", "--message", metavar="MSG", default="", help="Reason, recorded in `venvship history`."
)
"""The option of the commands that record a reason."""


def root_from_environment() -> str | None:
    """`VENVSHIP_ROOT`, which `-C` overrides."""
    return os.environ.get("VENVSHIP_ROOT") or None


def running_command() -> tuple[str, ...]:
    """The command line that runs this venvship from anywhere: the called program, if it is one.

    A link is not followed: `/usr/local/bin/venvship` exists so that its target can change.
    """
    called = os.path.abspath(sys.argv[0])
    is_script = not called.endswith("__main__.py") and os.path.isfile(called) and os.access(called, os.X_OK)
    return (called,) if is_script else own_command()


def as_owner(call: Call, arguments: Sequence[str]) -> str:
    """The line that runs this command as the owner of its root, to be typed in the same directory."""
    own = list(arguments)
    own = own[: own.index("--")] if "--" in own else own
    named = any(argument.startswith(("-C", "--root")) for argument in own)
    root = call.root.path if call.root is not None else here(call.root_path or "")
    return _as_owner_of(str(root), [*([] if named else ["-C", str(root)]), *arguments])


ANYBODYS: Final = frozenset({"check", "run", "verify"})
"""The commands, besides those that only print, that a user may run who does not own the root."""


def by_name(call: Call, arguments: Sequence[str], root: str) -> str:
    """The line that runs this command in a root that it did not name, as a user whom that does not refuse.

    That is its owner for a command that writes, and for root, who runs no programs of other users.

    Returns:
        The line; empty if the root refuses its owner, too.
    """
    if not can_be_named(root, os.environ):
        return ""
    words = ["-C", root, *arguments]
    if os.geteuid() != 0 and (call.only_prints or call.command in ANYBODYS):
        return shell_line([*running_command(), *words])
    return _as_owner_of(root, words)


def by_real_name(call: Call, arguments: Sequence[str], real: str) -> str:
    """The line that runs this command with the real path of its root in the place of the given one."""
    given, words, own = call.root_path or "", [], True
    for word in arguments:
        own = own and word != "--"
        for before in ("", "-C", "--root="):
            if own and given and word == f"{before}{given}":
                word = f"{before}{real}"  # noqa: PLW2901 - the word that is typed instead
        words.append(word)
    return shell_line([*running_command(), *(["-C", real] if words == list(arguments) else []), *words])


def _as_owner_of(root: str, words: Sequence[str]) -> str:
    """The line that runs venvship as the owner of a root; it keeps the directory, and not `VENVSHIP_ROOT`."""
    status = os.stat(root)
    return line_as(status.st_uid, status.st_gid, [*running_command(), *words], os.environ)
