"""The built documentation is complete, and stands on its own."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import command_parts
import pytest
import reference_parts
from reference_texts import EVENTS, WARNINGS

from tests.docs.conftest import DOCS
from venvship.cli.prometheus import METRICS
from venvship.model.event import EventName
from venvship.model.release import State

if TYPE_CHECKING:
    from tests.docs.conftest import Site

PACKAGE = Path(__file__).resolve().parent.parent.parent / "venvship"


def test_every_command_has_a_page_with_its_options(built_docs: Site) -> None:
    for name, command in command_parts.command_tree().items():
        text = built_docs.text(f"reference/commands/{name}")
        assert f'id="command-{name}"' in built_docs.html(f"reference/commands/{name}"), name
        for option in command.own_options:
            assert option.help, f"{name} {option.opts} says nothing"
            for spelling in option.opts:
                assert re.search(rf"(?<![\w-]){re.escape(spelling)}(?![\w-])", text), f"{name} {spelling}"
        assert command.example in text, name
        assert all(meaning.replace("`", "") in text for meaning in command.exits.values()), name


def test_the_overview_leads_to_every_command(built_docs: Site) -> None:
    html, text = built_docs.html("reference/commands"), built_docs.text("reference/commands")

    for name in command_parts.command_tree():
        assert f'href="commands/{name}.html#command-{name}"' in html, name
    for spelling in command_parts.global_option_names():
        assert spelling in text, spelling


def test_every_command_shows_its_json(built_docs: Site) -> None:
    for name in command_parts.command_tree():
        if name != "run":  # it becomes another program
            assert f'id="json-{name}"' in built_docs.html(f"reference/commands/{name}"), name


def test_every_setting_is_described(built_docs: Site) -> None:
    html = built_docs.html("reference/settings")
    tables = reference_parts.settings_tables()

    for table, keys in tables.items():
        assert keys
        if table:
            assert f"[{table}]" in built_docs.text("reference/settings"), table
        for key in keys:
            assert f'<span class="pre">{key.name}</span>' in html, f"{table}.{key.name}"
            assert key.text


def test_every_exit_code_and_slug_is_described(built_docs: Site) -> None:
    html = built_docs.html("reference/exit-codes")

    for error in reference_parts.error_classes():
        assert f'id="slug-{error.slug}"' in html, error.slug
        assert error.slug == "interrupted" or f"<p>{error.exit_code}</p>" in html, error.exit_code


def test_every_event_and_every_key_of_one_is_described(built_docs: Site) -> None:
    text = built_docs.text("reference/events")

    for name in EventName:
        assert name.value in text
        for key in EVENTS[name.value][2]:
            assert key in text


def test_every_metric_is_described(built_docs: Site) -> None:
    text = built_docs.text("reference/metrics")

    for name, (labels, _) in METRICS.items():
        assert name in text
        assert all(label in text for label in labels)


def test_every_state_is_described(built_docs: Site) -> None:
    text = built_docs.text("reference/glossary")

    for state in State:
        assert state.value in text


def test_every_slug_of_a_warning_is_described(built_docs: Site) -> None:
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr="warn") | ast.Name(id="warn"),
                    args=[ast.Constant(value=str(slug)), *_],
                ):
                    found.add(slug)
                case ast.Call(func=ast.Name(id="warn_once"), args=[_, ast.Constant(value=str(slug)), *_]):
                    found.add(slug)
                case ast.Dict(
                    keys=[ast.Constant(value="slug"), *_], values=[ast.Constant(value=str(slug)), *_]
                ):
                    found.add(slug)
                case ast.Call(func=ast.Name(id="OperationWarning"), args=[ast.Constant(value=str(slug)), *_]):
                    found.add(slug)
                case ast.Tuple(elts=[ast.Constant(value=str(slug)), _]) if slug.endswith("-dependency"):
                    found.add(slug)
    found -= {"bug"}  # the slug of an error

    assert found <= set(WARNINGS)
    assert set(WARNINGS) - found <= {"held", "not-trusted", "unmet-dependency", "conflicting-dependency"}
    assert all(slug in built_docs.text("reference/json") for slug in found)


def test_every_variable_of_the_environment_is_described(built_docs: Site) -> None:
    text = built_docs.text("reference/environment")

    for path in PACKAGE.rglob("*.py"):
        for name in re.findall(r"\bVENVSHIP_[A-Z_]+\b", path.read_text()):
            assert name in text, f"{name} in {path}"


def test_every_method_of_the_api_and_every_result_is_described(built_docs: Site) -> None:
    html = built_docs.html("reference/python")

    for name in reference_parts.root_methods():
        assert f'id="python-{name.replace("_", "-")}"' in html, name
    for result in reference_parts.result_classes().values():
        assert result.__name__ in html


def test_nothing_is_loaded_from_elsewhere(built_docs: Site) -> None:
    for page in built_docs.path.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']([^\"']+)", text)
        loaded += re.findall(r"<link\b[^>]*\bhref=[\"']([^\"']+)", text)
        assert not [url for url in loaded if re.match(r"(https?:)?//", url)], page
    for sheet in built_docs.path.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", sheet.read_text(encoding="utf-8"))


@pytest.mark.parametrize("word", ["coming soon", "TODO", "doctor", "venvship update", "sbom"])
def test_only_what_there_is_is_documented(built_docs: Site, word: str) -> None:
    if word.removeprefix("venvship ") in command_parts.command_tree():
        pytest.skip("there is such a command now")
    pages = [p for p in built_docs.path.rglob("*.html") if "adr" not in p.parts]

    assert not [page.name for page in pages if word in page.read_text(encoding="utf-8")]


def test_every_page_with_code_has_copy_buttons(built_docs: Site) -> None:
    for page in ("index", "how-to/rollback", "reference/commands/status"):
        assert "copybutton.js" in built_docs.html(page), page


def test_only_what_is_to_be_typed_looks_like_a_command(built_docs: Site) -> None:
    html = built_docs.html("how-to/schedule")
    assert '<span class="gp">$ </span>venvship' in html
    assert '<span class="go"># venvship: shop</span>' in html

    prompts = re.findall(r'<span class="gp[^"]*">([^<]*)</span>', html + built_docs.html("how-to/updates"))
    assert set(prompts) == {"$ "}, "a comment or an exit status of the output is taken for a prompt"


def luminance(colour: str) -> float:
    """The relative luminance of WCAG 2.2, of `#rgb` or `#rrggbb`."""
    digits = colour if len(colour) == 7 else "#" + "".join(digit * 2 for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_colours_of_code_can_be_read(built_docs: Site) -> None:
    sheet = (built_docs.path / "_static" / "pygments.css").read_text(encoding="utf-8")
    paper = ""
    counted = 0
    for line in sheet.splitlines():
        if ground := re.search(r"\.highlight \{ background: (#\w+)", line):
            paper = ground[1]
        token = re.search(r"\.highlight \.\w+ \{ color: (#\w+)", line)
        if token and "background" not in line.partition("{")[2]:
            light, dark = sorted((luminance(token[1]), luminance(paper)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, f"{line} on {paper}: below level AA of WCAG"
            counted += 1
    assert counted > 50


def test_decision_records_are_the_end_of_the_menu_and_closed(built_docs: Site) -> None:
    menu = built_docs.html("index").partition('class="sidebar-tree"')[2].partition("</article>")[0]
    entries = re.findall(r'<li class="(toctree-l1[^"]*)"><a [^>]*href="([^"]+)"', menu)

    assert entries[-1] == ("toctree-l1 has-children", "adr/README.html")


def test_the_repository_is_linked_where_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "index.md").write_text("# One page\n")
    here = "https://forge.example.org/venvship"
    pages = []
    for repository, source in ((here, f"{here}/view/main/docs/{{filename}}"), ("", "")):
        out = tmp_path / f"out-{len(pages)}"
        variables = {"VENVSHIP_DOCS_REPOSITORY": repository, "VENVSHIP_DOCS_SOURCE": source}
        options = ("-q", "-W", "-c", str(DOCS), "-b", "html")
        subprocess.run(
            [sys.executable, "-m", "sphinx", *options, str(tmp_path), str(out)],
            env={**os.environ, **variables},
            check=True,
        )
        pages.append((out / "index.html").read_text())

    assert f'href="{here}"' in pages[0]
    assert f'href="{here}/view/main/docs/index.md"' in pages[0]
    assert "forge.example.org" not in pages[1]
