"""The keys of the JSON output: for each its type and its meaning.

A type is a word of `json_parts.PRIMITIVES`, the name of an object of `OBJECTS`, `list of` one of these, or
one of these `or null`. `json_parts` holds them against the recorded examples when the documentation is built.
"""

from __future__ import annotations

from typing import Final

Keys = dict[str, tuple[str, str]]

ENVELOPE: Final[Keys] = {
    "venvship": ("integer", "1: the version of this form"),
    "command": ("string or null", "the command's name; null if it is not known"),
    "ok": ("boolean", "whether `exit_code` is 0"),
    "exit_code": ("integer", "as in {doc}`exit-codes`"),
    "data": ("object", "the result of the command; after a failure as far as it is known, else empty"),
    "warnings": ("list of warning", "problems that the operator should know and that failed nothing"),
    "error": ("error or null", "null exactly when `exit_code` is 0"),
}

OBJECTS: Final[dict[str, Keys]] = {
    "release": {
        "id": ("string", "its id"),
        "path": ("string", "its real path, never through `current`"),
        "state": (
            "string",
            "`sealed`, `rejected`, `unchecked`, `proven`, `bad` or `inconclusive`: {term}`state`",
        ),
        "created_at": ("time or null", "when its build began; null if its manifest cannot be read"),
        "lockfile_sha256": ("string", "of the lockfile that it was built from"),
        "environment_digest": ("string", "digest of the {term}`environment` that it was built for"),
        "tree_digest": (
            "string",
            "of its files; equal on every host for the same lockfile and interpreter identity",
        ),
        "manifest_sha256": (
            "string or null",
            "of its manifest, by the journal: its {term}`anchor`; null if an older venvship built it",
        ),
        "python": ("string", "the interpreter's full version"),
        "packages": ("integer", "how many; in `show` a list of package"),
        "current": ("boolean", "whether it is live"),
        "previous": ("boolean", "whether a rollback would go there"),
        "pinned": ("boolean", "whether it is protected from prune"),
        "one_way": ("boolean", "whether it was released with `--one-way`: {doc}`../how-to/migrations`"),
        "usable": ("usable", "whether it could be made live"),
        "message": ("string", "the `-m` that it was built with; may be empty"),
        "project": (
            "project or null",
            "the application's own code; null if it was not built from a checkout",
        ),
        "last_live": ("time or null", "when it was last live; null if it never was, or is"),
        "rollback_failed_at": (
            "time or null",
            "when it failed as the target of a rollback; null if not, or if it was promoted or proven since",
        ),
    },
    "project": {
        "name": ("string", "its name"),
        "version": ("string", "the version of its wheel"),
        "repository": ("string", "path of the checkout or the bare repository, or a URL"),
        "commit": ("string", "the full id; empty without git"),
        "folder": ("string", "of the project in the repository; empty for its top"),
        "tree": ("string", "git's id of the folder's files; without git, a digest of them"),
        "describe": ("string", "output of `git describe` where the version is dynamic, else empty"),
        "kind": ("string", "`wheel` or `tree`"),
        "recipe": ("string", "digest of the settings that change the wheel"),
        "dirty": ("boolean", "whether the files had changes that the commit has not"),
        "ref": ("string", "the name that led to the commit, such as `HEAD`"),
        "subject": ("string", "the first line of the commit's message"),
        "committed_at": ("string", "the commit's time; empty without git"),
        "wheel_sha256": ("string", "of the wheel that was built"),
        "build_requirements": ("list of package", "what was installed for the build"),
        "pinned": ("boolean", "whether that was installed by hash"),
    },
    "commit": {
        "id": ("string", "the full id"),
        "subject": ("string", "the first line of its message"),
    },
    "trusted": {
        "kind": ("string", "`user` or `group`"),
        "name": ("string", "its name when it was added"),
        "id": ("integer", "its number, which decides"),
        "at": ("time", "when it was added"),
        "by": ("string", "the user who added it"),
    },
    "passed-over": {
        "id": ("string", "of the release"),
        "reason": ("string", "why a rollback does not go there, for people"),
    },
    "usable": {
        "ok": ("boolean", "whether its manifest can be read and its interpreter is there"),
        "problem": ("string or null", "the reason why not; null if it is usable"),
    },
    "package": {
        "name": ("string", "its normalised name"),
        "version": ("string", "its version"),
    },
    "setting": {
        "key": ("string", "its dotted path; of a check `check.NAME.KEY`"),
        "value": ("value", "as in the file; null for a key that has none; `****` for a possible secret"),
        "file": ("string or null", "the file that it comes from; null for a default"),
        "line": ("integer or null", "its line there; null for a default, or if it is not known"),
    },
    "diff": {
        "added": ("list of change", "packages that only the second release has"),
        "removed": ("list of change", "packages that only the first release has"),
        "changed": ("list of change", "packages in another version"),
        "python": ("change or null", "the interpreter's full versions; null if it is the same"),
    },
    "tree-diff": {
        "same": ("boolean", "whether the tree digests are equal"),
        "differing": ("integer or null", "the number of files that differ; null if it is not known"),
        "first": (
            "file-difference or null",
            "the first file that differs, by its path; null if none does, or if it is not known",
        ),
        "examples": ("list of file-difference", "the first eight"),
        "problem": (
            "string or null",
            "why the files are not known, or may be others, for people; null for no reason",
        ),
    },
    "file-difference": {
        "path": ("string", "of the file, relative to the release"),
        "kind": (
            "string",
            "the first that applies of `added`, `removed`, `type`, `target`, `contents`, `executable`",
        ),
        "from": (
            "string or null",
            "of the first release: the SHA-256, link target, type or mode; null if it has no such file",
        ),
        "to": ("string or null", "the same of the second release"),
    },
    "tree-row": {
        "path": ("string", "relative to the release"),
        "type": ("string", "`file` or `link`"),
        "executable": ("boolean", "whether it is a program"),
        "value": (
            "string",
            "the SHA-256 of the contents, as they would be at a fixed path; the target of a link",
        ),
    },
    "change": {
        "name": ("string", "the package, or `python`"),
        "from": ("string or null", "the version before; null if it was added"),
        "to": ("string or null", "the version after; null if it was removed"),
    },
    "check": {
        "name": ("string", "its name in `venvship.toml`"),
        "when": ("string", "`candidate` or `live`"),
        "required": ("boolean", "whether its failure refuses the release"),
        "outcome": ("string", "`passed`, `failed`, or `skipped` since another one failed before"),
        "attempts": ("integer", "how often it asked"),
        "seconds": ("number", "how long it took"),
        "output": ("string", "its output, in a line"),
        "answers": ("list of answer", "the answers by kind, the most frequent first"),
    },
    "answer": {
        "answer": ("string", "its kind, such as `HTTP 503`, `connection refused` or `exit 1`"),
        "count": ("integer", "how often it came"),
    },
    "event": {
        "seq": ("integer", "its place in the order"),
        "at": ("time", "when"),
        "event": ("string", "its name: {doc}`events`, with the keys that only some have"),
        "release": ("string or null", "id of the release that it is about"),
        "actor": ("string", "who"),
        "reason": ("string", "the reason, for people; may be empty"),
    },
    "hold": {
        "scope": ("string", "`root` or `environment`: the extent of the hold"),
        "kind": (
            "string",
            "`standing`, `switch`, `bad-in-a-row`, `environment` or `one-way`: {doc}`../explanation/states`",
        ),
        "environment_digest": ("string or null", "of the environment that is held"),
        "by": ("string", "the user who set it; `venvship` if it was automatic"),
        "reason": ("string", "the reason, for people"),
        "since": ("time", "since when"),
        "until": ("time or null", "when it ends without `unhold`"),
        "release": ("string or null", "id of the release that it is about"),
    },
    "operation": {
        "operation": ("string", "the command that is under way, such as `release`"),
        "actor": ("string", "who"),
        "pid": ("integer", "the process"),
        "since": ("string", "since when"),
        "running": ("boolean", "whether that process is still there"),
    },
    "slot": {
        "slot": ("string", "`a` or `b`"),
        "release": ("string or null", "id of the release that it runs, or ran last"),
        "answers": (
            "boolean or null",
            "whether something accepts connections on its socket; null if this user cannot connect",
        ),
        "live": ("boolean", "whether `live.sock` leads to it"),
        "started": ("boolean", "whether venvship has started it, and not stopped it since"),
        "pid": ("integer or null", "the process that listens on its socket"),
    },
    "process": {
        "pid": ("integer", "the process"),
        "release": ("string", "id of the release that it runs from"),
    },
    "running": {
        "pid": ("integer", "its number"),
        "release": (
            "string or null",
            "its id; null if nothing tells which, and the command line names `current` or `previous`",
        ),
        "standing": (
            "string",
            "of it: `current`; `old`, live before; `removed` from the disk; `new`, never live; `unknown`",
        ),
        "command": ("string", "its command line, redacted, at most 4,000 characters"),
        "user": ("string", "its user, by name, or by number where there is none"),
        "since": ("time or null", "when it started; null if that is hidden"),
        "unit": ("string or null", "the systemd service that it is in"),
        "seen_by": (
            "string",
            "`lease`, `program`, `mapped` file, `arguments`; `open` file and `directory` if it only uses it",
        ),
    },
    "unseen": {
        "hidden": ("integer", "how many processes hide what they run from, and are not listed"),
        "users": ("list of string", "their users"),
        "unlisted": ("boolean", "whether /proc leaves processes out (`hidepid=2`), or could not be read"),
        "elsewhere": ("boolean", "whether this is a container: processes outside of it are not listed"),
        "leases": ("list of string", "ids of releases whose lease is held by a process that is not listed"),
    },
    "interpreter": {
        "path": ("string", "where it is"),
        "full_version": ("string", "such as `3.11.7`"),
        "version": ("string", "such as `3.11`"),
        "implementation": ("string", "`cpython`"),
        "soabi": ("string", "the ABI of compiled modules"),
        "platform": ("string", "such as `linux-x86_64`"),
        "magic": ("string", "the magic number of its bytecode, in hexadecimal digits"),
    },
    "verified": {
        "id": ("string", "of the release"),
        "ok": ("boolean", "whether every file matches the manifest, and it was built for its path"),
        "usable": ("usable", "whether it was built for the path where it is"),
        "files": ("integer", "how many there are"),
        "damaged": ("list of damage", "those that are not"),
        "linked": ("list of string", "its files that have a hard link elsewhere which venvship did not make"),
        "stray": (
            "list of string",
            "bytecode that is not part of the release, with its folders; relative",
        ),
    },
    "verification": {
        "at": ("time", "when"),
        "files": ("integer", "how many files the release has"),
        "damaged": ("integer", "how many paths differed from its manifest, or were added"),
        "stray": ("integer", "how many paths of bytecode are not part of it"),
        "linked": ("integer", "how many of its files have a hard link elsewhere"),
        "usable": ("usable", "whether it was built for the path where it was"),
        "examples": ("list of damage", "up to eight of its own files that differed"),
    },
    "failing": {
        "attempts": ("integer", "how many have failed in a row"),
        "last": ("time", "when the last one failed"),
        "reason": ("string", "why, for people"),
        "until": ("time", "before when `update` does not try again"),
    },
    "damage": {
        "path": ("string", "of the file, relative to the release"),
        "problem": ("string", "the difference, for people"),
    },
    "relocation": {
        "from": ("string", "id of the release that was not usable"),
        "to": ("string", "id of the release that took its place"),
    },
    "left": {
        "release": ("string", "id of the release"),
        "reason": ("string", "why it is as it was, not usable"),
    },
    "store": {
        "path": ("string", "where it is"),
        "removed": ("list of dropped", "the entries that were removed, or would be"),
        "waiting": (
            "integer",
            "the number of wheels that no release refers to; they are removed after a grace period",
        ),
        "freed_bytes": ("integer", "the space that became free; files of a release count with the release"),
    },
    "dropped": {
        "path": ("string", "where it was"),
        "what": (
            "string",
            "a wheel's file name, with `, bytecode` for that; or the path of a root that is gone",
        ),
        "reason": ("string", "the reason, for people"),
    },
    "decision": {
        "id": ("string", "of the release"),
        "reason": ("string", "the reason, for people"),
    },
    "text": {
        "path": ("string or null", "where it goes; null for a line of a crontab"),
        "content": ("string", "its text"),
    },
    "warning": {
        "slug": ("string", "which one it is: {ref}`warning-slugs`"),
        "message": ("string", "for people"),
    },
    "error": {
        "slug": ("string", "which one it is: {ref}`slugs`"),
        "message": ("string", "the failure, for people; may have several lines"),
        "hint": ("string or null", "the next step, for people"),
    },
}
"""Objects that occur in more than one place, or within others."""

