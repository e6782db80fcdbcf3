"""ListComponents (`CLIEventStreamAgent.ListComponentsHandler`)."""

import msgspec

from localcore.services import Call, Operation
from localcore.services.cli.access import EVERYTHING, authorize_cli, describe


class ListComponentsRequest(msgspec.Struct):
    """The request, empty."""


def _handle(_request: ListComponentsRequest, call: Call) -> bytes:
    authorize_cli(call, "ListComponents", EVERYTHING)
    services = call.services
    components = [describe(services, name) for name in services.lifecycle.names()]
    return msgspec.json.encode({"components": components})


OPERATION = Operation("ListComponents", ListComponentsRequest, _handle)
