"""Words about files that others can write: what is wrong with each, and one line that mends all of it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from venvship.errors import UntrustedError
from venvship.model.trust import described, writers_problems
from venvship.printable import shell_line
from venvship.root import RootLayout
from venvship.system.accounts import callers, group_name, user_name
from venvship.system.other_user import line_as, line_as_root
from venvship.system.ownership import Finding, Ownership


def told(found: Iterable[Finding]) -> str:
    """What is wrong with each file: `A belongs to eve (mode 0644); B can be written by …`."""
    by_path: dict[str, list[Finding]] = {}
    for finding in found:
        by_path.setdefault(finding.path, []).append(finding)
    return "; ".join(f"{path} {_told(each)}" for path, each in by_path.items())


def _told(found: Sequence[Finding]) -> str:
    owned = found[0].owned
    problems = list(dict.fromkeys(finding.problem for finding in found))
    return described(problems, owned, owner=user_name(owned.uid), group=group_name(owned.gid))


def untrusted(
    path: str,
    found: Sequence[Finding],
    more: Sequence[Finding],
    layout: RootLayout,
    ask: Ownership,
    environ: Mapping[str, str],
) -> UntrustedError:
    """The error of a file, with owner and mode of all that is wrong, there and elsewhere in the root.

    Args:
        path: The file that is refused.
        found: Its problems, and those of the way to it.
        more: The problems of other files that decide, which would be refused next.
        layout: The root.
        ask: What has found them.
        environ: The process environment.
    """
    owner = os.stat(layout.path).st_uid
    names = sorted({user_name(uid) for uid in {*callers(environ), owner}} - {"root"})
    it = "it was" if {finding.path for finding in found} == {path} else f"{path} was"
    others = [finding for finding in more if finding not in found]
    also = f". Other files would be refused next: {told(others)}" if others else ""
    every = [*found, *others]
    return UntrustedError(
        f"{told(found)}. So {it} not used: only {' and '.join([*names, 'root'])} may decide what runs here"
        f"{also}",
        hint=hint(every, layout, ask, environ),
        **facts(every),
    )


def facts(found: Sequence[Finding]) -> dict[str, object]:
    """The `data` of an error: `path`, `owner` and `mode` of the first file, and those of all."""
    files: dict[str, dict[str, object]] = {}
    for finding in found:
        mode = f"{stat.S_IMODE(finding.owned.mode):04o}"
        files.setdefault(
            finding.path, {"path": finding.path, "owner": user_name(finding.owned.uid), "mode": mode}
        )
    every = list(files.values())
    return {**every[0], "files": every}


def hint(
    found: Sequence[Finding], layout: RootLayout, ask: Ownership, environ: Mapping[str, str]
) -> str | None:
    """The lines to type: one that takes the right away, and one that trusts those who have it.

    A directory above the root may be another user's home, which no line gives to the owner of the root.
    """
    root = os.stat(layout.path)
    foreign = [one for one in found if one.problem == "owner" and _is_above(one, layout)]
    own = [one for one in found if one not in foreign]
    mend = mending_line(own, layout, environ) if own else ""
    names = trusting(found, layout, ask)
    ways = [mend] if mend and not foreign else []
    if names:
        options = [word for name in names for word in ("--trust", name)]
        words = ["venvship", "-C", str(layout.path), "init", *options]
        line = line_as(root.st_uid, root.st_gid, words, environ)
        ways.append(f"if {' and '.join(names)} may decide what runs here: {line}")
    elif foreign:
        folders = " and ".join(dict.fromkeys(one.path for one in foreign))
        move = f"move the root: its owner cannot change {folders}"
        ways.append(f"{mend}; and {move}" if mend else move)
    return "; or, ".join(ways) or None


def trusting(found: Sequence[Finding], layout: RootLayout, ask: Ownership) -> tuple[str, ...]:
    """The arguments of `--trust` that end all of the problems; none where no trust can.

    What is in a `state/` that others can write is trusted by nobody, the list of the trusted included.
    """
    if not {str(layout.state), str(layout.trust_file)}.isdisjoint(finding.path for finding in found):
        return ()
    users = [one.owned.uid for one in found if one.problem == "owner"]
    trust = ask.trust.with_users(users)
    names = [user_name(uid) for uid in users]
    for finding in found:
        left = writers_problems(finding.owned, trust, ask.accounts)
        if finding.problem not in {"owner", "group"} or not {"owner", "group"}.issuperset(left):
            return ()
        if finding.problem == "group" and "group" in left:
            names.append(f"%{group_name(finding.owned.gid)}")
    return tuple(dict.fromkeys(names))


_CHOWN: Final = "chown"
_ORDER: Final = (_CHOWN, "chmod", "setfacl")


def mending_line(found: Sequence[Finding], layout: RootLayout, environ: Mapping[str, str]) -> str:
    """One line that takes the right to write from all who are not trusted.

    Args:
        found: The problems, of any number of files.
        layout: The root, whose owner gets the files.
        environ: The process environment, for `PATH`.
    """
    owner = os.stat(layout.path).st_uid
    changes: dict[tuple[str, ...], list[str]] = {}
    for finding in found:
        paths = changes.setdefault(_change(finding, layout, owner), [])
        if finding.path not in paths:
            paths.append(finding.path)
    commands = [
        [*words, *changes[words]] for words in sorted(changes, key=lambda words: _ORDER.index(words[0]))
    ]
    if all(words[0] != _CHOWN for words in changes) and {one.owned.uid for one in found} == {os.geteuid()}:
        return " && ".join(map(shell_line, commands))
    return line_as_root(commands, environ)


def _change(finding: Finding, layout: RootLayout, owner: int) -> tuple[str, ...]:
    """The command that ends a problem, without the path."""
    if finding.problem == "owner":
        itself = ["-h"] if stat.S_ISLNK(finding.owned.mode) else []
        return (_CHOWN, *itself, user_name(owner))
    if finding.problem == "inherited":
        return ("setfacl", "-k")
    if _is_above(finding, layout):
        return ("chmod", "+t")  # others may make entries there, and not exchange ours
    # Of a file with an ACL, the bits of the group are its mask: `g-w` takes the right from all its users.
    return ("chmod", "go-w" if finding.problem == "others" else "g-w")


def _is_above(finding: Finding, layout: RootLayout) -> bool:
    inside = f"{finding.path}/".startswith(f"{layout.path}/")
    return stat.S_ISDIR(finding.owned.mode) and not inside
