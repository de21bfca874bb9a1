"""The whole shop in one deterministic world, in which everything that can fail does."""
