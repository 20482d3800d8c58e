"""What every Python process of a release runs while it starts. Not part of venvship: a file of the release.

`startup.py` puts this source into site-packages as `_venvship.py`, the same bytes in every release, and
two `.pth` files that call it. A process started through a link, such as `/srv/shop/current/bin/python`, would
import what it needs late from wherever the link leads by then. Here it moves over to the release itself.
Which one that is stands in the first `.pth` file, read in one go; it is not found out by following the link
again, since that may just have been switched. For the same reason this module is loaded by the path of that
release.

What happens, as `site` of CPython 3.11 to 3.14 goes about it, where `sys.prefix` is the link:

1. `site` lists `<link>/lib/python3.X/site-packages`, and reads the `.pth` files there in sorted order.
2. The first is ours: `first()`. From here on the process belongs to the release written in that very file,
   even if the link led elsewhere when the process was started, or when the directory was listed.
3. `site` goes on to read the other files of its list through the link; see `_read_from_release`.
4. The last is ours: `last()`.
5. `site` does it all again for `site.PREFIXES`, which is the release itself by now (a venv's `.pth` files are
   read twice until 3.14): files that were not on the list of step 1 get their turn.

3.15 to 3.17 read all the files before they run a line of any (PEP 829), so step 3 is over by the time we run.
From 3.18 on only `.start` files are run: `start()`.

Where a release has the files of a project in `app/`, that folder is put into `sys.path` as well, and a script
in it is read from the release: see `_restart_script`.

Only modules that `site` has loaded anyway are used, and `fcntl`, for the lease. Nothing here may print or
raise, whatever state the release is in: a process that is not protected is better than none.
"""

# No __future__ import, which would load a module, and no typing: hence the plain annotations.

import os
import sys

FIRST_NAME = "!venvship.pth"
LOWEST_FD = 64  # above what shells, supervisors and socket activation (from 3 up) hand out

lease = -1  # the descriptor that holds the shared flock
_decided = False
_release = ""  # what this interpreter is pinned to; empty: nothing, it is not our business
_links: set[str] = set()  # the prefixes that stand for it
_moving = False  # whether there is anything below them
_guarded = ""  # the real path of the release that gets no bytecode; empty: this process could write none
_addpackage: object = None  # site's own, while ours is in its place


def first(here: dict[str, object], release_path: bytes, lease_path: bytes, app: bool = False) -> None:
    """Pin the process, take the lease; called from the first file that `site` reads.

    Args:
        here: The local variables of the function of `site` that runs our line.
        release_path: The release, as that file says.
        lease_path: The file to hold a shared flock(2) on.
        app: Whether the release has the files of a project in `app/`.
    """
    try:
        # exec() in site shows our line the variables of its caller. The one that holds the file's path, made
        # absolute, is `fullname` until 3.14 and `filename` in 3.15, so look at the values.
        ending = "/" + FIRST_NAME
        found = next((v for v in list(here.values()) if isinstance(v, str) and v.endswith(ending)), "")
        fresh = _pin(found, os.fsdecode(release_path), os.fsdecode(lease_path))
        if _moving:
            if fresh:
                _move_interpreter()
            _move_paths(here.get("known_paths"))
            if _move(found) is not found:
                _read_from_release()
        # A subinterpreter stays on the release of its process, and this may be another one's file.
        ours = fresh and os.fsdecode(release_path) == _release
        if app if ours else fresh and os.path.isdir(_release + "/app"):
            _add_app()
    except Exception:  # noqa: BLE001, S110 - the rule of this module: never stop a process from starting
        pass


def last(here: dict[str, object]) -> None:
    """Bring along what other `.pth` files added; called from the last file that `site` reads."""
    global _addpackage  # noqa: PLW0603
    try:
        if _addpackage is not None:
            vars(sys.modules["site"])["addpackage"] = _addpackage
            _addpackage = None
        if _moving:
            _move_paths(here.get("known_paths"))
    except Exception:  # noqa: BLE001, S110 - as above
        pass


