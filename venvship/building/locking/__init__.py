"""Run pip-compile for the interpreter of a root, and explain its failures."""
