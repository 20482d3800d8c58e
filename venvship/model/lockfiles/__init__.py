"""Lockfiles: requirements.txt and pylock.toml, parsed into requirements.

Start with `lockfile`: it reads a lockfile of either format and selects from it for one interpreter.
`requirement` has the value that every format comes to, and the rules that hold in all of them; `problems`
collects everything that is wrong. Each format is a module: `pylock`, and `requirements_txt` with its
`requirements_txt_lines`, `requirements_txt_options` and `requirements_txt_pin`. `lock_inputs` is apart: it
serves `venvship lock`, which writes a requirements.txt.
"""
