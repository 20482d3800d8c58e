"""The texts that `init` writes into a new root."""

from __future__ import annotations

import json
from typing import Final

_TEMPLATE: Final = """\
# Settings of this venvship root. Every key is optional; what is commented out shows the default, or an
# example where there is none. `venvship status` reads this file and says what is wrong with it.

name = @NAME@
@PYTHON@
lockfile = @LOCKFILE@       # hash-pinned: from `venvship lock` or uv export; or a pylock.toml

# How much to keep. `current`, `previous`, pinned releases and those in use are never removed.
#keep = 5                           # proven releases, never below 2
#keep_days = 0                      # and all that were live within so many days
#keep_failed = 2
#link = "auto"                      # files of a release: auto, hardlink, reflink or copy
#store = "store"                    # unpacked wheels; may be shared, as in "/var/lib/venvship/store"
#syslog = true                      # a line in the system's log for each change of state

#[lock]                             # what `venvship lock` makes the lockfile from
#inputs = ["requirements.in"]       # example: requirement files, relative to this one
#cooldown_days = 0                  # ignore what was uploaded less than so many days ago

#[build]
#sdists = []                        # names that may be built from source; "*" allows all
#timeout = 600                      # seconds, for the whole fetch
#optimize = [0]                     # bytecode levels
#closed = false                     # true: an unmet dependency is an error
#overlap = []                       # paths or package names whose code may be owned twice
#bad_record = []                    # names whose wheel's RECORD is known to be wrong
#extras = []                        # of a pylock.toml
#groups = []

#[hooks]                            # each a list of arguments, never a shell string
#prepare = ["shop-admin", "migrate"]                # example: before the switch, from the new release
#restart = ["systemctl", "restart", "shop.service"] # example: after a switch
#notify = ["/usr/local/bin/tell-ops"]               # example: gets one JSON event on standard input
#timeout = 60

# Checks decide whether a release goes live (when = "candidate") and whether it stays (when = "live").
# Each has a name and one of command, import, http, tcp.

#[[check]]
#name = "imports"
#when = "candidate"
#import = ["shop.wsgi"]             # modules that must import

#[[check]]
#name = "answers"
#when = "live"                      # default
#http = "http://127.0.0.1:8000/healthz"   # or unix:/run/shop.sock:/healthz; no proxies, no redirects
#status = 200
#body = "{release}"                 # example: text the answer must contain; {release} is the release's id
#timeout = 5                        # seconds for one attempt
#interval = 1                       # seconds between attempts
#deadline = 30                      # seconds to go on trying; 0, the default of candidate checks: try once
#successes = 1                      # in a row
#required = true                    # false: report only

#[[check]]
#name = "listens"
#tcp = "127.0.0.1:8000"

#[[check]]
#name = "self-test"
#command = ["shop-admin", "check"]  # exit 0: well; 75: ask again; anything else: not well
"""

ROOT_README: Final = """\
This directory belongs to venvship: every release of one application is a virtual environment of its own.

venvship.toml   the settings, yours to edit
current         link to the release that is live; start programs with `venvship run`, or current/bin/...
previous        link to the release that `venvship rollback` would switch to
releases/       the releases, sealed: never edit, copy into or `pip install` into one
store/          unpacked packages that releases share through hard links; a file edited here changes them all
state/          what venvship knows: the journal, leases, mutexes. Never delete a *.mutex file
log/            output of builds, checks and hooks

What is live, and why        venvship status
Back to the one before       venvship rollback
Is every file still right    venvship verify --all
What takes space             venvship list, venvship prune --dry-run
"""
"""The README of a root, for whoever finds the directory first and the documentation later."""


def settings_template(name: str, python: str | None, lockfile: str) -> str:
    """Write the commented `venvship.toml` of a new root.

    Args:
        name: The application's name.
        python: The interpreter, or `None` to leave the choice to the first release.
        lockfile: The lockfile's path, relative to the root.

    Returns:
        TOML text that says only these, with all other keys commented out.
    """
    chosen = f"python = {_quoted(python)}" if python else '#python = "3.11"'
    comment = "version or absolute path; default: the one that runs venvship"
    python_line = f"{chosen:<34} # {comment}"
    # Replaced in one pass over the template's own marks: a name may look like a mark.
    head, rest = _TEMPLATE.split("@NAME@")
    middle, rest = rest.split("@PYTHON@")
    inner, tail = rest.split("@LOCKFILE@")
    return "".join([head, _quoted(name), middle, python_line, inner, _quoted(lockfile), tail])


def _quoted(text: str) -> str:
    """A TOML basic string: a JSON string with DEL escaped too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
