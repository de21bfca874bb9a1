"""Messages between services: the port and its brokers."""
