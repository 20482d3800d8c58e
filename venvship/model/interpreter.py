"""The interpreter that a root's releases run on, as facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from venvship.model import json_fields as fields


class Identity(NamedTuple):
    """The facts of an interpreter that decide whether files built for one interpreter serve another.

    The patch level and the path are left out on purpose: an operating system's security update of 3.11.6 to
    3.11.7 must not make every release look different. The fields are the keys of the JSON form.

    Attributes:
        implementation: `sys.implementation.name`: `"cpython"`.
        version: `"X.Y"`.
        soabi: `sysconfig` variable `SOABI`, such as `"cpython-311-x86_64-linux-gnu"`.
        platform: `sysconfig.get_platform()`, such as `"linux-x86_64"`.
        magic: `importlib.util.MAGIC_NUMBER` as hexadecimal digits.
    """

    implementation: str
    version: str
    soabi: str
    platform: str
    magic: str

    @classmethod
    def of(cls, python: Mapping[str, str]) -> Identity:
        """The identity that a manifest records under `python`; empty for a key that it lacks."""
        return cls(*(python.get(name, "") for name in cls._fields))

    def serves(self, built_for: Identity) -> bool:
        """Whether a release that was built for an interpreter with another identity runs with this one.

        The platform does not count. Python takes it from uname(2), so that a new kernel below a 32-bit
        system, or setarch(8), changes it for every release at once. Files depend on the SOABI.
        """
        return self._replace(platform="") == built_for._replace(platform="")

    @property
    def bytecode(self) -> str:
        """The part that decides whether bytecode serves, as the store's folders spell it."""
        return f"{self.soabi}-{self.magic}"

    def to_json(self) -> dict[str, str]:
        """The form that digests and manifests have."""
        return self._asdict()

    def __str__(self) -> str:
        """In words, for messages."""
        return f"{self.implementation} {self.version} ({self.soabi}, {self.platform}, {self.magic})"


class Interpreter(NamedTuple):
    """One CPython, asked once and recorded in `state/python.json`.

    Attributes:
        path: Versioned, real path of the executable, such as `/usr/bin/python3.11`; never a shim or a link.
        version: Full version, such as `"3.11.7"`.
        implementation, soabi, platform, magic: As of `Identity`.
        tags: Wheel tags it accepts, best first, as `packaging.tags` spells them.
        markers: Its environment for PEP 508 markers: the keys of `packaging.markers.default_environment()`.
    """

    path: str
    version: str
    implementation: str
    soabi: str
    platform: str
    magic: str
    tags: tuple[str, ...]
    markers: Mapping[str, str]

    @property
    def minor(self) -> str:
        """The `X.Y` of its version."""
        return ".".join(self.version.split(".")[:2])

    @property
    def label(self) -> str:
        """The interpreter in a message, as in `CPython 3.11.7 on linux-x86_64`."""
        return f"CPython {self.version} on {self.platform}"

    @property
    def identity(self) -> Identity:
        """The part that decides whether files built for it serve another interpreter."""
        return Identity(self.implementation, self.minor, self.soabi, self.platform, self.magic)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form that `from_json` reads."""
        return {**self._asdict(), "tags": list(self.tags), "markers": dict(self.markers)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Interpreter:
        """Read the JSON form.

        Raises:
            KeyError: A key is missing.
            ValueError: A value has the wrong type or form.
        """
        fields.absolute_path(data["path"])
        return cls(
            **{name: fields.plain(data[name]) for name in cls._fields[:-2]},
            tags=fields.plain_items(data["tags"]),
            markers=fields.plain_mapping(data["markers"]),
        )
