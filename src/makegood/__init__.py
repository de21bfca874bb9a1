"""makegood: the order and payment core of an online shop."""
