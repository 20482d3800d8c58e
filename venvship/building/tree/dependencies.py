"""Compare the wheels with the selected requirements, and find unmet dependencies. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from packaging.specifiers import Specifier, SpecifierSet
from packaging.version import Version

from venvship.errors import BuildError, NoCompatibleWheelError, UnmetDependencyError
from venvship.model.dependencies import DependencyReader
from venvship.model.interpreter import Interpreter
from venvship.model.lockfiles.requirement import Requirement
from venvship.model.release import Package
from venvship.model.wheel import StoredWheel
from venvship.printable import lines


def installed_packages(
    selected: Sequence[Requirement], wheels: Mapping[str, StoredWheel]
) -> tuple[Package, ...]:
    """List the installed packages, after comparing them with the selected requirements.

    Args:
        selected: The selected requirements.
        wheels: The wheel of each, by requirement name.

    Raises:
        BuildError: A wheel is of another project or version than its line of the lockfile says.
    """
    packages = []
    for requirement in selected:
        wheel = wheels[requirement.name]
        is_version = requirement.version is None or _is_version(requirement.version, wheel.version)
        if wheel.name != requirement.name or not is_version:
            raise BuildError(
                f"{requirement.file}:{requirement.line}: {requirement.name} {requirement.version} was asked "
                f"for, and {wheel.filename} calls itself {wheel.name} {wheel.version}",
                hint="Correct that line of the lockfile, or report the wheel to who built it.",
                package=requirement.name,
            )
        packages.append(Package(wheel.name, wheel.version))
    return tuple(sorted(packages))


def _is_version(asked: str, found: str) -> bool:
    if asked == found:
        return True
    try:
        # `==1.0` also means 1.0+cpu (the version specifiers specification), and 1.0 is 1.0.0.
        return Specifier(f"=={asked}").contains(Version(found), prereleases=True)
    except ValueError:  # one of them is no version, or one of thousands of digits
        return False


def refuse_other_pythons(
    selected: Sequence[Requirement], wheels: Mapping[str, StoredWheel], interpreter: Interpreter
) -> None:
    """Refuse wheels that are not made for this version of Python, whichever way they came.

    Args:
        selected: The selected requirements.
        wheels: The wheel of each, by requirement name.
        interpreter: That of the release.

    Raises:
        NoCompatibleWheelError: There are such wheels. All are named.
    """
    # As pip compares it: 3.13.0rc1, and 3.13.0+ of a checkout, count as 3.13.0.
    version = Version(interpreter.version.rstrip("+")).base_version
    refused = []
    for requirement in selected:
        wheel = wheels[requirement.name]
        try:
            runs = SpecifierSet(wheel.requires_python or "").contains(version, prereleases=True)
        except ValueError:
            runs = True  # pip ignores a specifier that it cannot read
        if not runs:
            refused.append(requirement)
    if refused:
        texts = [
            f"{one.label} requires Python {wheels[one.name].requires_python}, and this is {interpreter.label}"
            for one in refused
        ]
        raise NoCompatibleWheelError(
            lines(*texts),
            hint=f"lock again for Python {interpreter.minor}, or set another `python`",
            packages=[one.facts() for one in refused],
            **(refused[0].facts() if len(refused) == 1 else {}),
        )


def unmet_dependencies(
    selected: Sequence[Requirement],
    wheels: Mapping[str, StoredWheel],
    interpreter: Interpreter,
    *,
    closed: bool,
) -> tuple[Mapping[str, str], ...]:
    """Find dependencies of installed packages that are missing or have another version.

    Args:
        selected: The selected requirements; their extras count.
        wheels: The installed wheels, by requirement name.
        interpreter: Whose environment markers are evaluated in.
        closed: Whether an unmet dependency is an error.

    Returns:
        Warnings, each with `slug` and `message`, sorted by package.

    Raises:
        UnmetDependencyError: There are unmet dependencies, and `closed` is set. All are named.
    """
    reader = DependencyReader(interpreter.markers)
    extras = reader.wanted_extras(wheels, {requirement.name: requirement.extras for requirement in selected})
    warnings: dict[tuple[str, str], Mapping[str, str]] = {}
    for name, wheel in sorted(wheels.items()):
        for dependency in reader.of(wheel, extras[name]):
            found = wheels.get(dependency.target)
            if found is None:
                slug, problem = "unmet-dependency", "which is not in the lockfile"
            elif not reader.satisfies(found.version, dependency):
                slug, problem = "conflicting-dependency", f"and the lockfile has {found.version}"
            else:
                continue
            asked = f"{dependency.name}{dependency.text}"
            message = f"{name} {wheel.version} requires {asked}, {problem}"
            warnings[name, message] = {"slug": slug, "message": message}
    if closed and warnings:
        problems = [warning["message"] for warning in warnings.values()]
        raise UnmetDependencyError(
            lines("the lockfile is not closed:", *(f"  {problem}" for problem in problems)),
            hint='Compile the lockfile again, or set "closed = false" under [build] for a warning only.',
            problems=problems,
        )
    return tuple(warnings.values())
