"""How pip is run: the environment that leaves people's index settings in force, and nothing else.

pip reads options from its command line, then from `PIP_*` variables, then from configuration files. Where
packages come from (index, proxy, certificates, keyring, time-outs, cache) is the user's and stays. What would
change *which* files come, or where they go, is not: those variables are dropped, and where a configuration
file may say the same, a variable that means nothing overrides it. An empty variable would not do: pip takes
it for absent.
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
    # What may be chosen, and for whom.
    "PIP_CONSTRAINT": os.devnull,
    "PIP_BUILD_CONSTRAINT": os.devnull,
    "PIP_REQUIREMENT": os.devnull,
    "PIP_IGNORE_REQUIRES_PYTHON": "0",
    # The pip that a source build runs installs the build's requirements.
    "PIP_USER": "0",
    "PIP_REQUIRE_HASHES": "0",
    # We run in an environment or not, as it happens; the target interpreter is a bare one.
    "PIP_REQUIRE_VIRTUALENV": "0",
    # Nobody is there to answer a question.
    "PIP_NO_INPUT": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    # The output is read by a program: no colours, no tracebacks in place of messages, nothing left out.
    "PIP_NO_COLOR": "1",
    "PIP_DEBUG": "0",
    "PIP_QUIET": "0",
    "PIP_VERBOSE": "0",
}


def pip_environment(environ: Mapping[str, str], *, temporary: str) -> dict[str, str]:
    """Make the environment for a pip that is to do exactly what its command line says.

    Args:
        environ: The user's.
        temporary: An existing directory for pip's own temporary files, so that a killed pip leaves nothing
            in a place that nobody sweeps.
    """
    kept = {
        name: value
        for name, value in environ.items()
        if name in _KEPT or not name.startswith(("PIP_", "_PIP_", "PYTHON", "VIRTUAL_ENV", "__PYVENV"))
    }
    return {**kept, **_OVERRIDES, "TMPDIR": temporary}
