"""Lockfiles, parsed into requirements.

Start with `lockfile`: it reads a lockfile of any format and selects from it for one interpreter.
`requirement` has the value that every format comes to, and the rules that hold in all of them. `selection`
has the result, with the packages that come from source trees. `problems` collects everything that is wrong.

Each format is a module: `requirements_txt` with its `requirements_txt_lines`, `requirements_txt_options` and
`requirements_txt_pin`; `pylock`; `uv_lock`, whose export is a pylock file; and `poetry_lock`, `pdm_lock` and
`pipfile_lock`, which `tool_lock` selects from. `staleness` compares the lock of a tool with the project
beside it. `lock_inputs` is apart: it serves `venvship lock`, which writes a requirements.txt.

Of the locks of tools, `model/lock_kinds` has the commands, and `model/lock_neighbours` finds the project's
files. An idle `update` needs these two, and nothing here.
"""
