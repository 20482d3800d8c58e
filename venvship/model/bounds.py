"""The most that venvship reads of an input, each number with its reason. No input is read without a bound.

An input is a file that other people write, or that they may put in the place of ours. A bound is far above
the largest input that has been seen, and low enough that reading it takes little memory and time.
"""

from __future__ import annotations

from typing import Final

# -- files that users write -----------------------------------------------------------------------------

SETTINGS: Final = 1 << 20
"""Bytes of `venvship.toml` with all files that it extends, and of the copy in `state/`. People write them by
hand."""

EXTENDED: Final = 32
"""Files that a `venvship.toml` extends, those that these extend included. Two or three are usual."""

EXTENDED_DEPTH: Final = 8
"""How long a chain of files may be of which each extends the next one."""

LOCKFILE: Final = 16 << 20
"""Bytes of a lockfile with all files that it includes, and of each file in `[lock] inputs`. The largest
lockfile seen in the wild has 1 MiB."""

CONFIGURATION: Final = 1 << 20
"""Bytes of a configuration file of another program: pip's `pip.conf`, a systemd unit. They are pages long."""

CERTIFICATES: Final = 8 << 20
"""Bytes of a PEM file of authorities. All that a system trusts has some 200 KiB."""

COMMAND: Final = 4000
"""Characters of a process's command line that `ps` prints. It may have some millions, and masking takes time
by the square of the length."""

# -- files that venvship writes -------------------------------------------------------------------------

STATE: Final = 8 << 20
"""Bytes of a JSON file in `state/`, and of a manifest. A manifest of 1,000 packages has 200 KiB."""

JOURNAL: Final = 64 << 20
"""Bytes of the journal: more than 100,000 lines. A release every day makes 1,500 lines a year."""

LISTING: Final = 64 << 20
"""Bytes of `files.json`, and of an index file of the store: some 400,000 files. The largest releases that
have been seen have 100,000. Files that a hook generates count, too."""

RELEASE: Final = 250_000
"""Files of wheels in one release, with their bytecode. The largest releases that have been seen have 100,000.
A process that makes one takes some 1.5 KiB for each, and 512 MiB is what no process may take."""

STARTUP: Final = 64 << 10
"""Bytes of a start-up file of a release. They have a few hundred."""

# -- wheels ---------------------------------------------------------------------------------------------

MEMBERS: Final = 100_000
"""Files in one wheel. The largest in use have some 30,000."""

DIRECTORY: Final = 16 << 20
"""Bytes of the directory of a wheel's archive, which is read whole: some 150 for each member."""

METADATA: Final = 8 << 20
"""Bytes of METADATA, WHEEL or entry_points.txt. The longest descriptions have some 1 MiB."""

RECORD: Final = 32 << 20
"""Bytes of RECORD: some 200 for each member."""

HEADERS: Final = 50_000
"""Lines of the header of METADATA, and of entry_points.txt. The header of the largest has some 2,000."""

FIELD: Final = 2000
"""Characters of a field of METADATA that is read: a requirement with its marker, a version. The longest have
some hundreds. Python reads numbers of up to 4,300 digits, so it can read all versions in them."""

NAME: Final = 200
"""Characters of a project's name, and of a version. Together they are part of a file name, which has at most
255 bytes."""

# -- answers of an index --------------------------------------------------------------------------------

PAGE: Final = 64 << 20
"""Bytes of a project's page, after decompression. The largest on PyPI have some 20 MiB, in the JSON form."""

LINKS: Final = 200_000
"""Files that a page lists. The projects with most files on PyPI have some 30,000."""

FILE: Final = 8 << 30
"""Bytes of one download. The largest wheels in use have some 4 GiB. The size that the lockfile or the index
gives of a file bounds it first, and then the room on the disk."""

REDIRECTS: Final = 10
"""Redirects of one answer. A mirror has one or two; curl stops at 50, and `requests` at 30."""

ROOM: Final = 64 << 20
"""Bytes that a download leaves free on the disk, or a fiftieth of it if that is less: other programs write to
it, too."""

MEMORY: Final = 448 << 20
"""Bytes of data of each process that only downloads: the downloader, and a pip without source distributions
(RLIMIT_DATA, setrlimit(2), on Linux). They need 50 to 150 MiB. A pip that builds runs the code of a project,
and a compiler may need more."""

LOCKING: Final = 496 << 20
"""Bytes of data of each process of pip-compile, where it builds nothing. 185 packages take 145
MiB, and 454 take 245."""

COMPILING: Final = 496 << 20
"""Bytes of data of each process that compiles (RLIMIT_DATA, on Linux). Usual code takes 60 times its size: a
module of 7 MiB is compiled. Two MiB that are made for it take more than 1 GiB."""

# -- advisories -----------------------------------------------------------------------------------------

ADVISORY_ANSWER: Final = 16 << 20
"""Bytes of the answer of a service about one package, after decompression, and of a file of advisories. The
answers of PyPI list the files of the version, and have some 1 MiB at most."""

ADVISORIES: Final = 2000
"""Advisories about one version of a package. The oldest versions of TensorFlow have some 500."""

ADVISORY_FILES: Final = 200_000
"""Files in a folder of advisories. All that OSV has about PyPI are some 20,000."""

ALIASES: Final = 200
"""Identifiers of one advisory. Most have two or three."""

FIXED_VERSIONS: Final = 500
"""Versions that fix one vulnerability. Usually there is one for each branch."""

SUMMARY: Final = 200
"""Characters of the summary of an advisory that are kept."""

ANSWERS: Final = 4000
"""Answers that a root keeps, the newest ones. A release has some hundreds of packages."""
