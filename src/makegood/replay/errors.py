"""Why a replay cannot go on.

ReplayError
├── DataSetError           the data set is missing, or is not the one that was counted
├── ShopError              the shop answered what its contract does not allow
└── ShopUnavailableError   the shop, or its sandbox, did not come back in time
"""


class ReplayError(Exception):
    """The replay stops here; the message says what to do."""


class DataSetError(ReplayError):
    """The data set is missing, or a row of it breaks what every row must keep to."""


class ShopError(ReplayError):
    """The shop answered what its contract does not allow."""


class ShopUnavailableError(ReplayError):
    """Connections were refused, or answered with 5xx, for as long as the replay is willing to wait."""
