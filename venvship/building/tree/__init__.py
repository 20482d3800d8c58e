"""The files of one release.

`placement` decides where each goes, `assemble` puts it there, `seal` makes the release durable.
"""
