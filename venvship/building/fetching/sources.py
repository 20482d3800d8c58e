"""Where files are looked for, and how to connect: what pip's settings come to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import urlsplit

DEFAULT_TIMEOUT: Final = 15.0
_PORTS: Final = {"http": 80, "https": 443}


class Sources(NamedTuple):
    """Where files are looked for. What a file is for, its hash says: the order of these decides nothing.

    Attributes:
        indexes: URLs of simple APIs, with the credentials that the settings have.
        pages: URLs of pages that list files of any project (`--find-links`).
        folders: Directories of files, absolute (`--find-links`).
        trusted: Hosts, each `<host>` or `<host>:<port>`, that need no TLS and no valid certificate.
        certificates: A file of certificates to trust; `None` for the usual ones.
        client_certificate: A file with a key and a certificate to show; `None` for none.
        proxy: The URL of a proxy; `None` for that of the environment variables.
        timeout: Seconds to wait for a connection, and for the next bytes.
    """

    indexes: Sequence[str] = ()
    pages: Sequence[str] = ()
    folders: Sequence[str] = ()
    trusted: Sequence[str] = ()
    certificates: str | None = None
    client_certificate: str | None = None
    proxy: str | None = None
    timeout: float = DEFAULT_TIMEOUT

    def trusts(self, url: str) -> bool:
        """Whether the host of a URL is one of `trusted`.

        Raises:
            ValueError: It is no URL.
        """
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return bool({host, f"{host}:{port}"} & {name.lower() for name in self.trusted})

    def refusal(self, url: str) -> str | None:
        """Why a URL is left to pip; `None` if it is not. The reason goes on after the URL's name.

        pip takes files from an `http:` page on another host only if that is trusted. With a user name without
        a password, it asks a keyring.
        """
        try:
            parts = urlsplit(url)
            host, user, password = parts.hostname or "", parts.username, parts.password
            trusted = self.trusts(url)  # raises if the port is no number, as after a password with a slash
        except ValueError:
            return "is not a URL"
        if re.search(r"\s", url) or "@" in parts.path:
            return "is not a URL, or one with a password that is not escaped"
        local = host in {"localhost", "::1"} or re.fullmatch(r"127(\.[0-9]{1,3}){3}", host)
        if parts.scheme != "https" and not (parts.scheme == "http" and (local or trusted)):
            return "is not one of https"
        if user and not password:
            return "has a user without a password"
        return None
