"""A Python process stays on the release it started from, and tells that it runs from there."""

from __future__ import annotations

import ast
import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import waiting
from tests.support.releases import LINUX
from tests.support.startup_roots import MINORS, Root, interpreters, version_of
from venvship.building.store.members import STARTUP_PATTERN
from venvship.building.tree.startup import (
    FIRST_NAME,
    LAST_NAME,
    STARTUP_NAMES,
    sorted_outside,
    startup_files,
)
from venvship.building.tree.startup_bytecode import startup_bytecode
from venvship.errors import InterpreterError
from venvship.system.signals import Signals

PLACES = """
import site, sys, sysconfig
answer = {
    "prefix": sys.prefix, "exec_prefix": sys.exec_prefix, "executable": sys.executable, "path": sys.path,
    "PREFIXES": site.PREFIXES, "user": site.ENABLE_USER_SITE, "paths": sysconfig.get_paths(),
    "variables": [sysconfig.get_config_var(name) for name in ("prefix", "exec_prefix", "base", "platbase")],
    "cache": sorted(path for path in sys.path_importer_cache if "late" not in path),
    "modules": [
        [getattr(m, "__file__", None), list(getattr(m, "__path__", [])), str(getattr(m, "__spec__", None))]
        for m in list(sys.modules.values())
    ],
}
"""
COUNT_LEASES = """
answer["leases"] = sum("/leases/" in os.path.realpath(f"/proc/self/fd/{n}") for n in range(100))
"""
LATE = """
import late, pkg, pkg.late, importlib.resources, importlib.metadata
answer["late"] = [
    late.WHO, pkg.late.WHO, importlib.resources.files("pkg").joinpath("who.txt").read_text(),
    importlib.metadata.version("thing")[-1].upper(),
]
answer["files"] = [late.__file__, pkg.__file__, pkg.late.__spec__.origin, *pkg.__path__]
"""


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path / "root", interpreters()["own"])


@pytest.fixture(params=["own", "system", *MINORS])
def any_root(tmp_path: Path, request: pytest.FixtureRequest) -> Root:
    """`root`, once for each interpreter there is."""
    if request.param not in interpreters():
        pytest.skip(f"no {request.param} here, or the same as another")
    return Root(tmp_path / "root", interpreters()[request.param])


def assert_all_of(root: Root, name: str, answer: dict[str, Any]) -> None:
    """Every path that a process told us is of one release, and none goes through the link."""
    other = {"A": "B", "B": "A"}[name]
    text = json.dumps(answer, ensure_ascii=False)
    assert str(root.current) not in text
    assert f"{root.release(other)}/" not in text
    assert answer["prefix"] == answer["exec_prefix"] == str(root.release(name))
    assert os.path.dirname(answer["executable"]) == f"{root.release(name)}/bin"
    assert answer["PREFIXES"] == [str(root.release(name))]
    assert len(set(answer["path"])) == len(answer["path"])
    assert answer["late"] == [name] * 4
    assert all(file.startswith(f"{root.release(name)}/{root.site_packages}/") for file in answer["files"])


# -- staying on one release ------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("-I",), ("-E", "-s"), ("-O",), ("-X", "frozen_modules=off")])
def test_what_is_imported_after_a_switch_comes_from_the_release_the_process_started_on(
    root: Root, options: Sequence[str]
) -> None:
    answer = root.ask(f"{root.switch()}\n{PLACES}{LATE}", *options)
    assert_all_of(root, "A", answer)


def test_every_interpreter_stays(any_root: Root) -> None:
    answer = any_root.ask(f"{any_root.switch()}\n{PLACES}{LATE}")
    assert_all_of(any_root, "A", answer)
    again = any_root.ask(PLACES + LATE)
    assert_all_of(any_root, "B", again)


