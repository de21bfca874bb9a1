"""How long to wait before trying again."""

from makegood.engine.world import World


def backoff(world: World, attempt: int, *, first: float, most: float) -> float:
    """Seconds before the try after the `attempt`th failure (from 1): doubling, spread by half."""
    return min(most, first * 2.0 ** min(attempt - 1, 32)) * (0.75 + world.jitter() / 2)
