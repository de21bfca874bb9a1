"""Points for what was paid."""