def start() -> None:
    """Do what `first` does, called through a `.start` file (PEP 829), which cannot pass anything."""
    try:
        # The import came through the link, so this may be another release's file than the .start file was.
        # It does not matter: the module is the same, and the text beside it is read in one go.
        with open(os.path.dirname(__file__) + "/_venvship.txt", "rb") as file:
            release_path, lease_path, app = os.fsdecode(file.read()).split("\n")[:3]
        if _pin(__file__, release_path, lease_path) and _moving:
            _move_interpreter()
            _move_paths(None)
        if app and release_path == _release:
            _add_app()
    except Exception:  # noqa: BLE001, S110 - as above
        pass


def _pin(found: str, release_path: str, lease_path: str) -> bool:
    global _release, _decided, _links, _moving  # noqa: PLW0603
    # Once for each interpreter: site.main() can be called again, site reads the files of a venv twice, and
    # through lib64 a third time. By then the link may lead elsewhere, but this process stays.
    if _decided:
        return False
    _decided = True
    # Whose start-up is this? Ours only if the file was found below this interpreter's own prefix. Somebody
    # else's interpreter may read it too (site.addsitedir in an IDE): that is none of our business. The answer
    # is taken from the text of the paths: a look at the link may show another release by now.
    # <prefix>/lib/python3.X/site-packages/<name>, counted, since lib64 leads to the same directory.
    prefix = found.rsplit("/", 4)[0]
    if prefix not in (sys.prefix, os.path.abspath(sys.prefix)):
        return False
    releases = os.path.dirname(release_path)
    pinned = release_path
    earlier = None
    if prefix != release_path:
        # A copy or a moved root: what is written here is another tree, or gone, and must not be used. Both
        # paths lead into the same folder of releases, whichever of them the link names just now.
        if not os.path.samefile(prefix + "/..", releases) or not os.path.isdir(release_path):
            return False
        earlier = _pinned_before(releases, os.path.dirname(lease_path))
        pinned = earlier or release_path
    # A process started by the shebang of current/bin/<script> has the release's own prefix, but the script's
    # directory becomes sys.path[0] as <root>/current/bin. That link is known by name.
    _links = {sys.prefix, prefix, os.path.dirname(releases) + "/current"} - {pinned}
    _release = pinned
    _moving = prefix != pinned or any(_move(path) is not path for path in sys.path)
    if not earlier:
        _restart_script(releases)
    _guard(pinned)
    sys.path_hooks.insert(0, _finder)  # type: ignore[arg-type]  # what another hook returns
    if not earlier:
        _take_lease(lease_path)
    return True


def _pinned_before(releases: str, leases: str) -> str | None:
    # A subinterpreter starts with the prefix that the process was given, which is the link again, and with a
    # `sys` of its own. What they share are the descriptors: the lease tells which release this process is on.
    # One that is closed on exec cannot have come from outside, as another program's lease may.
    for fd in range(LOWEST_FD, LOWEST_FD + 16):
        try:
            folder, name = os.path.split(os.readlink(f"/proc/self/fd/{fd}"))
            inherited = os.get_inheritable(fd)
        except OSError:
            break
        path = f"{releases}/{name.removesuffix(' (deleted)')}"
        if not inherited and folder == os.path.realpath(leases) and os.path.isdir(path):
            return path
    return None


def _restart_script(releases: str) -> None:
    # Python opens the main script after us, by the path that the caller gave: current/app/manage.py may be
    # that of the next release by then, with our modules. Nothing can change that path any more, so the
    # process begins again, with the same id and descriptors, on the real path of the script. Scripts of bin/
    # only call a function of a module, which is ours. A script that was named by the path of another release,
    # as in a shell that stands there, takes that release's interpreter: it would not find its packages here.
    try:
        arguments = sys.argv
        options = sys.orig_argv[1 : len(sys.orig_argv) - len(arguments)]
        begun = hasattr(sys.modules["__main__"], "__file__")  # under -S, and a program called site.main()
        if begun or arguments[0] in ("", "-", "-c", "-m") or sys.orig_argv[len(options) + 1 :] != arguments:
            return
        named = os.path.abspath(arguments[0])
        if os.path.islink(named):  # /usr/local/bin/shop-manage
            named = os.path.normpath(os.path.join(os.path.dirname(named), os.readlink(named)))
        script = _move(named)
        root, current, inside = named.partition("/current/")
        if script is named and current and os.path.samefile(root + "/releases", releases):
            script = _release + "/" + inside  # the root has another name, too
        if script is not named:
            release = _release
        else:
            release = releases + "/" + named[len(releases) + 1 :].partition("/")[0]
            if not named.startswith(releases + "/") or release == _release:
                return
        python = release + "/bin/python"
        if (script + "/").startswith(release + "/app/") and os.access(python, os.X_OK):
            os.execv(python, [python, *options, script, *arguments[1:]])  # noqa: S606 - the same program
    except Exception:  # noqa: BLE001, S110 - as above
        pass