TITLES: Final = {
    "release": "A release",
    "usable": "Whether a release is usable",
    "passed-over": "A release that a rollback passes over",
    "package": "A package",
    "setting": "A setting",
    "diff": "A comparison",
    "project": "A project that was built from a checkout",
    "commit": "A commit",
    "tree-diff": "A comparison of the files",
    "file-difference": "A file that differs",
    "tree-row": "A file of the tree digest",
    "change": "A change of a package",
    "check": "The result of a check",
    "answer": "The answers of one kind",
    "event": "An event",
    "hold": "A hold",
    "operation": "An operation under way",
    "slot": "A slot of the service",
    "process": "A process",
    "running": "A process that is listed",
    "unseen": "What cannot be seen",
    "interpreter": "An interpreter",
    "verified": "A release that was verified",
    "verification": "The last look at the files of a release",
    "trusted": "A user or group that may decide what runs",
    "failing": "Failed attempts of `update`",
    "relocation": "A release that was relocated",
    "left": "A release that could not be relocated",
    "damage": "A damaged file",
    "store": "The clean-up of the store",
    "dropped": "A thing that went from the store",
    "decision": "A decision about a release",
    "text": "A text to install",
    "warning": "A warning",
    "error": "An error",
}

ERROR_KEYS: Final[dict[str, str]] = {
    "attempts": "how many attempts have failed in a row",
    "actual": "the hash that a file has",
    "conflicts": "the paths that wheels bring with different contents, each with all wheels that bring it",
    "commit": "the full id of the commit of the project that was built",
    "expected": "the hash that it should have",
    "file": "the lockfile that a requirement stands in",
    "files": "all files that others can write, each with `path`, `owner` and `mode`",
    "git": "the kind of failure of git, such as `unknown` of a commit",
    "got": "hashes of the files that the index served",
    "line": "the requirement's line there",
    "live": "id of the live release, or null; after the failure of a command that switches",
    "log": "file with the output of the failed program",
    "output": "the last line of that output, redacted; text has it on a terminal only",
    "matches": "ids of the releases that an ambiguous name fits",
    "more_conflicts": "how many of these are not listed",
    "more_problems": "how many problems are not listed",
    "members": "names of the projects that a checkout has",
    "mode": "the permission bits of that file or directory, octal",
    "mutex": "the mutex that another command holds",
    "names": "names of files in the checkout that are the reason",
    "owner": "the user who owns the root, or the file or directory that others can write",
    "package": "the package that it is about",
    "packages": "the packages that it is about",
    "path": "the file or directory that it is about",
    "pid": "a process of a release in that service",
    "pip": "the version of pip",
    "problems": "all problems of an input, such as `{file, key, message}` of the settings",
    "program": "the program that there is not",
    "python": "the interpreter",
    "release": "id of the release that it is about",
    "releases": "ids of the releases that it is about",
    "real": "the real path of a root that was named through a link which others can change",
    "root": "the root that was found above the working directory and not taken",
    "root_owner": "the user who owns that root",
    "signal": "the signal that interrupted it, such as `SIGTERM`",
    "setting": "the value of `python` in the settings",
    "tool": "the tool that writes the lockfile",
    "traceback": "where the bug is; only with the slug `bug`",
    "timeout": "seconds that were allowed",
    "unit": "the systemd service that venvship runs in",
    "until": "when `update` tries again",
    "url": "the address that did not answer, without secrets",
    "version": "the version of the package",
    "wheel": "file name of the wheel",
}
"""Keys that only some errors have."""

