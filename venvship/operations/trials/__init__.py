"""Trials of mixed environments: built as candidates that are never sealed, judged, and removed."""