def _take_lease(path: str) -> None:
    global lease  # noqa: PLW0603
    fd = -1
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        import fcntl

        # Not among the low numbers: programs count on the next free one being 3, or close the first few.
        high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, LOWEST_FD)
        os.close(fd)
        fd = high
        # Refused while somebody deletes this release; waiting for that would help nobody.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        lease = fd
    except Exception:  # noqa: BLE001 - no file, no permission, no fcntl, no flock here: do without a lease
        if fd >= 0:
            os.close(fd)


def _guard(release: str) -> None:
    # The directories of a release are read-only, which stops everybody but root. Root's processes would write
    # the bytecode that is missing, for -O or by pytest, into the sealed tree. sys.dont_write_bytecode and
    # sys.pycache_prefix are no way out: both reach the application's own files elsewhere, and the second
    # would hide the bytecode that the release has. An audit hook would reach every writer, and make id() five
    # times slower. So the one method that writes an import's bytecode is replaced, and pytest's function.
    global _guarded  # noqa: PLW0603
    try:
        if not os.access(release + "/lib", os.W_OK):
            return
        loader = vars(sys.modules["_frozen_importlib_external"])["SourceFileLoader"]
        original = loader.set_data

        def set_data(self: object, path: str, data: bytes, **options: int) -> None:
            if not _is_guarded(path):
                original(self, path, data, **options)

        _guarded = os.path.realpath(release)
        loader.set_data = set_data
        sys.meta_path.insert(0, _Pytest())  # type: ignore[arg-type]  # typeshed wants a class of importlib
    except Exception:  # noqa: BLE001, S110 - as above
        pass


def _is_guarded(path: object) -> bool:
    try:
        return os.path.realpath(os.fsdecode(path)).startswith(_guarded + "/")  # type: ignore[arg-type]
    except Exception:  # noqa: BLE001 - as above
        return False


class _Pytest:
    # In sys.meta_path until pytest's rewriting of assertions is imported, which keeps bytecode of its own.

    def find_spec(self, name: str, path: object = None, target: object = None) -> object:
        if name != "_pytest.assertion.rewrite":
            return None
        others = [finder for finder in list[object](sys.meta_path) if finder is not self]
        sys.meta_path[:] = others  # type: ignore[assignment]
        found = (finder.find_spec(name, path, target) for finder in sys.meta_path)  # type: ignore[arg-type]
        spec = next((one for one in found if one is not None), None)
        loader = getattr(spec, "loader", None)
        execute = getattr(loader, "exec_module", None)

        def exec_module(module: object) -> None:
            execute(module)  # type: ignore[misc]
            write = getattr(module, "_write_pyc", None)
            if write is not None:
                # The path is the last argument; the answer is whether it was written.
                vars(module)["_write_pyc"] = lambda *all: not _is_guarded(all[-1]) and write(*all)

        if execute is not None:
            loader.exec_module = exec_module  # type: ignore[union-attr]
        return spec


def _move(path: str) -> str:
    # Gives back the very same object where there is nothing to move.
    if isinstance(path, str):  # people put everything into sys.path
        for link in _links:
            if path == link or path.startswith(link + "/"):
                return _release + path[len(link) :]
    return path


def _add_app() -> None:
    # Behind the standard library, before the packages: a module of the project wins over one of a package,
    # as it does where the project is the working directory.
    app = _release + "/app"
    if app not in sys.path:
        libraries = _release + "/lib"
        after = [path for path in sys.path if str(path).startswith(libraries)]
        sys.path.insert(sys.path.index(after[0]) if after else len(sys.path), app)


