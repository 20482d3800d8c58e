"""Known vulnerabilities: advisories of a package, from a service or a file, and what the settings ignore."""