_CHANGED: Final = ("boolean", "whether a later command can see a difference: {ref}`json-changed`")
_STATUS: Final[Keys] = {
    "name": ("string", "of the application"),
    "root": ("string", "its directory"),
    "tier": ("string or null", "the environment that the root is: `tier` of the settings"),
    "current": ("release or null", "the live release"),
    "live_since": ("time or null", "since when"),
    "slot": ("string or null", "the slot of the service that customers are led to"),
    "on_trial": ("boolean", "whether its restart hook and live checks have no verdict yet"),
    "previous": (
        "release or null",
        "where a rollback would go; its files were not looked at, but for some that `verify` found damaged",
    ),
    "passed_over": ("list of passed-over", "nearer releases of the lineage that it would pass over"),
    "barrier": (
        "string or null",
        "id of the one-way release that it would go back past, so that it needs `--force`; null for none",
    ),
    "held": ("hold or null", "the hold that applies, the first of `holds`"),
    "holds": ("list of hold", "the holds of the root; without any, that of the lockfile's environment"),
    "trusted": ("list of trusted", "users and groups that may decide what runs, besides owner and root"),
    "operation": ("operation or null", "the operation that is under way, or was when its process died"),
    "interrupted": ("boolean", "whether an operation waits to be finished or undone: {ref}`command-recover`"),
    "releases": ("integer", "how many there are"),
    "lockfile_changed": (
        "boolean or null",
        "whether a release now would be of another environment than the live one; null if that is unknown",
    ),
    "lockfile_problem": ("string or null", "why the lockfile cannot be read; null if it can"),
    "python_change": ("change or null", "how its interpreter would differ; null if it would not"),
    "failing": ("failing or null", "the failed attempts of `update` at what it would try now"),
    "verified": ("verification or null", "the last `verify` of the live release; null for none"),
    "previous_verified": ("verification or null", "the last `verify` of `previous`; null for none"),
    "old_processes": (
        "list of process",
        "those that hold the lease of a release that is not live; {ref}`command-ps` lists their forks, too",
    ),
    "unseen_leases": (
        "list of string",
        "ids of releases that are not live and whose lease is held by a process that cannot be seen",
    ),
}
_HOLD: Final[Keys] = {
    **_STATUS,
    "changed": _CHANGED,
    "ended": ("list of hold", "the holds that the command ended or replaced"),
    "released_again": (
        "string or null",
        "id of the bad or rolled back release whose environment the lockfile asks for: `update` releases it",
    ),
    "ended_pauses": ("list of failing", "the pauses of `update` that `unhold` ended"),
}
_HOLD_CHANGE: Final[Keys] = {
    "held": (
        "hold or null",
        "the hold of the root after the command; in a dry run the one that would be, or that would refuse it",
    ),
    "ended_hold": ("hold or null", "the switch hold that the command ended; in a dry run, would end"),
}
_RELEASE: Final[Keys] = {
    "name": ("string", "of the application"),
    "outcome": (
        "string or null",
        "the outcome: {ref}`json-outcomes`; null if it failed before there was one",
    ),
    "changed": _CHANGED,
    "plan": ("string", "`build`, `reactivate`, `unchanged` or `refuse`; empty if it failed before"),
    "release": ("release or null", "the release in question"),
    "previous": ("release or null", "the release that was live when it began"),
    "diff": (
        "diff",
        "from `previous`, or from nothing, to `release`, or to the release that a dry run would build",
    ),
    "timings": (
        "numbers by name",
        "seconds by step: `fetch`, `import`, `compile`, `assemble`, `seal`, `candidate`, `switch`",
    ),
    "lockfile": ("string", "the file that was read"),
    "python": ("string", "the interpreter's full version"),
    "packages": ("integer", "how many the lockfile selects"),
    "checks": ("list of check", "candidate and live"),
    "waits_until": ("time or null", "of `waiting`: when the next window begins; else null"),
    **_HOLD_CHANGE,
}
_PIN: Final[Keys] = {"release": ("release", "the release"), "changed": _CHANGED}

