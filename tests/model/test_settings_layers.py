"""Several files of settings as one: what wins, what merges, and which file a mistake is in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.model.test_settings import FULL, parse
from venvship.errors import SettingsError
from venvship.model.settings import Settings
from venvship.model.settings_check import Check
from venvship.model.settings_form import health_digest, settings_toml
from venvship.model.settings_layers import Layer, Place, merge
from venvship.model.settings_reading import parse_layer, settings_of

COMMON = """
keep = 7
lockfile = ["a.txt", "b.txt"]

[hooks]
restart = ["/bin/true", "common"]
timeout = 30

[env]
MODE = "common"
REGION = "eu"

[[check]]
name = "answers"
http = "http://127.0.0.1:8000/healthz"
body = "{release}"
deadline = 60
headers = { Host = "shop.example.com", Accept = "text/plain" }

[[check]]
name = "listens"
tcp = "127.0.0.1:8000"
"""


def layers(*texts: str) -> list[Layer]:
    """Layers of the files `/0.toml`, `/1.toml` and so on."""
    return [parse_layer(text, path=f"/{number}.toml") for number, text in enumerate(texts)]


def settings(*texts: str) -> Settings:
    return settings_of(layers(*texts), folder_name="shop")


def problems(*texts: str) -> list[tuple[str, str, str]]:
    with pytest.raises(SettingsError) as caught:
        settings(*texts)
    found = caught.value.data["problems"]
    assert isinstance(found, list)
    for one in found:
        assert one["file"] in caught.value.message
        assert one["message"] in caught.value.message
    assert caught.value.data["path"] == found[0]["file"]
    return [(one["file"], one["key"], one["message"]) for one in found]


def test_a_later_file_wins_key_by_key() -> None:
    found = settings(COMMON, "keep = 9\ntier = 'production'\n", "keep = 4\n")
    assert (found.keep, found.tier) == (4, "production")
    assert found.extends == ("/0.toml", "/1.toml")
    assert found.hooks.restart == ("/bin/true", "common")


def test_tables_merge_and_arrays_replace() -> None:
    found = settings(COMMON, "lockfile = 'own.txt'\n[hooks]\nrestart = ['/bin/own']\n[env]\nMODE = 'own'\n")
    assert found.lockfile == ("own.txt",)
    assert (found.hooks.restart, found.hooks.timeout) == (("/bin/own",), 30.0)
    assert found.env == {"MODE": "own", "REGION": "eu"}


def test_checks_merge_by_name_and_keep_their_order() -> None:
    own = (
        "[[check]]\nname = 'first'\ncommand = ['true']\n"
        "[[check]]\nname = 'answers'\ntimeout = 2\nheaders = { Host = 'staging.example.com' }\n"
    )
    found = settings(COMMON, own).checks
    assert [check.name for check in found] == ["answers", "listens", "first"]
    answers = found[0]
    assert (answers.timeout, answers.deadline, answers.body) == (2.0, 60.0, "{release}")
    assert answers.headers == {"Host": "staging.example.com", "Accept": "text/plain"}


def test_a_check_that_gets_another_kind_loses_what_only_the_other_kind_has() -> None:
    found = settings(COMMON, "[[check]]\nname = 'answers'\ntcp = '127.0.0.1:9'\n").checks[0]
    assert found == Check("answers", "tcp", ("127.0.0.1:9",), deadline=60.0)
    kept = settings(COMMON, "[[check]]\nname = 'answers'\nhttp = 'http://127.0.0.1:9/'\n").checks[0]
    assert (kept.target, kept.body) == (("http://127.0.0.1:9/",), "{release}")


def test_the_default_of_a_merged_check_is_that_of_its_time() -> None:
    found = settings(
        "[[check]]\nname = 'x'\ncommand = ['true']\n", "[[check]]\nname = 'x'\nwhen = 'candidate'\n"
    )
    assert (found.checks[0].when, found.checks[0].deadline) == ("candidate", 0.0)


def test_a_disabled_check_is_none_and_a_later_file_may_enable_it_again() -> None:
    assert [check.name for check in settings(COMMON, "disable_checks = ['answers']").checks] == ["listens"]
    assert len(settings(COMMON, "disable_checks = ['answers']", "disable_checks = []").checks) == 2
    assert parse("disable_checks = ['x']\n[[check]]\nname = 'x'\ntcp = 'h:1'\n").checks == ()


def test_a_check_that_is_not_there_cannot_be_disabled() -> None:
    [(file, key, message)] = problems(COMMON, "disable_checks = ['listens', 'anwsers']")
    assert (file, key) == ("/1.toml", "disable_checks[1]")
    assert "answers, listens" in message


def test_each_mistake_is_named_with_its_file() -> None:
    found = problems("kep = 1\n[hooks]\nrestrat = ['x']\n", "keep = 'x'\n")
    assert [(file, key) for file, key, _ in found] == [
        ("/0.toml", "hooks.restrat"),
        ("/0.toml", "kep"),
        ("/1.toml", "keep"),
    ]
    assert found[0][2] == "no such key; did you mean hooks.restart?"


def test_a_wrong_value_is_a_mistake_also_where_a_later_file_has_a_right_one() -> None:
    assert problems("keep = 'three'\n", "keep = 3\n")[0][:2] == ("/0.toml", "keep")
    assert problems("hooks = 1\n", "[hooks]\ntimeout = 3\n")[0][:2] == ("/0.toml", "hooks")


@pytest.mark.parametrize(
    ("texts", "file", "key"),
    [
        ((COMMON, "[[check]]\nname = 'new'\ntimeout = 2\n"), "/1.toml", "check[0]"),
        ((COMMON, "", "[[check]]\nname = 'listens'\nstatus = 204\n"), "/2.toml", "check[0].status"),
        ((COMMON, "[[check]]\nname = 'answers'\nca = '/ca.pem'\n"), "/1.toml", "check[0].ca"),
        ((COMMON, "[[check]]\nname = 'Answers'\ntcp = 'h:1'\n"), "/1.toml", "check[0].name"),
        ((COMMON, "[[check]]\ntcp = 'h:1'\n"), "/1.toml", "check[0].name"),
        ((COMMON, "[[check]]\nname = 'x'\ntcp = 'h:1'\nhttp = 'http://h/'\n"), "/1.toml", "check[0]"),
    ],
    ids=["no kind", "wrong kind", "ca without https", "same name", "no name", "two kinds"],
)
def test_a_mistake_that_only_the_whole_shows_is_named_where_it_is_written(
    texts: tuple[str, ...], file: str, key: str
) -> None:
    assert (file, key) in [(one[0], one[1]) for one in problems(*texts)]


def test_a_part_of_a_check_is_no_mistake_in_its_file() -> None:
    own = "[[check]]\nname = 'answers'\nstatus = 204\n"
    assert settings(COMMON, own).checks[0].status == (204,)
    alone = [(key, message) for _, key, message in problems(own)]
    assert [key for key, _ in alone] == ["check[0]", "check[0].status"]
    assert alone[1][1] == "only a check of this kind has it: http"


def test_the_kept_form_is_one_file_that_needs_no_other() -> None:
    found = settings(COMMON, "tier = 'production'\ndisable_checks = ['listens']\n")
    kept = settings_toml(found)
    assert "extends" not in kept
    assert parse(kept) == found._replace(extends=(), disable_checks=())


def test_a_refusal_lapses_with_the_tier_and_stays_where_the_files_change_and_no_key_does() -> None:
    one, split = settings(FULL), settings("", FULL)
    assert health_digest(one) == health_digest(split)
    assert health_digest(one) != health_digest(settings(FULL, "tier = 'staging'\n"))


def test_a_place_is_the_file_and_the_key_there() -> None:
    own = "[hooks]\nrestart = ['x']\n[[check]]\nname = 'new'\ntcp = 'h:1'\n[[check]]\nname = 'listens'\n"
    merged = merge(layers(COMMON, own))
    assert merged.place("keep") == Place("/0.toml", "keep")
    assert merged.place("hooks.restart[0]") == Place("/1.toml", "hooks.restart[0]")
    assert merged.place("hooks.timeout") == Place("/0.toml", "hooks.timeout")
    assert merged.place("check[2].tcp") == Place("/1.toml", "check[0].tcp")
    assert merged.place("check[1].tcp") == Place("/0.toml", "check[1].tcp")
    assert merged.place("check[1].status") == Place("/1.toml", "check[1].status")
    assert merged.place("link") is None


values = st.integers() | st.lists(st.integers(), max_size=2)
tables = st.dictionaries(
    st.sampled_from("abc"), values | st.dictionaries(st.sampled_from("xyz"), values), max_size=3
)


@given(st.lists(tables, min_size=1, max_size=4))
def test_every_key_of_the_whole_is_that_of_the_last_file_that_has_it(parts: list[dict[str, object]]) -> None:
    merged = merge([Layer(f"/{number}", part) for number, part in enumerate(parts)])
    for name, value in merged.values.items():
        having = [part[name] for part in parts if name in part]
        if not isinstance(value, dict):
            assert value == having[-1]
            continue
        for inner, found in value.items():
            last = next(one for one in reversed(having) if not isinstance(one, dict) or inner in one)
            assert isinstance(last, dict)
            assert last[inner] == found
    assert merged.values.keys() == {name for part in parts for name in part}
