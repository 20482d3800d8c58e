"""Runs what a page tells its reader to do: the commands of its `console` blocks and the files that it shows.

Page by page, in order, in one shell, in a fresh directory that is HOME as well. In a page:

* In a ```` ```console ```` block a line that starts with `$ ` is a command. One that ends in a backslash, or
  begins a here-document, goes on in the next lines. Other lines are its output; each has to be among what was
  printed, with ids, numbers and names of users taken for equal, and `…` standing for what is left out.
  `(exit status 22)` says how the command ends; without it, with 0.
* A code block whose caption is the path of a file is written there; one with the caption `added to PATH` is
  appended.
* `% given: NAME` prepares a directory first, or a host; see `GIVEN` in `given.py`.
* `% network` marks a page whose commands fetch from a package index, `% needs: PROGRAM` one that uses a
  program that may not be there.
* A page with tabs is run once for each label of a tab, without what stands in tabs of other labels.
* Everything in other kinds of blocks is for reading.

`/srv/`, `/var/lib/` and port 8000 are replaced by what this test may have.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

TOKEN: Final = "VENVSHIP_DOCS_PAGE"
"""A variable that everything which a page starts carries, so that it can be found and ended."""

_FENCE = re.compile(
    r"^(?P<fence>`{3,})(?P<info>[^\n]*)\n(?P<body>.*?)^(?P=fence)\s*$", re.MULTILINE | re.DOTALL
)
_CAPTION = re.compile(r"^:caption: (?P<added>added to )?`?(?P<path>[\w./-]+)`?$", re.MULTILINE)
_HEREDOC = re.compile(r"<<-?\s*'?(\w+)'?")
_REMARK = re.compile(r"^% (?P<name>given|network|needs)(?:: *(?P<value>.*))?$", re.MULTILINE)
_TAB = re.compile(
    r"^(?P<fence>:{3,})\{tab-item\} (?P<label>[^\n]+)\n(?P<body>.*?)^(?P=fence)[^\S\n]*$\n?",
    re.MULTILINE | re.DOTALL,
)


@dataclass
class Command:
    """A command, and what the page says about how it goes."""

    text: str
    output: list[str] = field(default_factory=list)
    status: int = 0


@dataclass(frozen=True)
class File:
    """A file that the page shows."""

    path: str
    text: str
    added: bool


@dataclass(frozen=True)
class Page:
    """What a page has to run.

    Attributes:
        steps: Commands and files, in order.
        remarks: What the page says to the runner.
    """

    steps: tuple[Command | File, ...]
    remarks: Mapping[str, str]


def tab_labels(text: str) -> tuple[str, ...]:
    """The labels of a page's tabs, each once; `("",)` for a page without tabs."""
    return tuple(dict.fromkeys(tab["label"].strip() for tab in _TAB.finditer(text))) or ("",)


def read_page(text: str, label: str = "") -> Page:
    """Take a page apart, as a reader sees it who chose the tabs with this label."""
    text = _TAB.sub(lambda tab: tab["body"] if tab["label"].strip() == label else "", text)
    steps: list[Command | File] = []
    for block in _FENCE.finditer(text):
        info, body = block["info"].strip(), block["body"]
        if info == "console":
            steps += read_console(body)
        elif info.startswith("{code-block}") and (caption := _CAPTION.search(body)):
            content = re.sub(r"\A(?::.*\n)+\n?", "", body)
            steps.append(File(caption["path"], content, bool(caption["added"])))
    return Page(tuple(steps), {m["name"]: m["value"] or "" for m in _REMARK.finditer(text)})


def read_console(body: str) -> list[Command]:
    """The commands of one block.

    Raises:
        ValueError: It begins with something else than a command.
    """
    commands: list[Command] = []
    until = None
    more = False
    for line in body.splitlines():
        if until is not None or more:
            commands[-1].text += f"\n{line}"
            more = until is None and line.endswith("\\")
            until = None if line == until else until
        elif line.startswith("$ "):
            commands.append(Command(line[2:]))
            more = line.endswith("\\")
            found = _HEREDOC.search(line)
            until = found[1] if found else None
        elif not commands:
            raise ValueError(f"a console block begins with {line!r}, which is no command")
        elif match := re.fullmatch(r"\(exit status (\d+)\)", line):
            commands[-1].status = int(match[1])
        elif line.strip():
            commands[-1].output.append(line)
    return commands


