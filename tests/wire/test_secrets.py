"""GetSecretValue through the unmodified awsiotsdk."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from awsiot.greengrasscoreipc import model

SECRETS = "aws.greengrass.SecretManager"
ARN = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:api-a1B2c3"
CONTENT = {
    "db": "hunter2",
    "api": {
        "arn": ARN,
        "versions": [
            {"versionId": "v2", "versionStages": ["AWSCURRENT"], "secretString": "hunter3"},
            {"versionId": "v1", "versionStages": ["AWSPREVIOUS"], "secretBinary": "AAE="},
        ],
    },
}


@pytest.fixture
def client(core: Any, connect_v2: Callable[..., Any]) -> Any:
    core.grant("lab.Tester", SECRETS, ARN, "arn:aws:secretsmanager:*:secret:db-*")
    file = core.services.root / "secrets.json"
    file.write_text(json.dumps(CONTENT))
    file.chmod(0o600)
    return connect_v2()


def test_a_secret_is_found_by_name_and_by_arn_and_never_logged(
    client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="localcore")
    answer = client.get_secret_value(secret_id="db")
    assert answer.secret_value.secret_string == "hunter2"
    assert answer.secret_id.startswith("arn:aws:secretsmanager:eu-west-1:000000000000:secret:db-")
    for secret_id in ("api", ARN, ARN.removesuffix("-a1B2c3")):
        answer = client.get_secret_value(secret_id=secret_id)
        assert (answer.secret_id, answer.version_id) == (ARN, "v2")
        assert answer.version_stage == ["AWSCURRENT"]
        assert answer.secret_value.secret_string == "hunter3"
    assert "hunter" not in caplog.text


def test_versions_are_chosen_by_id_or_stage(client: Any) -> None:
    for choice in ({"version_id": "v1"}, {"version_stage": "AWSPREVIOUS"}):
        answer = client.get_secret_value(secret_id="api", **choice)
        assert answer.secret_value.secret_binary == b"\x00\x01"
    with pytest.raises(model.ServiceError) as both:
        client.get_secret_value(secret_id="api", version_id="v1", version_stage="AWSPREVIOUS")
    assert both.value.message == "Both versionId and Stage are set in the request"


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"secret_id": "no"}, "no"),
        ({"secret_id": "api", "version_id": "v9"}, "Version Id v9 not found for secret api"),
        ({"secret_id": "api", "version_stage": "X"}, "Version stage X not found for secret api"),
    ],
)
def test_what_is_not_there_is_not_found(client: Any, request_: Any, message: str) -> None:
    with pytest.raises(model.ResourceNotFoundError) as missing:
        client.get_secret_value(**request_)
    assert missing.value.message.endswith(message)
    assert missing.value.resource_type == "secret"


def test_a_request_without_id_says_so(client: Any) -> None:
    with pytest.raises(model.ServiceError) as absent:
        client.get_secret_value(secret_id="")
    assert absent.value.message == "SecretId absent in the request"


def test_an_arn_that_is_not_granted_is_refused(client: Any) -> None:
    with pytest.raises(model.UnauthorizedError) as refused:
        client.get_secret_value(secret_id="arn:aws:secretsmanager:eu-west-1:1:secret:other-abcdef")
    assert "aws.greengrass#GetSecretValue on resource arn:" in refused.value.message


@pytest.mark.parametrize("content", ["{oops hunter2", '{"db": 5}', '{"db": {"secret": "hunter2"}}'])
def test_a_file_that_cannot_be_read_is_told_without_its_content(
    core: Any, client: Any, caplog: pytest.LogCaptureFixture, content: str
) -> None:
    (core.services.root / "secrets.json").write_text(content)
    with pytest.raises(model.ResourceNotFoundError):
        client.get_secret_value(secret_id="db")
    assert "secrets cannot be read" in caplog.text
    assert "hunter" not in caplog.text


def test_secrets_that_others_may_read_are_warned_of(
    core: Any, client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    (core.services.root / "secrets.json").chmod(0o644)
    client.get_secret_value(secret_id="db")
    assert "chmod 600" in caplog.text