def _of_this_release(path: str) -> str:
    # Python resolves the links in the directory of the script, and the system those in the working directory,
    # which many programs put into sys.path. After a switch these are the folders of another release.
    releases = os.path.dirname(_release) + "/"
    text = str(path)  # as above
    if text.startswith(releases) and not (text + "/").startswith(_release + "/"):
        folder = text[len(releases) :].partition("/")[2]
        if folder == "bin" or (folder + "/").startswith("app/"):
            return _release + "/" + folder
    return path


class _Nothing:
    # The finder of a folder that this release does not have.

    def find_spec(self, *_: object) -> None:
        return None


def _finder(path: str) -> object:
    # In sys.path_hooks (PEP 302), for entries of sys.path that come after us: the directory of the script,
    # and what programs add.
    moved = _of_this_release(_move(path))
    if moved is not path:
        for hook in sys.path_hooks:
            if hook is not _finder:
                try:
                    return hook(moved)
                except ImportError:
                    pass
        if os.path.isdir(path):  # not a script, which Python asks about as well
            return _Nothing()
    raise ImportError


def _read_from_release() -> None:
    # site goes on to read the files it has listed, by paths that go through the link. After a switch those
    # are another release's, and its import lines would run against our packages. So, for the rest of this
    # directory, they are read from the release; names it does not have are skipped by site itself. What they
    # add to sys.path or import stands in the release from the start.
    global _addpackage  # noqa: PLW0603
    if _addpackage is None:
        site = vars(sys.modules["site"])
        original = _addpackage = site["addpackage"]
        site["addpackage"] = lambda sitedir, name, known_paths: original(_move(sitedir), name, known_paths)


def _move_paths(known_paths: object) -> None:
    paths: list[str] = []
    for path in sys.path:
        moved = _move(path)
        if moved is path or moved not in paths:
            paths.append(moved)
    sys.path[:] = paths
    for path in list(sys.path_importer_cache):
        if _move(path) is not path:
            del sys.path_importer_cache[path]
    if isinstance(known_paths, set):
        # Both spellings: site must add neither again.
        known_paths.update([_move(path) for path in known_paths])


def _move_interpreter() -> None:
    for name in ("prefix", "exec_prefix", "executable"):
        value = getattr(sys, name)
        if value:
            # As somebody typed it, perhaps: /srv/shop/./current/bin/python. `site` has made sys.path normal.
            normal = os.path.abspath(value)
            setattr(sys, name, value if _move(normal) is normal else _move(normal))
    _move_list(vars(sys.modules["site"])["PREFIXES"])
    # What was imported before us: next to nothing, unless site.main() comes late, after `python -S`. All
    # through dictionaries: attributes may be computed, by code that is not ours to run.
    below = tuple(link + "/" for link in _links)
    for module in list(sys.modules.values()):
        names = getattr(module, "__dict__", {})
        _move_list(names.get("__path__"))
        file = names.get("__file__")
        if isinstance(file, str) and file.startswith(below):
            _move_values(names, ("__file__", "__cached__"))
            spec = getattr(names.get("__spec__"), "__dict__", {})
            _move_values(spec, ("origin", "_cached"))
            _move_list(spec.get("submodule_search_locations"))
            _move_values(getattr(names.get("__loader__"), "__dict__", {}), ("path",))
    if "sysconfig" in sys.modules:
        names = vars(sys.modules["sysconfig"])
        _move_values(names, ("_PREFIX", "_EXEC_PREFIX"))
        variables = names.get("_CONFIG_VARS") or {}
        _move_values(variables, list(variables))
    if "multiprocessing.spawn" in sys.modules:
        names = vars(sys.modules["multiprocessing.spawn"])
        if isinstance(names.get("_python_exe"), bytes):
            names["_python_exe"] = os.fsencode(_move(os.fsdecode(names["_python_exe"])))


def _move_list(paths: object) -> None:
    if isinstance(paths, list):
        paths[:] = [_move(path) for path in paths]


def _move_values(names: dict[str, object], keys: list[str] | tuple[str, ...]) -> None:
    for key in keys:
        value = names.get(key)
        if isinstance(value, str):
            names[key] = _move(value)
