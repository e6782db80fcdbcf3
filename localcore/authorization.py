"""Who may do what: accessControl of the components, decided as the Java nucleus decides.

A component may do an operation on a resource when one of its own policies for that service names
the operation or `*` and has a resource that matches. In a resource `*` stands for any text and
`${*}`, `${?}` and `${$}` for the character inside; for the MQTT proxy `+` and `#` are MQTT's
wildcards as well, elsewhere they are themselves: `hub/readings/#` lets a component subscribe to
exactly that filter. A bad resource is left out; a bad policy, or one key too many in it, takes
all of the component's policies with it (the nucleus reads them as one document). Both are logged.

>>> resource_pattern("hub/*").fullmatch("hub/readings/#") is not None
True
>>> resource_pattern("lab/#", mqtt=True).fullmatch("lab") is not None
True
"""

import logging
import re
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from localcore.access_record import Access, AccessRecord
from localcore.config_store import ConfigStore, JsonValue
from localcore.personality import SERVICE, Personality

log = logging.getLogger(__name__)

PUBSUB = "aws.greengrass.ipc.pubsub"
MQTT_PROXY = "aws.greengrass.ipc.mqttproxy"
LIFECYCLE = "aws.greengrass.ipc.lifecycle"

NUCLEUS = "aws.greengrass.Nucleus"

# Decisions kept per component; one that asks about ever new resources empties them.
_CACHED_DECISIONS = 4096


class UnauthorizedOperation(Exception):  # noqa: N818 (the answer to the component is the error)
    """The component may not do this; the text is the nucleus's."""


class InvalidResource(ValueError):  # noqa: N818 (a value error by its base)
    """A resource of a policy cannot be used; the text is the nucleus's."""


class Authorization(Protocol):
    """Decides; `Authorizer` does it from accessControl."""

    def require(self, component: str, service: str, operation: str, resource: str | None) -> None:
        """Raise UnauthorizedOperation unless the component may do it."""


class Authorizer:
    """Decides from the configuration's accessControl, following its changes.

    Args:
        config: where the policies are; read again when a component's accessControl changes.
        personality: whether `{iot:thingName}` in a resource is replaced.
        thing_name: what it is replaced with.
        record: where every request is noted, granted or not.
    """

    def __init__(
        self,
        config: ConfigStore,
        personality: Personality,
        thing_name: str,
        record: AccessRecord | None = None,
    ) -> None:
        self._record = record
        self._config = config
        self._personality = personality
        self._thing_name = thing_name
        self._rules: dict[str, _Rules] = {}
        self._followed: set[str] = set()

    def require(self, component: str, service: str, operation: str, resource: str | None) -> None:
        """Raise unless the component may do the operation on the resource.

        Args:
            component: who asks.
            service: such as `aws.greengrass.ipc.pubsub`.
            operation: without `aws.greengrass#` before it.
            resource: the topic or filter; None when the request named none, which any policy
                with the operation allows, as in the nucleus.

        Raises:
            UnauthorizedOperation: it may not.
        """
        if self._record is not None and resource is not None:
            self._record.note(Access(component, service, operation, resource))
        rules = self._rules.get(component)
        if rules is None:
            rules = self._rules[component] = self._read(component)
        if resource == "":
            raise UnauthorizedOperation("Resource cannot be empty")
        if not rules.allow(service, operation, resource):
            named = "null" if resource is None else resource
            raise UnauthorizedOperation(
                f"Principal {component} is not authorized to perform"
                f" {service}:{SERVICE}{operation} on resource {named}"
            )

    def _read(self, component: str) -> "_Rules":
        if component not in self._followed:
            self._followed.add(component)
            self._config.subscribe(component, ["accessControl"], self._forget)
        try:
            access_control = self._config.get(component, ["accessControl"])
        except KeyError:
            return _Rules(())
        interpolate: Callable[[str], str] = str
        if self._personality.interpolates_policies or self._nucleus_interpolates():
            interpolate = self._with_thing_name
        try:
            policies = parse_access_control(access_control)
        except msgspec.ValidationError as error:
            log.error("access control refused: component=%s reason=%s", component, error)
            return _Rules(())
        return _compile(component, policies, interpolate)

    def _forget(self, component: str, _key_path: list[str]) -> None:
        self._rules.pop(component, None)

    def _with_thing_name(self, resource: str) -> str:
        return resource.replace("{iot:thingName}", self._thing_name)

    def _nucleus_interpolates(self) -> bool:
        try:
            option = self._config.get(NUCLEUS, ["interpolateComponentConfiguration"])
        except KeyError:
            return False
        return str(option).lower() == "true"


class Policy(msgspec.Struct, forbid_unknown_fields=True, rename=str.lower):
    """One policy (``AuthorizationPolicyConfig``); operations are a set in the nucleus."""

    operations: list[str] | None = None
    resources: list[str] | None = None
    policy_description: str | None = msgspec.field(default=None, name="policydescription")


