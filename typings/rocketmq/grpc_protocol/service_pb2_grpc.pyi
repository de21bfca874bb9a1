from grpc import aio
from rocketmq.grpc_protocol.service_pb2 import (
    AckMessageRequest,
    AckMessageResponse,
    ChangeInvisibleDurationRequest,
    ChangeInvisibleDurationResponse,
    HeartbeatRequest,
    HeartbeatResponse,
    NotifyClientTerminationRequest,
    NotifyClientTerminationResponse,
    QueryRouteRequest,
    QueryRouteResponse,
    ReceiveMessageRequest,
    ReceiveMessageResponse,
    SendMessageRequest,
    SendMessageResponse,
    TelemetryCommand,
)

class MessagingServiceStub:
    QueryRoute: aio.UnaryUnaryMultiCallable[QueryRouteRequest, QueryRouteResponse]
    SendMessage: aio.UnaryUnaryMultiCallable[SendMessageRequest, SendMessageResponse]
    ReceiveMessage: aio.UnaryStreamMultiCallable[ReceiveMessageRequest, ReceiveMessageResponse]
    AckMessage: aio.UnaryUnaryMultiCallable[AckMessageRequest, AckMessageResponse]
    ChangeInvisibleDuration: aio.UnaryUnaryMultiCallable[
        ChangeInvisibleDurationRequest, ChangeInvisibleDurationResponse
    ]
    Heartbeat: aio.UnaryUnaryMultiCallable[HeartbeatRequest, HeartbeatResponse]
    NotifyClientTermination: aio.UnaryUnaryMultiCallable[
        NotifyClientTerminationRequest, NotifyClientTerminationResponse
    ]
    Telemetry: aio.StreamStreamMultiCallable[TelemetryCommand, TelemetryCommand]
    def __init__(self, channel: aio.Channel) -> None: ...
