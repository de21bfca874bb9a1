"""Calls between services: the port and its carriers."""
