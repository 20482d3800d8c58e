"""The commands, one module each. They return data; `venvship.cli` renders it.

The arguments and errors of a command are documented at its method of `Root`. The docstring here adds the
order of the steps, and the state that a crash leaves.
"""
