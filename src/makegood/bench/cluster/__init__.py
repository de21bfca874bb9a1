"""The bench of the real servers: the same orders, with the CPU of each process and the floor of their rows."""
