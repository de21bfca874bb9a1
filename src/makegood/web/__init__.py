"""The shop's HTTP API, and the pages it serves."""
