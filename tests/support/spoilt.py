"""A consumer that really fails: somebody has spoilt its database."""

import contextlib
from collections.abc import Generator

import apsw

from tests.support.shop_process import ShopProcess


@contextlib.contextmanager
def points_refused(process: ShopProcess) -> Generator[None]:
    """The database of points takes no entry until the block ends; what has failed by then is buried.

    Buried as after its sixteenth try, which comes hours later: else it would take effect by itself, sooner or later.
    """
    connection = apsw.Connection(str(process.data / "points.db"))
    connection.set_busy_timeout(10_000)
    connection.execute("CREATE TRIGGER spoilt BEFORE INSERT ON entries BEGIN SELECT RAISE(ABORT, 'spoilt'); END")
    try:
        yield
    finally:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE set_aside SET tries = 16, due_at = NULL")
        connection.execute("DROP TRIGGER spoilt")
        connection.execute("COMMIT")
        connection.close()
