"""What is kept of pip's output holds no secrets."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from venvship.model.redaction import MASK, OutputRedactor, Redactor, StreamRedactor, masked, spellings

SECRET = "s3cr3t/p@ss"
ENCODED = "s3cr3t%2Fp%40ss"


def test_a_password_of_an_index_is_masked_wherever_and_however_it_is_spelt() -> None:
    redact = Redactor({"PIP_INDEX_URL": f"https://deploy:{ENCODED}@host/simple"})
    text = redact(f"401 for deploy with {SECRET} ({ENCODED}) at https://deploy:{ENCODED}@host/simple/x/")
    assert text == "401 for deploy with **** (****) at https://****@host/simple/x/"


@pytest.mark.parametrize(
    ("environ", "secret"),
    [
        ({"PIP_EXTRA_INDEX_URL": "https://one/ https://tok3n-tok3n@two/simple"}, "tok3n-tok3n"),
        ({"https_proxy": "http://me:pr0xyword@proxy:3128"}, "pr0xyword"),
        ({"HTTP_PROXY": "http://me:pr0xyword@proxy:3128"}, "pr0xyword"),
        ({"PIP_FIND_LINKS": "https://host/links?sig=abcdef123"}, "abcdef123"),
    ],
)
def test_secrets_of_other_variables_are_known(environ: dict[str, str], secret: str) -> None:
    assert secret not in Redactor(environ)(f"something about {secret}.")


def test_a_password_that_nobody_escaped_is_known_in_its_pieces() -> None:
    redact = Redactor({"PIP_INDEX_URL": "https://deploy:s3cr/etpw@host/simple"})
    assert redact("'deploy:s3cr' is not a valid host, /etpw@host/simple") == (
        "'deploy:****' is not a valid host, /****@host/simple"
    )


def test_what_a_lockfile_expands_is_known() -> None:
    redact = Redactor({"TOKEN": "abc-def", "OTHER": "visible"}, ["--index-url https://x:${TOKEN}@host/"])
    assert redact("abc-def visible") == "**** visible"


def test_a_variable_that_holds_a_whole_url_hides_its_password_too() -> None:
    redact = Redactor({"INDEX": "https://u:hidden99@host/simple"}, ["--index-url ${INDEX}"])
    assert redact("hidden99") == "****"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("get http://u:p@host/x now", "get http://****@host/x now"),
        ("get http://u:p@ss@host/x", "get http://****@host/x"),
        ("get https://u:p/w@host/x now", "get https://****@host/x now"),
        ("get https://u:p/w@x@host/y now", "get https://****@host/y now"),
        ("http://host:8080/x and a@b", "http://host:8080/x and a@b"),
        ("('https://token@host/x')", "('https://****@host/x')"),
        ("https://host/x?token=abc&y=1#sha256=00", "https://host/x?****#sha256=00"),
        (
            "Max retries exceeded with url: /x/?sig=1 (Caused by",
            "Max retries exceeded with url: /x/?**** (Caused by",
        ),
        ("Authorization: Basic dTpw", "Authorization: ****"),
        ("mail@example.org and a@b", "mail@example.org and a@b"),
        ("http://host/a@b/c", "http://host/a@b/c"),
        ("django==5.2 --hash=sha256:00", "django==5.2 --hash=sha256:00"),
    ],
)
def test_without_knowing_anything_the_usual_places_are_masked(text: str, expected: str) -> None:
    assert Redactor({})(text) == expected


def test_short_values_do_not_turn_the_text_into_stars() -> None:
    redact = Redactor({"PIP_INDEX_URL": "https://a:b@host/", "V": ""}, ["${V} ${UNSET}"])
    assert redact("a banana") == "a banana"


# -- the output of any program ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ("token=tok-77", "token=****"),
        ("DB_PASSWORD: hunter22 and more", "DB_PASSWORD: **** and more"),
        ('{"api_key": "a b", "x": 1}', '{"api_key": ****, "x": 1}'),
        ("connect to postgres://shop:pw@db/x failed", "connect to postgres://****@db/x failed"),
        ("said correct horse", "said ****"),
        ("said 'pl%40ce'", "said '****'"),
        ("ModuleNotFoundError: No module named 'tokens'", "ModuleNotFoundError: No module named 'tokens'"),
        ("USE_TOKEN says true", "USE_TOKEN says true"),
    ],
)
def test_what_a_program_calls_a_secret_or_has_from_its_environment_is_masked(line: str, masked: str) -> None:
    environ = {
        "SHOP_SECRET": "correct horse",
        "DATABASE_URL": "postgres://shop:pl%40ce@db/x",
        "USE_TOKEN": "true",
        "HOME": "/home/shop",
    }

    assert OutputRedactor(environ)(line) == masked


# -- a stream -----------------------------------------------------------------------------------------------

CHUNKS = st.lists(st.sampled_from([b"a", b"ab", b"abc", b"abcabd", b"xyzxyz12", b"x", b"-", b"abcabdabcabe"]))


def streamed(secrets: list[str], chunks: list[bytes]) -> bytes:
    redact = StreamRedactor(secrets)
    return b"".join([*map(redact, chunks), redact.rest()])


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CHUNKS, st.data())
def test_a_secret_is_masked_wherever_the_stream_is_cut(chunks: list[bytes], data: st.DataObject) -> None:
    secrets = ["abcabdabcabe", "abcabd", "xyzxyz12"]
    text = b"".join(chunks)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)))))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    found = streamed(secrets, pieces)
    assert found == streamed(secrets, [text]) == masked(text.decode(), secrets).encode()
    assert not any(secret.encode() in found for secret in secrets)


def test_of_a_stream_only_what_may_become_a_secret_is_held_back() -> None:
    redact = StreamRedactor(["secret-of-the-shop"])
    assert redact(b"line\nand secr") == b"line\nand "
    assert redact(b"ecy") == b"secrecy"
    assert redact(b" secret-of-the-") == b" "
    assert redact(b"shop.") == MASK.encode() + b"."
    assert redact(b" sec") == b" "
    assert redact.rest() == b"sec"


def test_a_secret_of_any_length_is_masked_whole_and_in_little_time() -> None:
    secret = "".join(f"{number:05}" for number in range(20_000))
    chunks = [secret.encode()[at : at + 1000] for at in range(0, len(secret), 1000)]
    found = streamed([secret], [b"<", *chunks, b">"])
    assert set(found.strip(b"<>")) == {ord("*")}


@pytest.mark.parametrize("secret", ["p@ss w0rd/x", 'quo"ted\\one', "späße-1234", "line one 1\nline two 2"])
def test_a_secret_is_known_as_other_programs_write_it(secret: str) -> None:
    from urllib.parse import quote

    known = spellings([secret], least=8)
    for written in (secret, repr(secret), json.dumps(secret), quote(secret, safe=""), *secret.splitlines()):
        assert secret.splitlines()[0] not in masked(f"it is {written} here", known)
        assert MASK in masked(f"it is {written} here", known)


def test_no_text_is_masked_for_a_short_line_of_a_secret() -> None:
    assert masked("a = } and key", spellings(["{\na\n}\nsecret-key-line"], least=8)) == "a = } and key"
