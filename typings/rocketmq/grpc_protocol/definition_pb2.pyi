from collections.abc import Iterable, Mapping, MutableMapping, MutableSequence

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message as _Message
from google.protobuf.timestamp_pb2 import Timestamp

class Resource(_Message):
    name: str
    def __init__(self, *, name: str = ...) -> None: ...

class Address(_Message):
    host: str
    port: int
    def __init__(self, *, host: str = ..., port: int = ...) -> None: ...

class Endpoints(_Message):
    def __init__(self, *, scheme: int = ..., addresses: Iterable[Address] = ...) -> None: ...

class Broker(_Message):
    name: str
    id: int
    endpoints: Endpoints
    def __init__(self, *, name: str = ..., id: int = ..., endpoints: Endpoints = ...) -> None: ...

class MessageQueue(_Message):
    topic: Resource
    id: int
    permission: int
    broker: Broker
    def __init__(
        self, *, topic: Resource = ..., id: int = ..., permission: int = ..., broker: Broker = ...
    ) -> None: ...

class SystemProperties(_Message):
    tag: str
    keys: MutableSequence[str]
    message_id: str
    body_encoding: int
    message_type: int
    message_group: str
    born_timestamp: Timestamp
    receipt_handle: str
    delivery_attempt: int
    invisible_duration: Duration

class Message(_Message):
    topic: Resource
    user_properties: MutableMapping[str, str]
    system_properties: SystemProperties
    body: bytes
    def __init__(
        self,
        *,
        topic: Resource = ...,
        user_properties: Mapping[str, str] = ...,
        system_properties: SystemProperties = ...,
        body: bytes = ...,
    ) -> None: ...

class FilterExpression(_Message):
    type: int
    expression: str
    def __init__(self, *, type: int = ..., expression: str = ...) -> None: ...

class SubscriptionEntry(_Message):
    def __init__(self, *, topic: Resource = ..., expression: FilterExpression = ...) -> None: ...

class Subscription(_Message):
    def __init__(
        self,
        *,
        group: Resource = ...,
        fifo: bool = ...,
        subscriptions: Iterable[SubscriptionEntry] = ...,
        long_polling_timeout: Duration = ...,
    ) -> None: ...

class UA(_Message):
    def __init__(self, *, language: int = ..., version: str = ...) -> None: ...

class Settings(_Message):
    def __init__(
        self,
        *,
        client_type: int = ...,
        access_point: Endpoints = ...,
        request_timeout: Duration = ...,
        subscription: Subscription = ...,
        user_agent: UA = ...,
    ) -> None: ...

class Status(_Message):
    code: int
    message: str

class Code:
    @staticmethod
    def Name(number: int) -> str: ...

IPv4: int
NORMAL: int
TAG: int
SIMPLE_CONSUMER: int
PYTHON: int
IDENTITY: int
GZIP: int
READ: int
WRITE: int
READ_WRITE: int
OK: int
MULTIPLE_RESULTS: int
BAD_REQUEST: int
TOPIC_NOT_FOUND: int
CONSUMER_GROUP_NOT_FOUND: int
MESSAGE_NOT_FOUND: int
ILLEGAL_MESSAGE_TAG: int
ILLEGAL_MESSAGE_KEY: int
ILLEGAL_MESSAGE_PROPERTY_KEY: int
ILLEGAL_MESSAGE_ID: int
ILLEGAL_TOPIC: int
ILLEGAL_CONSUMER_GROUP: int
INVALID_RECEIPT_HANDLE: int
MESSAGE_BODY_TOO_LARGE: int
MESSAGE_PROPERTIES_TOO_LARGE: int
MESSAGE_CORRUPTED: int
