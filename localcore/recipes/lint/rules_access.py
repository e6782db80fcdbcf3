"""L8xx: what a component may ask the nucleus for, by its recipe and by a recorded run."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from localcore.access_record import Access
from localcore.authorization import MQTT_PROXY, PUBSUB, InvalidResource, resource_pattern
from localcore.personality import LITE as LITE_PERSONALITY
from localcore.personality import SERVICE
from localcore.recipes.lint.document import Entry, Mapping, Node, Scalar
from localcore.recipes.lint.recipe_file import RecipeFile, items_of, mapping_of
from localcore.recipes.lint.rules import JAVA, LITE, Family, Found, Inputs

family = Family()

# AWS developer guide, the authorization page of each IPC service; cli and its policies come from
# aws-greengrass-cli.
_OPERATIONS = {
    PUBSUB: ("PublishToTopic", "SubscribeToTopic"),
    MQTT_PROXY: ("PublishToIoTCore", "SubscribeToIoTCore"),
    "aws.greengrass.ShadowManager": (
        "GetThingShadow", "UpdateThingShadow", "DeleteThingShadow", "ListNamedShadowsForThing",
    ),
    "aws.greengrass.SecretManager": ("GetSecretValue",),
    "aws.greengrass.ipc.lifecycle": ("PauseComponent", "ResumeComponent"),
    "aws.greengrass.telemetry.NucleusEmitter": ("SubscribeToTopic",),
    "aws.greengrass.ipc.telemetry": ("PutComponentMetric",),
    "aws.greengrass.clientdevices.Auth": (
        "AuthorizeClientDeviceAction", "GetClientDeviceAuthToken", "SubscribeToCertificateUpdates",
        "VerifyClientDeviceIdentity",
    ),
    "aws.greengrass.Cli": (
        "CancelLocalDeployment", "CreateDebugPassword", "CreateLocalDeployment",
        "GetComponentDetails", "GetLocalDeploymentStatus", "ListComponents",
        "ListLocalDeployments", "RestartComponent", "StopComponent",
    ),
}  # fmt: skip
_POLICY_KEYS = ("operations", "resources", "policyDescription")
_PLACEHOLDER = "{iot:thingName}"


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy of a recipe, as written."""

    service: str
    entry: Entry
    operations: tuple[Scalar, ...]
    resources: tuple[Scalar, ...]


def policies(recipe: RecipeFile) -> Iterator[Policy]:
    """The policies that are maps."""
    services = recipe.access_control
    for service in () if services is None else services.entries:
        found = mapping_of(service)
        for entry in () if found is None else found.entries:
            fields = mapping_of(entry)
            if fields is not None:
                operations = _scalars(items_of(fields.find("operations")))
                resources = _scalars(items_of(fields.find("resources")))
                yield Policy(service.key, entry, operations, resources)


