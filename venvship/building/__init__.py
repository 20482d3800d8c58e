"""Lockfile to sealed release: fetch wheels, file them in the store, assemble and seal a tree."""
