"""The two nuclei that localcore can be, as data: what differs between them on the IPC socket.

JAVA is aws-greengrass-nucleus 2.18 with the RPC server of aws-iot-device-sdk-java-v2 over
aws-c-event-stream. LITE is aws-greengrass-lite 2.6 as recorded in the transcripts. What LITE does
not imitate yet: its wording of errors, its ten kinds of closing a connection on odd headers, and
its loss of JSON messages with many members.
"""

from dataclasses import dataclass
from typing import Literal

from localcore.eventstream import MAX_FRAME_BYTES

SERVICE = "aws.greengrass#"


@dataclass(frozen=True)
class Personality:
    """What a nucleus does. Operations are named without the ``aws.greengrass#`` before them."""

    name: Literal["java", "lite"]
    operations: frozenset[str]
    max_frame_bytes: int
    # None: no limit of its own.
    max_connections: int | None
    max_subscriptions: int | None
    # CONNECT must carry `:version` 0.1.0; a nucleus that does not require it still refuses others.
    requires_version: bool
    # A refused CONNECT is answered with CONNECT_ACK without the accepted flag, or not at all.
    answers_refused_connect: bool
    # A message that breaks the protocol is answered before the connection is closed.
    answers_protocol_errors: bool
    answers_pings: bool
    # A new stream's id must be the last one plus one.
    counts_stream_ids: bool
    # The reply of a one-shot operation closes its stream.
    terminates_one_shot_replies: bool
    # Gson reads every number of a JSON message or configuration value as a double.
    numbers_become_doubles: bool
    # receiveMode counts, and a filter with wildcards defaults to RECEIVE_MESSAGES_FROM_OTHERS.
    honours_receive_mode: bool
    # Publishing to a topic with a wildcard in it is refused.
    refuses_wildcard_topics: bool
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
    max_subscriptions=None,
    requires_version=True,
    answers_refused_connect=True,
    answers_protocol_errors=True,
    answers_pings=True,
    counts_stream_ids=True,
    terminates_one_shot_replies=True,
    numbers_become_doubles=True,
    honours_receive_mode=True,
    refuses_wildcard_topics=True,
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
    max_subscriptions=99,
    requires_version=False,
    answers_refused_connect=False,
    answers_protocol_errors=False,
    answers_pings=False,
    counts_stream_ids=False,
    terminates_one_shot_replies=False,
    numbers_become_doubles=False,
    honours_receive_mode=False,
    refuses_wildcard_topics=False,
    interpolates_policies=True,
)
