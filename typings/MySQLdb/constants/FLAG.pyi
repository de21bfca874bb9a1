"""Flags of result columns."""

BINARY: int
