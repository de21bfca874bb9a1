"""The promises, checked on a live shop: recomputed from entries and lines, never from the counters they check."""

from makegood.audit.auditing import TITLES, audit

__all__ = ["TITLES", "audit"]
