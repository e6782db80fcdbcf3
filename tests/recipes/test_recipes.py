"""The recipes: what every nucleus accepts, and no more rights than the components use."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from hubkit.config import Configuration, convert
from hubkit.health import health_topic, heartbeat_topic
from workbench.names import REPOSITORY, Component, components

COMPONENTS = components(REPOSITORY)
WITH_CODE = [c for c in COMPONENTS if (REPOSITORY / c.source / "__main__.py").is_file()]
SERVICES = [c for c in WITH_CODE if c.package != "runtime"]

PUBSUB = "aws.greengrass.ipc.pubsub"
PUBLISH = "aws.greengrass#PublishToTopic"
SUBSCRIBE = "aws.greengrass#SubscribeToTopic"
VARIABLES = re.compile(
    r"\{(?:artifacts:path|work:path|kernel:rootPath|iot:thingName|configuration:(?P<pointer>/[^{}:]+))\}"
)


def load(component: Component) -> dict[str, Any]:
    loaded = yaml.safe_load((REPOSITORY / component.recipe).read_text())
    assert isinstance(loaded, dict)
    return loaded


def named(component: Component) -> str:
    return component.short_name


def defaults(component: Component) -> dict[str, Any]:
    configuration = load(component).get("ComponentConfiguration", {})
    found = configuration.get("DefaultConfiguration", {})
    assert isinstance(found, dict)
    return found


def granted(component: Component, operation: str) -> list[str]:
    policies = defaults(component).get("accessControl", {}).get(PUBSUB, {})
    return [
        resource
        for policy in policies.values()
        if operation in policy["operations"]
        for resource in policy["resources"]
    ]


def declared(component: Component, direction: str) -> list[str]:
    """The topics on the sign on the component's door, its package's docstring."""
    sign = importlib.import_module(component.package).__doc__ or ""
    topics = re.findall(rf"^{direction} +topic `([^`]+)`", sign, re.MULTILINE)
    return [re.sub(r"<\w+>", "*", topic) for topic in topics]


def steps(component: Component) -> dict[str, dict[str, Any]]:
    (manifest,) = load(component)["Manifests"]
    return {
        name: step if isinstance(step, dict) else {"Script": step}
        for name, step in manifest["Lifecycle"].items()
    }


def configuration_type(component: Component) -> type[Configuration]:
    module = importlib.import_module(f"{component.package}.configuration")
    (found,) = (
        value
        for name, value in vars(module).items()
        if name.lower() == component.short_name.lower() + "configuration"
    )
    assert isinstance(found, type)
    assert issubclass(found, Configuration)
    return found


def scalars_as(kind: type, value: Any) -> Any:
    """The configuration as another nucleus gives it: numbers as strings, or as floats."""
    if isinstance(value, dict):
        return {key: scalars_as(kind, item) for key, item in value.items()}
    if isinstance(value, list):
        return [scalars_as(kind, item) for item in value]
    if isinstance(value, bool):
        return str(value).lower() if kind is str else value
    return kind(value) if isinstance(value, int | float) else value


@pytest.mark.parametrize("component", COMPONENTS, ids=named)
class TestEveryRecipe:
    def test_it_names_what_its_file_name_says(self, component: Component) -> None:
        recipe = load(component)
        assert recipe["RecipeFormatVersion"] == "2020-01-25"
        assert (recipe["ComponentName"], recipe["ComponentVersion"]) == (
            component.name,
            component.version,
        )

    def test_it_fits_into_nucleus_lite(self, component: Component) -> None:
        # 8,196 bytes hold the file (ggl-recipe); 10,000 bytes a script after substitution.
        assert (REPOSITORY / component.recipe).stat().st_size < 8_000
        assert all(len(step["Script"]) < 1_000 for step in steps(component).values())

    def test_a_description_is_there_as_lite_writes_a_broken_unit_without(
        self, component: Component
    ) -> None:
        assert re.fullmatch(r"[^\n\\]{10,120}", load(component)["ComponentDescription"])

    def test_keys_are_spelled_as_lite_reads_them(self, component: Component) -> None:
        recipe = load(component)
        assert set(recipe) <= {
            "RecipeFormatVersion",
            "ComponentName",
            "ComponentVersion",
            "ComponentType",
            "ComponentDescription",
            "ComponentPublisher",
            "ComponentConfiguration",
            "ComponentDependencies",
            "Manifests",
        }
        (manifest,) = recipe["Manifests"]
        assert set(manifest) <= {"Platform", "Lifecycle", "Artifacts"}
        assert manifest["Platform"] == {"os": "linux", "runtime": "*"}
        assert set(manifest["Lifecycle"]) <= {"install", "run"}
        for step in steps(component).values():
            assert set(step) <= {"Script", "Timeout", "Setenv"}
        for artifact in manifest.get("Artifacts", []):
            assert set(artifact) <= {"Uri", "Permission"}

    def test_it_has_a_run_step_so_that_lite_has_a_unit(self, component: Component) -> None:
        assert "run" in steps(component)

    def test_nothing_runs_as_root(self, component: Component) -> None:
        assert "RequiresPrivilege" not in (REPOSITORY / component.recipe).read_text()

    def test_braces_are_recipe_variables_only(self, component: Component) -> None:
        for step in steps(component).values():
            assert not re.search(r"[{}]", VARIABLES.sub("", step["Script"]))

    def test_every_configuration_that_a_script_names_has_a_default(
        self, component: Component
    ) -> None:
        for step in steps(component).values():
            for match in VARIABLES.finditer(step["Script"]):
                if match["pointer"]:
                    assert match["pointer"].removeprefix("/") in defaults(component)

    def test_dependencies_use_what_lite_understands(self, component: Component) -> None:
        for dependency in load(component).get("ComponentDependencies", {}).values():
            assert set(dependency) == {"VersionRequirement", "DependencyType"}
            assert dependency["DependencyType"] in {"HARD", "SOFT"}
            version = r"\d+\.\d+\.\d+"
            assert re.fullmatch(f">={version} <{version}", dependency["VersionRequirement"])

    def test_its_artifact_is_where_scripts_build_puts_it(self, component: Component) -> None:
        (manifest,) = load(component)["Manifests"]
        names = [Path(artifact["Uri"]).name for artifact in manifest.get("Artifacts", [])]
        assert names == ([component.artifact.name] if component in WITH_CODE else [])


@pytest.mark.parametrize("component", SERVICES, ids=named)
class TestRights:
    def test_a_filter_is_granted_literally_and_no_other(self, component: Component) -> None:
        used = [*declared(component, "In"), heartbeat_topic(component.name)]
        assert sorted(granted(component, SUBSCRIBE)) == sorted(used)

    def test_what_is_published_is_granted_and_nothing_else(self, component: Component) -> None:
        used = {
            *declared(component, "Out"),
            health_topic(component.name),
            heartbeat_topic(component.name),
        }
        assert sorted(granted(component, PUBLISH)) == sorted(used)

    def test_the_sign_on_the_door_lists_the_filters_of_the_code(self, component: Component) -> None:
        service = importlib.import_module(f"{component.package}.service")
        assert sorted(declared(component, "In")) == sorted(service.TOPIC_FILTERS)

    def test_policies_are_within_lites_limits(self, component: Component) -> None:
        policies = defaults(component)["accessControl"]
        assert set(policies) == {PUBSUB}
        assert len(str(policies[PUBSUB])) < 4_096
        for name, policy in policies[PUBSUB].items():
            assert name.startswith(f"{component.name}:pubsub:")
            for resource in policy["resources"]:
                assert resource.startswith("hub/")
                assert "?" not in resource

    def test_the_defaults_are_a_configuration(self, component: Component) -> None:
        convert(configuration_type(component), defaults(component))

    @pytest.mark.parametrize("kind", [str, float])
    def test_the_defaults_convert_as_the_other_nuclei_give_them(
        self, component: Component, kind: type
    ) -> None:
        convert(configuration_type(component), scalars_as(kind, defaults(component)))

    def test_it_runs_in_runtimes_environment_and_waits_for_it(self, component: Component) -> None:
        dependency = load(component)["ComponentDependencies"]["com.hbs.hub.Runtime"]
        assert dependency["DependencyType"] == "HARD"
        script = steps(component)["run"]["Script"]
        assert "{kernel:rootPath}/work/com.hbs.hub.Runtime/venv" in script
        assert script.startswith("exec ")


def test_policy_names_are_unique_over_all_components() -> None:
    names = [
        name
        for component in COMPONENTS
        for service in defaults(component).get("accessControl", {}).values()
        for name in service
    ]
    assert len(names) == len(set(names))


def test_nothing_under_hub_needs_the_stream_manager() -> None:
    recipes = {component.name: load(component) for component in COMPONENTS}
    reached, ahead = set(), ["com.hbs.hub.Hub"]
    while ahead:
        name = ahead.pop()
        reached.add(name)
        ahead += set(recipes[name].get("ComponentDependencies", {})) - reached
    assert reached <= set(recipes)
    assert "com.hbs.hub.Export" not in reached
    assert "aws.greengrass.StreamManager" in recipes["com.hbs.hub.Export"]["ComponentDependencies"]


def test_hub_brings_every_component_but_export() -> None:
    hub = next(c for c in COMPONENTS if c.short_name == "Hub")
    others = {c.name for c in COMPONENTS} - {hub.name, "com.hbs.hub.Export"}
    assert set(load(hub)["ComponentDependencies"]) == others
