"""The house rules on imports and effects, held against the source of every module.

What a module may import follows from the layer it lives in; what it may do to the world, from a short list of
places. The rules read the syntax tree, so an import inside a function counts as much as one at the top.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "venvship"

# -- the rules ------------------------------------------------------------------------------------------

BELOW_BUILDING = {"model", "system", "root"}
BUILDING = {
    "building",
    "building/request",
    "building/fetching",
    "building/locking",
    "building/store",
    "building/tree",
    "building/project",
}
BELOW_OPERATIONS = {*BELOW_BUILDING, *BUILDING, "health", "workspace"}
OPERATIONS = {
    "operations",
    "operations/auditing",
    "operations/planning",
    "operations/switching",
    "operations/service",
    "operations/retention",
    "operations/reporting",
    "operations/securing",
    "operations/trials",
    "operations/upgrading",
}
LAYERS: dict[str, set[str]] = {
    # a module or package below venvship/ → the parts of venvship that it may import, besides itself
    "_version": set(),
    "printable": set(),
    "outcome": set(),
    "errors": {"outcome", "printable"},
    "model": set(),
    "system": {"model"},
    "root": {"model", "system"},
    "building/request": BELOW_BUILDING,
    "building/fetching": {*BELOW_BUILDING, "building/request"},
    "building/locking": {*BELOW_BUILDING, "building/fetching"},
    "building/store": BELOW_BUILDING,
    "building/tree": {*BELOW_BUILDING, "building/request", "building/store"},
    "building/project": {*BELOW_BUILDING, *BUILDING},
    "building": {*BELOW_BUILDING, *BUILDING},
    "health": BELOW_BUILDING,
    "workspace": {*BELOW_BUILDING, "health"},
    "operations/auditing": BELOW_OPERATIONS,
    "operations/planning": BELOW_OPERATIONS,
    "operations/retention": BELOW_OPERATIONS,
    "operations/service": BELOW_OPERATIONS,
    "operations/reporting": {*BELOW_OPERATIONS, "operations/planning"},
    "operations/switching": {
        *BELOW_OPERATIONS,
        "operations/planning",
        "operations/retention",
        "operations/service",
    },
    "operations/securing": {*BELOW_OPERATIONS, "operations/planning"},
    "operations/trials": {*BELOW_OPERATIONS, "operations/planning"},
    "operations/upgrading": {*BELOW_OPERATIONS, "operations/planning", "operations/trials"},
    "operations": {*BELOW_OPERATIONS, *OPERATIONS},
    "api": {*BELOW_OPERATIONS, *OPERATIONS},
    "__init__": {*BELOW_OPERATIONS, *OPERATIONS, "api"},
    "cli": {*BELOW_OPERATIONS, *OPERATIONS, "api"},
    "__main__": {"cli"},
}
"""The longest name that fits a module is its layer: `building/store/intake.py` is of `building/store`, and
`building/builder.py` of `building`."""

FROM_ANYWHERE = {"errors", "outcome", "printable", "_version"}

STANDALONE = ("building/*_worker.py", "system/interpreter_probe.py", "health/*_worker.py")
"""Scripts that run inside another interpreter: they have its standard library, and nothing of ours."""


@dataclass(frozen=True)
class Rule:
    """Names that only some modules may import or use.

    Attributes:
        says: The rule as a sentence, for the message.
        names: Dotted names, with everything below them; separated by spaces. `effects_of` has the others.
        only_in: Patterns of module paths below `venvship/`, each with the reason.
    """

    says: str
    names: str
    only_in: dict[str, str]

    def covers(self, name: str) -> bool:
        return any(name == n or name.startswith(f"{n}.") for n in self.names.split())

    def forbids(self, path: str, name: str) -> bool:
        return self.covers(name) and not any(fnmatch(path, pattern) for pattern in self.only_in)


RULES = (
    Rule("click and rich live in cli/", "click rich", {"cli/*": "the command line is theirs"}),
    Rule(
        "processes are started in system/, by child.py and pool.py",
        "subprocess multiprocessing pty concurrent.futures.ProcessPoolExecutor os.popen os.system"
        " os.fork os.forkpty os.posix_spawn os.posix_spawnp"
        " os.execl os.execle os.execlp os.execlpe os.execv os.execve os.execvp os.execvpe"
        " os.spawnl os.spawnle os.spawnlp os.spawnlpe os.spawnv os.spawnve os.spawnvp os.spawnvpe",
        {
            "system/process.py": "turns this process into another program, for `run`",
            "system/child.py": "starts the programs that process.py runs, and the guard for guard.py",
            "system/pool.py": "copies of this process, which end with it",
            "building/project/hooks_worker.py": "in a process of its own, a copy for each hook",
            "building/tree/startup_module.py": "begins again with the real path of a script",
        },
    ),
    Rule(
        "names are changed and data made durable in system/files.py",
        "os.replace os.rename os.renames os.symlink os.fsync os.fdatasync os.sync shutil.move"
        " *.rename *.replace *.symlink_to",
        {"system/files.py": "the only caller"},
    ),
    Rule(
        "hard links are made in system/linking.py",
        "os.link *.hardlink_to",
        {"system/linking.py": "the only caller"},
    ),
    Rule("trees are removed in system/trees.py", "shutil.rmtree shutil.copytree", {}),
    Rule(
        "names are made and removed, and modes and sizes set, in system/files.py",
        "os.unlink os.remove os.rmdir os.removedirs os.mkdir os.makedirs os.mkfifo os.mknod os.chmod"
        " os.fchmod os.lchmod os.chown os.fchown os.lchown os.utime os.truncate os.ftruncate os.pwrite"
        " os.posix_fallocate *.unlink *.rmdir *.mkdir *.chmod *.lchmod *.touch",
        {
            "system/files.py": "the caller for all others",
            "system/journal.py": "the mode of a new journal, on the descriptor that it is written through",
            "system/linking.py": "the mode of a copy, and the removal of an unfinished one",
            "system/output.py": "the log of a program that wrote too much is cut on its descriptor",
            "system/trees.py": "the directories of a tree that is removed",
            "building/fetching/downloader.py": "in a process of its own, in a scratch folder",
            "operations/init.py": "the root itself, with the directories above it",
        },
    ),
    Rule(
        "files are written in system/",
        "open-for-writing os.O_WRONLY os.O_RDWR os.O_CREAT os.O_APPEND os.O_TRUNC os.O_EXCL"
        " shutil.copy shutil.copy2 shutil.copyfile shutil.copyfileobj shutil.copymode shutil.copystat"
        " tempfile *.write_text *.write_bytes",
        {
            "system/*": "files.py, or a descriptor that stays open",
            "building/fetching/downloader.py": "in a process of its own, in a scratch folder",
            "building/store/compile_worker.py": "in a process of its own, in a folder of an import",
            "building/locking/pip_compile_worker.py": "in a process of its own, in a scratch folder",
            "cli/group.py": "the method `write_text` of click's formatter",
        },
    ),
    Rule(
        "`posix` is `os` past these rules",
        "posix",
        {"building/store/compile_worker.py": "must not import the standard library that it compiles"},
    ),
    Rule(
        "a foreign function is called where no module of the standard library has it",
        "ctypes",
        {"system/files.py": "syncfs(2)", "system/pool.py": "prctl(2)"},
    ),
    Rule(
        "the clock, the environment and randomness come in as arguments",
        "os.environ os.environb os.getenv os.urandom random secrets uuid time.time time.time_ns"
        " datetime.datetime.now datetime.datetime.utcnow datetime.datetime.today datetime.date.today",
        {
            "cli/*": "where the world is read",
            "api/*": "where the world is read for those who import venvship",
            "system/files.py": "temporary names; nothing follows from which",
        },
    ),
    Rule(
        "pip and pip-tools are run, never imported: neither has a Python API",
        "pip piptools",
        {"building/locking/pip_compile_worker.py": "is pip-compile, and shows it one index at a time"},
    ),
    Rule(
        "virtualenv, python-discovery, installer and build are details of building/",
        "virtualenv python_discovery installer build pyproject_hooks",
        {"building/*": "what they are for"},
    ),
    Rule(
        "the network is asked from a process of its own",
        "requests http.client urllib.request ssl",
        {
            "building/fetching/downloader.py": "the whole of that process",
            "building/fetching/http_client.py": "a part of that process",
            "building/fetching/http_answer.py": "a part of that process",
            "operations/auditing/asker.py": "the whole of that process",
            "health/network_worker.py": "the whole of that process",
        },
    ),
    Rule(
        "people read what cli/terminal.py writes, which lets nothing unprintable through",
        "print os.write sys.stdout.write sys.stdout.writelines sys.stdout.buffer sys.stderr.write"
        " sys.stderr.writelines sys.stderr.buffer *.write *.writelines"
        " traceback.print_exc traceback.print_exception traceback.print_tb"
        " sys.excepthook sys.__excepthook__ sys.__stdout__ sys.__stderr__ warnings.warn"
        " click.echo click.secho click.echo_via_pager click.prompt click.confirm click.progressbar"
        " click.get_text_stream click.get_binary_stream click.style click.unstyle rich.print",
        {
            "__main__.py": "before anything else of venvship can be imported",
            "cli/terminal.py": "the writer",
            "cli/live.py": "puts the cursor back; rich draws only what `painted` or `printable` returned",
            "cli/group.py": "the method `write` of click's formatter; the help has nothing from outside",
            "system/*": "files, pipes and the system's log",
            "building/fetching/downloader.py": "in a process of its own, whose output is read",
            "operations/auditing/asker.py": "in a process of its own, whose output is read",
            "building/*_worker.py": "in a process of its own, whose output is read",
            "health/network_worker.py": "in a process of its own, whose output is read",
        },
    ),
    Rule(
        "a command line to type is made by printable.shell_line",
        "shlex.quote shlex.join",
        {
            "printable.py": "makes it",
            "model/schedule.py": "for cron, which passes the line to sh",
            "model/lockfiles/requirements_txt_options.py": "for pip, which splits the line",
            "building/locking/pip_compile.py": "for pip-compile, which splits the argument",
            "building/tree/generated.py": "for the sh of a script's first line",
        },
    ),
    Rule(
        "an odd file name is none of a wheel or source distribution",
        "packaging.utils.parse_wheel_filename packaging.utils.parse_sdist_filename",
        {
            "model/filename.py": "refuses it",
            "building/fetching/choice.py": "in a process of its own; leaves such a file to pip",
        },
    ),
    Rule(
        "mutexes are made in system/",
        "fcntl.flock filelock",
        {
            "system/mutex.py": "the mutexes",
            "system/leases.py": "the leases",
            "building/tree/startup_module.py": "the lease, in the processes of a release",
        },
    ),
)

THIRD_PARTY = {
    "click",
    "filelock",
    "rich",
    "packaging",
    "requests",
    "virtualenv",
    "python_discovery",
    "installer",
    "build",
    "pip",
    "piptools",
}
"""What setup.cfg declares, as import names."""

Located = ast.stmt | ast.expr

VAGUE_NAMES = {"util", "utils", "helper", "helpers", "common", "manager", "managers", "misc"}


# -- reading a module -----------------------------------------------------------------------------------


def imports_of(tree: ast.Module, path: str) -> Iterator[tuple[Located, str, str]]:
    """Yield every import as its node, the dotted name of what is imported, and the local name it gets."""
    package = ["venvship", *Path(path).parent.parts]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name, alias.asname or ""
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                yield node, f"{base}.{alias.name}", alias.asname or alias.name
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in {
            "importlib.import_module",
            "import_module",
            "__import__",
        }:
            match node.args:
                case [ast.Constant(value=str(name)), *_]:
                    yield node, name, ""


def names_of(tree: ast.Module, imports: list[tuple[Located, str, str]]) -> Iterator[tuple[Located, str]]:
    """Yield every name or attribute that goes back to an import, as the dotted name of what it is."""
    bound = {local: name for _, name, local in imports if local}
    bound |= {name.split(".")[0]: name.split(".")[0] for _, name, local in imports if not local}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            first, *rest = ast.unparse(node).split(".")
            if first in bound:
                yield node, ".".join([bound[first], *rest])


METHODS = {
    *("chmod", "hardlink_to", "lchmod", "mkdir", "rename", "rmdir", "symlink_to", "touch", "unlink"),
    *("write_bytes", "write_text"),
}
"""Methods of a `Path` that change the disk, and that almost no other object has."""


def effects_of(tree: ast.Module, imports: list[tuple[Located, str, str]]) -> Iterator[tuple[Located, str]]:
    """Yield the effects that no import tells.

    They are `*.rename` for that method of an object of unknown type, and `open-for-writing` for an `open`
    whose mode may be another than for reading.
    """
    # `files.rename` is a function of ours, and `os.rename` has a name of its own.
    imported = {local or name.split(".")[0] for _, name, local in imports if not name.startswith("pathlib")}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in METHODS:
            if ast.unparse(node).split(".")[0] not in imported:
                yield node, f"*.{node.attr}"
        elif isinstance(node, ast.Call):
            first, _, last = ast.unparse(node.func).partition(".")
            keywords = {keyword.arg for keyword in node.keywords}
            # The `replace` of a string has two arguments, that of a time has keywords.
            of_a_path = (len(node.args) == 1 and not keywords) or "target" in keywords
            if last.rpartition(".")[2] == "replace" and of_a_path and first not in imported:
                yield node, "*.replace"
            if _may_write(node):
                yield node, "open-for-writing"
            if last.rpartition(".")[2] in {"write", "writelines"} and first not in imported:
                yield node, f"*.{last.rpartition('.')[2]}"
            if (first, last) == ("print", ""):
                yield node, "print"


def _may_write(call: ast.Call) -> bool:
    """Whether a call is `open(path, mode)` or `path.open(mode)` with a mode other than for reading."""
    match call.func:
        case ast.Name(id="open") | ast.Attribute(value=ast.Name(id="io"), attr="open"):
            positional = call.args[1:2]
        case ast.Attribute(attr="open"):
            # `archive.open(name)`, `Root.open(path)`: the first argument is no mode.
            positional = [arg for arg in call.args[:1] if re.fullmatch("'[rwxabt+]+'", ast.unparse(arg))]
        case _:
            return False
    modes = [*positional, *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
    return any(not re.fullmatch("'[rbt]+'", ast.unparse(mode)) for mode in modes)


def layer_of(path: str) -> str:
    """The layer of a module by its path below `venvship/`, or by its dotted name with `/`; `""` for none."""
    parts = path.removesuffix(".py").split("/")
    return next((name for n in range(len(parts), 0, -1) if (name := "/".join(parts[:n])) in LAYERS), "")


def uses_of(tree: ast.Module, path: str) -> set[tuple[int, str]]:
    """Everything that a module uses, as lines and names."""
    imports = list(imports_of(tree, path))
    uses = {(node.lineno, name) for node, name, _ in imports}
    uses |= {(node.lineno, name) for node, name in [*names_of(tree, imports), *effects_of(tree, imports)]}
    # `os.environ` is an attribute whose value is the name `os`: the longest only.
    return {
        (line, name)
        for line, name in uses
        if not any(line == other and longer.startswith(f"{name}.") for other, longer in uses)
    }


def violations(path: str, source: str) -> list[str]:
    """Hold one module against all the rules.

    Args:
        path: Of the module, below `venvship/`, with `/`.
        source: Its text.

    Returns:
        One line for each broken rule and place: `venvship/PATH:LINE: what; the rule`.
    """
    tree = ast.parse(source)
    found: set[tuple[int, str]] = set()
    layer = layer_of(path)
    standalone = any(fnmatch(path, pattern) for pattern in STANDALONE)
    if not layer:
        return [f"venvship/{path}:1: it is in no layer; LAYERS in tests/test_layers.py lists them"]

    for node, name, _ in imports_of(tree, path):
        line = node.lineno
        top, _, rest = name.partition(".")
        target = layer_of(rest.replace(".", "/"))
        if top == "venvship" and standalone:
            found.add(
                (line, f"imports {name}; a script that runs inside another interpreter has nothing of ours")
            )
        elif top == "venvship" and target not in {
            layer,
            *LAYERS[layer],
            *(FROM_ANYWHERE if layer != "errors" else ()),
        }:
            may = ", ".join(sorted({*LAYERS[layer], *FROM_ANYWHERE}))
            found.add((line, f"imports {name}; imports go downwards, and {layer} may import {may}"))
        elif top != "venvship" and top not in sys.stdlib_module_names and top not in THIRD_PARTY:
            found.add((line, f"imports {name}; setup.cfg declares no such dependency"))

    for line, name in uses_of(tree, path):
        found |= {(line, f"uses {name}; {rule.says}") for rule in RULES if rule.forbids(path, name)}

    if not ast.get_docstring(tree):
        found.add((1, "has no docstring; every module says what it is for"))
    if vague := VAGUE_NAMES & set(re.split(r"[/_.]", path.lower())):
        found.add((1, f"is called {min(vague)!r}; a module is called after what it does"))
    return [f"venvship/{path}:{line}: {what}" for line, what in sorted(found)]


# -- the whole package: circles, reads, sizes -------------------------------------------------------------

Sources = Mapping[str, str]
"""The text of each module by its dotted name."""

READS = (
    "venvship.operations.reporting.*",
    "venvship.operations.schedule",
    "venvship.operations.retention.verifying",
    "venvship.operations.planning.environment",
    "venvship.operations.planning.known_interpreter",
    "venvship.operations.planning.plan",
    "venvship.operations.switching.rollback_target",
)
"""Modules that only read. They take a `ReadingWorkspace`; see `reading_breaches` for the rule.

