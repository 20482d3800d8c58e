"""The block with which a web server hands requests to the application, and serves its static files.

No connection to `live.sock` is kept: one that is kept goes on to the old slot, and its next request fails
when that slot stops. A new connection to a Unix socket costs next to nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from venvship.errors import UsageError
from venvship.model.programs import ADDRESS, plain_name
from venvship.model.schedule import refuse_unwritable
from venvship.model.settings_service import SLOTS

_GENERATED: Final = "generated"


class Site(NamedTuple):
    """The values in the block.

    Attributes:
        name: The application's.
        root: Its root; absolute.
        socket_dir: The folder of the slots; empty without slots.
        static: Whether releases have generated files.
    """

    name: str
    root: str
    socket_dir: str = ""
    static: bool = False

    @property
    def stem(self) -> str:
        """The name in plain characters, for a file and an upstream."""
        return plain_name(self.name)


def nginx(site: Site) -> tuple[str, str]:
    """The file for nginx: its path, and its text, which begins with it.

    Raises:
        UsageError: A path cannot stand in it.
    """
    path = f"/etc/nginx/conf.d/{site.stem}.conf"
    upstream = f"unix:{site.socket_dir}/live.sock" if site.socket_dir else ADDRESS
    lines = [
        f"# {path}",
        f"upstream {site.stem} {{",
        "    # No keepalive: a connection that is kept goes on to the old slot, and fails when that stops.",
        f"    server {_nginx_word(upstream)};",
        "}",
        "",
        "server {",
        "    listen 80;",
        "    # The name of the site, and TLS, as for any site.",
        "    server_name _;",
    ]
    if site.static:
        if site.socket_dir:
            lines += ["", "    # From one slot or the other: a page of the old release finds its files."]
        base = site.socket_dir or site.root
        places = [f"/{slot}" for slot in SLOTS] if site.socket_dir else ["/current"]
        if "$" in base:
            raise UsageError(
                f"nginx cannot name {base}: a $ begins a variable", hint="take a path without it"
            )
        lines += [
            "    location ~ ^/static(?<asset>/.+)$ {",
            f"        root {_nginx_word(base)};",
            f"        try_files {' '.join(f'{place}/{_GENERATED}$asset' for place in places)} =404;",
            "    }",
        ]
    lines += [
        "",
        "    location / {",
        f"        proxy_pass http://{site.stem};",
        "        proxy_http_version 1.1;",
        "        # Said, since newer versions of nginx keep connections by default.",
        "        proxy_set_header Connection close;",
        "        proxy_set_header Host $http_host;",
        "        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
        "        proxy_set_header X-Forwarded-Proto $scheme;",
        "    }",
        "}",
    ]
    return path, "\n".join(lines) + "\n"


def caddy(site: Site) -> tuple[str, str]:
    """The file for Caddy: its path, and its text, which begins with it.

    Raises:
        UsageError: A path cannot stand in it.
    """
    path = f"/etc/caddy/conf.d/{site.stem}.caddy"
    upstream = f"unix/{site.socket_dir}/live.sock" if site.socket_dir else ADDRESS
    lines = [
        f"# {path}",
        "# The name of the site in place of :80; Caddy then gets its certificate.",
        ":80 {",
        *(_caddy_static(site) if site.static else []),
        f"    reverse_proxy {_caddy_word(upstream)} {{",
        "        transport http {",
        "            # A connection that is kept goes on to the old slot, and fails when that stops.",
        "            keepalive off",
        "        }",
        "    }",
        "}",
    ]
    return path, "\n".join(lines) + "\n"


def _caddy_static(site: Site) -> list[str]:
    if not site.socket_dir:
        root = _caddy_word(f"{site.root}/current/{_GENERATED}")
        return ["    handle_path /static/* {", f"        root * {root}", "        file_server", "    }", ""]
    first, second = (_caddy_word(f"{site.socket_dir}/{slot}/{_GENERATED}") for slot in SLOTS)
    return [
        "    # From one slot or the other: a page of the old release finds its files.",
        "    handle_path /static/* {",
        "        @first file {",
        f"            root {first}",
        "            try_files {path}",
        "        }",
        "        handle @first {",
        f"            root * {first}",
        "            file_server",
        "        }",
        "        handle {",
        f"            root * {second}",
        "            file_server",
        "        }",
        "    }",
        "",
    ]


WEB_SERVERS: Final[dict[str, Callable[[Site], tuple[str, str]]]] = {"nginx": nginx, "caddy": caddy}


def _nginx_word(word: str) -> str:
    refuse_unwritable(word)
    if re.fullmatch(r"[A-Za-z0-9_./:@+-]+", word, re.ASCII):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _caddy_word(word: str) -> str:
    refuse_unwritable(word)
    if set(word) & set("{}`"):
        raise UsageError(f"Caddy cannot name {word}: it has braces in it", hint="take a path without them")
    if re.fullmatch(r"[A-Za-z0-9_./:@+-]+", word, re.ASCII):
        return word
    return f"`{word}`"
