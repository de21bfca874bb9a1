"""The simulation finds mistakes: each mutation of the shop breaks a promise within a bounded number of worlds."""

import pytest

from tests.simulation.mutations.catalogue import MUTATIONS
from tests.simulation.mutations.hunting import hunt

pytestmark = pytest.mark.simulation


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_is_found(name: str) -> None:
    """A shop with this mistake breaks a promise in one of its worlds."""
    found = hunt(MUTATIONS[name])
    assert found.found, f"{found.worlds} worlds keep every promise: {found.mutation.breaks} {found.failure}"