def test_other_pth_files_change_nothing_of_that(any_root: Root) -> None:
    root = any_root
    namespace = (
        "import sys, types, os; p = os.path.join(sys._getframe(1).f_locals['sitedir'], 'space'); "
        "m = sys.modules.setdefault('space', types.ModuleType('space')); "
        "m.__dict__.setdefault('__path__', []).append(p)\n"
    )
    for name in ("A", "B"):
        root.write(
            name,
            {
                "added.pth": "added\n",
                "added/deep.py": f"WHO = {name!r}\n",
                "early.pth": "import early\n",
                "early/__init__.py": "",
                "early/deep.py": f"WHO = {name!r}\n",
                "space-nspkg.pth": namespace,
                "space/deep.py": f"WHO = {name!r}\n",
            },
        )
    code = f"{root.switch()}\n{PLACES}{LATE}import deep, early.deep, space.deep\n"
    code += "answer['deep'] = [deep.WHO, early.deep.WHO, space.deep.WHO]"
    answer = root.ask(code)
    assert answer["deep"] == ["A"] * 3
    assert_all_of(root, "A", answer)
    # The same places, in the same order, as where no link is involved.
    real = root.ask(PLACES, program=root.release("A") / "bin" / "python")
    assert answer["path"] == real["path"]


def test_a_switch_while_the_pth_files_are_read_does_not_mix_them(any_root: Root) -> None:
    root = any_root
    root.write("A", {"middle.pth": root.switch_once()})
    for name in ("A", "B"):
        root.write(
            name, {"z.pth": f"import sys; sys.seen = [*getattr(sys, 'seen', []), {name!r}]\nz_{name}\n"}
        )
        root.write(name, {f"z_{name}/deep.py": f"WHO = {name!r}\n"})
    answer = root.ask(f"{PLACES}{LATE}import deep; answer['deep'] = deep.WHO; answer['seen'] = sys.seen")
    assert os.readlink(root.current) == "releases/B"
    assert_all_of(root, "A", answer)
    assert set(answer["seen"]) == {"A"}
    assert answer["deep"] == "A"


@pytest.mark.parametrize("line", [1, 2], ids=["before the module is loaded", "before it is called"])
def test_a_switch_after_our_first_file_was_read_comes_too_late(any_root: Root, line: int) -> None:
    root = any_root
    first = root.release("A") / root.site_packages / FIRST_NAME
    lines = first.read_text().splitlines(keepends=True)
    first.write_text("".join([*lines[:line], root.switch_once(), *lines[line:]]))
    # Another venvship may have built B.
    root.write("B", {"_venvship.py": "raise SystemExit('this is the other release')\n"})
    answer = root.ask(PLACES + LATE)
    assert os.readlink(root.current) == "releases/B"
    assert_all_of(root, "A", answer)


def test_paths_through_the_link_that_another_pth_file_spells_out_are_moved(any_root: Root) -> None:
    root = any_root
    for name in ("A", "B"):
        extra = str(root.current / root.site_packages / "extra")
        line = f"import sys; {extra!r} in sys.path or sys.path.append({extra!r})\n"
        root.write(name, {"extra.pth": line, "extra/deep.py": f"WHO = {name!r}\n"})
    answer = root.ask(f"{root.switch()}\n{PLACES}{LATE}import deep; answer['deep'] = deep.WHO")
    assert_all_of(root, "A", answer)
    assert answer["deep"] == "A"


def test_a_switch_before_our_first_file_is_read_moves_the_whole_process_on(any_root: Root) -> None:
    root = any_root
    # No wheel may bring a name that sorts before ours; a test may.
    root.write("A", {" early.pth": root.switch_once()})
    root.write("B", {"only-b.pth": "only_b\n", "only_b/deep.py": "WHO = 'B'\n"})
    answer = root.ask(f"{PLACES}{LATE}import deep; answer['deep'] = deep.WHO")
    assert os.readlink(root.current) == "releases/B"
    assert_all_of(root, "B", answer)
    assert answer["deep"] == "B"


def test_a_switch_between_exec_and_start_up_moves_the_whole_process_on(any_root: Root) -> None:
    # -S keeps `site` from running until the code asks for it: the process was started from A by then.
    code = f"{any_root.switch()}\nimport site; site.main()\n{PLACES}{LATE}"
    answer = any_root.ask(code, "-S")
    assert_all_of(any_root, "B", answer)


def test_a_switch_in_sitecustomize_comes_too_late(root: Root, tmp_path: Path) -> None:
    (tmp_path / "custom").mkdir()
    (tmp_path / "custom" / "sitecustomize.py").write_text(root.switch() + "\n")
    answer = root.ask(PLACES + LATE, env={"PYTHONPATH": str(tmp_path / "custom")})
    assert os.readlink(root.current) == "releases/B"
    assert_all_of(root, "A", answer)


