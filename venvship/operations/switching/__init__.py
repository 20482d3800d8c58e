"""Move `current` to another release and back, and recover what was interrupted."""
