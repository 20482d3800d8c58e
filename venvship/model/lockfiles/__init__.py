"""Parse requirements.txt and pylock.toml into requirements."""
