"""What git says of a repository: the files of a tree, a commit with its place, and changes."""

from __future__ import annotations

from typing import NamedTuple


class Commit(NamedTuple):
    """A commit, for people.

    Attributes:
        id: The full id.
        subject: The first line of its message.
    """

    id: str
    subject: str

    def to_json(self) -> dict[str, str]:
        """The JSON form."""
        return self._asdict()


class TreeEntry(NamedTuple):
    """One entry of a tree of git.

    Attributes:
        mode: `100644`, `100755`, `120000` of a symbolic link, `160000` of a submodule.
        oid: The id of the blob; of a submodule, its commit.
        size: Bytes of the blob; 0 for a submodule.
        path: From the top of the repository.
    """

    mode: str
    oid: str
    size: int
    path: str

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return self.mode == "120000"

    @property
    def is_submodule(self) -> bool:
        """Whether it is a commit of another repository."""
        return self.mode == "160000"


class Located(NamedTuple):
    """A place in a repository, and the commit that a name leads to.

    Attributes:
        git_dir: Absolute path of the directory with the objects: `.git`, or the bare repository.
        shallow: Whether the repository lacks the beginning of its history.
        prefix: The folder of the place in the repository; `""` for the top and for a bare one.
        commit: The full id.
    """

    git_dir: str
    shallow: bool
    prefix: str
    commit: str


class Change(NamedTuple):
    """One line of `git status`.

    Attributes:
        code: Two letters as of git-status(1), such as ` M`; `??` is untracked, `!!` ignored.
        path: From the top of the repository; a folder ends in a slash.
    """

    code: str
    path: str

    @property
    def is_tracked(self) -> bool:
        """Whether the file is tracked, so that its change is missing in the commit."""
        return self.code not in {"??", "!!"}
