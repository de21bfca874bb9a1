"""The shop on the real servers."""
