"""The expressions of settings modules that are understood, and those that are not taken for an answer."""

from __future__ import annotations

import ast

import pytest

from venvship.model.survey.expressions import UNKNOWN, Evaluator, FromVariable, InTree, Text, Value

BASE = {"BASE_DIR": InTree("")}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ('"media"', Text("media")),
        ("Path(__file__).resolve().parent.parent", InTree("src")),
        ("pathlib.Path(__file__).absolute().parents[2]", InTree("")),
        ("os.path.dirname(os.path.dirname(os.path.abspath(__file__)))", InTree("src")),
        ('BASE_DIR / "var" / "media"', InTree("var/media")),
        ('os.path.join(BASE_DIR, "media/")', InTree("media")),
        ('str(BASE_DIR.joinpath("media"))', InTree("media")),
        ('BASE_DIR / "../outside"', UNKNOWN),
        ('BASE_DIR / "/srv/media"', Text("/srv/media")),
        ('f"{BASE_DIR}/media"', InTree("media")),
        ('f"{OTHER}/media"', UNKNOWN),
        ('os.environ["HOST"]', FromVariable("HOST", None)),
        ('os.environ.get("HOST")', FromVariable("HOST", UNKNOWN)),
        ('os.getenv("MEDIA", BASE_DIR / "media")', FromVariable("MEDIA", InTree("media"))),
        ('env("SECRET_KEY")', FromVariable("SECRET_KEY", None)),
        ('env.str("HOST", default="x")', FromVariable("HOST", Text("x"))),
        ('config("HOST", default="x")', FromVariable("HOST", Text("x"))),
        ('os.environ.get("MEDIA") or BASE_DIR / "media"', FromVariable("MEDIA", InTree("media"))),
        (
            'os.path.join(BASE_DIR, os.environ.get("NAME", "db.sqlite3"))',
            FromVariable("NAME", InTree("db.sqlite3")),
        ),
        ("anything(BASE_DIR)", UNKNOWN),
        ("[1, 2]", UNKNOWN),
    ],
)
def test_an_expression_has_the_value_that_running_it_would_give(source: str, value: Value) -> None:
    node = ast.parse(source, mode="eval").body
    assert Evaluator("src/shop/settings.py", BASE).value(node) == value


def test_an_expression_without_end_is_unknown() -> None:
    node = ast.parse("BASE_DIR" + ' / "x"' * 90, mode="eval").body
    assert Evaluator("settings.py", BASE).value(node) == UNKNOWN
