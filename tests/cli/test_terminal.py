"""The writer: nothing unprintable gets past it but the styles that are ours."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.test_printable import HOSTILE
from venvship.cli import style
from venvship.cli.live import LiveSteps
from venvship.cli.steps import PlainSteps
from venvship.cli.terminal import Terminal, write
from venvship.model.progress import ADVANCED, DONE, STARTED, Step

COLOUR = Terminal(width=80, color=True, moves=True)
STYLES = {style.good: "32", style.attention: "33", style.strong: "1", style.faint: "2"}
OURS = re.compile(r"\x1b\[(?:0|1|2|31|32|33)m")
DRAWN = re.compile(r"\x1b\[(?:\?25[lh]|[12]K|1A|(?:\d+;)*\d+m)|\r")
"""The sequences with which rich draws."""


def written(line: str, terminal: Terminal = COLOUR) -> str:
    stream = io.StringIO()
    write(stream, [line], terminal)
    return stream.getvalue()


@pytest.mark.parametrize("terminal", [COLOUR, Terminal()])
@pytest.mark.parametrize(("text", "shown"), HOSTILE.items(), ids=HOSTILE.values())
def test_an_unprintable_text_is_written_as_escapes(text: str, shown: str, terminal: Terminal) -> None:
    assert written(f"a {text}", terminal) == f"a {shown}\n"
    assert OURS.sub("", written(style.bad(text), terminal)) == f"{shown}\n"


@pytest.mark.parametrize("paint", STYLES)
def test_our_styles_are_shown_where_there_is_colour(paint: style.Paint) -> None:
    assert written(paint("x")) == f"\x1b[{STYLES[paint]}mx\x1b[0m\n"
    assert written(paint("x"), Terminal()) == "x\n"


@pytest.mark.parametrize("code", ["0", "1", "31", "32"])
def test_a_style_of_ours_is_none_in_a_text_from_outside(code: str) -> None:
    assert written(f"\x1b[{code}mx") == f"\\x1b[{code}mx\n"


@given(st.text(st.characters(), max_size=40))
def test_whatever_a_line_holds_it_is_one_line_with_styles_of_ours(text: str) -> None:
    out = written(f"{style.good('ok')} {style.bad(text)}")
    assert out.endswith("\n")
    left = OURS.sub("", out[:-1])
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\ud800-\udfff]", left)


@pytest.mark.parametrize(("text", "shown"), HOSTILE.items(), ids=HOSTILE.values())
def test_steps_show_a_text_from_outside_as_escapes(text: str, shown: str) -> None:
    for steps_of, terminal in ((PlainSteps, Terminal(width=80)), (LiveSteps, COLOUR)):
        stream = io.StringIO()
        steps = steps_of(stream, terminal)
        steps(Step(name="answers", state=STARTED, facts={"text": text}))
        steps(Step(name="answers", state=ADVANCED, done=1, total=2))
        steps.redraw()
        steps(Step(name="answers", state=DONE, facts={"text": text}))
        steps(Step(name=text, state=DONE, facts={"text": "x"}))
        steps.close(incomplete=False)
        out = DRAWN.sub("", stream.getvalue())
        assert text not in out
        assert out.count(shown) >= 2
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\ud800-\udfff]", out)


@pytest.mark.parametrize("text", ["[red]x[/red]", "[/nothing]", "[link=http://a]x", "{task.id}", "a[b]"])
def test_a_text_from_outside_is_no_markup(text: str) -> None:
    stream = io.StringIO()
    steps = LiveSteps(stream, COLOUR)
    steps(Step(name="answers", state=STARTED, facts={"text": text}))
    steps(Step(name="answers", state=ADVANCED, done=1, total=2))
    assert text in stream.getvalue()
    steps(Step(name="answers", state=DONE, facts={"text": text}))
    assert stream.getvalue().count(text) >= 2
    steps.close(incomplete=False)