class Shell:
    """Runs a page.

    Args:
        place: An empty directory: HOME, and where the page begins.
        environment: The environment.
        replaced: Texts of the page and what stands for them here.
        enter: The beginning of a command line that runs the rest on another host, where `place` is as well.
    """

    def __init__(
        self,
        place: Path,
        environment: Mapping[str, str],
        replaced: Mapping[str, str],
        enter: Sequence[str] = (),
    ) -> None:
        self.place = place
        self._enter = enter
        self._token = f"{place}"
        self._environment = {**environment, "HOME": str(place), TOKEN: self._token}
        self._replaced = replaced

    def run(self, page: Page, *, timeout: float) -> None:
        """Run it all.

        Raises:
            AssertionError: A command did not end, or print, as the page says.
        """
        log = self.place.with_name(f"{self.place.name}.log")
        marker = f"@@{os.urandom(8).hex()}@@"
        script = ["set +e", f"cd {shlex.quote(str(self.place))} || exit 97"]
        commands = [step for step in page.steps if isinstance(step, Command)]
        for step in page.steps:
            if isinstance(step, File):
                path, text = shlex.quote(self._here(step.path)), self._here(step.text)
                script.append(f"printf %s {shlex.quote(text)} {'>>' if step.added else '>'}{path} || exit 98")
            else:
                script.append(self._here(step.text))
                script.append(f'status=$?; echo; echo "{marker}$status"')
                script.append(f"[ $status -eq {step.status} ] || exit 99")
        try:
            with log.open("wb") as output:  # a file: a server that is left running must not keep us waiting
                done = subprocess.run(
                    [*self._enter, "bash", "-c", "\n".join(script)],
                    cwd=self.place,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=timeout,
                    check=False,
                )
        finally:
            self.end_all()
        printed = log.read_text(errors="replace").split(marker)
        first = printed[0]
        pieces = [first, *(piece.partition("\n")[2] for piece in printed[1:])]
        statuses = [int(piece.partition("\n")[0]) for piece in printed[1:]]
        for command, said, status in zip(commands, pieces, statuses, strict=False):
            assert status == command.status, f"$ {command.text}\nexited with {status}:\n{said}"
            self._compare(command, said)
        assert done.returncode == 0, f"ended with {done.returncode} after:\n{log.read_text()[-2000:]}"
        assert len(statuses) == len(commands), f"the shell ended after {len(statuses)} commands"

    def _here(self, text: str) -> str:
        for old, new in self._replaced.items():
            text = text.replace(old, new)
        return text

    def _compare(self, command: Command, said: str) -> None:
        there = said
        for old, new in self._replaced.items():
            there = there.replace(new, old)
        # In the order of the replacements: what is below /srv was shown as such already.
        there = there.replace(str(self.place), "/home/you")
        found = {loosely(line) for line in there.splitlines()}
        for line in command.output:
            expected = loosely(line)
            if expected.strip() == "…":
                continue
            head, dots, tail = expected.partition("…")
            matches = (
                any(one.startswith(head) and one.endswith(tail) for one in found)
                if dots
                else expected in found
            )
            assert matches, f"$ {command.text}\ndid not print\n  {line}\nbut\n{said}"

    def end_all(self) -> None:
        """End whatever the page has started and not stopped, and wait until it is gone."""
        while found := self._left_running():
            for pid in found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)

    def _left_running(self) -> list[int]:
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if f"{TOKEN}={self._token}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
        return found


def loosely(line: str) -> str:
    """A line without what differs from run to run."""
    user = os.environ.get("USER") or "root"
    line = re.sub(rf"\b(?:{re.escape(user)}|root|you|deploy)\b", "USER", line)
    line = re.sub(r"\d{8}T\d{6}Z-[0-9a-f]{7}", "ID", line)
    line = re.sub(r"\b[0-9a-f]{64}\b", "DIGEST", line)
    line = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?", "TIME", line)
    line = re.sub(r"\s+\d+\.\d s\s*$", "", line)  # git ends what a hook prints in spaces
    line = re.sub(r"\d[\d,.]* (?:B|kB|MB|GB)\b", "SIZE", line)
    line = re.sub(r"\d[\d,.]*", "#", line)
    return " ".join(line.split())
