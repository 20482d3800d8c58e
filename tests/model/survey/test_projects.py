"""Which projects a checkout has, how each gets into a release, and what pins its dependencies."""

from __future__ import annotations

import pytest

from tests.model.survey.checkouts import files
from venvship.model.survey.applications import Application, find_applications
from venvship.model.survey.projects import Lock, Project, Script, find_lock, find_projects

BACKEND = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
NAMED = '[project]\nname = "Shop_App"\nversion = "1"\n'


def only(texts: dict[str, str]) -> Project:
    """The one project of a checkout."""
    (project,) = find_projects(files(texts))
    return project


@pytest.mark.parametrize(
    ("texts", "build"),
    [
        ({"pyproject.toml": NAMED + BACKEND}, "wheel"),
        ({"pyproject.toml": NAMED}, "tree"),
        ({"pyproject.toml": NAMED + "[tool.uv]\npackage = true\n"}, "wheel"),
        ({"pyproject.toml": NAMED + "[tool.uv]\npackage = false\n" + BACKEND}, "tree"),
        ({"pyproject.toml": '[tool.poetry]\nname = "shop"\npackage-mode = false\n' + BACKEND}, "tree"),
        ({"pyproject.toml": "[tool.ruff]\n", "setup.py": ""}, "wheel"),
        ({"setup.cfg": "[metadata]\nname = shop\n"}, "wheel"),
        ({"setup.cfg": "[flake8]\nmax-line-length = 100\n", "app.py": ""}, "tree"),
        ({"pyproject.toml": "[tool.ruff]\n", "manage.py": ""}, "tree"),
        ({"pyproject.toml": "[tool.ruff\n"}, "tree"),
    ],
)
def test_a_project_becomes_a_wheel_where_something_can_build_one(texts: dict[str, str], build: str) -> None:
    project = only(texts)
    assert project.build == build
    assert project.reason


def test_what_pyproject_says_is_read() -> None:
    text = NAMED + 'requires-python = ">=3.12"\ndependencies = ["Flask>=3", "gunicorn"]\n' + BACKEND
    project = only({"pyproject.toml": text + '[project.scripts]\nshop = "shop.cli:main"\n'})
    assert project.name == "shop-app"
    assert project.requires_python == ">=3.12"
    assert project.dependencies == ("flask", "gunicorn")
    assert project.scripts == (Script("shop", "shop.cli"),)


@pytest.mark.parametrize(
    ("constraint", "specifier"),
    [
        ("^3.11", ">=3.11,<4"),
        ("~3.11", ">=3.11,<3.12"),
        ("~3", ">=3,<4"),
        (">=3.11,<3.14", ">=3.11,<3.14"),
        ("~=3.11", "~=3.11"),
        ("*", ""),
        ("^3.11 || ^3.13", ""),
    ],
)
def test_a_constraint_of_poetry_is_read_as_a_specifier(constraint: str, specifier: str) -> None:
    text = f'[tool.poetry]\nname = "shop"\n[tool.poetry.dependencies]\npython = "{constraint}"\nflask = "*"\n'
    project = only({"pyproject.toml": text + BACKEND})
    assert (project.requires_python, project.dependencies) == (specifier, ("flask",))


def test_a_workspace_has_its_members() -> None:
    top = '[tool.uv.workspace]\nmembers = ["packages/*", "app"]\nexclude = ["packages/old"]\n'
    texts = {"pyproject.toml": top}
    for folder in ("packages/a", "packages/old", "packages/a/deeper", "app", "elsewhere"):
        texts[f"{folder}/pyproject.toml"] = f'[project]\nname = "{folder.replace("/", "-")}"\n'
    assert [one.folder for one in find_projects(files(texts))] == ["app", "packages/a"]
    texts["pyproject.toml"] += NAMED
    assert [one.folder for one in find_projects(files(texts))] == ["", "app", "packages/a"]


def test_one_project_in_a_folder_is_the_project() -> None:
    assert only({"README": "", "backend/pyproject.toml": NAMED}).folder == "backend"


@pytest.mark.parametrize(
    ("texts", "lock"),
    [
        ({"uv.lock": "", "requirements.txt": "x --hash=sha256:0"}, Lock("uv.lock")),
        ({"poetry.lock": ""}, Lock("poetry.lock")),
        ({"requirements.txt": "x==1 --hash=sha256:0\n"}, Lock("requirements.txt")),
        ({"requirements.txt": "x\n"}, Lock("", ("requirements.txt",))),
        (
            {
                "requirements.txt": "-r deep/main.txt\n",
                "deep/main.txt": "-r ../x.txt\n",
                "x.txt": "x --hash=sha256:0",
            },
            Lock("requirements.txt"),
        ),
        ({"requirements.txt": "-r requirements.txt\n-r gone.txt\n"}, Lock("", ("requirements.txt",))),
        ({"requirements.txt": "x==1\n", "requirements.in": "x\n"}, Lock("", ("requirements.in",))),
        ({"requirements/production.txt": "x\n"}, Lock("", ("requirements/production.txt",))),
        ({"pyproject.toml": NAMED + 'dependencies = ["x"]\n'}, Lock("", ("pyproject.toml",))),
        ({"pyproject.toml": NAMED}, Lock()),
    ],
)
def test_the_lock_is_what_pins_by_hash_else_what_could_be_locked(texts: dict[str, str], lock: Lock) -> None:
    checkout = files(texts)
    assert find_lock(checkout, find_projects(checkout)[0]) == lock


def test_a_list_that_a_list_of_requirements_includes_counts() -> None:
    checkout = files(
        {"requirements.txt": "--requirement=deep/main.txt # all\n", "deep/main.txt": "Flask==3\n"}
    )
    assert find_projects(checkout)[0].dependencies == ("flask",)


def test_a_member_has_the_lock_of_its_workspace() -> None:
    checkout = files({"uv.lock": "", "app/pyproject.toml": NAMED})
    assert find_lock(checkout, find_projects(checkout)[0]) == Lock("uv.lock")


def test_application_objects_and_factories_are_found_in_code_that_is_not_a_test() -> None:
    checkout = files(
        {
            "src/shop/main.py": "from fastapi import FastAPI\napp = FastAPI()\n",
            "src/shop/__init__.py": "import fastapi\ndef create_app():\n    return fastapi.FastAPI()\n",
            "tests/test_app.py": "from fastapi import FastAPI\nother = FastAPI()\n",
            "src/shop/broken.py": "app = FastAPI(\n",
        }
    )
    found = find_applications(checkout, "", {"fastapi"})
    assert found == (
        Application("shop.main", "app", "FastAPI"),
        Application("shop", "create_app", "FastAPI", factory=True),
    )
    assert [one.target for one in found] == ["shop.main:app", "shop:create_app()"]
    assert find_applications(checkout, "", {"flask"}) == ()