def test_modules_imported_through_the_link_before_start_up_are_moved_too(root: Root) -> None:
    code = (
        "import pkg, sysconfig, multiprocessing.spawn; sysconfig.get_config_vars()\n"
        f"import site; site.main()\n{root.switch()}\n{PLACES}{LATE}"
        "answer['spawn'] = str(multiprocessing.spawn.get_executable())"
    )
    answer = root.ask(code, "-S", env={"PYTHONPATH": str(root.current / root.site_packages)})
    assert_all_of(root, "A", answer)
    assert f"{root.release('A')}/bin/python" in answer["spawn"]


def test_children_stay_too(root: Root, tmp_path: Path) -> None:
    main = tmp_path / "main.py"
    main.write_text(
        "import multiprocessing, subprocess, sys\n"
        "def child(queue):\n"
        "    import late\n"
        "    queue.put([sys.prefix, late.WHO])\n"
        "if __name__ == '__main__':\n"
        f"    {root.switch()}\n"
        "    subprocess.run([sys.executable, '-c', 'import late; print(late.WHO)'], check=True)\n"
        "    context = multiprocessing.get_context('spawn')\n"
        "    queue = context.Queue()\n"
        "    process = context.Process(target=child, args=(queue,))\n"
        "    process.start()\n"
        "    print(queue.get(timeout=30))\n"
        "    process.join()\n"
    )
    assert root.run(main).splitlines() == ["A", str([str(root.release("A")), "A"])]


def test_a_release_that_was_started_by_its_own_path_is_left_as_it_is(any_root: Root, tmp_path: Path) -> None:
    plain = Root(tmp_path / "plain", os.path.realpath(any_root.current / "bin" / "python"), startup=False)
    for options in ((), ("-I",)):
        without = plain.ask(PLACES, *options, program=plain.release("A") / "bin" / "python")
        answer = any_root.ask(PLACES, *options, program=any_root.release("A") / "bin" / "python")
        without["modules"] = answer["modules"] = without["cache"] = answer["cache"] = []
        assert answer == json.loads(json.dumps(without).replace(str(plain.path), str(any_root.path)))


@pytest.mark.parametrize("how", ["shebang", "through the link"])
def test_the_directory_of_the_script_is_that_of_the_release(root: Root, how: str) -> None:
    for name in ("A", "B"):
        (root.release(name) / "bin" / "beside.py").write_text(f"WHO = {name!r}\n")
        script = root.release(name) / "bin" / "tool"
        script.write_text(
            f"#!{root.release(name)}/bin/python\n{root.switch()}\nimport beside\nprint(beside.WHO)\n"
        )
        script.chmod(0o755)
    script = root.current / "bin" / "tool"
    assert (root.run(program=script) if how == "shebang" else root.run(script)) == "A\n"


@pytest.mark.parametrize("started", ["current", "releases/A"])
def test_entries_of_pythonpath_below_the_link_are_of_the_release(root: Root, started: str) -> None:
    for name in ("A", "B"):
        root.write(name, {"extra/deep.py": f"WHO = {name!r}\n"})
    code = f"{root.switch()}\n{PLACES}{LATE}import deep; answer['deep'] = deep.WHO"
    env = {"PYTHONPATH": str(root.current / root.site_packages / "extra")}
    answer = root.ask(code, env=env, program=root.path / started / "bin" / "python")
    assert_all_of(root, "A", answer)
    assert answer["deep"] == "A"


def test_directories_that_a_program_adds_are_of_the_release(root: Root) -> None:
    for name in ("A", "B"):
        root.write(name, {"extra/deep.py": f"WHO = {name!r}\n"})
    extra = str(root.current / root.site_packages / "extra")
    code = f"{root.switch()}\nimport sys; sys.path.insert(0, {extra!r}); import deep; answer = deep.WHO"
    assert root.ask(code) == "A"


@pytest.mark.parametrize(
    "folder", ["with space", 'it\'s "quoted" \\x', "sch\u00f6n", "per%cent {brace} #hash"]
)
def test_any_path_will_do(tmp_path: Path, folder: str) -> None:
    root = Root(tmp_path / folder, interpreters()["own"])
    script = tmp_path / "script.py"  # Python refuses such characters after -c where the locale has none
    script.write_text(
        f"{root.switch()}\nimport sys, late\n"
        "sys.stdout.buffer.write(late.WHO.encode() + os.fsencode(sys.prefix))"
    )
    for env in ({"LC_ALL": "C.UTF-8"}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}):
        assert root.run(script, env=env) == "A" + str(root.release("A"))
        root.current.unlink()
        root.current.symlink_to("releases/A")


