"""Plausible mistakes put into a copy of the shop: the simulation must find each of them."""
