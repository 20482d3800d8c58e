"""The command line: click commands, one renderer, one exit. Only this package imports click and rich."""
