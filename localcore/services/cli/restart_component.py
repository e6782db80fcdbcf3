"""RestartComponent (`CLIEventStreamAgent`): SUCCEEDED means that it was asked for."""

import msgspec

from localcore.errors import NotFoundError
from localcore.services import Call, Operation
from localcore.services.cli.access import authorize_cli, component_missing, require_name


class RestartComponentRequest(msgspec.Struct, rename="camel"):
    """The request."""

    component_name: str | None = None


def _handle(request: RestartComponentRequest, call: Call) -> bytes:
    component = require_name(request.component_name)
    authorize_cli(call, "RestartComponent", component)
    try:
        call.services.lifecycle.restart(component)
    except NotFoundError:
        raise component_missing(component) from None
    return b'{"restartStatus":"SUCCEEDED"}'


OPERATION = Operation("RestartComponent", RestartComponentRequest, _handle)