@pytest.mark.parametrize(
    "program",
    ["./current/bin/python", "releases/../current/bin/python", "{}/./current/bin/python", "opt/bin/python"],
)
def test_it_does_not_matter_how_the_path_was_typed_or_whether_a_link_leads_to_the_link(
    any_root: Root, program: str
) -> None:
    root = any_root
    (root.path / "opt").symlink_to(root.current)
    answer = root.ask(f"{root.switch()}\n{PLACES}{LATE}", program=program.format(root.path), cwd=root.path)
    # What is in the working directory is another matter.
    answer["cache"] = []
    assert_all_of(root, "A", answer)


def test_start_up_happens_once(root: Root) -> None:
    code = f"{root.switch()}\nimport site; site.main(); site.main()\n{PLACES}{LATE}"
    code += f"import os\n{COUNT_LEASES}"
    code += "\nanswer['hooks'] = sum('_finder' in str(hook) for hook in sys.path_hooks)"
    code += "\nanswer['patched'] = site.addpackage.__module__ + site.addpackage.__name__"
    answer = root.ask(code)
    assert_all_of(root, "A", answer)
    assert answer["leases"] == answer["hooks"] == 1
    assert answer["patched"] == "siteaddpackage"


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="found through /proc")
def test_a_subinterpreter_stays_with_its_process(any_root: Root) -> None:
    script = "import late, sys; print(late.WHO, sys.prefix, flush=True)"
    code = (
        f"{any_root.switch()}\n"
        "try: import _interpreters as i\n"
        "except ImportError: import _xxsubinterpreters as i\n"
        f"answer = i.run_string(i.create(), {script!r})"
    )
    output = any_root.run("-c", code)
    assert output == f"A {any_root.release('A')}\n"


def test_a_lease_that_was_handed_down_says_nothing_about_this_process(root: Root) -> None:
    program = str(root.current / "bin" / "python")
    code = (
        f"import _venvship; {root.switch()}; os.set_inheritable(_venvship.lease, True)\n"
        f"os.execv({program!r}, [{program!r}, '-c', 'import late; print(late.WHO)'])"
    )
    assert root.run("-c", code) == "B\n"


# -- not our business, and things that are broken ---------------------------------------------------------


def test_another_interpreter_may_read_our_site_packages(any_root: Root) -> None:
    for folder in (any_root.release("A"), any_root.current):
        code = (
            "import sys; before = [sys.prefix, sys.executable, len(sys.path_hooks)]\n"
            f"import site, os; site.addsitedir({str(folder / any_root.site_packages)!r})\n"
            "import late\n"
            "leases = sum('/leases/' in os.path.realpath(f'/proc/self/fd/{n}') for n in range(100))\n"
            "answer = [before == [sys.prefix, sys.executable, len(sys.path_hooks)], late.__file__, leases]"
        )
        program = os.path.realpath(any_root.current / "bin" / "python")
        assert any_root.ask(code, "-I", program=program) == [
            True,
            f"{folder}/{any_root.site_packages}/late.py",
            0,
        ]


def test_a_process_of_one_release_may_read_another(root: Root) -> None:
    other = str(root.release("B") / root.site_packages)
    answer = root.ask(
        f"import site; site.addsitedir({other!r})\n{PLACES}{LATE}answer['path'].remove({other!r})"
    )
    answer["cache"] = []
    assert_all_of(root, "A", answer)


def test_a_root_that_was_moved_still_starts_its_programs(root: Root) -> None:
    moved = root.path.rename(root.path.with_name("moved"))
    answer = root.ask(PLACES + LATE, program=moved / "current" / "bin" / "python")
    assert answer["prefix"] == str(moved / "current")
    assert answer["late"] == ["A"] * 4


def test_a_copy_of_a_root_does_not_run_the_code_of_the_original(root: Root) -> None:
    copy = shutil.copytree(root.path, root.path.with_name("copy"), symlinks=True)
    for folder in ("current", "releases/A"):
        answer = root.ask(PLACES + LATE, program=copy / folder / "bin" / "python")
        assert answer["prefix"] == str(copy / folder)
        assert all(file.startswith(str(copy)) for file in answer["files"])
        assert f"{root.path}/" not in json.dumps(answer), "not even the module of its start-up files"


