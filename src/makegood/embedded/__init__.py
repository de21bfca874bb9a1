"""The whole shop in one process, on SQLite."""
