"""Known mistakes fit the source as it is: `make test-simulation` can make each of them."""

import pytest

from tests.simulation.mutations.catalogue import MUTATIONS


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_fits(name: str) -> None:
    """What a mutation replaces first is there exactly once; what it replaces later may be of its own making."""
    assert MUTATIONS[name].patches[0].fitting()
