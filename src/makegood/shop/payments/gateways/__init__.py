"""Third-party payment platforms: one port, and an adapter for each platform."""
