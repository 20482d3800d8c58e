"""Texts of the reference that the code does not have: for events, facts, warnings and types.

Everything here is held against the code: a name that is missing, or one too many, stops the build of the
documentation (`reference_parts`) or fails a test (`tests/docs`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

EVENTS: Final = {
    # name: (its meaning; the release that it is about; its facts)
    "sealed": (
        "A release was built and sealed.",
        "the new release",
        ("environment_digest", "lockfile_sha256", "manifest_sha256", "tree_digest"),
    ),
    "found": (
        "A directory below `releases/` is in doubt: sealed, and not in the journal, or the other way round.",
        "the directory's name",
        (),
    ),
    "build-failed": (
        "A build failed, and left nothing behind.",
        "null",
        ("environment_digest", "slug", "unattended"),
    ),
    "rejected": (
        "A candidate check or the prepare hook refused a release. `current` was not touched.",
        "the refused release",
        ("unattended",),
    ),
    "accepted": (
        "A rejected release has passed the candidate checks and the prepare hook. It is sealed again.",
        "the accepted release",
        (),
    ),
    "superseded": (
        "A release was built, and not promoted, since `current` had moved meanwhile.",
        "the release that was built",
        (),
    ),
    "promoting": (
        "A switch is about to be made. Written before it, so that a crash can be told from a decision.",
        "the release to be promoted",
        (
            "from",
            "tries",
            "via",
            "unattended",
            "lockfile",
            "lockfile_before",
            "lockfile_environment",
            "one_way",
            "prepared",
        ),
    ),
    "promoted": (
        "The switch stays: hook and live checks passed, or the release is one-way.",
        "the current release",
        (
            "from",
            "proved",
            "via",
            "unattended",
            "lockfile",
            "lockfile_before",
            "lockfile_environment",
            "one_way",
            "prepared",
            "failed",
            "cause",
        ),
    ),
    "lockfile-written": (
        "The lockfile that `update --upgrade` made is in place, or another program's stays there.",
        "the current release",
        (),
    ),
    "rolling-back": (
        "The way back is about to be taken.",
        "where it goes back to",
        ("from", "cause", "says_no", "manual", "verdict", "lockfile_environment"),
    ),
    "rolled-back": (
        "`current` is back on an earlier release, which passes.",
        "the current release",
        (
            "from",
            "cause",
            "manual",
            "turned_back",
            "verdict",
            "health_digest",
            "proved",
            "unattended",
            "lockfile_environment",
        ),
    ),
    "rollback-failed": (
        "`current` is back on an earlier release, which does not pass either.",
        "the current release",
        (
            "from",
            "cause",
            "manual",
            "turned_back",
            "verdict",
            "then",
            "target_failed",
            "unattended",
            "lockfile_environment",
        ),
    ),
    "checked": (
        "`check` found that the live release passes, which had failed, after a rollback to it or one-way.",
        "the current release",
        ("proved",),
    ),
    "abandoned": (
        "A switch that had been announced was not made.",
        "the release that was to be promoted",
        (),
    ),
    "observed": (
        "`current` was found to be another release than the journal says: it was switched outside venvship.",
        "the current release",
        ("expected", "lockfile_environment"),
    ),
    "held": (
        "The root is held: no unattended releases.",
        "the current release, or the one that was left",
        ("after_rollback", "kind", "until", "lockfile_environment"),
    ),
    "refused": (
        "`update` was refused by a hold, its lockfile or its settings. Written once; again after seven days.",
        "the release that the hold is about",
        ("scope", "since", "environment_digest", "slug", "problem"),
    ),
    "unheld": (
        "All holds of the root and of its environments are ended; with `kind`, that one of the root alone.",
        "the current release",
        ("kind",),
    ),
    "relocated": (
        "A release took the place of one that was not usable any more: state, lineage, pin and holds.",
        "the new release",
        ("from", "to"),
    ),
    "pinned": ("A release is protected from prune.", "the release", ()),
    "unpinned": ("A release is no longer protected.", "the release", ()),
    "pruned": ("A release was removed.", "the release", ()),
    "trust-changed": (
        "`init --trust` or `--untrust` changed who, besides the owner and root, may decide what runs.",
        "null",
        ("added", "removed"),
    ),
}

FACTS: Final = {
    "added": "users and groups that are trusted from then on: a list of `kind`, `name` and `id`",
    "after_rollback": "`true`: the hold of a rollback that the promotion on trial carried out itself",
    "cause": "why an automatic rollback went back, or what a one-way release did not pass",
    "environment_digest": "digest of the environment; empty if `lock` failed",
    "expected": "id of the release that `current` should have named",
    "failed": "`true`: a one-way release did not pass, and stays",
    "from": "id of the release that was current before, or was relocated; null for nothing",
    "health_digest": "digest of the hooks and checks that refused; the refusal lapses when they change",
    "kind": "`switch`: a switch hold alone, of a person who chose the release that was live already",
    "lockfile": "where the lockfile goes that was made for the release, which has its bytes",
    "lockfile_before": "SHA-256 of what it replaces there; null for no file",
    "lockfile_environment": "digest of the environment of the root's own lockfile at that moment; empty if it"
    " could not be read. A promotion of another one sets a switch hold",
    "lockfile_sha256": "of the lockfile's bytes",
    "manifest_sha256": "of the manifest, which covers every file of the release: its {term}`anchor`",
    "manual": "whether a person asked for the rollback",
    "one_way": "`true`: no way back: released with `--one-way`",
    "prepared": "`true`: the prepare hook had run before",
    "problem": "digest of the problem that kept an update from beginning; it is reported once",
    "proved": "whether the release passed a required live check; `promoted` without this key: yes",
    "removed": "users and groups that are not trusted any more, likewise",
    "says_no": "whether the release itself was found wanting, and not a signal or a crash",
    "scope": "of the hold: `root` or `environment`",
    "since": "since when it holds",
    "slug": "of the error",
    "target_failed": "whether the restart hook or a live check of the release failed; without this key: yes",
    "then": "why the release that was gone back to does not pass",
    "to": "id of the release that takes its place",
    "tree_digest": "of all files; equal on every host for the same lockfile and interpreter",
    "tries": "how often restart and live checks were begun, this time included",
    "turned_back": "`true`: a promotion went back as a person's rollback asked it to; holds the root",
    "unattended": "whether the command was unattended; of a way back: `true` if an `update` took and reported"
    " it itself",
    "until": "the time when the hold ends without `unhold`",
    "verdict": "the state that the release which was left gets: `bad` or `inconclusive`",
    "via": "the command",
}

WARNINGS: Final = {
    "app-hidden": "a module of the standard library is imported in place of that of the project",
    "app-hides-package": "a module of the project is imported in place of that of a package",
    "bad-release": "the release that was named is known to be bad",
    "check-failed": "a check failed that is not required",
    "conflicting-dependency": "a package asks for another version of a dependency than the lockfile has",
    "counts-for-caller": "a file counts only because of the caller, as with sudo: cron will refuse it",
    "current-dangling": "`current` points to a release that is gone",
    "current-missing": "there is no `current`, and the journal has a release that was live",
    "current-observed": "`current` was switched outside venvship",
    "current-unusable": "the current release is damaged or misplaced, or its interpreter is gone",
    "damage-found": "`verify` has found a release damaged: the live one, or the one that a rollback names",
    "debris-left": "left-overs of an interrupted operation could not be removed; the next one tries again",
    "env-file-passed-over": "`env_file` sets variables that are venvship's own, or has lines without a name",
    "env-file-unread": "a rollback or the notify hook went on without the variables of `env_file`",
    "file-overlap": "two packages bring different contents for one file that is not code",
    "hashes-not-compared": "`lock` keeps the hashes of pins without a look at the index: its pip is too old",
    "in-use": "a directory or store entry that was to be removed stays, since a process uses it",
    "interpreter-changed": "the interpreter has another patch level than when the root first used it",
    "interpreter-gone": "the interpreter of the root is gone, and its setting names no other",
    "interpreter-not-asked": "an interpreter could not be asked at the moment; a rollback goes on without",
    "interrupted": "an operation was interrupted, and waits for `recover`",
    "journal-damaged": "the journal is damaged; the lines after the damage are not known",
    "journal-not-written": "something was done and could not be recorded",
    "journal-torn": "the last line of the journal is torn; the next write sets it aside",
    "lease-locked": "another process has locked the lease of a release, as any user can; the command went on",
    "lockfile-not-replaced": "the new lockfile of `update --upgrade` has not taken its place, and why",
    "no-anchor": "the journal has no hash of a release's manifest: an older venvship built the release",
    "no-lease": "`run` got no lease, so `prune` may not see the process",
    "not-in-lockfile": "a package that `lock -P` was to upgrade is not in the lockfile",
    "notify-failed": "the notify hook failed",
    "old-path": "settings name the path from which a relocated root was moved",
    "person-needed": "the live release failed, after a rollback or one-way, and `check` has not passed since",
    "previous-not-set": "`previous` could not be renewed",
    "project-left-out": "the lockfile has the dependencies of the project beside it, and not the project",
    "prune-failed": "old releases could not be removed after a promotion",
    "release-in-doubt": "a directory is sealed and not in the journal, or the other way round",
    "release-skipped": "a release that a rollback would prefer to its target, further down, is damaged",
    "not-trusted": "a user who is not trusted can write a file or directory of the root; it was not used",
    "root-closed": "the umask or mode keeps other users, such as that of the service, out of a new root",
    "root-moved": "releases were built for another path, since the root was moved or copied",
    "settings-kept": "`venvship.toml` is broken, so the settings of the last promotion were used",
    "settings-not-kept": "the settings could not be kept for a later rollback",
    "store-missing": "the units of `schedule systemd` refer to a store that is not there",
    "store-not-cleaned": "nothing was removed from the store, or not all of it; the next `prune` tries again",
    "store-left": "`destroy` left the store of the root, since other roots may build from it",
    "links-found": "`verify` has found files of the live release with a hard link that venvship did not make",
    "stray-found": "`verify` has found bytecode in the live release that is not part of it",
    "time-left-out": "the time of a daily run does not exist on a day on which summer time begins",
    "verify-not-recorded": "`status` will not know of this `verify`, and why",
    "tree-differs": "a relocated release has other generated files than before, from another venvship",
    "unmet-dependency": "a package asks for another one that the lockfile does not have",
    "venvship-replaced": "venvship was upgraded or removed while the command ran",
}
"""The slugs of `warnings` in the JSON output."""

PICTURES: Final = {
    "release": ("release", "release-rolled-back"),
    "rollback": ("rollback",),
    "status": ("status", "status-held"),
    "list": ("list",),
    "history": ("history",),
    "diff": ("diff",),
    "prune": ("prune",),
}
"""Files of `docs/images`, without their suffix, that show a command."""

TYPES: Final[dict[object, str]] = {
    bool: "boolean",
    float: "number",
    int: "integer",
    str: "string",
    float | None: "number",
    str | None: "string",
    Mapping[str, str]: "table of strings",
    tuple[int, ...]: "array of integers",
    tuple[str, ...]: "array of strings",
    tuple[str, ...] | None: "array of strings",
}
"""The TOML types of settings."""
