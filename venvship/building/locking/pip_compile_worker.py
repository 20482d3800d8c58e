"""Run by the root's interpreter, as `python -I -S pip_compile_worker.py DIRECTORY RULES NOTES ARGUMENT...`.

DIRECTORY has links to venvship's own pip-tools, pip and what these import, and nothing else. They come first,
so that no other copy of them is imported. The packages of the interpreter come last and without their `.pth`
files: pip's `keyring-provider = import` finds its keyring there, as it does under `pip --python`.

ARGUMENTs are those of `pip-compile`. Ends with UNABLE where pip-tools cannot even be loaded.

pip gives the files of all its sources to the resolver in one heap, and pip-tools takes the hashes of a
version from all of them. `Origins` asks the sources one by one instead, gives each version one source, and
keeps to the rules in the file RULES, a `Rules`. It writes the sources of all packages to NOTES, a `Notes`.
Both are JSON without credentials. See ADR 0059.
"""

# ruff: noqa: ANN401, SLF001 - the insides of pip and pip-tools, which have no types here

import functools
import json
import os
import runpy
import site
import sys
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import Any, TypedDict
from urllib.parse import quote, unquote, urlsplit, urlunsplit

UNABLE = 96
MASK = "****"
_SAFE = "/:@!$&'()*+,;=?#[]~%"


class Rules(TypedDict):
    """Where packages may come from. Names are normalised; a source is as `origin_of` returns it.

    `fixed` has pairs of a pattern for names and a source, the first that fits first. `recorded` has the
    source of each package of the lockfile. One that is not in `movable` stays there; `null` is all. With
    `strict`, a package of neither is only taken if all sources that offer it have the same files. `kept` has
    the hashes that the lockfile allows. `excepted` has a version by name that no cooldown leaves out.
    """

    fixed: list[tuple[str, str]]
    recorded: dict[str, str]
    movable: list[str] | None
    strict: bool
    kept: dict[str, list[str]]
    excepted: dict[str, str]


class Notes(TypedDict):
    """Where packages came from, by name.

    `chosen`: the source of each version. `elsewhere`: by source, the highest version that another source
    offers, and the versions that it offers with other files. `gone`: the source that has nothing of a
    package, and the others that have. `doubtful`: the sources that offer a package which has none yet.
    `uploaded`: when the first file of each version was uploaded, where the index tells it.
    """

    chosen: dict[str, dict[str, str]]
    elsewhere: dict[str, dict[str, tuple[str, list[str]]]]
    gone: dict[str, tuple[str, list[str]]]
    doubtful: dict[str, list[str]]
    uploaded: dict[str, dict[str, str]]


