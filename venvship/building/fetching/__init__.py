"""Get the wheels that the store lacks: a direct download where that suffices, else pip."""
