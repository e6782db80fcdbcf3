"""The two nuclei that localcore can be, as data: what differs between them on the IPC socket.

JAVA is aws-greengrass-nucleus 2.18 with the RPC server of aws-iot-device-sdk-java-v2 over
aws-c-event-stream. LITE is aws-greengrass-lite 2.6 as recorded in the transcripts. What their
operations do is in `services`, those of LITE in `services.lite`.
"""

from dataclasses import dataclass
from typing import Literal

from localcore.eventstream import MAX_FRAME_BYTES
from localcore.topics import LOCAL, MQTT, Law

SERVICE = "aws.greengrass#"


@dataclass(frozen=True)
class Personality:
    """What a nucleus does. Operations are named without the ``aws.greengrass#`` before them."""

    name: Literal["java", "lite"]
    operations: frozenset[str]
    max_frame_bytes: int
    # None: no limit of its own.
    max_connections: int | None
    # CONNECT must carry `:version` 0.1.0; a nucleus that does not require it still refuses others.
    requires_version: bool
    # A refused CONNECT is answered with CONNECT_ACK without the accepted flag, or not at all.
    answers_refused_connect: bool
    # A client may say its component's name instead of a token, and is told the token.
    connects_by_name: bool
    # A message that breaks the protocol is answered before the connection is closed.
    answers_protocol_errors: bool
    answers_pings: bool
    # A new stream's id must be the last one plus one.
    counts_stream_ids: bool
    # The reply of a one-shot operation closes its stream.
    terminates_one_shot_replies: bool
    # A header that is neither INT32 nor STRING ends the connection; those that route a frame may
    # be absent.
    strict_headers: bool
    # What routes a frame comes before what describes it.
    routing_first: bool
    # A client that does not read stops the whole device until it does, this long at most.
    unread_stall_s: float | None
    # How topics and filters of local pub/sub match.
    local_topics: Law
    # `{iot:thingName}` in the resources of a policy stands for the thing's name.
    interpolates_policies: bool


JAVA = Personality(
    name="java",
    # GreengrassCoreIPCService.SERVICE_OPERATION_SET
    operations=frozenset(
        {
            "AuthorizeClientDeviceAction",
            "CancelLocalDeployment",
            "CreateDebugPassword",
            "CreateLocalDeployment",
            "DeferComponentUpdate",
            "DeleteThingShadow",
            "GetClientDeviceAuthToken",
            "GetComponentDetails",
            "GetConfiguration",
            "GetLocalDeploymentStatus",
            "GetSecretValue",
            "GetThingShadow",
            "ListComponents",
            "ListLocalDeployments",
            "ListNamedShadowsForThing",
            "PauseComponent",
            "PublishToIoTCore",
            "PublishToTopic",
            "PutComponentMetric",
            "RestartComponent",
            "ResumeComponent",
            "SendConfigurationValidityReport",
            "StopComponent",
            "SubscribeToCertificateUpdates",
            "SubscribeToComponentUpdates",
            "SubscribeToConfigurationUpdate",
            "SubscribeToIoTCore",
            "SubscribeToTopic",
            "SubscribeToValidateConfigurationUpdates",
            "UpdateConfiguration",
            "UpdateState",
            "UpdateThingShadow",
            "ValidateAuthorizationToken",
            "VerifyClientDeviceIdentity",
        }
    ),
    max_frame_bytes=MAX_FRAME_BYTES,
    max_connections=None,
    requires_version=True,
    answers_refused_connect=True,
    connects_by_name=False,
    answers_protocol_errors=True,
    answers_pings=True,
    counts_stream_ids=True,
    terminates_one_shot_replies=True,
    strict_headers=False,
    routing_first=False,
    unread_stall_s=None,
    local_topics=LOCAL,
    # KernelConfigResolver does it only with interpolateComponentConfiguration of the nucleus,
    # whose default is false, and then in the configuration itself.
    interpolates_policies=False,
)

LITE = Personality(
    name="lite",
    operations=frozenset(
        {
            "CreateLocalDeployment",
            "GetConfiguration",
            "PublishToIoTCore",
            "PublishToTopic",
            "RestartComponent",
            "SubscribeToConfigurationUpdate",
            "SubscribeToIoTCore",
            "SubscribeToTopic",
            "UpdateConfiguration",
            "UpdateState",
            "ValidateAuthorizationToken",
        }
    ),
    max_frame_bytes=10_012,
    max_connections=50,
    requires_version=False,
    answers_refused_connect=False,
    connects_by_name=True,
    answers_protocol_errors=False,
    answers_pings=False,
    counts_stream_ids=False,
    terminates_one_shot_replies=False,
    strict_headers=True,
    routing_first=True,
    # SO_SNDTIMEO of its clients' sockets.
    unread_stall_s=5.0,
    local_topics=MQTT,
    interpolates_policies=True,
)
