"""The operations as a whole."""

import json
from pathlib import Path

import localcore.services
from localcore.personality import JAVA, LITE
from localcore.services import OperationError
from localcore.services.registry import OPERATIONS

FOLDER = Path(localcore.services.__file__).parent


def test_every_file_below_a_service_that_has_an_operation_is_registered() -> None:
    files = {
        path.stem for path in FOLDER.glob("*/*.py") if "\nOPERATION = " in path.read_text("utf-8")
    }
    spelled = {name.removeprefix("aws.greengrass#").replace("IoT", "Iot") for name in OPERATIONS}
    snake = {
        "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_") for name in spelled
    }
    assert files == snake


def test_what_is_served_both_nuclei_have() -> None:
    served = {name.removeprefix("aws.greengrass#") for name in OPERATIONS}
    assert served <= JAVA.operations
    assert served <= LITE.operations
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
