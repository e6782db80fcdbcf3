"""The recipe of the bench's own component: what is granted is what its programs use."""

from pathlib import Path

import yaml

from workbench.bench import device
from workbench.bench.programs import book, feed

RECIPES = Path(device.__file__).parent / "recipes"


def test_the_folder_can_be_given_to_any_nucleus_as_it_is() -> None:
    assert [path.name for path in RECIPES.iterdir()] == [f"{device.CLIENT}-1.0.0.yaml"]


def test_every_topic_of_the_programs_is_granted() -> None:
    recipe = yaml.safe_load(next(RECIPES.iterdir()).read_text())
    (policy,) = recipe["ComponentConfiguration"]["DefaultConfiguration"]["accessControl"][
        "aws.greengrass.ipc.pubsub"
    ].values()
    granted = policy["resources"]
    for topic in (
        book.TOPIC,
        feed.STATUS_TOPIC,
        "bench/sync",
        "hub/windows/bench-1",
        "hub/replay/bench-1",
    ):
        assert any(topic == name or topic.startswith(name.rstrip("*")) for name in granted)
    assert "*" not in granted
