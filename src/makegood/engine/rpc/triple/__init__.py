"""Calls between processes over gRPC, on the wire as Dubbo's Triple protocol has them."""

from makegood.engine.rpc.triple.caller import TripleCaller
from makegood.engine.rpc.triple.door import TripleDoor

__all__ = ["TripleCaller", "TripleDoor"]
