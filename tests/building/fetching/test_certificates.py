"""A server whose certificate is not valid: nothing is asked of it, and the reason is named, on every way."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.certificates import Authority, needs_openssl
from tests.support.fetching import Fetcher, names, pins
from tests.support.index import LocalIndex
from tests.support.wheels import build_wheel
from venvship.errors import IndexUnreachableError

pytestmark = needs_openssl

BAD = {
    "expired": "certificate has expired",
    "wrong host": "IP address mismatch",
    "self-signed": "self[- ]signed certificate",
    "unknown authority": "unable to get (local )?issuer certificate",
}
"""What is wrong with a certificate, and how OpenSSL says so."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A good certificate, a bad one of each kind, and that of the authority which the client trusts."""
    authority = Authority(tmp_path_factory.mktemp("trusted") / "authority")
    stranger = Authority(tmp_path_factory.mktemp("unknown") / "authority")
    return {
        "authority": authority.certificate,
        "good": authority.issue("good"),
        "expired": authority.issue("expired", expired=True),
        "wrong host": authority.issue("elsewhere", host="IP:192.0.2.1,DNS:index.example.org"),
        "self-signed": authority.self_signed("alone"),
        "unknown authority": stranger.issue("strange"),
    }


def served(folder: Path, certificate: Path) -> LocalIndex:
    index = LocalIndex(folder)
    index.certificate = certificate
    return index


@pytest.mark.parametrize("way", ["directly", "by pip"])
@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("stage", ["page", "file"])
def test_a_bad_certificate_ends_the_fetch_with_its_reason(
    fetcher: Fetcher,
    wheelhouse: Path,
    certificates: dict[str, Path],
    stage: str,
    kind: str,
    way: str,
) -> None:
    wheel = build_wheel(wheelhouse, "app")
    with (
        served(wheelhouse, certificates["good" if stage == "file" else kind]) as index,
        served(wheelhouse, certificates[kind]) as other,
    ):
        if stage == "file":
            index.files_at = f"https://127.0.0.1:{other.port}/files/"
        more = [f"--extra-index-url {index.url}"] if way == "by pip" else []
        environ = {"PIP_INDEX_URL": index.url, "PIP_CERT": str(certificates["authority"]), "PIP_RETRIES": "0"}
        with pytest.raises(IndexUnreachableError) as caught:
            fetcher(pins(wheel, options=more), environ=environ)
        bad = (index if stage == "page" else other).url.partition("/simple")[0]
        asked = [*other.requests, *(index.requests if stage == "page" else ())]

    assert caught.value.exit_code == 20
    assert re.search(
        f"did not serve {bad}/[^ ]+: its certificate is not valid here: {BAD[kind]}", caught.value.message
    )
    assert "pip's setting `cert`" in (caught.value.hint or "")
    assert asked == []
    assert list(fetcher.runs[-1].rglob("*.whl")) == []


@pytest.mark.parametrize("way", ["directly", "by pip"])
def test_a_good_certificate_of_a_trusted_authority_is_taken(
    fetcher: Fetcher, wheelhouse: Path, certificates: dict[str, Path], way: str
) -> None:
    wheel = build_wheel(wheelhouse, "app")
    with served(wheelhouse, certificates["good"]) as index:
        more = [f"--extra-index-url {index.url}"] if way == "by pip" else []
        environ = {"PIP_INDEX_URL": index.url, "PIP_CERT": str(certificates["authority"])}
        assert names(fetcher(pins(wheel, options=more), environ=environ)) == [wheel.filename]
