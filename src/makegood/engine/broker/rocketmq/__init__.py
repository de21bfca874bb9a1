"""RocketMQ 5 as the shop's broker: messages through its gRPC proxies, topics and groups through its remoting protocol.

Needs the extra `cluster`. `broker.py` is where to begin.
"""