@family.rule(
    "L801",
    "error",
    "* alone as a resource",
    source="least privilege: any component that is taken over may then publish or read anything",
    fix="name the topics, shadows or secrets",
)
def any_resource(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """`*`, and `#` for the MQTT proxy."""
    for policy in policies(recipe):
        for resource in policy.resources:
            if resource.text == "*" or (resource.text == "#" and policy.service == MQTT_PROXY):
                yield Found(resource.line, f"{policy.entry.key:.60} allows every resource")


@family.rule(
    "L802",
    "error",
    "* as an operation",
    source="least privilege; a later nucleus may have more operations in the service",
    fix="name the operations",
)
def any_operation(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """`*` among operations."""
    for policy in policies(recipe):
        for operation in policy.operations:
            if operation.text == "*":
                yield Found(operation.line, f"{policy.entry.key:.60} allows every operation")


@family.rule(
    "L803",
    "error",
    "an operation that is none",
    source="AWS developer guide, Authorize components to perform IPC operations: aws.greengrass# "
    "and the operation's name; what is spelled otherwise grants nothing",
    fix="see the operations of the service in the guide",
)
def operation(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """Operations that the service does not have."""
    for policy in policies(recipe):
        known = _OPERATIONS.get(policy.service)
        for each in policy.operations:
            bare = each.text.removeprefix(SERVICE)
            if known is None or each.text == "*":
                continue
            if bare not in known or bare == each.text:
                fix = f"write {SERVICE}{bare}" if bare in known else f"one of: {', '.join(known)}"
                yield Found(each.line, f"{each.text:.80} of {policy.service}", fix)


@family.rule(
    "L804",
    "error",
    "accessControl that is not read",
    source="aws-greengrass-nucleus AuthorizationPolicyParser reads a component's policies as one "
    "document: one that is wrong takes all of them with it; lite answers with an error",
    fix="services, policy ids, then operations and resources, which are lists of strings",
)
def shape(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """Wrong types, unknown keys, nothing granted."""
    entry = None if recipe.defaults is None else recipe.defaults.find("accessControl")
    if entry is not None and not isinstance(entry.value, Mapping):
        yield Found(entry.line, "accessControl is no map")
    for service in () if recipe.access_control is None else recipe.access_control.entries:
        found = mapping_of(service)
        if found is None:
            yield Found(service.line, f"{service.key:.60} is no map of policies")
        for policy in () if found is None else found.entries:
            yield from _policy_shape(policy)


def _policy_shape(policy: Entry) -> Iterator[Found]:
    fields = mapping_of(policy)
    if fields is None:
        yield Found(policy.line, f"policy {policy.key:.60} is no map")
        return
    for entry in fields.entries:
        if entry.key.lower() not in map(str.lower, _POLICY_KEYS):
            yield Found(entry.line, f"{entry.key:.60} is no key of a policy")
    for name in _POLICY_KEYS[:2]:
        found = fields.find(name)
        if not items_of(found):
            line = policy.line if found is None else found.line
            yield Found(line, f"policy {policy.key:.60} has no list of {name}")


@family.rule(
    "L805",
    "error",
    "a resource that is refused",
    source="aws-greengrass-nucleus AuthorizationHandler leaves the policy out; aws-greengrass-lite "
    "rejects the whole deployment (ggl-policy-validation)",
    fix="write ${?}, ${*} or ${$} for the character itself",
)
def resource(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """A bare `?`, a wrong `${...}`, nothing."""
    for policy in policies(recipe):
        for each in policy.resources:
            try:
                resource_pattern(each.text.replace(_PLACEHOLDER, "thing"))
            except InvalidResource as error:
                yield Found(each.line, f"{each.text!r:.80}: {error}")


@family.rule(
    "L806",
    "error",
    "accessControl in the wrong place",
    source="both nuclei read it from ComponentConfiguration/DefaultConfiguration only, spelled so",
    fix="move it into DefaultConfiguration and write accessControl",
)
def misplaced(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """Beside DefaultConfiguration, at the top, or in another case."""
    configuration = mapping_of(recipe.root.find("ComponentConfiguration"))
    for holder in (recipe.root, configuration, *recipe.manifests):
        found = None if holder is None else holder.find("accessControl")
        if found is not None:
            yield Found(found.line, "accessControl is not inside DefaultConfiguration")
    found = None if recipe.defaults is None else recipe.defaults.find("accessControl")
    if found is not None and found.key != "accessControl":
        yield Found(found.line, f"{found.key} is not accessControl")


@family.rule(
    "L807",
    "error",
    "policy keys in another case on nucleus lite",
    source="aws-greengrass-lite ipc_authz.c reads operations and resources, spelled so",
    fix="write operations and resources",
    nuclei=LITE,
)
def policy_case(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """`Operations`, `Resources`."""
    for policy in policies(recipe):
        fields = mapping_of(policy.entry)
        for entry in () if fields is None else fields.entries:
            if entry.key.lower() in _POLICY_KEYS[:2] and entry.key not in _POLICY_KEYS:
                yield Found(entry.line, f"{entry.key} of {policy.entry.key:.60}")


@family.rule(
    "L808",
    "warning",
    "an operation that nucleus lite does not have",
    source="aws-greengrass-lite ggipcd: its services are pubsub, mqttproxy, config, lifecycle, cli",
    fix="do without it on lite",
    nuclei=LITE,
)
def not_on_lite(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """Shadows, secrets, pausing, metrics, client devices."""
    for policy in policies(recipe):
        for each in policy.operations:
            bare = each.text.removeprefix(SERVICE)
            known = any(bare in operations for operations in _OPERATIONS.values())
            if known and bare not in LITE_PERSONALITY.operations:
                yield Found(each.line, f"{bare} is refused on lite")


@family.rule(
    "L809",
    "error",
    "publishing to a filter",
    source="a topic to publish to has no wildcards: for pubsub # and + in a resource are "
    "themselves, and the Java nucleus refuses such a topic (InvalidArguments)",
    fix="write * for any text, as hub/readings/*",
)
def publish_filter(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """`+` or `#` as a level in a pubsub policy that publishes."""
    for policy in policies(recipe):
        publishes = any(each.text == SERVICE + "PublishToTopic" for each in policy.operations)
        if policy.service == PUBSUB and publishes and len(policy.operations) == 1:
            for each in policy.resources:
                if re.search(r"(?:^|/)[+#](?:/|$)", each.text):
                    yield Found(each.line, f"{each.text:.80} can never be published to")


@family.rule(
    "L810",
    "warning",
    "a thing name that the Java nucleus does not fill in",
    source="aws-greengrass-nucleus KernelConfigResolver interpolates a configuration, policies "
    "included, only with interpolateComponentConfiguration of the nucleus; lite always does",
    fix="set interpolateComponentConfiguration to true in the nucleus's configuration",
    nuclei=JAVA,
)
def thing_name(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """`{iot:thingName}` in a resource."""
    for policy in policies(recipe):
        for each in policy.resources:
            if _PLACEHOLDER in each.text:
                yield Found(each.line, f"{each.text:.80} stays as it is by default")


_RECORDED = "the recorded run (localcore start --record-access FILE)"


@family.rule(
    "L811",
    "error",
    "used, but not granted",
    source=_RECORDED,
    fix="add it to accessControl",
)
def not_granted(recipe: RecipeFile, inputs: Inputs) -> Iterator[Found]:
    """What the component asked for and its recipe refuses."""
    grants = list(policies(recipe))
    entry = None if recipe.defaults is None else recipe.defaults.find("accessControl")
    line = recipe.root.line if entry is None else entry.line
    for use in _uses(recipe, inputs):
        if not any(_allows(policy, use) for policy in grants):
            wanted = f"{use.operation} on {use.resource:.100}"
            yield Found(line, f"{recipe.name} used {wanted} ({use.service})")


@family.rule(
    "L812",
    "warning",
    "granted, but not used",
    source=_RECORDED,
    fix="remove it, or record a run that needs it",
)
def not_used(recipe: RecipeFile, inputs: Inputs) -> Iterator[Found]:
    """Each resource and each operation that no request needed."""
    uses = list(_uses(recipe, inputs))
    for policy in policies(recipe) if uses else ():
        for each in policy.resources:
            if not any(_allows(policy, use) and _matches(policy, each, use) for use in uses):
                yield Found(each.line, f"{recipe.name} never used {each.text:.100}")
        for each in policy.operations:
            if each.text != "*" and not any(
                _allows(policy, use) and SERVICE + use.operation == each.text for use in uses
            ):
                yield Found(each.line, f"{recipe.name} never used {each.text:.100}")


@family.rule(
    "L813",
    "warning",
    "rights that the recording says nothing about",
    source=_RECORDED,
    fix="deploy the component while recording; a component without rights needs no accessControl",
)
def not_recorded(recipe: RecipeFile, inputs: Inputs) -> Iterator[Found]:
    """A component with policies that did nothing in the recorded run, or was not there."""
    if inputs.used is None or next(_uses(recipe, inputs), None) is not None:
        return
    first = next(policies(recipe), None)
    if first is not None:
        yield Found(first.entry.line, f"nothing of {recipe.name} is in the recording")


def _uses(recipe: RecipeFile, inputs: Inputs) -> Iterator[Access]:
    return (use for use in inputs.used or () if use.component == recipe.name)


def _allows(policy: Policy, use: Access) -> bool:
    operations = {each.text for each in policy.operations}
    return (
        policy.service == use.service
        and not operations.isdisjoint({"*", SERVICE + use.operation})
        and any(_matches(policy, each, use) for each in policy.resources)
    )


def _matches(policy: Policy, resource_text: Scalar, use: Access) -> bool:
    # The recording has the thing's real name, which this side does not know.
    text = resource_text.text.replace(_PLACEHOLDER, "*")
    try:
        pattern = resource_pattern(text, mqtt=policy.service == MQTT_PROXY)
    except InvalidResource:
        return False
    return pattern.fullmatch(use.resource) is not None


def _scalars(items: tuple[Node, ...]) -> tuple[Scalar, ...]:
    return tuple(item for item in items if isinstance(item, Scalar))
