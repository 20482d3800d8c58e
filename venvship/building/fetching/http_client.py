"""Asking hosts for pages and files. A part of the downloader's process, which asks from several threads.

A host that cannot be reached is asked once, and so is an index that answers with an error: its problem
concerns all that would be asked of it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

import requests

from venvship.building.fetching.download_errors import GiveUpError, RefusedError
from venvship.building.fetching.http_answer import OneAnswerSession
from venvship.building.fetching.sources import Sources
from venvship.model import bounds

MOST: Final = ", the most that venvship takes"


class HttpClient:
    """Connections to hosts, with what the settings say of credentials, certificates and the proxy.

    Args:
        sources: Where files are looked for; credentials in a URL there are good for its host.
        user_agent: What the client calls itself.
    """

    def __init__(self, sources: Sources, user_agent: str) -> None:
        self._sources = sources
        self._user_agent = user_agent
        self._local = threading.local()
        self._hopeless: dict[str, str] = {}
        self._known = [_without_credentials(url) for url in (*sources.indexes, *sources.pages)]

    def get(self, url: str, headers: Mapping[str, str], *, at: str) -> requests.Response:
        """Ask for a URL, and for those that it redirects to.

        Args:
            url: What to ask for; it may have credentials.
            headers: Further headers of the request.
            at: The index or page that leads there. After an error it is asked for nothing more.

        Returns:
            An answer 200, whose body is still to be read. The caller closes it.

        Raises:
            GiveUpError: It cannot be had.
            RefusedError: It redirects without end.
        """
        for _ in range(bounds.REDIRECTS + 1):
            response = self._ask(url, headers, at)
            target = self._session().target_of(response)
            if not target:
                return self._required(response, at)
            response.close()
            url = urljoin(response.url, requests.utils.requote_uri(target))
            if urlsplit(url).scheme not in {"http", "https"}:
                raise GiveUpError(f"{urlsplit(response.url).hostname} redirects to {urlsplit(url).scheme}:")
        raise RefusedError(f"{urlsplit(url).hostname} redirects more than {bounds.REDIRECTS} times{MOST}")

    def give_up_on(self, at: str, problem: str) -> GiveUpError:
        """Ask an index, a page or a host for nothing more."""
        self._hopeless[at] = problem
        return GiveUpError(problem)

    def _ask(self, url: str, headers: Mapping[str, str], at: str) -> requests.Response:
        url, own = _without_credentials(url)
        for known in (at, _origin(url)):
            if (problem := self._hopeless.get(known)) is not None:
                raise GiveUpError(problem)
        sources = self._sources
        try:
            return self._session().get(
                url,
                auth=own or self._credentials(url),
                headers=dict(headers),
                stream=True,
                timeout=sources.timeout,
                verify=not sources.trusts(url) and (sources.certificates or True),
            )
        except requests.RequestException as error:
            problem = f"{urlsplit(url).hostname} cannot be reached: {error}"
            raise self.give_up_on(_origin(url), problem) from error
        except (OSError, ValueError) as error:  # a missing file of certificates; an invalid URL
            raise GiveUpError(f"{url}: {error}") from error

    def _required(self, response: requests.Response, at: str) -> requests.Response:
        """Give up on an answer that is not 200."""
        if response.status_code != requests.codes.ok:
            response.close()
            problem = f"{urlsplit(response.url).hostname} answers {response.status_code}"
            if response.status_code in {requests.codes.not_found, requests.codes.gone}:
                raise GiveUpError(problem)
            raise self.give_up_on(at, problem)
        return response

    def _credentials(self, url: str) -> tuple[str, str] | None:
        """Those of the index or page on the same host whose URL has most in common with this one, as in pip.

        Without any, netrc is asked: by `requests`, which does not if there is a proxy.
        """
        fitting = [
            (len(os.path.commonprefix([known, url])), given)  # noqa: RUF071 - as pip compares them
            for known, given in self._known
            if given is not None and _origin(known) == _origin(url)
        ]
        if fitting:
            return max(fitting, key=lambda row: row[0])[1]
        return requests.utils.get_netrc_auth(url) if self._sources.proxy else None

    def _session(self) -> OneAnswerSession:
        """One for each thread, which keeps its connections."""
        session: OneAnswerSession | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = OneAnswerSession()
            session.headers["User-Agent"] = self._user_agent
            session.cert = self._sources.client_certificate
            if proxy := self._sources.proxy:
                session.proxies = {"http": proxy, "https": proxy}
                session.trust_env = False  # no other proxy, as in pip
        return session


def _without_credentials(url: str) -> tuple[str, tuple[str, str] | None]:
    """Split a URL into the URL without user and password, and these two."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    name, _, password = user.partition(":")
    return urlunsplit(parts._replace(netloc=host)), (unquote(name), unquote(password))


def _origin(url: str) -> str:
    """The scheme of a URL, and its host with the port."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.lower()}"
