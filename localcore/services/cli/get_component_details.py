"""GetComponentDetails (`CLIEventStreamAgent.GetComponentDetailsHandler`)."""

import msgspec

from localcore.services import Call, Operation
from localcore.services.cli.access import authorize_cli, describe, require_name


class GetComponentDetailsRequest(msgspec.Struct, rename="camel"):
    """The request."""

    component_name: str | None = None


def _handle(request: GetComponentDetailsRequest, call: Call) -> bytes:
    component = require_name(request.component_name)
    authorize_cli(call, "GetComponentDetails", component)
    return msgspec.json.encode({"componentDetails": describe(call.services, component)})


OPERATION = Operation("GetComponentDetails", GetComponentDetailsRequest, _handle)
