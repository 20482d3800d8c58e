"""`[env]` and the file of `env_file`: what is a variable, and what systemd would make of the same file."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.model.test_settings import parse, problems
from venvship.model.settings_form import health_digest, settings_toml
from venvship.model.variables import FileVariables, parse_variables, secrets_of


def read(text: str) -> dict[str, str]:
    return dict(parse_variables(text).values)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Of systemd 252, which was given these files.
        ("A=plain\n# c\n;c2\n  ; c3\nB = spaced value  \n", {"A": "plain", "B": "spaced value"}),
        ('C="quoted\\"x" tail \n', {"C": 'quoted"xtail'}),
        ("D='single\nline'\"and\"\n", {"D": "single\nlineand"}),
        ("E=a\\\n b\nF=a\\nb\n", {"E": "a b", "F": "anb"}),
        ('G="a\\nb\\$\\\\"\n', {"G": "a\\nb$\\"}),
        ("noequals\nH=\n1BAD=x\n", {"H": ""}),
        ('I="unterminated', {"I": "unterminated"}),
        ('A=it\'s a "b" \r\nB=2\r\n', {"A": 'it\'s a "b"', "B": "2"}),
        ("A=a\\ \nB=\\\n", {"A": "a ", "B": ""}),
        ("A=1\nA=2", {"A": "2"}),
        ('A="con\\\ntinued"\n', {"A": "continued"}),
        ("A='\\' x\n", {"A": "\\x"}),
        ("A=x # no comment\n", {"A": "x # no comment"}),
        ("export A=1\nB=2", {"B": "2"}),
        ("=x\nA==\n", {"A": "="}),
        # Of systemd 254: a comment ends with its line, whatever stands at its end.
        ("# c \\\nA=1\n", {"A": "1"}),
    ],
)
def test_a_file_is_read_as_systemd_reads_it(text: str, expected: dict[str, str]) -> None:
    assert read(text) == expected


VALUES = st.text(st.characters(exclude_characters="\0"), max_size=20)


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from("ABCDE"), VALUES))
def test_any_value_can_be_written(values: dict[str, str]) -> None:
    """Double quotes with the four escapes hold every text, a line break after a backslash included."""
    wanted = {f"X_{name}": value for name, value in values.items()}
    escaped = str.maketrans({letter: f"\\{letter}" for letter in '"\\`$'})
    text = "".join(f'{name}="{value.translate(escaped)}"\n' for name, value in wanted.items())
    assert read(text) == wanted


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(alphabet="AB1= '\"\\\n\r\t#;$x"))
def test_no_text_is_too_strange(text: str) -> None:
    found = parse_variables(text)
    assert all(name.isidentifier() and "\0" not in value for name, value in found.values.items())


def test_what_is_venvships_is_passed_over_and_named_and_a_line_without_a_name_counted() -> None:
    text = (
        "A=1\nPATH=/x\nPYTHONPATH=/y\nPYTHON=1\nVENVSHIP_ROOT=/\nVIRTUAL_ENV=/v\n"
        "MIIBabc+/==\nPATH=/z\nMYPATH=/m\n"
    )
    assert parse_variables(text) == FileVariables(
        {"A": "1", "MYPATH": "/m"}, ("PATH", "PYTHONPATH", "PYTHON", "VENVSHIP_ROOT", "VIRTUAL_ENV"), (7,)
    )


def test_env_is_a_table_of_strings() -> None:
    found = parse('env_file = "etc/shop.env"\n[env]\nMODE = "production"\nEMPTY = ""\nlower = "a\\nb"\n')
    assert found.env == {"MODE": "production", "EMPTY": "", "lower": "a\nb"}
    assert found.env_file == "etc/shop.env"
    assert parse(settings_toml(found)) == found


def test_every_problem_of_env_is_reported() -> None:
    text = '[env]\nPORT = 8000\nPATH = "/x"\nPYTHONPATH = "/y"\nVENVSHIP_X = ""\n'
    assert problems(f'{text}"a b" = "c"\n1A = "x"\nN = "\\u0000"\n') == {
        "env.PORT": "must be a string, not an integer",
        "env.PATH": "is venvship's own to set; remove it here",
        "env.PYTHONPATH": "is venvship's own to set; remove it here",
        "env.VENVSHIP_X": "is venvship's own to set; remove it here",
        "env.a b": "is no name of a variable: letters, digits and '_', and no digit first",
        "env.1A": "is no name of a variable: letters, digits and '_', and no digit first",
        "env.N": "must not contain a NUL character",
    }
    assert problems("env = 1") == {"env": "must be a table, not an integer"}


def test_a_refusal_lapses_when_the_variables_change_and_one_from_before_they_existed_stays() -> None:
    before = "5ef4c974094487b98dc1f849f60f05cdec35d4e07a8f4763fce7f0e2681e2ff4"
    texts = ('[env]\nA = "1"\n', '[env]\nA = "2"\n', 'env_file = "x"\n', 'env_file = "y"\n')
    assert health_digest(parse("")) == before
    assert len({before, *(health_digest(parse(text)) for text in texts)}) == 5


def test_the_secrets_are_the_values_of_the_file_and_those_of_env_whose_name_says_so() -> None:
    found = secrets_of(
        {"SHOP_MODE": "production", "API_TOKEN": "tok-12345678"},
        {"SHORT": "1234567", "LONG": "12345678", "DATABASE_URL": "postgres://shop:pw77@db/shop"},
    )
    assert {"tok-12345678", "12345678", "postgres://shop:pw77@db/shop", "pw77"} <= {*found}
    assert not {"production", "1234567"} & {*found}


def test_secrets_of_the_environment_are_masked_too() -> None:
    environ = {
        "SHOP_API_TOKEN": "token-of-a-variable",
        "USE_TOKEN": "true",
        "DATABASE_URL": "postgres://shop:of-a-password@db/shop",
        "LANG": "en_GB.UTF-8",
    }
    found = secrets_of({}, {}, environ)
    assert {"token-of-a-variable", "of-a-password"} <= {*found}
    assert not {"true", "en_GB.UTF-8", environ["DATABASE_URL"]} & {*found}
