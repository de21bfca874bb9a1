from collections.abc import Iterable, Sequence

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message as _Message
from rocketmq.grpc_protocol.definition_pb2 import (
    Endpoints,
    FilterExpression,
    Message,
    MessageQueue,
    Resource,
    Settings,
    Status,
)

class QueryRouteRequest(_Message):
    def __init__(self, *, topic: Resource = ..., endpoints: Endpoints = ...) -> None: ...

class QueryRouteResponse(_Message):
    status: Status
    message_queues: Sequence[MessageQueue]

class SendMessageRequest(_Message):
    def __init__(self, *, messages: Iterable[Message] = ...) -> None: ...

class SendMessageResponse(_Message):
    status: Status

class ReceiveMessageRequest(_Message):
    def __init__(
        self,
        *,
        group: Resource = ...,
        message_queue: MessageQueue = ...,
        filter_expression: FilterExpression = ...,
        batch_size: int = ...,
        invisible_duration: Duration = ...,
        auto_renew: bool = ...,
        long_polling_timeout: Duration = ...,
        attempt_id: str = ...,
    ) -> None: ...

class ReceiveMessageResponse(_Message):
    status: Status
    message: Message
    def HasField(self, field_name: str) -> bool: ...

class AckMessageEntry(_Message):
    def __init__(self, *, message_id: str = ..., receipt_handle: str = ...) -> None: ...

class AckMessageRequest(_Message):
    def __init__(
        self, *, group: Resource = ..., topic: Resource = ..., entries: Iterable[AckMessageEntry] = ...
    ) -> None: ...

class AckMessageResultEntry(_Message):
    receipt_handle: str
    status: Status

class AckMessageResponse(_Message):
    status: Status
    entries: Sequence[AckMessageResultEntry]

class ChangeInvisibleDurationRequest(_Message):
    def __init__(
        self,
        *,
        group: Resource = ...,
        topic: Resource = ...,
        receipt_handle: str = ...,
        invisible_duration: Duration = ...,
        message_id: str = ...,
    ) -> None: ...

class ChangeInvisibleDurationResponse(_Message):
    status: Status

class HeartbeatRequest(_Message):
    def __init__(self, *, group: Resource = ..., client_type: int = ...) -> None: ...

class HeartbeatResponse(_Message):
    status: Status

class NotifyClientTerminationRequest(_Message):
    def __init__(self, *, group: Resource = ...) -> None: ...

class NotifyClientTerminationResponse(_Message):
    status: Status

class TelemetryCommand(_Message):
    status: Status
    settings: Settings
    def __init__(self, *, settings: Settings = ...) -> None: ...
    def HasField(self, field_name: str) -> bool: ...
