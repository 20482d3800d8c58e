"""The only caller of git. It asks a repository, or makes a copy of one, and never writes into it.

git reads its own configuration: who owns a repository (`safe.directory`), and its credentials. Nothing else
of the caller's environment reaches it: `GIT_DIR` or `GIT_INDEX_FILE` of a hook would lead it elsewhere.
Output is bounded, and comes as bytes that a file name may have.

Source: git-rev-parse(1), git-ls-tree(1), git-cat-file(1), git-status(1), gitglossary(7).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from venvship.errors import CheckoutError, ProgramNotFoundError
from venvship.model import bounds
from venvship.model.redaction import Redactor
from venvship.model.repository import Change, Commit, Located, TreeEntry
from venvship.printable import shell_line
from venvship.system.process import ProcessResult, Program, run
from venvship.system.signals import Signals

TIMEOUT: Final = 60.0
"""Seconds for one question. A repository on a network file system that hangs must not hang `update`."""

_KEPT: Final = frozenset({
    "GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_ASKPASS", "GIT_PROXY_COMMAND", "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH", "GIT_SSL_CERT", "GIT_SSL_KEY", "GIT_SSL_NO_VERIFY", "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_COUNT", "GIT_EXEC_PATH",
    "GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM", "GIT_ALLOW_PROTOCOL",
})  # fmt: skip
"""Variables about credentials, configuration and the network."""

_CONFIGURED: Final = re.compile(r"GIT_CONFIG_(?:KEY|VALUE)_\d+")

_SET: Final = {
    # No lock is taken to refresh an index, no question is asked of a terminal, and messages are in English.
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_PAGER": "cat",
    "GIT_LFS_SKIP_SMUDGE": "1",
    "LC_ALL": "C",
    "LANGUAGE": "",
}

_OPTIONS: Final = (
    *("-c", "core.fsmonitor=false", "-c", "core.untrackedCache=false", "-c", "core.splitIndex=false"),
    *("-c", "core.quotePath=false", "-c", "log.showSignature=false", "-c", "i18n.logOutputEncoding=UTF-8"),
    *("-c", "core.hooksPath=/dev/null", "-c", "protocol.ext.allow=never", "-c", "gc.auto=0"),
    *("-c", "maintenance.auto=false", "-c", "advice.detachedHead=false"),
)
"""Settings of a repository that start a program, or write into it."""


def repository_above(path: str) -> str:
    """The directory of the repository that a directory lies in; `""` without one. Asks no git.

    Args:
        path: Absolute.
    """
    while True:
        if os.path.lexists(os.path.join(path, ".git")) or _is_bare(path):
            return path
        above = os.path.dirname(path)
        if above == path:
            return ""
        path = above


def _is_bare(path: str) -> bool:
    return os.path.isfile(os.path.join(path, "HEAD")) and all(
        os.path.isdir(os.path.join(path, name)) for name in ("objects", "refs")
    )


class Git:
    """git in one directory.

    Args:
        path: The directory; absolute.
        environ: The process environment.
        signals: A signal ends git.
        timeout: Seconds for each command.
        objects: A further directory of objects; see `written_tree`.
    """

    def __init__(
        self,
        path: str,
        *,
        environ: Mapping[str, str],
        signals: Signals,
        timeout: float = TIMEOUT,
        objects: str = "",
    ) -> None:
        self.path = path
        self._environ = git_environ(environ)
        self._objects = objects
        if objects:
            self._environ["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = objects
        self._signals = signals
        self._timeout = timeout
        self.redact = Redactor(environ)

    def at(self, path: str) -> Git:
        """The same in another directory."""
        return Git(
            path,
            environ=self._environ,
            signals=self._signals,
            timeout=self._timeout,
            objects=self._objects,
        )

    def with_objects(self, objects: str) -> Git:
        """The same with a further directory of objects."""
        return Git(
            self.path,
            environ=self._environ,
            signals=self._signals,
            timeout=self._timeout,
            objects=objects,
        )

    # -- questions --------------------------------------------------------------------------------------

    def locate(self, ref: str) -> Located:
        """Find the repository and a commit in it: the one question of an idle `update`.

        Args:
            ref: A branch, a tag or a commit.

        Raises:
            CheckoutError: It is no repository of this user's, or has no such commit.
            InterruptedByError: A signal came.
        """
        asked = ("--absolute-git-dir", "--is-shallow-repository", "--show-prefix", f"{ref}^{{commit}}")
        found = self.lines("rev-parse", *asked, ref=ref)
        if len(found) != len(asked):
            raise self.error(f"the name {ref} leads to {len(found) - 3} commits")
        git_dir, shallow, prefix, commit = found
        return Located(git_dir, shallow == "true", prefix.rstrip("/"), commit)

    def trees(self, commit: str, folders: Sequence[str]) -> list[str]:
        """The ids of the trees of some folders in a commit, `""` for its top.

        Raises:
            CheckoutError: One of them is not there.
            InterruptedByError: A signal came.
        """
        return self.lines("rev-parse", *(f"{commit}:{folder}" for folder in folders), ref=commit)

    def entries(self, tree: str, folder: str = "") -> list[TreeEntry]:
        """All files of a commit or a tree below a folder; submodules are one entry each.

        Raises:
            CheckoutError: git refuses, or there are too many.
            InterruptedByError: A signal came.
        """
        below = ("--", f"{folder}/") if folder else ()
        output = self.ask("ls-tree", "-r", "-z", "-l", "--full-tree", tree, *below, most=bounds.LISTING)
        found = list(_entries(output))
        if absent := [entry.path for entry in found if entry.size < 0]:
            raise self.error(
                f"{self.path} is not complete: git lacks the contents of {absent[0]}"
                + (f" and {len(absent) - 1} more files" if len(absent) > 1 else ""),
                kind="missing",
                hint=f"clone it again; all that is missing: git -C {shell_line([self.path])} fsck",
            )
        return found

    def blobs(self, names: Sequence[str], *, most: int) -> list[bytes | None]:
        """The contents of some files, each named as `COMMIT:PATH` or by its id; `None` for a missing one.

        A symbolic link is followed as long as it stays in its tree.

        Args:
            names: The files.
            most: Bytes that all of them may have.

        Raises:
            CheckoutError: git refuses, or they are larger.
            InterruptedByError: A signal came.
        """
        if not names or any("\n" in name for name in names):
            return [None] * len(names)
        asked = "".join(f"{name}\n" for name in names)
        output = self.ask(
            "cat-file",
            "--batch",
            "--follow-symlinks",
            stdin=os.fsencode(asked),
            most=most + sum(len(name) + 200 for name in names),
        )
        return list(_blobs(output, len(names)))

    def describe(self, commit: str) -> str:
        """The nearest tag before a commit, the number of commits since, and the commit; else its id.

        Raises:
            CheckoutError: git refuses.
            InterruptedByError: A signal came.
        """
        return self.lines("describe", "--tags", "--long", "--always", commit, ref=commit)[0]

    def commit_facts(self, commit: str) -> tuple[int, str]:
        """The time of a commit in seconds since 1970, and the first line of its message.

        Raises:
            CheckoutError: git refuses.
            InterruptedByError: A signal came.
        """
        output = self.ask("log", "-1", "--format=%ct %s", commit, "--")
        seconds, _, subject = output.decode("utf-8", "replace").rstrip("\n").partition(" ")
        return int(seconds), subject

    def between(self, before: str, after: str, *, most: int) -> list[Commit]:
        """The commits that lead from one commit to another, newest first.

        Raises:
            CheckoutError: The repository has not both.
            InterruptedByError: A signal came.
        """
        output = self.ask("log", f"--max-count={most}", "--format=%H %s", f"{before}..{after}", "--")
        rows = (line.partition(" ") for line in output.decode("utf-8", "replace").splitlines())
        return [Commit(commit, subject) for commit, _, subject in rows]

    def changes(self, folders: Sequence[str] = (), *, untracked: bool = False) -> list[Change]:
        """Compare the files of a checkout with its index, and that with the commit.

        Args:
            folders: Relative to the directory of this; none: all of the repository.
            untracked: Whether to list untracked and ignored files, too.

        Raises:
            CheckoutError: git refuses, or there are too many.
            InterruptedByError: A signal came.
        """
        others = (
            ("--untracked-files=normal", "--ignored=matching") if untracked else ("--untracked-files=no",)
        )
        output = self.ask(
            "status",
            "--porcelain=v1",
            "-z",
            "--no-renames",
            "--ignore-submodules=untracked",
            *others,
            *(("--", *folders) if folders else ()),
            most=bounds.LISTING,
        )
        rows = (os.fsdecode(row) for row in output.split(b"\0") if row)
        return [Change(row[:2], row[3:]) for row in rows]

    def others(self) -> list[str]:
        """The files that are not tracked, ignored ones among them, relative to the directory of this.

        Raises:
            CheckoutError: git refuses, or there are too many.
            InterruptedByError: A signal came.
        """
        output = self.ask("ls-files", "--others", "-z", most=bounds.LISTING)
        return [os.fsdecode(name) for name in output.split(b"\0") if name and not name.endswith(b"/")]

    def has(self, commit: str) -> bool:
        """Whether the repository has a commit.

        Raises:
            CheckoutError: It is no repository of this user's.
            InterruptedByError: A signal came.
        """
        try:
            self.ask("cat-file", "-e", f"{commit}^{{commit}}")
        except CheckoutError as error:
            if error.data.get("git") == "unknown":
                return False
            raise
        return True

    def filtered(self, paths: Sequence[str], name: str) -> list[str]:
        """Those of some files of a copy that go through a filter of this name (gitattributes(5)).

        Raises:
            CheckoutError: git refuses.
            InterruptedByError: A signal came.
        """
        asked = b"".join(os.fsencode(path) + b"\0" for path in paths)
        output = self.ask("check-attr", "-z", "--stdin", "filter", stdin=asked, most=bounds.LISTING)
        found = [os.fsdecode(part) for part in output.split(b"\0")]
        return [path for path, value in zip(found[::3], found[2::3], strict=False) if value == name]

    def submodules(self, commit: str) -> dict[str, str]:
        """The names of submodules by their paths, as `.gitmodules` of a commit has them."""
        try:
            output = self.ask(
                *("config", "--blob", f"{commit}:.gitmodules", "-z"),
                *("--get-regexp", r"^submodule\..*\.path$"),
            )
        except CheckoutError:
            return {}
        rows = (os.fsdecode(row).partition("\n") for row in output.split(b"\0") if row)
        return {path: key.removeprefix("submodule.").removesuffix(".path") for key, _, path in rows}

    # -- the call ---------------------------------------------------------------------------------------

    def ask(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        most: int = bounds.CONFIGURATION,
        variables: Mapping[str, str] | None = None,
        ref: str = "",
    ) -> bytes:
        """Run git, and return what it printed.

        Args:
            arguments: After `git`.
            stdin: Its input.
            most: Bytes that it may print.
            variables: Further variables.
            ref: The name of the commit that is asked for.

        Raises:
            CheckoutError: It failed; `data["git"]` is the kind of failure.
            InterruptedByError: A signal came.
        """
        program = Program(
            ["git", *_OPTIONS, *arguments],
            env={**self._environ, **(variables or {})},
            cwd=self.path,
            stdin=stdin,
            output_cap=most,
            separate_stderr=True,
        )
        try:
            result = run(program, timeout=self._timeout, signals=self._signals)
        except ProgramNotFoundError as error:
            raise self.error(
                f"{self.path} is a git repository, and there is no git here",
                kind="missing",
                hint="install git: it is looked up in PATH",
            ) from error
        except OSError as error:
            raise self.error(f"{self.path}: {error.strerror}", kind="missing") from error
        if result.timed_out:
            raise self.error(
                f"git took longer than {self._timeout:g} s in {self.path} and was ended",
                kind="slow",
                hint="see whether its file system or its server answers",
            )
        if result.returncode != 0:
            raise self._failure(result, ref)
        if result.truncated:
            raise self.error(f"git printed more than {most:,} bytes about {self.path}", kind="large")
        return result.stdout

    def lines(self, *arguments: str, ref: str = "") -> list[str]:
        """The lines that git prints; arguments and errors as of `ask`."""
        return os.fsdecode(self.ask(*arguments, ref=ref)).removesuffix("\n").split("\n")

    def _failure(self, result: ProcessResult, ref: str) -> CheckoutError:
        said = self.redact(result.output.decode(errors="replace")).strip()
        if "dubious ownership" in said:
            return self.error(
                f"git does not trust {self.path}: it belongs to another user",
                kind="foreign",
                hint="if you do, as the user of the root: git config --global --add safe.directory "
                + shell_line([self.path]),
            )
        if "not a git repository" in said:
            return self.error(f"{self.path} is no git repository", kind="none")
        if re.search(r"unknown revision|bad revision|[Nn]eeded a single revision|ambiguous argument", said):
            if ref == "HEAD":  # of a new repository, or of a bare one whose HEAD names a branch that it lacks
                return self.error(
                    f"{self.path} has no commit at HEAD",
                    kind="unknown",
                    hint="commit first: git add . && git commit; or name a branch that is there: "
                    "`ref` under [project]",
                )
            return self.error(
                f"{self.path} has no branch, tag or commit {ref or 'of this name'}",
                kind="unknown",
                hint="`git fetch` brings new ones; `[project] fetch` runs it before every release",
            )
        if re.search(
            r"Not a valid object name|bad object|does not exist|could not get|Invalid revision", said
        ):
            return self.error(f"{self.path} lacks {ref or 'an object'}: {_last(said)}", kind="unknown")
        if re.search(r"not our ref|unadvertised object|does not allow request", said):
            return self.error(f"{self.path}: {_last(said)}", kind="refused")
        return self.error(f"git failed in {self.path}: {_last(said) or result.returncode}", kind="failed")

    def error(self, message: str, *, hint: str | None = None, kind: str = "failed") -> CheckoutError:
        """The error of a kind, for this directory."""
        return CheckoutError(message, hint=hint, path=self.path, git=kind)


def without_repository(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment variables without those that name a repository, as a hook of git has them."""
    return {
        name: value
        for name, value in environ.items()
        if not name.startswith("GIT_") or name in _KEPT or _CONFIGURED.fullmatch(name)
    }