def origin_of(location: str) -> str:
    """The name of a source: a URL without credentials, query and fragment, or an absolute path."""
    if not location.startswith(("http:", "https:", "file:")) and "://" not in location:
        return os.path.abspath(os.path.expanduser(location))
    parts = urlsplit(location)
    if parts.scheme == "file":
        return os.path.abspath(unquote(parts.path))
    host = parts.netloc.rpartition("@")[2].lower()
    host = host.removesuffix({"https": ":443", "http": ":80"}.get(parts.scheme, "\0"))
    return quote(urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", "")), safe=_SAFE)


def is_origin(recorded: str, origin: str) -> bool:
    """Whether a source is the one that was recorded, in which a secret may be masked."""
    if MASK not in recorded:
        return recorded == origin
    known, seen = recorded.split("/"), origin.split("/")
    return len(known) == len(seen) and all(a in {b, MASK} for a, b in zip(known, seen, strict=True))


class Origins:
    """One source for each version of a package, by the rules.

    Args:
        rules: The rules.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.notes = Notes(chosen={}, elsewhere={}, gone={}, doubtful={}, uploaded={})
        self._excepted: dict[tuple[str, ...], list[Any]] = {}

    def install(self) -> None:
        """Stand between pip-tools and pip's finder.

        Raises:
            ImportError, AttributeError: This pip or pip-tools has another inside.
        """
        from pip._internal.index.package_finder import PackageFinder
        from piptools.repositories import LocalRequirementsRepository, PyPIRepository

        def replace(owner: type, name: str, ours: Callable[..., Any]) -> None:
            original = getattr(owner, name)

            @functools.wraps(original)
            def method(self: Any, about: Any) -> Any:
                return ours(functools.partial(original, self), self, about)

            setattr(owner, name, method)

        for name in ("search_scope", "find_all_candidates"):
            getattr(PackageFinder, name)
        replace(PackageFinder, "find_all_candidates", self._candidates)
        replace(PyPIRepository, "get_hashes", self._hashes)
        replace(LocalRequirementsRepository, "get_hashes", self._kept_hashes)

    def _candidates(self, original: Callable[..., Any], finder: Any, project: str) -> Any:
        from packaging.utils import canonicalize_name

        name, scope = canonicalize_name(project), finder.search_scope
        found: dict[str, list[Any]] = {}
        fixed, sources = self._fixed(name), list(_apart(scope))
        original = self._without_cooldown(original, finder, name)
        if len(sources) == 1:  # pip keeps the files by itself, and nothing of its inside is touched
            ((origin, _),) = sources
            files = original(project) if fixed is None or is_origin(fixed, origin) else []
            return self._own(name, fixed, {origin: files} if files else {})
        if project in finder._all_candidates:
            return finder._all_candidates[project]
        try:
            for origin, alone in sources:
                # A name that is fixed to one source is not told to the others.
                if fixed is None or is_origin(fixed, origin):
                    finder.search_scope = alone
                    finder._all_candidates.pop(project, None)
                    found.setdefault(origin, []).extend(original(project))
        finally:
            finder.search_scope = scope
        offered = {origin: files for origin, files in found.items() if files}
        own = self._own(name, fixed, offered)
        finder._all_candidates[project] = own
        return own

    def _without_cooldown(self, original: Callable[..., Any], finder: Any, name: str) -> Callable[..., Any]:
        """As `original`, with the files of the one version that no cooldown leaves out."""
        version, limit = self._rules["excepted"].get(name), getattr(finder, "_uploaded_prior_to", None)
        if version is None or limit is None:
            return original

        def files(project: str) -> Any:
            scope = finder.search_scope
            key = (project, *scope.find_links, *scope.index_urls)
            if key not in self._excepted:
                finder._all_candidates.pop(project, None)
                old = original(project)
                finder._all_candidates.pop(project, None)
                finder._uploaded_prior_to = None
                try:
                    every = original(project)
                finally:
                    finder._uploaded_prior_to = limit
                self._excepted[key] = [f for f in every if f in old or str(f.version) == version]
            finder._all_candidates[project] = self._excepted[key]
            return self._excepted[key]

        return files

    def _fixed(self, name: str) -> str | None:
        return next((origin for pattern, origin in self._rules["fixed"] if fnmatchcase(name, pattern)), None)

    def _own(self, name: str, fixed: str | None, offered: dict[str, list[Any]]) -> list[Any]:
        """Those of the files that may be taken."""
        movable, recorded = self._rules["movable"], self._rules["recorded"].get(name)
        stays = recorded if movable is not None and name not in movable else None
        rule = fixed or stays
        if rule is not None:
            own = {origin: files for origin, files in offered.items() if is_origin(rule, origin)}
            others = {origin: files for origin, files in offered.items() if origin not in own}
            if not own:
                self.notes["gone"][name] = (rule, list(others))
            elif others:
                mine = [file for files in own.values() for file in files]
                self.notes["elsewhere"][name] = {o: _compared(files, mine) for o, files in others.items()}
            offered = own
        elif len(offered) > 1 and self._rules["strict"] and not _are_equal(offered):
            self.notes["doubtful"][name] = list(offered)
            return []
        return self._one_for_each_version(name, recorded, offered)

    def _one_for_each_version(
        self, name: str, recorded: str | None, offered: dict[str, list[Any]]
    ) -> list[Any]:
        chosen = self.notes["chosen"].setdefault(name, {})
        kept = frozenset(self._rules["kept"].get(name, ()))
        ranked = sorted(
            offered,
            key=lambda origin: (
                recorded is None or not is_origin(recorded, origin),
                not any(_hash(file) in kept for file in offered[origin]),
            ),
        )
        for origin in ranked:
            for file in offered[origin]:
                chosen.setdefault(str(file.version), origin)
                self._note_upload(name, file)
        return [file for origin in offered for file in offered[origin] if chosen[str(file.version)] == origin]

    def _note_upload(self, name: str, file: Any) -> None:
        time = getattr(file.link, "upload_time", None)  # pip 26.0 and later
        if time is not None:
            known, text = self.notes["uploaded"].setdefault(name, {}), time.isoformat(timespec="seconds")
            known[str(file.version)] = min(text, known.get(str(file.version), text))

    def _hashes(self, original: Callable[..., Any], repository: Any, requirement: Any) -> Any:
        """The hashes of a version, without keeping the files of the package.

        pip-tools asks once for each package, and keeps the wheels of all its versions for all platforms. That
        is most of the memory of a lock: some 1.5 MiB a package.
        """
        try:
            return self._own_hashes(original, repository, requirement)
        finally:
            for owner, name in (
                (repository, "_available_candidates_cache"),
                (repository.finder, "_all_candidates"),
                (repository.finder, "_best_candidates"),
            ):
                getattr(owner, name, {}).clear()

    def _own_hashes(self, original: Callable[..., Any], repository: Any, requirement: Any) -> Any:
        """The hashes of a version, as its own source alone tells them."""
        from packaging.utils import canonicalize_name

        finder, scope = repository.finder, repository.finder.search_scope
        origin = self._origin(canonicalize_name(requirement.name or ""), requirement)
        sources = list(_apart(scope))
        own = [alone for other, alone in sources if other == origin]
        if requirement.original_link or not own or len(sources) == 1:
            return original(requirement)
        hashes = set()
        try:
            for alone in own:
                finder.search_scope = alone
                finder._all_candidates.pop(requirement.name, None)
                repository._available_candidates_cache.pop(requirement.name, None)
                hashes |= original(requirement)
        finally:
            finder.search_scope = scope
        return hashes

    def _kept_hashes(self, original: Callable[..., Any], repository: Any, requirement: Any) -> Any:
        """The hashes of a pin that is kept; of one without a recorded source, those that it tells, too."""
        from packaging.utils import canonicalize_name

        hashes = original(requirement)
        name = canonicalize_name(requirement.name or "")
        several = sum(1 for _ in _apart(repository.finder.search_scope)) > 1
        if requirement.original_link or name in self._rules["recorded"] or not several:
            return hashes
        return hashes & repository.repository.get_hashes(requirement) or hashes

    def _origin(self, name: str, requirement: Any) -> str | None:
        chosen = self.notes["chosen"].get(name, {})
        return next((chosen[v] for v in chosen if requirement.specifier.contains(v, prereleases=True)), None)


def _apart(scope: Any) -> Iterator[tuple[str, Any]]:
    """Each source alone, in pip's order: its name, and the search scope that has no other."""
    for link in dict.fromkeys(scope.find_links):
        yield origin_of(link), type(scope)(find_links=[link], index_urls=[], no_index=True)
    for url in dict.fromkeys([] if scope.no_index else scope.index_urls):
        yield origin_of(url), type(scope)(find_links=[], index_urls=[url], no_index=False)


def _hash(file: Any) -> str:
    return f"{file.link.hash_name}:{file.link.hash}".lower() if file.link.hash else ""


def _files(files: list[Any]) -> dict[str, str]:
    return {file.link.filename: _hash(file) for file in files}


def _are_equal(offered: dict[str, list[Any]]) -> bool:
    first, *others = map(_files, offered.values())
    return "" not in first.values() and all(other == first for other in others)


def _compared(files: list[Any], own: list[Any]) -> tuple[str, list[str]]:
    mine = _files(own)
    highest = max((f.version for f in files if not f.version.is_prerelease), default=None)
    versions = {file.version for file in own}
    other = {f.version for f in files if f.version in versions and _hash(f) != mine.get(f.link.filename)}
    return "" if highest is None else str(highest), sorted(map(str, other))


def main() -> None:
    """Be pip-compile."""
    directory, rules, notes, *arguments = sys.argv[1:]
    sys.path[:0] = [directory]
    sys.path += site.getsitepackages()
    sys.argv = ["pip-compile", *arguments]
    with open(rules, encoding="utf-8") as file:
        origins = Origins(json.load(file))
    try:
        # Under another name it only defines itself: an error here is not about the inputs.
        runpy.run_module("piptools", run_name="piptools.__main__")
        origins.install()
    except Exception as error:  # noqa: BLE001 - whatever it is, this interpreter cannot run it
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(UNABLE)
    try:
        runpy.run_module("piptools", run_name="__main__", alter_sys=True)
    finally:
        with open(notes, "w", encoding="utf-8") as file:
            json.dump(origins.notes, file)


if __name__ == "__main__":
    main()
