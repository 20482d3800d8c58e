"""One root, opened: for reading, for recording, and for work under mutexes."""
