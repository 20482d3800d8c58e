"""One root, opened: what a read takes, what a write takes on top of that."""
