"""Health checks and hooks: the operator's own programs, asked about a release or acting on it."""
