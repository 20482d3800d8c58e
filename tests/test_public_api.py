"""The Python API as a product: one import, every name typed, every error named."""

from __future__ import annotations

import dataclasses
import inspect
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import venvship
from venvship import Root, errors

REPOSITORY = Path(__file__).resolve().parent.parent

METHODS = {
    name: getattr(Root, name)
    for cls in Root.__mro__[:-1]
    for name, value in vars(cls).items()
    if not name.startswith("_") and not isinstance(value, property)
}

KNOWN = {
    *("bool", "bytes", "dict", "float", "int", "list", "object", "str", "tuple", "type", "None", "Literal"),
    *("Callable", "Iterator", "Mapping", "Sequence", "ClassVar", "NoReturn", "Self"),
    *("datetime", "os", "Path", "PathLike"),
}
"""Names that a caller knows without venvship."""


VAGUE = re.compile(r"\bAny\b|\btuple\b(?!\[\w+(\[\w+, \w+\])?, \.\.\.\])")


def public_classes() -> dict[str, type]:
    found = {name: getattr(venvship, name) for name in venvship.__all__}
    return {name: value for name, value in found.items() if inspect.isclass(value)}


def annotations_of(function: Callable[..., object]) -> Iterator[str]:
    signature = inspect.signature(function)
    for parameter in signature.parameters.values():
        if parameter.annotation is not inspect.Parameter.empty:
            yield str(parameter.annotation)
    if signature.return_annotation is not inspect.Signature.empty:
        yield str(signature.return_annotation)


def public_annotations() -> Iterator[tuple[str, str]]:
    """Every annotation that a caller meets: of attributes, and of public methods and functions."""
    for name, cls in public_classes().items():
        for attribute, annotation in vars(cls).get("__annotations__", {}).items():
            if not attribute.startswith("_"):
                yield f"{name}.{attribute}", str(getattr(annotation, "__forward_arg__", annotation))
        for attribute, value in [item for one in cls.__mro__ for item in vars(one).items()]:
            function = getattr(value, "fget", None) or getattr(value, "__func__", value)
            own = inspect.isfunction(function) and function.__module__.startswith("venvship")
            # `from_json` reads files that only venvship writes.
            if own and not attribute.startswith("_") and attribute != "from_json":
                for annotation in annotations_of(function):
                    yield f"{name}.{attribute}", annotation
    for annotation in annotations_of(venvship.default_runtime):
        yield "default_runtime", annotation


def test_every_public_name_is_there_and_has_a_docstring() -> None:
    for name in venvship.__all__:
        assert getattr(venvship, name) is not None, name
    assert [name for name, cls in public_classes().items() if not cls.__doc__] == []
    with pytest.raises(AttributeError, match="no attribute 'release'"):
        _ = venvship.release


def test_every_public_name_has_a_home_and_the_other_way_round() -> None:
    homes = [name for names in venvship._HOMES.values() for name in names.split()]
    assert sorted(homes) == sorted({*venvship.__all__} - {"__version__", "errors"})
    assert len(set(homes)) == len(homes)
    for module, names in venvship._HOMES.items():
        source = inspect.getsource(sys.modules["venvship"])
        assert re.search(rf"from {re.escape(module)} import", source), f"{module}: {names}"


def test_no_public_annotation_has_any_or_a_tuple_of_unlike_things() -> None:
    """A tuple of any length of one type is a sequence; one of two types is a class that lacks its name."""
    vague = [
        f"{where}: {annotation}"
        for where, annotation in public_annotations()
        if re.search(r"\bAny\b", annotation)
        or re.search(r"\btuple\b(?!\[\w+(\[\w+, \w+\])?, \.\.\.\])", annotation)
    ]
    assert vague == []


def test_every_type_in_a_public_annotation_is_public() -> None:
    known = KNOWN | {*venvship.__all__}
    unknown = {
        f"{where}: {name}"
        for where, annotation in public_annotations()
        for name in re.findall(r"[A-Za-z_]\w*", re.sub(r"'[^']*'|\"[^\"]*\"", "", annotation))
        if name not in known
    }
    assert unknown == set()


