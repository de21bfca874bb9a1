"""Who offers which interface, and where."""
