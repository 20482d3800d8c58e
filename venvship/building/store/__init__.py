"""The content-addressed store of unpacked wheels and their bytecode."""
