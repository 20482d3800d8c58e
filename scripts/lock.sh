# Sourced by scripts/lock-dev, lock-users, lock-lowest, lock-bench and lock-servers: makes a lockfile anew, with hashes.
#
# Resolved with the oldest Python that we support, since its set of dependencies is the largest; it is installed
# on whatever there is. Only PyPI's own answers go in: no setting of this machine's pip does.
# shellcheck shell=bash disable=SC2154 # repo and venv come from bootstrap.sh
export PYTHON=${PYTHON:-python3.11}
# shellcheck source=scripts/bootstrap.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/bootstrap.sh"

"$venv/bin/python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' ||
    die "the lockfile is made with Python 3.11" "PYTHON=/path/to/python3.11 $0"

for name in $(compgen -e); do
    case $name in
        PIP_CERT | PIP_CLIENT_CERT | PIP_PROXY | PIP_DEFAULT_TIMEOUT) ;; # how to get through, not what comes back
        PIP_*) unset "$name" ;;
    esac
done

# lock OUTPUT ARGUMENT...: the inputs, and what else pip-compile is to be told
lock() {
    local output=$1
    shift
    say "pip-compile $* > $output"
    PIP_CONFIG_FILE=/dev/null CUSTOM_COMPILE_COMMAND=scripts/$(basename "$0") "$venv/bin/python" -m piptools compile \
        --quiet --allow-unsafe --strip-extras --generate-hashes --no-emit-options --newline lf \
        --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --output-file "$output" "$@"
    say "wrote $output"
}
