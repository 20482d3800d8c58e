"""From a lockfile to a sealed release: fetch, store, compile, link, seal."""
