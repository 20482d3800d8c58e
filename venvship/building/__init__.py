"""Lockfile to sealed release: fetch wheels, file them in the store, assemble a tree, seal it.

`builder.py` has the steps in their order. `tree/seal.py` makes a release durable.
"""