@pytest.mark.parametrize("damage", ["missing module", "garbage", "missing first", "missing last", "raises"])
@pytest.mark.parametrize("folder", ["current", "releases/A"])
def test_a_damaged_release_starts_without_a_word(root: Root, damage: str, folder: str) -> None:
    packages = root.release("A") / root.site_packages
    match damage:
        case "missing module":
            (packages / "_venvship.py").unlink()
        case "garbage":
            (packages / "_venvship.py").write_bytes(b"\xff\x00(")
        case "missing first":
            (packages / FIRST_NAME).unlink()
        case "missing last":
            (packages / LAST_NAME).unlink()
        case "raises":
            module = packages / "_venvship.py"
            module.write_text(module.read_text().replace("releases = ", "releases = 1 / 0 #"))
    assert (
        root.run("-c", "import late; print(late.WHO)", program=root.path / folder / "bin" / "python") == "A\n"
    )


# -- the lease -------------------------------------------------------------------------------------------


def is_leased(root: Root, name: str) -> bool:
    """What prune asks: is there anybody with a shared lock?"""
    with root.lease(name).open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def running(
    *arguments: str | os.PathLike[str],
) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
    return waiting(*arguments, env={"PATH": os.defpath})


WAIT = "print('ready', flush=True); import sys; sys.stdin.read()"


@pytest.mark.parametrize("folder", ["current", "releases/A"])
def test_a_process_holds_the_lease_while_it_runs(any_root: Root, folder: str) -> None:
    with running(any_root.path / folder / "bin" / "python", "-c", WAIT):
        assert is_leased(any_root, "A")
        assert not is_leased(any_root, "B")
    assert not is_leased(any_root, "A")


def test_any_number_of_processes_share_the_lease(root: Root) -> None:
    with running(root.current / "bin" / "python", "-c", WAIT):
        with running(root.current / "bin" / "python", "-c", WAIT):
            pass
        assert is_leased(root, "A")
        assert "lease" in root.run(
            "-c", "import _venvship; print('lease' if _venvship.lease >= 64 else 'none')"
        )


def test_the_lease_is_of_the_release_that_the_process_is_on(root: Root) -> None:
    with running(
        root.current / "bin" / "python", "-S", "-c", f"{root.switch()}\nimport site; site.main()\n{WAIT}"
    ):
        assert not is_leased(root, "A")
        assert is_leased(root, "B")


def test_forked_children_share_the_lease_and_executed_ones_do_not(root: Root) -> None:
    fork = f"import os\nif os.fork(): os._exit(0)\n{WAIT}"
    with running(root.current / "bin" / "python", "-c", fork) as process:
        process.wait(timeout=30)
        assert is_leased(root, "A")
    execute = "import os; os.execv('/bin/sh', ['sh', '-c', 'echo ready; read x'])"
    with running(root.current / "bin" / "python", "-c", execute):
        assert not is_leased(root, "A")


def test_the_descriptor_is_out_of_the_way_and_closed_on_exec(root: Root) -> None:
    code = (
        "import fcntl, os; r, w = os.pipe()\n"
        f"fds = [fd for fd in range(3, 200) if os.path.exists(f'/proc/self/fd/{{fd}}') "
        f"and os.path.samefile(f'/proc/self/fd/{{fd}}', {str(root.lease('A'))!r})]\n"
        "answer = [r, fds, fcntl.fcntl(fds[0], fcntl.F_GETFD) & fcntl.FD_CLOEXEC, "
        "fcntl.fcntl(fds[0], fcntl.F_GETFL) & os.O_ACCMODE]"
    )
    lowest, fds, cloexec, mode = root.ask(code)
    assert lowest == 3
    assert len(fds) == 1
    assert fds[0] >= 64
    assert cloexec
    assert mode == os.O_RDONLY


OPEN = """
import _venvship, os
answer = [_venvship.lease, [fd for fd in range(3, 99) if os.path.exists(f"/proc/self/fd/{fd}")]]
"""


@pytest.mark.parametrize("trouble", ["missing", "unreadable", "held by prune"])
def test_a_process_starts_without_a_lease_where_there_is_none_to_be_had(root: Root, trouble: str) -> None:
    lease = root.lease("A")
    with lease.open() as prune:
        if trouble == "held by prune":
            fcntl.flock(prune, fcntl.LOCK_EX)
        else:
            lease.unlink()
        if trouble == "unreadable":
            lease.symlink_to(lease)  # ELOOP, also for root
        held, descriptors = root.ask(OPEN)
    assert held == -1
    assert descriptors == []
    assert root.ask("import late; answer = late.WHO") == "A"


