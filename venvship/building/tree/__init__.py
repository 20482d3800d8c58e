"""The files of one release: where each goes, how it gets there, and the seal."""
