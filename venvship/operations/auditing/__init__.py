"""Asks for the known vulnerabilities of packages: a service, or a file of advisories."""
