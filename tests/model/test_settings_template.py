"""The files of init: the template sets nothing that was not asked for, and shows every key."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.model.test_settings import parse
from venvship.model.setting import declared_sections, declared_settings
from venvship.model.settings import LockSettings, Settings
from venvship.model.settings_check import CHECK_KINDS, Check
from venvship.model.settings_form import settings_json
from venvship.model.settings_template import ROOT_README, settings_template


@pytest.mark.parametrize("python", [None, "3.11", "/usr/bin/python3.11"])
@pytest.mark.parametrize("name", ["shop", 'q"\\uote', "@LOCKFILE@"])
def test_the_template_says_name_python_and_lockfile_and_nothing_else(name: str, python: str | None) -> None:
    settings = parse(settings_template(name, python, "locks/prod.txt"))
    assert settings == Settings(name=name, python=python, lockfile=("locks/prod.txt",))


def test_every_commented_key_of_the_template_parses_and_none_is_missing() -> None:
    text = re.sub(r"(?m)^#(?=(?!ca)[a-z_]+ = |\[)", "", settings_template("shop", None, "requirements.txt"))
    written = tomllib.loads(text)
    settings = parse(text)
    assert [check.kind for check in settings.checks] == [*CHECK_KINDS]
    everything = settings_json(settings)
    assert written.keys() == everything.keys()
    for table in declared_sections(Settings):
        assert written[table].keys() == everything[table].keys()
    keys = {key for check in written["check"] for key in check}
    assert keys | {"ca"} == {*declared_settings(Check), *CHECK_KINDS}  # `ca` fits no http:// of an example


def test_the_template_shows_the_real_defaults() -> None:
    text = re.sub(r"(?m)^#(?=(?!ca)[a-z_]+ = |\[)", "", settings_template("shop", None, "requirements.txt"))
    shown, default = parse(text), Settings(name="shop")
    assert shown.build == default.build
    index = {"shop-*": "https://packages.example.com/simple"}
    assert shown.lock == LockSettings(inputs=("requirements.in",), index=index)  # examples: no defaults
    for name in ("keep", "keep_days", "keep_failed", "link", "store"):
        assert getattr(shown, name) == getattr(default, name)
    assert shown.hooks.timeout == default.hooks.timeout
    (answers,) = (check for check in shown.checks if check.kind == "http")
    assert answers == Check(
        name="answers",
        when="live",
        kind="http",
        target=answers.target,
        body="{release}",
        headers={"Host": "shop.example.com"},
        deadline=30,
    )


def test_the_texts_of_init_fit_a_terminal() -> None:
    for text in (ROOT_README, settings_template("shop", None, "requirements.txt")):
        assert max(map(len, text.splitlines())) <= 116
        assert text.endswith("\n")
