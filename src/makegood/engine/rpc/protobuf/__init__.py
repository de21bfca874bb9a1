"""Contracts as protobuf: their `.proto` files, and messages to and from the wire."""
