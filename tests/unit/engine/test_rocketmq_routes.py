"""Which of RocketMQ's proxies are asked for which broker's messages, from what they say of a topic."""

from collections.abc import Sequence

from rocketmq.grpc_protocol import definition_pb2 as definition
from rocketmq.grpc_protocol import service_pb2 as service

from makegood.engine.broker.rocketmq.proxies import Proxy, merge


def said(brokers: dict[str, str]) -> service.QueryRouteResponse:
    """A proxy's answer: each broker is at this proxy."""
    queues: list[definition.MessageQueue] = []
    for name, address in brokers.items():
        host, _, port = address.partition(":")
        endpoints = definition.Endpoints(
            scheme=definition.IPv4, addresses=[definition.Address(host=host, port=int(port))]
        )
        broker = definition.Broker(name=name, id=0, endpoints=endpoints)
        queues.append(definition.MessageQueue(id=0, permission=definition.READ_WRITE, broker=broker))
    return service.QueryRouteResponse(status=definition.Status(code=definition.OK), message_queues=queues)


def readers(answers: Sequence[tuple[str, service.QueryRouteResponse | OSError]]) -> dict[str, list[str]]:
    """The proxies of each broker."""
    asked = [(Proxy(where.split(":")[0], int(where.split(":")[1]), "c"), answer) for where, answer in answers]
    return {broker: [proxy.name for proxy in proxies] for broker, proxies in merge(asked).readers.items()}


async def test_proxies_inside_brokers() -> None:
    """A proxy inside a broker names the others' brokers at the others' hosts, and is not asked for their messages."""
    both = {"a": "10.0.0.1:8081", "b": "10.0.0.2:8081"}
    answers = [("10.0.0.1:8081", said(both)), ("10.0.0.2:8081", said(both))]
    assert readers(answers) == {"a": ["10.0.0.1:8081"], "b": ["10.0.0.2:8081"]}
    assert readers([answers[0], ("10.0.0.2:8081", OSError())]) == {"a": ["10.0.0.1:8081"]}


async def test_proxies_of_their_own() -> None:
    """A proxy of its own names itself for all brokers, and each of several is asked for all."""
    answers = [(where, said({"a": where, "b": where})) for where in ("10.0.0.8:8081", "10.0.0.9:8081")]
    assert readers(answers) == {one: ["10.0.0.8:8081", "10.0.0.9:8081"] for one in "ab"}


async def test_addresses_that_nobody_was_given() -> None:
    """Brokers that name an address of a network of their own are asked for at the proxies that named them."""
    assert readers([("192.0.2.1:8081", said({"a": "172.17.0.2:8081"}))]) == {"a": ["192.0.2.1:8081"]}
