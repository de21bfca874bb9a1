"""Types of result columns."""

TINY: int
SHORT: int
LONG: int
LONGLONG: int
INT24: int
VARCHAR: int
VAR_STRING: int
STRING: int
TINY_BLOB: int
MEDIUM_BLOB: int
LONG_BLOB: int
BLOB: int
