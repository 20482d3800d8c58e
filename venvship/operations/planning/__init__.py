"""Find out which environment is wanted and whether a release of it exists already."""
