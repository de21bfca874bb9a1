"""Forgets what is old, so that the file stops growing."""

import asyncio
import logging
from typing import Final

from .store import Store, StoreBusyError, Transaction

KEPT_MILLISECONDS: Final = 90 * 24 * 3600 * 1000
ANSWERS_KEPT_MILLISECONDS: Final = 24 * 3600 * 1000
BATCH: Final = 1000
PAUSE_SECONDS: Final = 60.0
PAUSE_BETWEEN_BATCHES_SECONDS: Final = 0.05

log = logging.getLogger(__name__)

_OLD: Final = (
    "DELETE FROM attempts WHERE notification_id IN (SELECT id FROM notifications WHERE trade_id BETWEEN ?1 AND ?2)",
    "DELETE FROM notifications WHERE trade_id BETWEEN ?1 AND ?2",
    "DELETE FROM events WHERE trade_id BETWEEN ?1 AND ?2",
    "DELETE FROM movements WHERE trade_id BETWEEN ?1 AND ?2",
    "DELETE FROM refunds WHERE trade_id BETWEEN ?1 AND ?2",
    "DELETE FROM trades WHERE id BETWEEN ?1 AND ?2",
)


def prune(tx: Transaction) -> int:
    """Deletes trades made more than 90 virtual days ago with all that is theirs, at most 1000; says how many."""
    rows = tx.rows(
        "SELECT id FROM (SELECT id, created_at FROM trades ORDER BY id LIMIT ?) WHERE created_at < ? ORDER BY id",
        BATCH,
        tx.now - KEPT_MILLISECONDS,
    )
    tx.rows("DELETE FROM answered WHERE answered_at < ?", tx.now - ANSWERS_KEPT_MILLISECONDS)
    if rows:
        for statement in _OLD:
            tx.rows(statement, rows[0][0], rows[-1][0])
    return len(rows)


async def keep_pruning(store: Store) -> None:
    """Prunes once a minute, and without a stop while there is much, until cancelled."""
    while True:
        try:
            pruned = await store.write(prune)
        except (StoreBusyError, TimeoutError):
            pruned = 0
            log.warning("Old trades could not be deleted; trying again in a minute.")
        await asyncio.sleep(PAUSE_BETWEEN_BATCHES_SECONDS if pruned == BATCH else PAUSE_SECONDS)