`run` is none: it takes a lease. `verify` is none: it leaves its result for `status`. `check` is none: it
records that the live release passes after a rollback to it had failed.
"""

READ_FROM_SYSTEM = (
    "venvship.system.accounts",
    "venvship.system.faults",
    "venvship.system.git",
    "venvship.system.git_copy",
    "venvship.system.files.FULL_DISK_ERRNOS",
    "venvship.system.files.hash_file",
    "venvship.system.flocks",
    "venvship.system.interpreter_probe",
    "venvship.system.interpreters",
    "venvship.system.journal_lines",
    "venvship.system.journal_reader",
    "venvship.system.json_files",
    "venvship.system.leases.is_leased",
    "venvship.system.origins",
    "venvship.system.other_user",
    "venvship.system.ownership",
    "venvship.system.pool",
    "venvship.system.proc",
    "venvship.system.host",
    "venvship.system.regular",
    "venvship.system.signals",
    "venvship.system.space",
    "venvship.system.trees.FOREIGN",
    "venvship.system.trees.difference",
    "venvship.system.trees.own_bytes",
    "venvship.system.trees.walk",
)
"""The parts of system/ that write nothing to a root, record nothing there and take no mutex."""

MOST_LINES = 450

MOST_LINES_OF = {"errors.py": 550}
"""A list, of which nobody reads more than one entry: every error has a slug that is for ever."""


def graph_of(sources: Sources) -> dict[str, set[str]]:
    """The modules that each module imports, anywhere: at its top, in functions, under `TYPE_CHECKING`."""
    found: dict[str, set[str]] = {}
    for module, source in sources.items():
        path = module.partition(".")[2].replace(".", "/") + ".py"
        found[module] = set()
        for _, name, _ in imports_of(ast.parse(source), path):
            target = name
            while target and target not in sources:
                target = target.rpartition(".")[0]
            # A package on the way to a module is no import of its own: ours are empty.
            if target not in {module, "", "venvship"}:
                found[module].add(target)
    return found


def circle_in(graph: Mapping[str, Collection[str]]) -> list[str]:
    """Some modules that import each other in a circle, the first one again at the end; empty for none."""
    done: set[str] = set()

    def visit(module: str, above: list[str]) -> list[str]:
        if module in above:
            return [*above[above.index(module) :], module]
        if module in done:
            return []
        for target in sorted(graph[module]):
            if circle := visit(target, [*above, module]):
                return circle
        done.add(module)
        return []

    return next(filter(None, (visit(module, []) for module in sorted(graph))), [])


def reading_breaches(sources: Sources) -> list[str]:
    """Hold the rule that reads import nothing that writes.

    From a module of `READS`, follow the imports through workspace/, operations/, building/ and root. Each
    module that is reached uses only `READ_FROM_SYSTEM` of system/. So none of them records, takes a mutex or
    makes a name. Modules of health/ are not followed.

    Returns:
        One line for each name of system/ that a read reaches: the read, the module that uses it, the name.
    """
    graph = graph_of(sources)
    found: list[str] = []
    for read in sorted(sources):
        if not any(fnmatch(read, pattern) for pattern in READS):
            continue
        reached, queue = {read}, [read]
        while queue:
            for target in graph[queue.pop()] - reached:
                if target.startswith(("venvship.workspace", "venvship.operations", "venvship.building")) or (
                    target == "venvship.root"
                ):
                    reached.add(target)
                    queue.append(target)
        for module in sorted(reached):
            tree = ast.parse(sources[module])
            imports = list(imports_of(tree, module.partition(".")[2].replace(".", "/") + ".py"))
            names = {name for _, name, _ in imports} | {name for _, name in names_of(tree, imports)}
            # `files.hash_file` is an attribute whose value is the name `files`: take the longest only.
            longest = {n for n in names if not any(other.startswith(f"{n}.") for other in names)}
            found += [
                f"{read} reaches {module}, which uses {name}"
                for name in sorted(longest)
                if name.startswith("venvship.system.")
                and not any(name == n or name.startswith(f"{n}.") for n in READ_FROM_SYSTEM)
            ]
    return found


# -- the tests ------------------------------------------------------------------------------------------

MODULES = sorted(p.relative_to(PACKAGE).as_posix() for p in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES)
def test_a_module_keeps_the_house_rules(path: str) -> None:
    broken = violations(path, (PACKAGE / path).read_text(encoding="utf-8"))

    assert not broken, "\n" + "\n".join(broken)


def test_every_exception_to_a_rule_is_needed() -> None:
    uses = {path: uses_of(ast.parse((PACKAGE / path).read_text(encoding="utf-8")), path) for path in MODULES}

    assert not [
        f"{pattern}: {rule.says}"
        for rule in RULES
        for pattern in rule.only_in
        if not any(fnmatch(path, pattern) and rule.covers(name) for path in MODULES for _, name in uses[path])
    ]


def test_the_package_is_there_to_be_held_against_the_rules() -> None:
    assert {"errors.py", "model/release.py", "system/files.py"} <= set(MODULES)


def sources() -> dict[str, str]:
    """The text of every module of the package."""
    return {
        ".".join(["venvship", *Path(path).with_suffix("").parts]).removesuffix(".__init__"): (
            PACKAGE / path
        ).read_text(encoding="utf-8")
        for path in MODULES
    }


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert not circle_in(graph_of(sources()))


@pytest.mark.parametrize(
    "back",
    [
        "from venvship.model import a",
        "import venvship.model.a",
        "def f():\n    from venvship.model.a import x",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from venvship.model.a import X",
    ],
)
def test_a_circle_is_found_wherever_its_import_stands(back: str) -> None:
    texts = {
        "venvship.model": "",
        "venvship.model.a": "from venvship.model.b import y",
        "venvship.model.b": "from venvship.model import c",
        "venvship.model.c": back,
    }

    assert set(circle_in(graph_of(texts))) == {"venvship.model.a", "venvship.model.b", "venvship.model.c"}
    assert not circle_in(graph_of({**texts, "venvship.model.c": ""}))


def test_reads_import_nothing_that_writes() -> None:
    broken = reading_breaches(sources())

    assert not broken, "\n" + "\n".join(broken)


@pytest.mark.parametrize("pattern", READS)
def test_the_modules_that_only_read_are_there(pattern: str) -> None:
    assert any(fnmatch(module, pattern) for module in sources())


@pytest.mark.parametrize(
    "code",
    [
        "from venvship.system import files\nfiles.write_file('a', b'')",
        "from venvship.system.trees import remove_tree",
        "def f():\n    from venvship.system.journal import Journal",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from venvship.system.mutex import Mutex",
        "from venvship.system import files",
        "from venvship.workspace.workspace import Workspace",
    ],
)
@pytest.mark.parametrize("where", ["venvship.operations.reporting.report", "venvship.workspace.reading"])
def test_a_read_that_could_write_is_found(where: str, code: str) -> None:
    texts = sources()

    broken = reading_breaches({**texts, where: f"{texts[where]}\n{code}\n"})

    assert any(line.startswith("venvship.operations.reporting.report reaches") for line in broken), broken


@pytest.mark.parametrize("path", MODULES)
def test_a_module_is_no_longer_than_a_reader_can_hold(path: str) -> None:
    lines = (PACKAGE / path).read_text(encoding="utf-8").count("\n")

    assert lines <= MOST_LINES_OF.get(path, MOST_LINES)


@pytest.mark.parametrize(
    ("path", "code", "expected"),
    [
        ("model/x.py", "from venvship.system import files", ":2: imports venvship.system.files; imports go"),
        ("model/x.py", "def f():\n    import venvship.api", ":3: imports venvship.api; imports go downwards"),
        ("system/x.py", "from ..building import store", ":2: imports venvship.building.store; imports go"),
        ("health/x.py", "from venvship.building.store.store import Store", "imports go downwards"),
        ("building/x.py", "from venvship.health import checks", "imports go downwards"),
        ("errors.py", "from venvship.model import release", "imports go downwards"),
        ("model/x.py", "import importlib\nimportlib.import_module('venvship.cli')", "imports go downwards"),
        ("building/store/compile_worker.py", "from venvship import errors", "has nothing of ours"),
        ("operations/x.py", "import httpx", "setup.cfg declares no such dependency"),
        ("building/x.py", "import requests", "the network is asked from a process of its own"),
        ("health/x.py", "from http.client import HTTPConnection", "asked from a process of its own"),
        ("operations/x.py", "import click", ":2: uses click; click and rich live in cli/"),
        ("operations/x.py", "from rich.table import Table", "click and rich live in cli/"),
        ("health/x.py", "import subprocess", ":2: uses subprocess; processes are started in system/"),
        ("health/x.py", "import os\nos.execve('a', [], {})", ":3: uses os.execve; processes are started"),
        ("building/x.py", "import os as o\no.replace('a', 'b')", ":3: uses os.replace; names are changed"),
        ("building/x.py", "from os import symlink", ":2: uses os.symlink; names are changed"),
        ("system/journal.py", "import os\nos.fsync(3)", ":3: uses os.fsync; names are changed"),
        ("root.py", "from pathlib import Path\nPath('a').rename('b')", ":3: uses *.rename; names are"),
        ("root.py", "def f(path):\n    path.replace('b')", ":3: uses *.replace; names are changed"),
        ("root.py", "def f(path):\n    path.replace(target='b')", ":3: uses *.replace; names are changed"),
        ("root.py", "import pathlib\npathlib.Path.rename('a', 'b')", ":3: uses *.rename; names are"),
        ("root.py", "def f(path):\n    move = path.parent.symlink_to", ":3: uses *.symlink_to; names are"),
        ("system/trees.py", "def f(path):\n    path.hardlink_to('b')", ":3: uses *.hardlink_to; hard links"),
        ("workspace/x.py", "import os\nos.unlink('a')", ":3: uses os.unlink; names are made and removed"),
        ("workspace/x.py", "def f(path):\n    path.chmod(0)", ":3: uses *.chmod; names are made and removed"),
        ("model/x.py", "from os import O_WRONLY", ":2: uses os.O_WRONLY; files are written in system/"),
        ("root.py", "open('a', 'ab')", ":2: uses open-for-writing; files are written in system/"),
        ("root.py", "def f(path):\n    path.open('x')", ":3: uses open-for-writing; files are written"),
        ("root.py", "def f(mode):\n    open('a', mode=mode)", ":3: uses open-for-writing; files are"),
        ("root.py", "def f(path):\n    path.write_text('')", ":3: uses *.write_text; files are written"),
        ("system/x.py", "import posix\nposix.rename('a', 'b')", "; `posix` is `os` past these rules"),
        ("building/tree/seal.py", "import ctypes", ":2: uses ctypes; a foreign function is called where"),
        ("building/x.py", "import shutil\nremove = shutil.rmtree", ":3: uses shutil.rmtree; trees are"),
        ("building/x.py", "import os\nos.environ['A']", ":3: uses os.environ; the clock"),
        ("model/x.py", "from datetime import datetime\ndatetime.now()", ":3: uses datetime.datetime.now;"),
        ("model/x.py", "import datetime as dt\ndt.datetime.now(dt.UTC)", ":3: uses datetime.datetime.now;"),
        ("operations/x.py", "import secrets", "come in as arguments"),
        ("operations/x.py", "print('a')", ":2: uses print; people read what cli/terminal.py writes"),
        ("cli/x.py", "import sys\nsys.stdout.write('a')", ":3: uses sys.stdout.write; people read what"),
        ("cli/x.py", "def f(stream):\n    stream.write('a')", ":3: uses *.write; people read what cli/"),
        ("cli/x.py", "import click\nclick.echo('a')", ":3: uses click.echo; people read what cli/"),
        ("cli/x.py", "import traceback\ntraceback.print_exc()", "people read what cli/terminal.py writes"),
        ("workspace/x.py", "import os\nos.write(2, b'')", ":3: uses os.write; people read what cli/"),
        ("building/x.py", "from packaging.utils import parse_wheel_filename", "an odd file name is none"),
        ("root.py", "import shlex\nshlex.quote('a')", "a command line to type is made by"),
        ("building/x.py", "from pip._internal import main", "run, never imported"),
        ("operations/x.py", "import virtualenv", "details of building/"),
        ("operations/x.py", "import fcntl\nfcntl.flock(fd, fcntl.LOCK_EX)", "mutexes are made in system/"),
        ("operations/x.py", "import filelock", "mutexes are made in system/"),
        ("operations/path_utils.py", "", "is called 'utils'"),
        ("toolbox.py", "", "it is in no layer"),
        ("building/store/x.py", "from venvship.building.tree import seal", "imports go downwards"),
        ("building/store/x.py", "from venvship.building.builder import build", "imports go downwards"),
        ("building/tree/x.py", "from venvship.building.fetching import direct", "imports go downwards"),
        ("operations/switching/x.py", "from venvship.operations.release import release", "go downwards"),
        ("operations/planning/x.py", "from venvship.operations.switching import links", "go downwards"),
        ("operations/reporting/x.py", "from venvship.operations.retention import debris", "go downwards"),
        ("workspace/x.py", "from venvship.operations.planning import plan", "imports go downwards"),
        ("root.py", "from venvship.workspace import reading", "imports go downwards"),
    ],
)
def test_a_broken_rule_is_found_and_named_with_its_place(path: str, code: str, expected: str) -> None:
    found = violations(path, f'"""Doc."""\n{code}\n')

    assert any(line.startswith(f"venvship/{path}:") and expected in line for line in found), found


def test_a_module_without_a_docstring_is_found() -> None:
    assert violations("model/x.py", "import json\n") == [
        "venvship/model/x.py:1: has no docstring; every module says what it is for"
    ]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (
            "cli/main.py",
            "import click, os\nfrom rich.table import Table\nfrom venvship import api\nos.environ['A']",
        ),
        ("system/process.py", "import subprocess\nfrom venvship.errors import ProgramNotFoundError"),
        ("system/files.py", "import os, secrets\nos.replace('a', secrets.token_hex())"),
        ("building/store/compile_worker.py", "import posix\nposix.fork()"),
        ("operations/x.py", "from venvship.system import files\nfiles.rename('a', 'b')"),
        ("root.py", "def f(path):\n    open(path, 'rb'), open(path, encoding='utf-8'), path.open('r')"),
        (
            "operations/release.py",
            "from venvship.building import builder\nfrom venvship.health import checks",
        ),
        ("model/x.py", "from datetime import datetime\ndatetime.min.replace(tzinfo=None)"),
        ("model/x.py", "import time\ntime.monotonic()\nenviron = {}\nenviron['A'] = 'x'.replace('x', 'y')"),
    ],
)
def test_what_the_rules_allow_is_let_through(path: str, code: str) -> None:
    assert violations(path, f'"""Doc."""\n{code}\n') == []