# -- the files themselves ----------------------------------------------------------------------------------


def files(site_packages: str = "lib/python3.11/site-packages") -> dict[str, bytes]:
    return startup_files(
        "/srv/shop/releases/A", lease_path="/srv/shop/state/leases/A", site_packages=site_packages
    )


def test_contents_depend_on_the_arguments_only() -> None:
    assert files() == files()
    assert set(files()) == {FIRST_NAME, LAST_NAME, "_venvship.py"}
    assert all(data.endswith(b"\n") and data.isascii() for data in files().values())
    assert files().keys() | files("lib/python3.18/site-packages").keys() == STARTUP_NAMES


@pytest.mark.parametrize(
    "path", ["relative", "/srv/../shop", "/srv//shop", "/srv/shop/", "/srv/new\nline", "/"]
)
def test_paths_have_to_be_absolute_and_normal(path: str) -> None:
    with pytest.raises(ValueError, match="not an absolute, normal path"):
        startup_files(path, lease_path="/lease", site_packages="lib/python3.11/site-packages")
    with pytest.raises(ValueError, match="not an absolute, normal path"):
        startup_files("/srv/shop", lease_path=path, site_packages="lib/python3.11/site-packages")


def test_site_packages_has_to_be_that_of_a_virtualenv() -> None:
    with pytest.raises(ValueError, match="not a site-packages directory"):
        files("lib/python3/dist-packages")
    assert files("lib/python3.13t/site-packages")


def test_the_module_imports_nothing_that_site_has_not_loaded() -> None:
    tree = ast.parse(files()["_venvship.py"])
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert imported == {"os", "sys", "fcntl"}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]


def test_no_bytecode_is_written_into_a_release(root: Root) -> None:
    root.run("-c", "pass", env={"PYTHONDONTWRITEBYTECODE": ""})
    assert not list(root.release("A").rglob("_venvship*.pyc"))


def bytecode(python: str, version: str, tmp_path: Path) -> dict[str, bytes]:
    interpreter, env = LINUX._replace(path=python, version=version), {"PATH": os.defpath}
    return startup_bytecode(interpreter, optimize=[0, 2], env=env, cwd=str(tmp_path), signals=Signals())


def test_the_bytecode_is_what_processes_load(any_root: Root, tmp_path: Path) -> None:
    python = os.path.realpath(any_root.current / "bin" / "python")
    compiled = bytecode(python, version_of(python), tmp_path)
    assert compiled == bytecode(python, version_of(python), tmp_path)
    assert len(compiled) == 2
    any_root.write("A", compiled)
    # With an unchecked hash the source is not even looked at.
    any_root.write("A", {"_venvship.py": "raise RuntimeError\n"})
    for options in ((), ("-OO",)):
        code = "import _venvship, sys; answer = [sys.prefix, _venvship.__cached__]"
        prefix, cached = any_root.ask(code, *options)
        assert prefix == str(any_root.release("A"))
        assert os.path.relpath(cached, any_root.release("A") / any_root.site_packages) in compiled


@pytest.mark.parametrize("program", ["/bin/false", "/bin/echo", "/nonexistent"])
def test_an_interpreter_that_cannot_compile_is_an_error(tmp_path: Path, program: str) -> None:
    if not os.path.exists(program) and program != "/nonexistent":
        pytest.skip(f"no {program}")
    with pytest.raises(InterpreterError, match="could not compile"):
        bytecode(program, "3.11.7", tmp_path)


def test_files_outside_our_pair_are_found() -> None:
    inside = [
        "a.pth",
        "_virtualenv.pth",
        "distutils-precedence.pth",
        "zzz.pth",
        "}.pth",
        '"q.pth',
        ".hidden.pth",
    ]
    outside = [" space.pth", "!a.pth", "!Venvship.pth", "~zz.pth", "\u00fcber.pth", "\x01.pth", "~z.start"]
    assert sorted_outside([*inside, *STARTUP_NAMES, "~readme.txt", "~pth", "!module.py"]) == ()
    assert sorted_outside([*inside, *outside]) == tuple(sorted(outside))
    assert min([*inside, FIRST_NAME, LAST_NAME]) == FIRST_NAME
    assert max([*inside, FIRST_NAME, LAST_NAME]) == LAST_NAME


