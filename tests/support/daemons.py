"""nginx and supervisord, configured so that all their files are in one folder."""

from __future__ import annotations

import os
import shutil
from typing import Final

_SUPERVISORD: Final = """\
[supervisord]
nodaemon={foreground}
logfile={folder}/supervisord.log
pidfile={folder}/supervisord.pid
childlogdir={folder}
{user}
[unix_http_server]
file={folder}/supervisor.sock
[supervisorctl]
serverurl=unix://{folder}/supervisor.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""

_NGINX: Final = """\
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/nginx-body;
    proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-fastcgi;
    uwsgi_temp_path {folder}/nginx-uwsgi;
    scgi_temp_path {folder}/nginx-scgi;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
{block}
}}
"""


def program(name: str) -> str | None:
    """The path of a program of this machine, which may be in root's folders alone; `None` for none."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


def found(name: str) -> str:
    """The same of one that is there."""
    path = program(name)
    assert path is not None, f"there is no {name}"
    return path


def supervisord(folder: object, sections: str, *, as_root: bool = False, foreground: bool = True) -> str:
    """A configuration of supervisord, whose socket is `supervisor.sock`.

    Args:
        folder: Where its files are.
        sections: Of its programs.
        as_root: Whether root runs it, which it wants to be told.
        foreground: Whether the process that is started goes on as it.
    """
    user = "user=root" if as_root else ""
    return _SUPERVISORD.format(folder=folder, user=user, foreground=str(foreground).lower()) + sections


def nginx(folder: object, block: str, *, user: str = "") -> str:
    """A configuration of nginx, which keeps the connections of clients.

    Args:
        folder: Where its files are.
        block: What is within `http`.
        user: Who its workers are: a user, or user and group; `""` for who starts it.
    """
    return _NGINX.format(folder=folder, block=block, user=f"user {user};" if user else "")