@pytest.mark.parametrize("name", METHODS)
def test_every_method_names_its_arguments_and_errors(name: str) -> None:
    docstring = inspect.getdoc(METHODS[name]) or ""
    sections = dict(re.findall(r"^(Args|Raises):\n((?:    .*\n?|\n)+)", docstring, re.MULTILINE))
    entries = {key: re.findall(r"^    \*?(\w+):", text, re.MULTILINE) for key, text in sections.items()}

    parameters = [one for one in inspect.signature(METHODS[name]).parameters if one not in {"self", "cls"}]
    assert entries.get("Args", []) == parameters
    assert entries.get("Raises"), "no error is named"
    of_python = {"TypeError", "ValueError"}
    assert [one for one in entries["Raises"] if one not in of_python and not hasattr(errors, one)] == []


@pytest.mark.parametrize("name", METHODS)
def test_every_result_has_json_and_warnings(name: str) -> None:
    returned = inspect.signature(METHODS[name]).return_annotation
    if name in {"open", "current", "run"}:
        return
    cls = public_classes()[returned]
    fields = [one.name for one in dataclasses.fields(cls)] if dataclasses.is_dataclass(cls) else cls._fields
    assert "warnings" in fields
    assert inspect.signature(cls.to_json).return_annotation == "dict[str, object]"


def test_options_have_the_same_words_as_on_the_command_line() -> None:
    import venvship.cli.commands  # noqa: F401 - the commands register themselves
    from venvship.cli.group import Command, cli

    assert cli.commands
    for name, command in cli.commands.items():
        assert isinstance(command, Command)
        words = {parameter.name for parameter in command.params if parameter.expose_value} - {"help"}
        words = {{"all_": "all", "argv": "command"}.get(word or "", word) for word in words}
        if name == "status":
            words -= {"prometheus"}  # that is `measure`
        if name == "check":
            words -= {"monitor"}  # a method of its own
        if name == "init":
            words -= {"directory"}  # that is `path`
        if name == "destroy":
            words -= {"yes"}  # only the command line asks
        if name == "handover":
            continue  # its argument chooses between two methods
        assert words <= {*inspect.signature(METHODS[name]).parameters}, name


def test_importing_the_api_imports_nothing_of_the_command_line() -> None:
    code = (
        "import sys, venvship; venvship.Root; venvship.errors; venvship.ReleaseResult\n"
        "assert not {'click', 'rich', 'virtualenv', 'requests'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY)


GOOD = """
from venvship import ReleaseResult, Root, Step, default_runtime, errors


def show(step: Step) -> None:
    print(step.name, step.state, step.seconds)


def deploy(path: str) -> str | None:
    root = Root.open(path, runtime=default_runtime(wait=5.0, progress=show))
    try:
        result: ReleaseResult = root.release(message="x", lockfile="requirements.txt", no_promote=False)
    except errors.RolledBackError as error:
        print(error.slug, error.exit_code, error.hint, [warning.slug for warning in error.warnings])
        if isinstance(error.result, ReleaseResult):
            print(error.result.outcome)
        raise
    if result.outcome == "released" and result.release is not None:
        return result.release.id
    for event in root.history(2).events:
        print(event.at.isoformat(), event.event, event.facts.get("from"))
    data: dict[str, object] = root.status().to_json()
    problem: str | None = root.rollback(from_="x", no_checks=True).release.problem
    print(data, problem, [damage.path for one in root.verify(all=True).releases for damage in one.damaged])
    return None
"""

BAD = """
from venvship import Root

root = Root.open("/srv/shop")
root.release(promote=False)
if root.release().outcome == "relaesed":
    pass
root.schedule("at")
size: int = root.status().name
root.history().event
"""


def test_a_strict_type_checker_accepts_a_program_and_finds_mistakes(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text(GOOD)
    (tmp_path / "bad.py").write_text(BAD)
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--no-error-summary",
        "--config-file=",
        "--follow-imports=silent",
    ]
    done = subprocess.run(
        [*command, f"--cache-dir={REPOSITORY / '.mypy_cache' / 'users'}", "good.py", "bad.py"],
        cwd=tmp_path,
        env={"MYPYPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    found = [line.partition(": error: ")[::2] for line in done.stdout.splitlines() if ": error: " in line]
    assert [(where, text[-len(code) :]) for (where, text), code in zip(found, CODES, strict=False)] == [
        (f"bad.py:{line}", code) for line, code in zip((5, 6, 8, 9, 10), CODES, strict=True)
    ], done.stdout + done.stderr
    assert len(found) == len(CODES), done.stdout


CODES = ("[call-arg]", "[comparison-overlap]", "[arg-type]", "[assignment]", "[attr-defined]")
