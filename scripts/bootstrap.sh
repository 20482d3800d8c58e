# Sourced by the scripts beside it: makes the development virtualenv, once, and goes to the repository.
#
# In:   PYTHON              the interpreter to use; default: the newest of 3.13, 3.12, 3.11 that runs
#       VENVSHIP_DEV_VENV   where the virtualenv goes; default: .venv in the repository
#       VENVSHIP_DEV_LOCKFILE   what is installed in it; default: scripts/requirements-dev.txt
# Sets: repo, venv, and works from $repo afterwards.
# shellcheck shell=bash disable=SC2034,SC2164 # for those who source it, under set -e

unset CDPATH
repo=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
cd -- "$repo"

say() { printf '==> %s\n' "$*"; }
die() { # what failed, then lines that say what to do
    printf 'error: %s\n' "$1" >&2
    shift
    if [ $# -gt 0 ]; then printf '  %s\n' "$@" >&2; fi
    exit 1
}

# A name on PATH proves nothing: a pyenv shim exists for versions that are not selected, and fails.
is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

choose_python() {
    if [ -n "${PYTHON:-}" ]; then
        is_new_enough "$PYTHON" || die "\$PYTHON is $PYTHON, which does not run or is older than 3.11"
        printf '%s\n' "$PYTHON"
        return
    fi
    local name
    for name in python3.13 python3.12 python3.11 python3; do
        if is_new_enough "$name"; then
            printf '%s\n' "$name"
            return
        fi
    done
    die "no CPython 3.11 or newer on PATH" \
        "Debian, Ubuntu:  apt-get install python3 python3-venv" \
        "Fedora:          dnf install python3" \
        "macOS:           brew install python" \
        "or name one:     PYTHON=/path/to/python3.12 ${0}"
}

chosen=$(choose_python)
venv=$("$chosen" -I scripts/bootstrap.py --print-path)
"$chosen" -I scripts/bootstrap.py
