"""A board for notes."""
