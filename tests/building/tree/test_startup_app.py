"""The project's files in `app/` are importable in every process of a release, and of one release only."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.startup_roots import MINORS, Root, interpreters

TELL = """
import json, os, shop, late, shop.late, sys
WHO = {name!r}
print(json.dumps([WHO, shop.WHO, shop.late.WHO, late.WHO, sys.argv[1:]]))
"""


def with_project(path: Path, python: str, *, app: bool = True) -> Root:
    """Releases A and B with a project in `app/`, whose script tells which one each module is of."""
    root = Root(path, python, app=app)
    for name in ("A", "B"):
        folder = root.release(name) / "app"
        (folder / "shop").mkdir(parents=True)
        for file in ("shop/__init__.py", "shop/late.py"):
            (folder / file).write_text(f"WHO = {name!r}\n")
        script = folder / "manage.py"
        script.write_text(f"#!{root.release(name)}/bin/python\n{TELL.format(name=name)}")
        script.chmod(0o755)
        (folder / "tool.py").write_text(TELL.format(name=name))
    return root


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return with_project(tmp_path / "root", interpreters()["own"])


@pytest.fixture(params=["own", "system", *MINORS])
def any_root(tmp_path: Path, request: pytest.FixtureRequest) -> Root:
    """`root`, once for each interpreter there is."""
    if request.param not in interpreters():
        pytest.skip(f"no {request.param} here, or the same as another")
    return with_project(tmp_path / "root", interpreters()[request.param])


def switching(root: Root, tmp_path: Path) -> dict[str, str]:
    """An environment in which `current` is switched to B once `site` is done, before the script is opened."""
    folder = tmp_path / "custom"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(root.switch() + "\n")
    return {"PYTHONPATH": str(folder)}


def told(name: str, *arguments: str) -> str:
    quoted = ", ".join(f'"{one}"' for one in (name,) * 4)
    return f"[{quoted}, [{', '.join(f'{one!r}' for one in arguments)}]]\n".replace("'", '"')


# -- importable ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("started", ["current", "releases/A"])
@pytest.mark.parametrize("options", [(), ("-I",), ("-E", "-s"), ("-P",), ("-O",)])
def test_every_process_can_import_the_project(root: Root, started: str, options: tuple[str, ...]) -> None:
    code = "import shop, sys; answer = [shop.__file__, sys.path]"
    file, path = root.ask(code, *options, program=root.path / started / "bin" / "python")
    app = str(root.release("A") / "app")
    assert file == f"{app}/shop/__init__.py"
    assert path.count(app) == 1


def test_every_interpreter_can(any_root: Root) -> None:
    app = str(any_root.release("A") / "app")
    code = "import shop.late, sys; answer = [shop.late.WHO, sys.path]"
    assert any_root.ask(code)[0] == "A"
    for program in (any_root.current, any_root.release("A")):
        path = any_root.ask(code, program=program / "bin" / "python")[1]
        packages = str(any_root.release("A") / any_root.site_packages)
        # Before the packages, behind the standard library, as the documentation has it.
        assert path.index(app) == path.index(packages) - 1


def test_a_module_of_the_project_wins_over_a_package_and_not_over_the_standard_library(root: Root) -> None:
    for name in ("pkg", "statistics"):
        (root.release("A") / "app" / f"{name}.py").write_text("")
    app = f"{root.release('A')}/app"
    code = "import pkg, statistics; answer = [pkg.__file__, statistics.__file__]"
    pkg, statistics = root.ask(code)
    assert pkg == f"{app}/pkg.py"
    assert not statistics.startswith(str(root.path))


def test_a_release_without_a_project_has_no_such_folder_in_its_path(tmp_path: Path) -> None:
    # A wheel may bring a folder of that name as data.
    root = with_project(tmp_path / "root", interpreters()["own"], app=False)
    assert f"{root.release('A')}/app" not in root.ask("import sys; answer = sys.path")


@pytest.mark.parametrize("how", ["shebang", "through the link"])
def test_scripts_of_bin_can_import_it(root: Root, how: str) -> None:
    for name in ("A", "B"):
        script = root.release(name) / "bin" / "tell"
        script.write_text(f"#!{root.release(name)}/bin/python\n{TELL.format(name=name)}")
        script.chmod(0o755)
    script = root.current / "bin" / "tell"
    assert (root.run(program=script) if how == "shebang" else root.run(script)) == told("A")


# -- of one release --------------------------------------------------------------------------------------

WAYS = ["{}/current/app/manage.py", "current/app/manage.py", "./current/../current/app/manage.py"]


@pytest.mark.parametrize("way", [*WAYS, "{}/other/current/app/manage.py", "{}/alias.py"])
@pytest.mark.parametrize("started", ["current", "releases/A"])
def test_a_switch_before_a_script_is_opened_does_not_mix_releases(
    root: Root, tmp_path: Path, way: str, started: str
) -> None:
    (root.path / "other").symlink_to(root.path)
    (root.path / "alias.py").symlink_to("current/app/manage.py")
    python = root.path / started / "bin" / "python"
    output = root.run(
        way.format(root.path), "--all", "x y", program=python, cwd=root.path, env=switching(root, tmp_path)
    )
    assert os.readlink(root.current) == "releases/B"
    assert output == told("A", "--all", "x y")


def test_no_interpreter_mixes_them(any_root: Root, tmp_path: Path) -> None:
    output = any_root.run(any_root.current / "app" / "manage.py", env=switching(any_root, tmp_path))
    assert os.readlink(any_root.current) == "releases/B"
    assert output == told("A")
    assert any_root.run(any_root.current / "app" / "manage.py") == told("B")


def test_a_script_that_is_executed_stays_on_the_release_of_its_first_line(root: Root, tmp_path: Path) -> None:
    env = switching(root, tmp_path)
    assert root.run("a", program=root.current / "app" / "manage.py", env=env) == told("A", "a")
    assert os.readlink(root.current) == "releases/B"


def test_a_switch_while_pth_files_are_read_does_not_mix_them(root: Root) -> None:
    root.write("A", {"middle.pth": root.switch_once()})
    assert root.run(root.current / "app" / "manage.py") == told("A")
    assert os.readlink(root.current) == "releases/B"


def test_a_switch_before_our_first_file_is_read_moves_the_script_on(root: Root) -> None:
    root.write("A", {" early.pth": root.switch_once()})
    assert root.run(root.current / "app" / "manage.py") == told("B")


def test_options_standard_input_and_the_process_stay(root: Root) -> None:
    (root.release("A") / "app" / "look.py").write_text(
        "import os, sys, json\n"
        "print(json.dumps([sys.flags.optimize, sys.flags.utf8_mode, sys.warnoptions, os.getpid(), sys.argv, "
        "sys.stdin.read(), os.environ['X'], os.read(int(sys.argv[1]), 9).decode()]))\n"
    )
    read, write = os.pipe()
    os.write(write, b"passed on")
    options = ["-O", "-X", "utf8", "-W", "error"]
    with subprocess.Popen(
        [root.current / "bin" / "python", *options, "current/app/look.py", str(read)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=root.path,
        env={"X": "kept"},
        pass_fds=[read],
    ) as process:
        output, _ = process.communicate("typed", timeout=60)
    os.close(read)
    os.close(write)
    script = f"{root.release('A')}/app/look.py"
    expected = f'[1, 1, ["error"], {process.pid}, ["{script}", "{read}"], "typed", "kept", "passed on"]\n'
    assert output == expected


def test_a_script_of_the_working_directory_runs_with_the_interpreter_of_its_release(root: Root) -> None:
    # A shell that stands in current/app stands in the release that it entered, whatever is live by now.
    root.run("-c", root.switch())
    assert root.run("manage.py", cwd=root.release("A") / "app") == told("A")
    assert root.run(root.release("A") / "app" / "manage.py") == told("A")
    assert root.run("manage.py", cwd=root.release("B") / "app") == told("B")


def test_modules_of_the_working_directory_are_of_the_release_of_the_interpreter(root: Root) -> None:
    root.run("-c", root.switch())
    assert root.run("-m", "tool", cwd=root.release("A") / "app") == told("B")
    code = "import os, sys; sys.path.insert(0, os.getcwd()); import shop.late; answer = shop.late.WHO"
    assert root.ask(code, cwd=root.release("A") / "app") == "B"
    (root.release("A") / "app" / "only_a.py").write_text("")
    code = "import importlib.util; answer = importlib.util.find_spec('only_a') is None"
    assert root.ask(code, cwd=root.release("A") / "app")


def test_the_directory_of_a_script_of_bin_is_of_the_release_of_the_interpreter(
    root: Root, tmp_path: Path
) -> None:
    for name in ("A", "B"):
        (root.release(name) / "bin" / "beside.py").write_text(f"WHO = {name!r}\n")
        script = root.release(name) / "bin" / "tool"
        script.write_text("import beside\nprint(beside.WHO)\n")
    assert root.run(root.current / "bin" / "tool", env=switching(root, tmp_path)) == "A\n"
    assert os.readlink(root.current) == "releases/B"


def test_a_folder_that_a_release_does_not_have_is_not_another_ones(tmp_path: Path) -> None:
    root = with_project(tmp_path / "root", interpreters()["own"])
    (root.release("B") / "app").rename(tmp_path / "elsewhere")
    root.run("-c", root.switch())
    code = "import importlib.util; answer = importlib.util.find_spec('shop') is None"
    assert root.ask(code, cwd=root.release("A") / "app")


def test_a_subinterpreter_imports_the_project_of_its_process(any_root: Root) -> None:
    names = "try:\n import _interpreters as i\nexcept ImportError:\n import _xxsubinterpreters as i\n"
    inner = "import shop.late, os; os.write(1, shop.late.WHO.encode())"
    output = any_root.run("-c", f"{names}{any_root.switch()}\ni.run_string(i.create(), {inner!r})")
    assert output == "A"


def test_a_program_that_calls_site_late_is_not_begun_again(root: Root) -> None:
    (root.release("A") / "app" / "late_site.py").write_text(
        "print('once', flush=True)\nimport site; site.main()\n"
    )
    assert root.run("-S", "current/app/late_site.py", cwd=root.path) == "once\n"


def test_scripts_outside_of_releases_are_read_where_they_are(root: Root, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import sys, shop; print(shop.WHO, sys.argv[0])")
    (tmp_path / "current").mkdir()
    other = tmp_path / "current" / "script.py"
    other.write_text(script.read_text())
    assert root.run(script) == f"A {script}\n"
    assert root.run(other) == f"A {other}\n"
