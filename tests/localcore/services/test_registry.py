"""The operations as a whole."""

import json
from pathlib import Path

import pytest

import localcore.services
from localcore.personality import JAVA, LITE
from localcore.services import AnyOperation, OperationError
from localcore.services.registry import JAVA_OPERATIONS, LITE_OPERATIONS

FOLDER = Path(localcore.services.__file__).parent


@pytest.mark.parametrize(
    ("operations", "lite"), [(JAVA_OPERATIONS, False), (LITE_OPERATIONS, True)]
)
def test_every_file_below_a_service_that_has_an_operation_is_registered(
    operations: dict[str, AnyOperation], lite: bool
) -> None:
    files = {
        path.stem
        for path in FOLDER.glob("*/*.py")
        if "\nOPERATION = " in path.read_text("utf-8") and (path.parent.name == "lite") is lite
    }
    spelled = {name.partition("#")[2].replace("IoT", "Iot") for name in operations}
    snake = {
        "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_") for name in spelled
    }
    assert files == snake


def test_each_nucleus_serves_what_it_has() -> None:
    assert {name.removeprefix("aws.greengrass#") for name in JAVA_OPERATIONS} <= JAVA.operations
    served = {name.removeprefix("aws.greengrass#") for name in LITE_OPERATIONS}
    assert served == LITE.operations | {"aws.greengrass.private#GetSystemConfig"}
    assert LITE.operations <= JAVA.operations


def test_an_error_is_written_as_the_service_model_writes_it() -> None:
    error = OperationError("ResourceNotFoundError", "Key not found", resourceName="x")
    assert json.loads(error.payload()) == {
        "message": "Key not found",
        "resourceName": "x",
        "_service": "aws.greengrass#GreengrassCoreIPC",
        "_message": "Key not found",
        "_errorCode": "ResourceNotFoundError",
    }
    assert json.loads(OperationError("ServiceError").payload()) == {
        "_service": "aws.greengrass#GreengrassCoreIPC",
        "_errorCode": "ServiceError",
    }
