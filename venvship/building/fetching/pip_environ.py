"""The environment variables that pip gets: those that say where packages come from, and no others.

pip reads options from its command line, then from `PIP_*` variables, then from configuration files. The
user's settings of where packages come from (index, proxy, certificates, keyring, time-outs, cache) stay.
Those of *which* files come, or where they go, are dropped. Where a configuration file may hold one of them,
a variable without effect overrides it. An empty variable would not do: pip takes it for absent.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

_KEPT: Final = frozenset({
    "PIP_CACHE_DIR", "PIP_CERT", "PIP_CLIENT_CERT", "PIP_CONFIG_FILE", "PIP_DEFAULT_TIMEOUT",
    "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_KEYRING_PROVIDER", "PIP_NO_CACHE_DIR",
    "PIP_NO_INDEX", "PIP_NO_PROXY_ENV", "PIP_PROXY", "PIP_RESUME_RETRIES", "PIP_RETRIES", "PIP_TIMEOUT",
    "PIP_TRUSTED_HOST", "PIP_USE_DEPRECATED", "PIP_USE_FEATURE",
})  # fmt: skip

_OVERRIDES: Final = {
    # Which files may be chosen.
    "PIP_CONSTRAINT": os.devnull,
    "PIP_BUILD_CONSTRAINT": os.devnull,
    "PIP_REQUIREMENT": os.devnull,
    "PIP_IGNORE_REQUIRES_PYTHON": "0",
    # A build does not use what the interpreter has installed. For pip, "1" is "isolated", as the default is.
    "PIP_NO_BUILD_ISOLATION": "1",
    # The pip that a source build runs installs the build's requirements.
    "PIP_USER": "0",
    "PIP_REQUIRE_HASHES": "0",
    # venvship runs in a virtualenv or not; the target interpreter is a bare one.
    "PIP_REQUIRE_VIRTUALENV": "0",
    # No user is there to answer a question.
    "PIP_NO_INPUT": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    # The output is read by a program: no colours, no tracebacks in place of messages, nothing left out.
    "PIP_NO_COLOR": "1",
    "PIP_DEBUG": "0",
    "PIP_QUIET": "0",
    "PIP_VERBOSE": "0",
}


def pip_environ(environ: Mapping[str, str], *, temporary: str) -> dict[str, str]:
    """Make the environment variables for a pip that follows its command line exactly.

    Args:
        environ: The user's environment variables.
        temporary: An existing directory for pip's own temporary files, so that a killed pip leaves nothing
            outside of what the next build sweeps.
    """
    kept = {
        name: value
        for name, value in environ.items()
        if name in _KEPT or not name.startswith(("PIP_", "_PIP_", "PYTHON", "VIRTUAL_ENV", "__PYVENV"))
    }
    return {**kept, **_OVERRIDES, "TMPDIR": temporary}
