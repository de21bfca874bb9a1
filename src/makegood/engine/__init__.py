"""How services run: batches, transactions, messages, tasks. Knows nothing of shops."""
