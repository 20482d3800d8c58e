"""The most that venvship reads of an input, each number with its reason. No input is read without a bound.

An input is a file that other people write, or that they may put in the place of ours. A bound is far above
the largest input that has been seen, and low enough that reading it takes little memory and time.
"""

from __future__ import annotations

from typing import Final

# -- files that users write -----------------------------------------------------------------------------

SETTINGS: Final = 1 << 20
"""Bytes of `venvship.toml`, and of the copy in `state/`. People write it by hand."""

LOCKFILE: Final = 16 << 20
"""Bytes of a lockfile with all files that it includes, and of each file in `[lock] inputs`. The largest
lockfile seen in the wild has 1 MiB."""

CONFIGURATION: Final = 1 << 20
"""Bytes of a configuration file of another program: pip's `pip.conf`, a systemd unit. They are pages long."""

# -- files that venvship writes -------------------------------------------------------------------------

STATE: Final = 16 << 20
"""Bytes of a JSON file in `state/`, and of a manifest. A manifest of 1,000 packages has 200 KiB."""

JOURNAL: Final = 256 << 20
"""Bytes of the journal: half a million lines. A release every day makes 1,500 lines a year."""

LISTING: Final = 128 << 20
"""Bytes of `files.json`, and of an index file of the store: some 800,000 files. The largest releases that
have been seen have 100,000."""

STARTUP: Final = 64 << 10
"""Bytes of a start-up file of a release. They have a few hundred."""

# -- wheels ---------------------------------------------------------------------------------------------

METADATA: Final = 16 << 20
"""Bytes of METADATA. The largest on PyPI, with its description, has about 1 MiB."""
