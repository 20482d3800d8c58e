"""Decide what may be removed, and remove it."""