def parse_access_control(value: JsonValue) -> dict[str, dict[str, Policy]]:
    """Policies by service and id. Their keys are read in any case; JSON text is read too.

    Raises:
        msgspec.ValidationError: something in it is not a policy.
    """
    if isinstance(value, str):
        value = _decode_text(value)
    lowered = value
    if isinstance(value, Mapping):
        lowered = {service: _lower_keys(policies) for service, policies in value.items()}
    return msgspec.convert(lowered, dict[str, dict[str, Policy]], strict=False)


def _decode_text(text: str) -> JsonValue:
    try:
        decoded: JsonValue = msgspec.json.decode(text.encode())
    except msgspec.DecodeError as error:
        raise msgspec.ValidationError(str(error)) from None
    return decoded


def _lower_keys(policies: JsonValue) -> JsonValue:
    if not isinstance(policies, dict):
        return policies
    return {
        name: {key.lower(): item for key, item in policy.items()}
        if isinstance(policy, dict)
        else policy
        for name, policy in policies.items()
    }


def resource_pattern(resource: str, *, mqtt: bool = False) -> re.Pattern[str]:
    """What a policy's resource matches, to be used with ``fullmatch``.

    One thing is not as in the nucleus, which reads the text before a wildcard twice and so loses
    an escape that a wildcard follows, granting more than was written.

    Raises:
        InvalidResource: it is empty, has a bare `?` or an escape of anything but `*`, `?`, `$`.
    """
    _validate(resource)
    if mqtt and resource == "#":
        return re.compile(".*", re.DOTALL)
    parts: list[str] = []
    position = 0
    while position < len(resource):
        character = resource[position]
        if character == "*":
            parts.append(".*")
        elif (
            resource[position : position + 2] == "${"
            and resource[position + 3 : position + 4] == "}"
        ):
            parts.append(re.escape(resource[position + 2]))
            position += 3
        elif mqtt and character == "+" and _is_whole_level(resource, position):
            parts.append("[^/]*")
        elif mqtt and resource[position:] == "/#":
            parts.append("(?:/.*)?")
            position += 1
        else:
            parts.append(re.escape(character))
        position += 1
    return re.compile("".join(parts), re.DOTALL)


def _is_whole_level(resource: str, position: int) -> bool:
    starts = position == 0 or resource[position - 1] == "/"
    ends = position == len(resource) - 1 or resource[position + 1] == "/"
    return starts and ends


def _validate(resource: str) -> None:
    if not resource:
        raise InvalidResource("Resource cannot be empty")
    position = 0
    while position < len(resource):
        if resource[position : position + 2] == "${":
            escape = resource[position : position + 4]
            if len(escape) < 4 or escape[3] != "}":
                raise InvalidResource(
                    "Resource contains an invalid escape sequence. You can use ${*}, ${$}, or ${?}"
                )
            if escape[2] not in "*$?":
                raise InvalidResource(
                    f"Resource contains an invalid escape sequence: {escape}."
                    " You can use ${*}, ${$}, or ${?}"
                )
            position += 3
        elif resource[position] == "?":
            raise InvalidResource(
                "Resource contains invalid character: '?'. Use an escape sequence: ${?}."
                " The '?' character isn't supported as a wildcard"
            )
        position += 1


class _Rules:
    """What one component may do: (service, operation, pattern) for each, None without pattern."""

    def __init__(self, rules: tuple[tuple[str, str, re.Pattern[str] | None], ...]) -> None:
        self._rules = rules
        self._decisions: dict[tuple[str, str, str | None], bool] = {}

    def allow(self, service: str, operation: str, resource: str | None) -> bool:
        key = (service, operation, resource)
        allowed = self._decisions.get(key)
        if allowed is None:
            allowed = any(
                rule_service == service
                and rule_operation in ("*", SERVICE + operation)
                and (resource is None or (pattern is not None and pattern.fullmatch(resource)))
                for rule_service, rule_operation, pattern in self._rules
            )
            if len(self._decisions) >= _CACHED_DECISIONS:
                self._decisions.clear()
            self._decisions[key] = allowed
        return allowed


def _compile(
    component: str,
    access_control: dict[str, dict[str, Policy]],
    interpolate: Callable[[str], str],
) -> _Rules:
    rules: list[tuple[str, str, re.Pattern[str] | None]] = []
    for service, policies in access_control.items():
        for policy_id, policy in policies.items():
            if not policy.operations:
                log.error(
                    "policy refused, it has no operations: component=%s service=%s policy=%s",
                    component, service, policy_id,
                )  # fmt: skip
                continue
            for operation in policy.operations:
                rules.append((service, operation, None))
                for resource in policy.resources or ():
                    try:
                        pattern = resource_pattern(
                            interpolate(resource), mqtt=service == MQTT_PROXY
                        )
                    except InvalidResource as error:
                        log.error(
                            "resource refused: component=%s service=%s policy=%s resource=%s"
                            " reason=%s", component, service, policy_id, resource, error,
                        )  # fmt: skip
                        continue
                    rules.append((service, operation, pattern))
    return _Rules(tuple(rules))
