"""The journal: what happened, in one place."""
