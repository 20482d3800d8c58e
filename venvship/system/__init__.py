"""Effects. Each module is the only caller of its kind: files, processes, mutexes, the journal."""
