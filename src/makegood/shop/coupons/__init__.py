"""Coupons: each used by at most one live order."""