DATA: Final[dict[str, Keys]] = {
    "init": {
        "root": ("string", "the directory"),
        "created": ("list of string", "files that were written; none in a root that exists"),
        "trusted": ("list of trusted", "users and groups that may decide what runs, besides owner and root"),
        "found": ("list of string", "with `--from`: what was found and is set, a sentence each"),
        "left_out": ("list of string", "with `--from`: what is left to you, a sentence each"),
        "lockfile": ("string or null", "the lockfile that was made, since the checkout has none"),
        "changed": _CHANGED,
    },
    "destroy": {
        "name": ("string", "the name of the application"),
        "root": ("string", "the directory"),
        "releases": ("integer", "how many releases were removed"),
        "left": (
            "list of string",
            "files and folders that stay in the directory, or the directory itself; without any, it is gone",
        ),
        "reasons": ("list of string", "why each of them stays, in the same order"),
        "changed": ("boolean", "`true`"),
    },
    "lock": {
        "lockfile": ("string", "the lockfile, by the path that the settings give"),
        "changed": ("boolean", "whether it was written"),
        "diff": ("diff", "how the packages differ that it selects; comments and hashes are not compared"),
        "packages": ("integer", "how many it selects"),
        "python": ("string", "the full version of the interpreter that it is for"),
    },
    "release": _RELEASE,
    "update": _RELEASE,
    "promote": {
        "outcome": (
            "string or null",
            "the outcome: {ref}`json-switch-outcomes`; null if it failed before there was one",
        ),
        "changed": _CHANGED,
        "release": ("release", "the release that was named"),
        "previous": ("release or null", "the release that was live before"),
        "diff": ("diff", "from `previous` to `release`"),
        "checks": ("list of check", "candidate and live"),
        **_HOLD_CHANGE,
    },
    "rollback": {
        "outcome": ("string", "the outcome: {ref}`json-switch-outcomes`"),
        "changed": _CHANGED,
        "release": ("release", "the release that is live now; in a dry run the one that would be"),
        "previous": (
            "release or null",
            "the release that was live before; null for none, or if it was this one",
        ),
        "last_live": ("time or null", "when `release` was live before this; null if it never was"),
        "passed_over": ("list of passed-over", "nearer releases of the lineage that were passed over"),
        "checks": ("list of check", "of the release that is live now"),
        "held": _HOLD_CHANGE["held"],
    },
    "check": {
        "release": ("string", "id of the release that was asked"),
        "checks": ("list of check", "the results"),
    },
    "status": _STATUS,
    "list": {
        "releases": ("list of release", "the newest first"),
        "debris": ("list of string", "left-overs below `releases/`: {term}`debris`"),
        "held": ("hold or null", "the hold of the root"),
    },
    "show": {
        "release": ("release", "with the list of its packages"),
        "interpreter": ("interpreter", "that it was built with"),
        "built": ("list of project", "further members that were built from source"),
        "warnings": ("list of warning", "of its build"),
        "events": ("list of event", "the events about it"),
        "files": (
            "list of tree-row or null",
            "with `--files`: the files that its tree digest is made of, sorted by path; else null",
        ),
    },
    "history": {"events": ("list of event", "the newest first")},
    "config": {
        "name": ("string", "the application's name"),
        "root": ("string", "the root"),
        "tier": ("string or null", "the environment that the root is"),
        "files": ("list of string", "the files of the settings; each wins over those before it"),
        "settings": ("list of setting", "the effective keys; with `--all` the defaults too"),
    },
    "diff": {
        "a": ("string", "id of the first release"),
        "b": ("string", "id of the second release"),
        **OBJECTS["diff"],
        "commits": (
            "list of commit",
            "commits of the project that only the second release has, newest first",
        ),
        "commits_gone": ("list of commit", "those that only the first has"),
        "tree": ("tree-diff", "how the files differ that the tree digests are made of"),
    },
    "ps": {
        "processes": ("list of running", "those of the live release first; of a release, the oldest first"),
        "current": ("string or null", "id of the live release"),
        "unseen": ("unseen", "what cannot be seen here"),
    },
    "verify": {"releases": ("list of verified", "each that was asked for")},
    "prune": {
        "removed": ("list of decision", "releases that went, or would go"),
        "kept": ("list of decision", "releases that stay"),
        "debris": (
            "list of string",
            "left-overs that were removed; in a dry run the directories that would be",
        ),
        "freed_bytes": (
            "integer",
            "the space that the removal of releases frees; a shared file counts when its last name goes",
        ),
        "store": ("store or null", "the store; null if nothing was looked at there"),
        "dry_run": ("boolean", "whether nothing was removed"),
        "changed": _CHANGED,
    },
    "pin": _PIN,
    "unpin": _PIN,
    "hold": _HOLD,
    "unhold": _HOLD,
    "restart": {
        "outcome": ("string", "`restarted`; or `failed`, with the error"),
        "changed": _CHANGED,
        "release": ("release", "the live release"),
        "slot": ("string or null", "the slot of the service that customers are led to; null without one"),
        "checks": ("list of check", "the service's own, as `service`, and the live checks"),
    },
    "handover": {
        "outcome": (
            "string",
            "`looked`; of `ensure` `unchanged`, `led` if `live.sock` led elsewhere, or `started`",
        ),
        "changed": _CHANGED,
        "release": ("string or null", "id of the live release"),
        "live": ("string or null", "the slot that `live.sock` leads to"),
        "slots": ("list of slot", "both slots"),
        "socket_dir": ("string", "the folder of their links and sockets"),
    },
    "recover": {
        "outcome": (
            "string",
            (
                "`clean`, `abandoned`, `promoted`, `rolled-back`, `rollback-failed`, `stays`, `observed` or"
                " `relocated`"
            ),
        ),
        "changed": _CHANGED,
        "current": ("string or null", "id of the live release"),
        "debris": ("list of string", "left-overs that were removed"),
        "taken_up": ("list of string", "ids of releases that the journal had lost, and knows again"),
        "held": ("hold or null", "the hold of the root that began with it"),
        "interrupted": ("operation or null", "the command that had announced itself, and was gone"),
    },
    "relocate": {
        "changed": _CHANGED,
        "relocated": ("list of relocation", "the releases that were built again, in that order"),
        "left": ("list of left", "those that could not be built from the store"),
        "current": ("string or null", "id of the live release"),
        "moved_from": ("list of string", "the roots that the releases were built for, if it was moved"),
    },
    "schedule": {
        "kind": ("string", "`cron` or `systemd`"),
        "every": ("string", "the interval, as it was asked for"),
        "user": ("string", "who owns the root, and so has to run it"),
        "before": ("list of string", "the units that the recovery at boot comes before"),
        "files": ("list of text", "the files to install"),
    },
    "service": {
        "kind": ("string", "`systemd`, `supervisor`, `nginx` or `caddy`"),
        "app": (
            "string or null",
            "command line of the application, as it was given or found; null for a web server",
        ),
        "role": (
            "string or null",
            "`server`, `worker`, `scheduler`, `daemon` or `job`; null for a web server",
        ),
        "slots": ("boolean", "whether it runs in two slots, or the web server asks one of them"),
        "user": ("string", "who the application runs as"),
        "files": ("list of text", "the files to install"),
        "settings": ("string", "lines of `venvship.toml` that go with them; empty if they are there"),
    },
}
"""`data` of each command."""
