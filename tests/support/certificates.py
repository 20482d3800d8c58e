"""Certificates for an index on localhost, good ones and bad ones. They are made by `openssl`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl to make one")

HERE: Final = "IP:127.0.0.1"
_KEY: Final = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
_CONFIGURATION: Final = """\
[ca]
default_ca = all
[all]
database = {folder}/issued
serial = {folder}/serial
new_certs_dir = {folder}
default_md = sha256
policy = any
[any]
commonName = supplied
"""


class Authority:
    """A certificate authority with its files in a new directory.

    Attributes:
        certificate: Its own certificate, which a client may trust.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self.certificate = folder / "authority.crt"
        (folder / "issued").touch()
        (folder / "serial").write_text("01\n")
        (folder / "ca.cnf").write_text(_CONFIGURATION.format(folder=folder))
        self._openssl("req", "-x509", *_KEY, "-keyout", "authority.key", "-out", "authority.crt",
                      "-subj", "/CN=Authority of a test", "-days", "2")  # fmt: skip

    def issue(self, name: str, *, host: str = HERE, expired: bool = False) -> Path:
        """Issue a certificate for a host; returns a file with its key and itself."""
        start, end = (
            ("20200101000000Z", "20200102000000Z") if expired else ("20200101000000Z", "20991231000000Z")
        )
        (self._folder / f"{name}.ext").write_text(f"subjectAltName = {host}\n")
        self._openssl(
            "req", "-new", *_KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}"
        )
        self._openssl("ca", "-batch", "-notext", "-config", "ca.cnf", "-cert", "authority.crt",
                      "-keyfile", "authority.key", "-in", f"{name}.csr", "-out", f"{name}.crt",
                      "-startdate", start, "-enddate", end, "-extfile", f"{name}.ext")  # fmt: skip
        return self._joined(name)

    def self_signed(self, name: str) -> Path:
        """A certificate of the same form that no authority has signed."""
        self._openssl("req", "-x509", *_KEY, "-keyout", f"{name}.key", "-out", f"{name}.crt",
                      "-subj", f"/CN={name}", "-days", "2", "-addext", f"subjectAltName={HERE}")  # fmt: skip
        return self._joined(name)

    def _joined(self, name: str) -> Path:
        pem = self._folder / f"{name}.pem"
        pem.write_text("".join((self._folder / f"{name}.{kind}").read_text() for kind in ("key", "crt")))
        return pem

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self._folder, check=True, capture_output=True)
