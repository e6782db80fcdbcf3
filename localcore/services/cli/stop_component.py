"""StopComponent (`CLIEventStreamAgent`): SUCCEEDED means that it was asked for."""

import msgspec

from localcore.errors import NotFoundError
from localcore.services import Call, Operation
from localcore.services.cli.access import authorize_cli, component_missing, require_name


class StopComponentRequest(msgspec.Struct, rename="camel"):
    """The request."""

    component_name: str | None = None


def _handle(request: StopComponentRequest, call: Call) -> bytes:
    component = require_name(request.component_name)
    authorize_cli(call, "StopComponent", component)
    try:
        call.services.lifecycle.stop(component)
    except NotFoundError:
        raise component_missing(component) from None
    return b'{"stopStatus":"SUCCEEDED"}'


OPERATION = Operation("StopComponent", StopComponentRequest, _handle)
