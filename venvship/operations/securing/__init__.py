"""Finds the lockfile that fixes known vulnerabilities and changes nothing else: see ADR 60."""
