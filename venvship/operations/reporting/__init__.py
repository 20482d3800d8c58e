"""Read-only commands: they take no mutex and write nothing."""
