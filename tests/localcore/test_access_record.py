"""What components ask for is written down once, over restarts too, and judged by the lint."""

from pathlib import Path

from localcore.access_record import Access, AccessRecord
from localcore.authorization import PUBSUB, Authorizer, UnauthorizedOperation
from localcore.config_store import ConfigStore
from localcore.personality import JAVA
from localcore.recipes.lint.run import lint, read_uses

ACCESS = Access("com.x.A", PUBSUB, "PublishToTopic", "x/y")


def test_a_request_is_written_once_over_restarts(tmp_path: Path) -> None:
    file = tmp_path / "used.jsonl"
    for _start in range(2):
        record = AccessRecord(file)
        for _time in range(2):
            record.note(ACCESS)
    assert read_uses(file) == (ACCESS,)


def test_refused_requests_are_in_the_record_and_the_lint_names_them(tmp_path: Path) -> None:
    file = tmp_path / "used.jsonl"
    authorizer = Authorizer(ConfigStore(tmp_path / "config"), JAVA, "thing", AccessRecord(file))
    refused = False
    try:
        authorizer.require("com.x.A", PUBSUB, "PublishToTopic", "x/y")
    except UnauthorizedOperation:
        refused = True
    assert refused
    recipe = tmp_path / "com.x.A-1.0.0.yaml"
    recipe.write_text(
        'RecipeFormatVersion: "2020-01-25"\nComponentName: com.x.A\nComponentVersion: "1.0.0"\n'
        "ComponentDescription: Publishes.\nManifests:\n"
        '  - {Platform: {os: linux, runtime: "*"}, Lifecycle: {run: exec a}, Artifacts: []}\n'
    )
    (finding,) = lint([recipe], used=file).findings
    assert finding.id == "L811"
    assert "PublishToTopic on x/y" in finding.reason
