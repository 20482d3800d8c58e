"""The settings that are proposed: active only what the checkout shows to apply, the rest with its reason."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from tests.model.survey.checkouts import DJANGO, files
from venvship.model.survey.proposal import Proposal, propose
from venvship.model.survey.survey import survey
from venvship.model.survey.writing import settings_text

PYTHON = {"path": "/usr/bin/python3.12", "reason": "requires-python is >=3.12"}
FASTAPI = {
    "pyproject.toml": '[project]\nname = "api"\ndependencies = ["fastapi", "uvicorn"]\n'
    "[build-system]\nrequires = []\n",
    "src/api/main.py": "app = FastAPI()\n",
    "uv.lock": "",
}


def proposed(texts: dict[str, str], env_file: str = "") -> Proposal:
    """The proposal for a checkout of these files."""
    found = survey(files(texts))
    return propose(found, name="shop", checkout="/src/shop", python=PYTHON, env_file=env_file)


def written(proposal: Proposal) -> dict[str, Any]:
    """The settings as they are parsed from what would be written."""
    return tomllib.loads(settings_text(proposal, "/src/shop"))


def test_a_django_project_without_packaging_gets_all_that_it_shows() -> None:
    proposal = proposed(DJANGO)
    tables = {
        table: {one.key: one.value for one in keys if one.active}
        for table, keys in proposal.tables.items()
        if table != "service"
    }
    assert tables == {
        "": {"name": "shop", "python": "/usr/bin/python3.12"},
        "project": {"path": "/src/shop", "build": "tree", "shared": ["db.sqlite3", "media"]},
        "lock": {"inputs": ["/src/shop/requirements.txt"]},
        "env": {"DJANGO_SETTINGS_MODULE": "shop.settings"},
        "hooks": {
            "prepare": ["{bin}/django-admin", "migrate", "--noinput"],
            "generate": ["{bin}/django-admin", "collectstatic", "--noinput"],
        },
    }
    assert written(proposal)["check"] == [
        {"name": "imports", "when": "candidate", "import": ["shop.wsgi"], "timeout": 60},
        {"name": "django", "when": "candidate", "command": ["{bin}/django-admin", "check"], "timeout": 60},
    ]


def test_a_module_below_src_has_no_src_in_its_name_beside_a_manage_py_at_the_top() -> None:
    moved = {(name if name == "manage.py" else f"src/{name}"): text for name, text in DJANGO.items()}
    moved["pyproject.toml"] = '[project]\nname = "shop"\n[build-system]\nrequires = []\n'
    assert written(proposed(moved))["check"][0]["import"] == ["shop.wsgi"]


def test_what_would_be_lost_with_a_release_is_said_where_it_cannot_be_shared() -> None:
    packaged = {**DJANGO, "pyproject.toml": '[project]\nname = "shop"\n[build-system]\nrequires = []\n'}
    proposal = proposed(packaged)
    assert "shared" not in {one.key for one in proposal.tables["project"]}
    said = " ".join(proposal.left_out)
    assert "the database is db.sqlite3, which would be in a release" in said
    assert "MEDIA_ROOT is media, which would be in a release" in said


@pytest.mark.parametrize(
    ("old", "new", "hook", "reason"),
    [
        ("DATABASES", "OTHER", "prepare", "No DATABASES in shop/settings.py"),
        ("STATIC_ROOT", "OTHER", "generate", "No STATIC_ROOT in shop/settings.py"),
        (
            "VENVSHIP_GENERATED",
            "STATIC",
            "generate",
            "STATIC_ROOT in shop/settings.py has to be in the release",
        ),
    ],
)
def test_a_hook_that_does_not_apply_is_a_comment_with_its_reason(
    old: str, new: str, hook: str, reason: str
) -> None:
    proposal = proposed({**DJANGO, "shop/settings.py": DJANGO["shop/settings.py"].replace(old, new)})
    text = settings_text(proposal, "/src/shop")
    assert hook not in written(proposal).get("hooks", {})
    above, _, _ = text.partition(f"#{hook} = ")
    assert reason in above.rpartition("]\n")[2].replace("\n# ", " ")


@pytest.mark.parametrize(
    ("place", "active"),
    [
        ('os.path.join(sys.prefix, "generated")', True),
        ('Path(sys.prefix) / "generated" / "static"', True),
        ('f"{sys.prefix}/generated"', True),
        ('os.environ.get("STATIC_ROOT", os.path.join(sys.prefix, "generated"))', True),
        ('os.path.join(sys.prefix, "static")', False),
        ('os.path.join(sys.prefix, "generated", "..", "static")', False),
        ('BASE_DIR / "generated"', False),
    ],
)
def test_static_files_are_collected_where_they_go_into_the_release(place: str, active: bool) -> None:
    before, _, after = DJANGO["shop/settings.py"].partition("STATIC_ROOT = ")
    settings = f"import sys\n{before}STATIC_ROOT = {place}\n{after.partition(chr(10))[2]}"
    proposal = proposed({**DJANGO, "shop/settings.py": settings})
    assert ("generate" in written(proposal)["hooks"]) == active
    assert ("static files are collected into each release" in proposal.found) == active


def test_without_static_files_there_is_no_word_of_them() -> None:
    settings = DJANGO["shop/settings.py"].replace("django.contrib.staticfiles", "shop")
    assert "static" not in settings_text(proposed({**DJANGO, "shop/settings.py": settings}), "/src/shop")


def test_settings_that_cannot_be_imported_without_variables_make_hooks_and_checks_comments() -> None:
    settings = DJANGO["shop/settings.py"] + 'TOKEN = os.environ["SHOP_TOKEN"]\n'
    proposal = proposed({**DJANGO, "shop/settings.py": settings})
    assert not {"hooks", "check"} & written(proposal).keys()
    assert any("SHOP_TOKEN" in line for line in proposal.left_out)
    with_file = proposed({**DJANGO, "shop/settings.py": settings}, env_file="/src/shop/.env")
    assert len(written(with_file)["check"]) == 2


def test_an_application_of_another_framework_is_imported_and_named() -> None:
    proposal = proposed(FASTAPI)
    assert written(proposal)["check"] == [
        {"name": "imports", "when": "candidate", "import": ["api.main"], "timeout": 60}
    ]
    assert proposal.title == "the FastAPI application api"
    [service] = [line for line in proposal.left_out if "api.main:app, with uvicorn" in line]
    assert "`venvship service systemd` prints" in service
    text = settings_text(proposal, "/src/shop").splitlines()
    begin = text.index("#[service]")
    assert [line for line in text[begin:] if line.startswith(("#start", "#stop", "#health"))] == [
        '#start = ["/usr/bin/systemctl", "start", "shop@{slot}.service"]',
        '#stop = ["/usr/bin/systemctl", "stop", "shop@{slot}.service"]',
        '#health = "/healthz"',
    ]


def test_members_are_a_persons_choice() -> None:
    texts = {"pyproject.toml": '[tool.uv.workspace]\nmembers = ["a", "b"]\n'}
    texts |= {f"{name}/pyproject.toml": f'[project]\nname = "{name}-app"\n' for name in "ab"}
    assert survey(files(texts)).project is None
    for member in ("b", "b/", "b-app"):
        chosen = survey(files(texts), member).project
        assert chosen is not None
        assert chosen.folder == "b"
    with pytest.raises(ValueError, match="no member c there; the members are a-app, b-app"):
        survey(files(texts), "c")


@pytest.mark.parametrize(
    ("text", "version"),
    [("3.12\n", "3.12"), ("3.12.4", "3.12"), ("cpython-3.13\n", "3.13"), ("pypy3.10", "")],
)
def test_python_version_is_read(text: str, version: str) -> None:
    assert survey(files({**DJANGO, ".python-version": text})).python == version


def test_every_text_is_written_so_that_it_parses_to_itself() -> None:
    odd = 'sh"op\\\n# [x] \u2028 é'
    proposal = propose(survey(files(DJANGO)), name=odd, checkout="/src/a b'c\"", python=PYTHON)
    assert written(proposal)["name"] == odd


@pytest.mark.parametrize("backend", ["hatchling.build", "flit_core.buildapi", "uv_build"])
@pytest.mark.parametrize(
    ("name", "table", "build"),
    [
        ("till", "", "tree"),
        ("Shop", "", "wheel"),
        (
            "till",
            "[tool.hatch.build]\nx = 1\n[tool.flit.module]\nx = 1\n[tool.uv.build-backend]\nx = 1\n",
            "wheel",
        ),
    ],
    ids=["another-name", "its-name", "configured"],
)
def test_a_wheel_that_would_lack_the_settings_of_django_is_not_proposed(
    backend: str, name: str, table: str, build: str
) -> None:
    """These backends pack the package of the project's name, and the settings may lie beside it."""
    packaged = (
        f'[project]\nname = "{name}"\n[build-system]\nrequires = []\nbuild-backend = "{backend}"\n{table}'
    )
    proposal = proposed({**DJANGO, "pyproject.toml": packaged})
    assert written(proposal)["project"].get("build", "wheel") == build
    assert any("packs till alone, and not shop" in line for line in proposal.found) == (build == "tree")
