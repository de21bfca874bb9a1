"""Payments: opened at a platform, told by its callback."""
