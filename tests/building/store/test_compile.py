"""Bytecode is what the interpreter would have written itself, and the same bytes wherever it is made."""

from __future__ import annotations

import importlib.util
import json
import marshal
import os
import py_compile
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.processes import script_at
from tests.support.pythons import OTHERS, THIS, python_of
from tests.support.wheels import build_wheel
from venvship.building.interpreter import probe
from venvship.building.store.cleaning import sweep
from venvship.building.store.compile import Compiler, bytecode_tag, compile_wheels
from venvship.building.store.intake import importing, prepare
from venvship.building.store.store import Store
from venvship.errors import BuildError, DiskFullError, InterpreterError, InterruptedByError, VenvshipError
from venvship.model.interpreter import Interpreter
from venvship.model.wheel import StoredBytecode, StoredWheel, WheelFile
from venvship.system.signals import Signals

SOURCES: dict[str, str | bytes] = {
    "pkg/__init__.py": "from . import mod\n",
    "pkg/mod.py": '''\
"""A docstring that level 2 leaves out."""
import os, json, collections
NAMES = {"a", "b", "c", None, ..., 1, 2.5, ("x", "y")}
def f(value, *, key="a"):
    """Also here."""
    assert value, "level 1 leaves this out"
    return value in {"alpha", "beta", "gamma", "delta", None} or key in ("a", "b", b"a", 1j)
class C:
    def __init__(self):
        self.one = self.two = self.three = self.four = self.five = None
''',
    "pkg/sub/a.dotted.name.py": "x = lambda: (yield)\n",
    "pkg/ünï.py": "# -*- coding: latin-1 -*-\nx = '\xe9'\n".encode("latin-1"),
    "single.py": "import sys\npath = __file__\n",
    "pkg/data.txt": "not code",
}


@pytest.fixture(scope="module")
def interpreter() -> Interpreter:
    return probe(sys.executable)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return new_store(tmp_path / "store")


def new_store(path: Path) -> Store:
    store = Store(os.fspath(path))
    prepare(store)
    return store


def stored(store: Store, folder: Path, **wheels: dict[str, str | bytes]) -> list[StoredWheel]:
    built = [build_wheel(folder, name, files=contents) for name, contents in wheels.items()]
    with importing(store) as batch:
        return batch.add([WheelFile(os.fspath(one.path), one.sha256) for one in built])


def compiled(
    store: Store,
    wheels: Sequence[StoredWheel],
    interpreter: Interpreter,
    *,
    optimize: Sequence[int] = (0,),
    jobs: int | None = None,
) -> dict[str, StoredBytecode]:
    return compile_wheels(store, wheels, Compiler(interpreter, optimize, jobs=jobs), signals=Signals())


