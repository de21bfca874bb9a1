"""Orders: placed, decided, paid, shipped, refunded."""
