"""Accounts: who buys, and the balance they pay with."""