def contents(store: Store, wheel: StoredWheel, tag: str) -> dict[str, bytes]:
    found = store.bytecode(wheel.sha256, tag)
    assert found is not None
    root = Path(found.data)
    files = {os.fspath(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert files == {file.path for file in found.files}
    return {file.path: (root / file.path).read_bytes() for file in found.files}


def test_every_module_has_the_bytecode_that_py_compile_would_write(
    store: Store, tmp_path: Path, interpreter: Interpreter
) -> None:
    [wheel] = stored(store, tmp_path, some=SOURCES)

    result = compiled(store, [wheel], interpreter, optimize=(0, 1, 2))

    pycs = contents(store, wheel, bytecode_tag(interpreter, (0, 1, 2)))
    assert [file.path for file in result[wheel.sha256].files] == sorted(pycs)
    modules = [name for name in SOURCES if name.endswith(".py")]
    assert len(pycs) == 3 * len(modules)
    for name in modules:
        for level in (0, 1, 2):
            path = importlib.util.cache_from_source(f"site/{name}", optimization=level or "")
            expected = py_compile.compile(
                os.path.join(wheel.data, "site", name),
                cfile=os.fspath(tmp_path / "expected.pyc"),
                dfile=name,
                doraise=True,
                optimize=level,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
            assert expected is not None
            wanted = Path(expected).read_bytes()
            assert pycs[path][:16] == wanted[:16]
            code = marshal.loads(pycs[path][16:])
            assert code == marshal.loads(wanted[16:])
            assert code.co_filename == name


@pytest.mark.parametrize("version", [THIS, *OTHERS])
def test_the_bytes_depend_on_the_wheel_and_the_interpreter_only(tmp_path: Path, version: str) -> None:
    interpreter = python_of(version)
    other: dict[str, str | bytes] = {
        f"other/m{n}.py": f"import os\nname_{n} = {{'alpha', 'beta', None}}\n" * 20 for n in range(20)
    }
    found = []
    for place, jobs, levels, order in (
        ("one", 1, (0, 2), 1),
        ("a/much/deeper/place with spaces/é", 2, (2, 0), -1),
        ("alone", 7, (0, 2), 0),
    ):
        (tmp_path / place).mkdir(parents=True)
        store = new_store(tmp_path / place / "store")
        library = Path(os.__file__).parent
        real: dict[str, str | bytes] = {
            f"real/{p.name}": p.read_bytes() for p in sorted((library / "asyncio").glob("*.py"))[:12]
        }
        wheels = stored(store, tmp_path / place, some=SOURCES, other=other, real=real)
        for batch in [[wheel] for wheel in wheels] if order == 0 else [wheels[::order]]:
            compiled(store, batch, interpreter, optimize=levels, jobs=jobs)
        found.append([contents(store, wheel, bytecode_tag(interpreter, levels)) for wheel in wheels])
    assert found[0] == found[1] == found[2]
    assert sum(map(len, found[0])) == 2 * (len(SOURCES) - 1 + 20 + 12)


def test_a_level_has_the_same_bytes_whatever_other_levels_there_are(
    store: Store, tmp_path: Path, interpreter: Interpreter
) -> None:
    [wheel] = stored(store, tmp_path, some=SOURCES)
    compiled(store, [wheel], interpreter, optimize=(2,))
    compiled(store, [wheel], interpreter, optimize=(0, 2))
    alone = contents(store, wheel, bytecode_tag(interpreter, (2,)))
    both = contents(store, wheel, bytecode_tag(interpreter, (0, 2)))
    assert alone == {path: data for path, data in both.items() if ".opt-2." in path}


def test_python_uses_the_bytecode_and_never_rewrites_it(
    store: Store, tmp_path: Path, interpreter: Interpreter
) -> None:
    [wheel] = stored(store, tmp_path, some=SOURCES)
    bytecode = compiled(store, [wheel], interpreter)[wheel.sha256]
    site = tmp_path / "site"
    for tree in (wheel.data, bytecode.data):
        subprocess.run(["cp", "-r", f"{tree}/site/.", site], check=True)
        subprocess.run(["chmod", "-R", "u+w", site], check=True)
    # A source that is newer and other than its bytecode: unchecked means that nobody looks.
    (site / "pkg/mod.py").write_text("raise SystemExit('compiled again')")
    before = {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in site.rglob("*.pyc")}

    ran = subprocess.run(
        [
            interpreter.path,
            "-c",
            "import pkg.mod, single; print(pkg.mod.f.__code__.co_filename, single.path)",
        ],
        env={"PYTHONPATH": os.fspath(site)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.split() == [os.fspath(site / "pkg/mod.py"), os.fspath(site / "single.py")]
    assert {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in site.rglob("*.pyc")} == before


def test_what_does_not_compile_is_passed_over_and_recorded(
    store: Store, tmp_path: Path, interpreter: Interpreter
) -> None:
    bad: dict[str, str | bytes] = {
        "pkg/python2.py": "print 'hello'\n",
        "pkg/template.py": "{{ name }} = 1 +\n",
        "pkg/null.py": b"x = 1\0\n",
        "pkg/encoding.py": b"# coding: nonsense\n",
        "pkg/latin.py": b"x = '\xe9'\n",
        "pkg/nested.py": "x = " + "(" * 5000 + ")" * 5000 + "\n",
        "pkg/deep.py": "x = " + "-" * 200_000 + "1\n",
        "pkg/chain.py": "x = y" + ".a" * 100_000 + "\n",
        "pkg/large.py": "#" * ((16 << 20) + 1),
        "pkg/.py": "x = 1\n",
        f"pkg/{'n' * 250}.py": "x = 1\n",
    }
    noisy: dict[str, str | bytes] = {
        "pkg/noisy.py": "x = '\\d'\nassert (1, 2)\nx is 'y'\n",
        "pkg/py.py": "",
        "pkg/zz.py": "x = 1\n",
    }
    [wheel] = stored(store, tmp_path, some={**bad, **noisy})

    result = compiled(store, [wheel], interpreter, optimize=(0, 2))

    tag = bytecode_tag(interpreter, (0, 2))
    names = {file.path.rpartition("/")[2].partition(".")[0] for file in result[wheel.sha256].files}
    assert names == {"noisy", "py", "zz"}
    index = Path(store.bytecode_path(wheel.sha256, tag), "bytecode.json")
    skipped = json.loads(index.read_text())["skipped"]
    assert set(skipped) == {f"site/{name}" for name in bad if name != "pkg/.py"}
    assert skipped["site/pkg/python2.py"].startswith("SyntaxError: Missing parentheses")
    assert skipped["site/pkg/large.py"] == "ValueError: larger than 16777216 bytes"


def test_a_wheel_without_modules_is_compiled_too(
    store: Store, tmp_path: Path, interpreter: Interpreter
) -> None:
    [wheel] = stored(store, tmp_path, some={"data.txt": "x"})
    tag = bytecode_tag(interpreter, (0,))
    assert store.bytecode(wheel.sha256, tag) is None
    assert compiled(store, [wheel], interpreter)[wheel.sha256].files == ()
    found = store.bytecode(wheel.sha256, tag)
    assert found is not None
    assert found.files == ()


def test_nothing_is_compiled_twice(store: Store, tmp_path: Path, interpreter: Interpreter) -> None:
    wheels = stored(store, tmp_path, one=SOURCES, two={"x.py": ""})
    first = compiled(store, wheels[:1], interpreter)
    inode = os.stat(store.bytecode_path(wheels[0].sha256, bytecode_tag(interpreter, (0,)))).st_ino

    both = compiled(store, [*wheels, wheels[1]], interpreter)

    assert {wheel.sha256 for wheel in wheels} == set(both)
    assert both[wheels[0].sha256] == first[wheels[0].sha256]
    assert os.stat(store.bytecode_path(wheels[0].sha256, bytecode_tag(interpreter, (0,)))).st_ino == inode


def test_bytecode_is_read_only_and_nothing_else_is_left(
    store: Store, tmp_path: Path, interpreter: Interpreter
) -> None:
    [wheel] = stored(store, tmp_path, some=SOURCES)
    compiled(store, [wheel], interpreter)
    folder = Path(store.bytecode_path(wheel.sha256, bytecode_tag(interpreter, (0,))))
    for path in [folder, *folder.rglob("*")]:
        assert path.lstat().st_mode & 0o777 == (0o555 if path.is_dir() else 0o444), path
    assert sorted(os.listdir(folder)) == ["bytecode.json", "data"]
    assert os.listdir(folder.parent) == [folder.name]
    assert sweep(store) == 0


def failing(tmp_path: Path, interpreter: Interpreter, script: str) -> Interpreter:
    """An interpreter that behaves otherwise."""
    program = script_at(tmp_path / "python", f"#!/bin/sh\n{script}\n")
    return Interpreter.from_json({**interpreter.to_json(), "path": os.fspath(program)})


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("exit 3", (InterpreterError, "exit status 3")),
        ("echo no such library >&2; exit 127", (InterpreterError, "no such library")),
        ("exit 0", (InterpreterError, "exit status 0")),
        ("echo job 0 -11", (BuildError, "killed by SIGSEGV while it compiled site/pkg/__init__.py")),
        ("echo job 0 -9", (BuildError, "killed by SIGKILL")),
        ("echo job 0 1; echo Traceback >&2", (BuildError, "Traceback")),
        ("echo job 0 92", (DiskFullError, "some-1.0")),
        ("echo job 0 69", (BuildError, "some-1.0")),
    ],
)
def test_a_compiler_that_fails_ends_the_build_and_leaves_nothing(
    store: Store,
    tmp_path: Path,
    interpreter: Interpreter,
    script: str,
    expected: tuple[type[VenvshipError], str],
) -> None:
    [wheel] = stored(store, tmp_path, some=SOURCES)
    error, says = expected
    with pytest.raises(error, match=says):
        compiled(store, [wheel], failing(tmp_path, interpreter, script))
    assert store.bytecode(wheel.sha256, bytecode_tag(interpreter, (0,))) is None
    assert os.listdir(os.path.join(store.path, "bytecode", wheel.sha256)) == []


def test_an_interpreter_that_is_gone_is_named(store: Store, tmp_path: Path, interpreter: Interpreter) -> None:
    [wheel] = stored(store, tmp_path, some=SOURCES)
    gone = Interpreter.from_json({**interpreter.to_json(), "path": "/nowhere/python3.11"})
    with pytest.raises(InterpreterError, match=r"/nowhere/python3\.11"):
        compiled(store, [wheel], gone)


def test_a_signal_ends_it_and_leaves_nothing(store: Store, tmp_path: Path, interpreter: Interpreter) -> None:
    [wheel] = stored(store, tmp_path, some=SOURCES)
    signals = Signals()
    slow = failing(tmp_path, interpreter, f"kill -TERM {os.getpid()}; sleep 60")
    with signals.install(), pytest.raises(InterruptedByError):
        compile_wheels(store, [wheel], Compiler(slow, (0,)), signals=signals)
    assert os.listdir(os.path.join(store.path, "bytecode", wheel.sha256)) == []


_COMPILING = """
import resource, sys
from venvship.building.interpreter import probe
from venvship.building.store.compile import Compiler, compile_wheels
from venvship.building.store.store import Store
from venvship.system.signals import Signals
store = Store(sys.argv[1])
compiler = Compiler(probe(sys.executable), (0,), jobs=1)
compile_wheels(store, [store.wheel(sys.argv[2])], compiler, signals=Signals())
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited with prlimit(2)")
def test_a_source_that_takes_gibibytes_to_compile_is_passed_over(
    store: Store, tmp_path: Path, interpreter: Interpreter
) -> None:
    """`a,a,…` of 2 MiB takes 1.1 GiB."""
    sources: dict[str, str | bytes] = {
        "pkg/a.py": "x = 1\n",
        "pkg/b.py": "a," * (1 << 20),
        "pkg/c.py": "y = 2\n",
    }
    [wheel] = stored(store, tmp_path, some=sources)

    argv = [sys.executable, "-c", _COMPILING, store.path, wheel.sha256]
    done = subprocess.run(argv, check=True, capture_output=True, text=True)

    peak = int(done.stdout) >> 10
    print(f"peak of a compiler: {peak} MiB")
    assert peak < 512
    tag = bytecode_tag(interpreter, (0,))
    compiled_ones = {importlib.util.cache_from_source(f"site/pkg/{name}.py") for name in "ac"}
    assert set(contents(store, wheel, tag)) == compiled_ones
    index = Path(store.bytecode_path(wheel.sha256, tag), "bytecode.json")
    skipped = {"site/pkg/b.py": "MemoryError: it takes more than it may have"}
    assert json.loads(index.read_text())["skipped"] == skipped
