"""All mutations, by name: those that must be found, and those that are known not to be."""

from tests.simulation.mutations import engine, orders, participants, payments
from tests.simulation.mutations.mutation import Mutation

ALL: dict[str, Mutation] = {
    one.name: one for one in (*participants.MUTATIONS, *orders.MUTATIONS, *payments.MUTATIONS, *engine.MUTATIONS)
}
MUTATIONS = {name: one for name, one in ALL.items() if not one.survives}
SURVIVORS = {name: one for name, one in ALL.items() if one.survives}
