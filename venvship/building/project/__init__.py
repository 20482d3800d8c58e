"""From a checkout to the wheels of the project's own code.

`checkout` opens a project: its commit, or its plain files. `pyproject` reads its name and version, `members`
those of a workspace. `copy` makes the clean copy that `build` builds a wheel in.
"""
