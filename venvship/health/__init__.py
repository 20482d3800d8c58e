"""Health checks and hooks: what the operator's own programs say about a release."""
