"""What operators see and do, wherever the services run."""
