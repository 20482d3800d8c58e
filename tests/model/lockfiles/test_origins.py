"""The sources of packages in the comments of a lockfile."""

from __future__ import annotations

import pytest

from venvship.model.lockfiles.origins import origin_recorded, recorded_origins, with_origins
from venvship.model.redaction import Redactor

COMPILED = b"""#
#    venvship lock
#
a==1.0 \\
    --hash=sha256:00
    # via -r requirements.in
b-c==2.0 \\
    --hash=sha256:11
    # via a
d @ file:///srv/d-1.0-py3-none-any.whl \\
    --hash=sha256:22

# The following packages are considered to be unsafe in a requirements file:
setuptools==80.0 \\
    --hash=sha256:33
"""
PYPI = "https://pypi.org/simple"
OWN = "https://packages.example.com/simple"


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize(
    "origins",
    [
        {"a": PYPI, "b-c": PYPI, "setuptools": PYPI},
        {"a": PYPI, "b-c": OWN, "setuptools": PYPI},
        {"a": PYPI, "b-c": PYPI, "setuptools": "/srv/shop/deploy/my wheels"},
        {"a": "/srv/shop/wheels", "b-c": "/opt/wheels", "setuptools": PYPI},
    ],
)
def test_sources_are_read_back_as_they_were_written(origins: dict[str, str], end: bytes) -> None:
    written = with_origins(COMPILED.replace(b"\n", end), origins, folder="/srv/shop/deploy", root="/srv/shop")

    assert recorded_origins(written, "/srv/shop/deploy") == origins
    moved = {name: origin.replace("/srv/shop", "/new") for name, origin in origins.items()}
    assert recorded_origins(written, "/new/deploy") == moved
    assert b"\n\n# The following" in written.replace(b"\r\n", b"\n")


def test_the_lines_that_uv_writes_are_read() -> None:
    text = b"a==1.0 \\\n    --hash=sha256:00\n    # via b\n    # from https://pypi.org/simple\nb==1.0\n"

    assert recorded_origins(text, "/srv") == {"a": PYPI}


@pytest.mark.parametrize(
    ("origin", "recorded"),
    [
        (PYPI, PYPI),
        ("https://example.com/artifactory/api/pypi/pypi-remote-2024/simple", None),
        ("https://repo.example.com/aB3dE6gH9jK2mN5pQ8sT/simple", "https://repo.example.com/****/simple"),
        ("https://repo.example.com/0123456789abcdef0123456789abcdef", "https://repo.example.com/****"),
        ("https://repo.example.com/hunter2-hunter2/simple", "https://repo.example.com/****/simple"),
    ],
)
def test_secrets_in_a_path_are_masked(origin: str, recorded: str | None) -> None:
    redact = Redactor({"WORD": "hunter2-hunter2"}, ["--index-url https://repo.example.com/${WORD}/simple"])

    assert origin_recorded(origin, redact) == (recorded or origin)
