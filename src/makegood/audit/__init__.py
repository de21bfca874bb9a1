"""The promises, checked on a live shop or on what is left of one: recomputed from entries and lines, never from the
counters they check. It needs the databases and the platforms' ledgers; who runs them, and where, it does not ask.
"""

from makegood.audit.auditing import TITLES, audit, look
from makegood.audit.platform import PlatformUnavailable, Trade, Trades

__all__ = ["TITLES", "PlatformUnavailable", "Trade", "Trades", "audit", "look"]