def git_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for git itself."""
    return {**without_repository(environ), **_SET}


def _last(said: str) -> str:
    """The line of git's messages that says most."""
    lines = said.splitlines()
    told = [line for line in lines if line.startswith(("fatal:", "error:"))]
    return (told or lines or [""])[-1 if not told else 0]


def _entries(output: bytes) -> Iterator[TreeEntry]:
    for row in output.split(b"\0"):
        if row:
            facts, _, path = row.partition(b"\t")
            mode, _, oid, size = facts.decode().split()
            # `-` for a submodule, `BAD` where the object is gone or was not fetched.
            known = 0 if size == "-" else int(size) if size.isdigit() else -1
            yield TreeEntry(mode, oid, known, os.fsdecode(path))


def _blobs(output: bytes, count: int) -> Iterator[bytes | None]:
    """Read the answers of `git cat-file --batch`."""
    at = 0
    for _ in range(count):
        end = output.index(b"\n", at)
        words = output[at:end].split(b" ")
        at = end + 1
        if words[-1] in {b"missing", b"ambiguous"}:
            yield None
        elif words[0] in {b"symlink", b"dangling", b"loop", b"notdir"} and words[-1].isdigit():
            at += int(words[-1]) + 1
            yield None
        else:
            size = int(words[-1])
            yield output[at : at + size] if words[-2] == b"blob" else None
            at += size + 1