def test_the_pattern_covers_what_would_stand_in_for_ours() -> None:
    for name in [
        *STARTUP_NAMES,
        "_venvship/__init__.py",
        "_venvship.cpython-311-x86_64-linux-gnu.so",
        "_venvship",
    ]:
        assert STARTUP_PATTERN.fullmatch(name)
    for name in [
        "venvship/__init__.py",
        "_venvship_x.py",
        "venvship.pth",
        "a/!venvship.pth",
        "_venvshipper/x",
    ]:
        assert not STARTUP_PATTERN.fullmatch(name)


# -- Python versions to come -------------------------------------------------------------------------------


def test_lines_that_run_after_all_files_were_read_pin_the_process(tmp_path: Path) -> None:
    # As `site` of 3.15 does it: line by line, where the one variable that tells of the file is `filename`.
    root = Root(tmp_path / "root", interpreters()["own"])
    code = (
        "import site, sys\n"
        f"sys.prefix = sys.exec_prefix = {str(root.current)!r}; site.PREFIXES[:] = [sys.prefix]\n"
        f"packages = {str(root.current / root.site_packages)!r}; sys.path.append(packages)\n"
        "import sysconfig; sysconfig.get_config_vars()\n"
        "def run(filename):\n"
        "    for line in open(filename).read().splitlines():\n"
        "        if line.startswith('import '): exec(line)\n"
        f"run(packages + '/{FIRST_NAME}'); run(packages + '/{LAST_NAME}')\n"
        f"{root.switch()}\n{PLACES}{LATE}"
    )
    assert_all_of(root, "A", root.ask(code, "-S"))


@pytest.mark.parametrize("switched", ["before", "after"])
def test_start_files_pin_the_process_where_pth_files_no_longer_run(tmp_path: Path, switched: str) -> None:
    root = Root(tmp_path / "root", interpreters()["own"], startup=False)
    for name in ("A", "B"):
        root.write(
            name,
            startup_files(
                str(root.release(name)),
                lease_path=str(root.lease(name)),
                site_packages="lib/python3.18/site-packages",
            ),
        )
    first, last = sorted(name for name in STARTUP_NAMES if name.endswith(".start"))
    packages = root.release("A") / root.site_packages
    call = (packages / first).read_text().strip()
    assert call == (packages / last).read_text().strip()
    code = f"import pkgutil; call = pkgutil.resolve_name({call!r}); call(); call()\n"
    code = f"{root.switch()}\n{code}" if switched == "before" else f"{code}{root.switch()}\n"
    assert_all_of(root, "B" if switched == "before" else "A", root.ask(code + PLACES + LATE))


# -- bytecode --------------------------------------------------------------------------------------------

WRITES = {"PYTHONDONTWRITEBYTECODE": ""}


def cached_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("__pycache__/*")}


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder with a module of the application that is not part of a release."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "test_own.py").write_text("import late\ndef test_one():\n    assert late.WHO == 'A'\n")
    return folder


@pytest.mark.parametrize("through", ["current", "releases/A", "alias"])
def test_a_process_that_could_writes_its_own_bytecode_and_none_into_its_release(
    any_root: Root, elsewhere: Path, through: str
) -> None:
    """As root can, whatever the modes; here the release is writable for everybody."""
    root = any_root
    (root.path / "alias").symlink_to("releases/A")
    before = cached_in(root.path)
    env = {**WRITES, "PYTHONPATH": str(elsewhere)}
    python = root.path / through / "bin" / "python"
    root.run("-O", "-c", "import late, pkg.late, test_own", program=python, env=env)
    assert cached_in(root.path) == before
    assert [name.partition(".")[0] for name in cached_in(elsewhere)] == ["__pycache__/test_own"]


def test_pytest_keeps_its_bytecode_of_tests_and_none_of_a_release(root: Root, elsewhere: Path) -> None:
    """It rewrites plugins, too, which are modules of the release."""
    before = cached_in(root.path)
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    env = {**WRITES, "PYTHONPATH": packages, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    root.run("-m", "pytest", "-q", "-p", "late", "-p", "no:cacheprovider", ".", cwd=elsewhere, env=env)
    assert cached_in(root.path) == before
    assert any("pytest" in name for name in cached_in(elsewhere))
