"""Values and stored wheels for tests that lay out, assemble and build releases."""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from packaging.markers import default_environment
from packaging.tags import sys_tags
from packaging.utils import canonicalize_name

from tests.support.wheels import Distribution, lockfile_text
from venvship.building.request import BuildRequest
from venvship.building.store.unpack import unpack
from venvship.model.environment import Environment
from venvship.model.interpreter import Interpreter
from venvship.model.lockfiles.lockfile import Lockfile
from venvship.model.lockfiles.requirement import Requirement
from venvship.model.lockfiles.requirements_txt import RequirementsTxt
from venvship.model.settings import BuildSettings
from venvship.model.wheel import StoredFile, StoredWheel

LINUX = Interpreter(
    path="/usr/bin/python3.12",
    version="3.12.4",
    implementation="cpython",
    soabi="cpython-312-x86_64-linux-gnu",
    platform="linux-x86_64",
    magic="cb0d0d0a",
    tags=(
        "cp312-cp312-manylinux_2_28_x86_64",
        "cp312-cp312-manylinux_2_17_x86_64",
        "cp312-abi3-manylinux_2_17_x86_64",
        "cp312-none-any",
        "py3-none-any",
    ),
    markers={
        "implementation_name": "cpython",
        "implementation_version": "3.12.4",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_release": "6.1.0",
        "platform_system": "Linux",
        "platform_version": "#1 SMP",
        "python_full_version": "3.12.4",
        "python_version": "3.12",
        "sys_platform": "linux",
    },
)
"""An interpreter that is the same for all tests, wherever they run."""

CREATED_AT = datetime(2026, 11, 22, 9, 41, 43, tzinfo=UTC)

INTERPRETER = Interpreter(
    path=os.path.realpath(getattr(sys, "_base_executable", sys.executable)),
    version=".".join(map(str, sys.version_info[:3])),
    implementation=sys.implementation.name,
    soabi=sysconfig.get_config_var("SOABI"),
    platform=sysconfig.get_platform(),
    magic=importlib.util.MAGIC_NUMBER.hex(),
    tags=tuple(map(str, sys_tags())),
    markers={key: str(value) for key, value in default_environment().items()},
)
"""The interpreter that runs the tests, outside its virtual environment."""

VERSION_FOLDER = f"python{INTERPRETER.minor}"
SITE = f"lib/{VERSION_FOLDER}/site-packages"


def digest_of(contents: str | bytes) -> str:
    return sha256(contents.encode() if isinstance(contents, str) else contents).hexdigest()


def wheel_value(
    name: str, files: Mapping[str, str | bytes], version: str = "1.0", **changes: Any
) -> StoredWheel:
    """A stored wheel that is a value only, for pure code; `files` maps store paths to contents."""
    stored = tuple(
        StoredFile(path=path, size=len(contents), sha256=digest_of(contents))
        for path, contents in sorted(files.items())
    )
    wheel = StoredWheel(
        sha256=digest_of(f"{name} {version}"),
        filename=f"{name}-{version}-py3-none-any.whl",
        name=name,
        version=version,
        dist_info=f"{name}-{version}.dist-info",
        requires_python="",
        root_is_purelib=True,
        requires=(),
        provides_extra=(),
        scripts=(),
        files=stored,
        data=f"/store/{name}",
    )
    return replace(wheel, **changes)


def unpacked(wheel: Distribution, store: Path) -> StoredWheel:
    """Unpack a real wheel as the store does, into `store/<sha256>`."""
    store.mkdir(exist_ok=True)
    directory = str(store / wheel.sha256)
    return unpack(
        str(wheel.path),
        directory,
        sha256=wheel.sha256,
        check_record=True,
        data=directory,
        between=lambda: None,
    )


def pinned(wheel: Distribution | StoredWheel, **changes: Any) -> Requirement:
    """The requirement that selects exactly this wheel."""
    name = str(canonicalize_name(wheel.name))
    line = f"{name}=={wheel.version} --hash=sha256:{wheel.sha256}"
    requirement = Requirement(
        name=name,
        version=wheel.version,
        hashes=(f"sha256:{wheel.sha256}",),
        text=line,
        file="/srv/shop/requirements.txt",
        line=1,
    )
    return replace(requirement, **changes)


def request_for(
    root: Path,
    wheels: Iterable[Distribution],
    *,
    release_id: str = "20261122T094143Z-3f9a1c2",
    options: tuple[str, ...] = (),
    requirements: Iterable[Requirement] | None = None,
    link: str = "auto",
    build: BuildSettings | None = None,
    **changes: Any,
) -> BuildRequest:
    """A request to build these wheels below a root, whose folders are made."""
    for folder in ("releases", "state", "log"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    chosen = list(wheels)
    content = lockfile_text(*chosen).encode()
    selected = tuple(
        sorted(requirements if requirements is not None else map(pinned, chosen), key=lambda r: r.name)
    )
    request = BuildRequest(
        release_id=release_id,
        release_path=str(root / "releases" / release_id),
        root_path=str(root),
        created_at=CREATED_AT,
        environment=Environment(
            lockfile=Lockfile(
                path=str(root / "requirements.txt"),
                sha256=digest_of(content),
                content=content,
                options=options,
                parsed=RequirementsTxt(requirements=selected, options=options, files={}),
            ),
            selected=selected,
            interpreter=INTERPRETER,
            digest="e" * 64,
            inputs="i" * 64,
        ),
        build=build or BuildSettings(),
        link=link,
        message="from a test",
        lease_path=str(root / "state" / "leases" / release_id),
        log_dir=str(root / "log" / release_id),
    )
    return replace(request, **changes)
