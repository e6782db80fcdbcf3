"""The command line: where --root may stand, exit status, one-line errors, JSON."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from localcore.cli import main
from localcore.cli.parser import build_parser, chosen_root


@pytest.mark.parametrize(
    "arguments",
    [
        ["--root", "/r", "component", "list"],
        ["component", "--root", "/r", "list"],
        ["component", "list", "--root", "/r"],
    ],
)
def test_the_root_may_stand_before_or_after_the_verb(arguments: list[str]) -> None:
    assert chosen_root(build_parser().parse_args(arguments)) == Path("/r")


def test_the_root_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCALCORE_ROOT", "/from/environment")
    options = build_parser().parse_args(["component", "list"])
    assert chosen_root(options) == Path("/from/environment")


def test_no_daemon_is_status_3_and_one_line_with_the_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["component", "list", "--root", str(tmp_path)]) == 3
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"localcore start --root {tmp_path}" in error


STREAM_VERBS = (["list"], ["describe", "s"], ["read", "s"])


def publishing(topic: str) -> list[list[str]]:
    return [[name, "pub", "-t", topic, "-m", "x"] for name in ("pubsub", "iotcore")]


def subscribing(topic_filter: str) -> list[list[str]]:
    return [[name, "sub", "-t", topic_filter] for name in ("pubsub", "iotcore")]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["deployment", "create", "--merge", "A"], "NAME=VERSION"),
        (["deployment", "create", "--update-config", "{nonsense"], "neither a file nor JSON"),
        (["logs", "get", "absent"], "No log of 'absent'"),
        (["deployment", "create"], "nothing to deploy: name a component with --merge"),
        *((verb, "topic 'a/#' has the wildcard '#'") for verb in publishing("a/#")),
        *((verb, "topic 'a+' has the wildcard '+'") for verb in publishing("a+")),
        (["pubsub", "pub", "-t", "a/*", "-m", "x"], "topic 'a/*' has the wildcard '*'"),
        *((verb, "topic filter 'a/#/b' is malformed") for verb in subscribing("a/#/b")),
        *((verb, "topic filter 'a/b+' is malformed") for verb in subscribing("a/b+")),
        *((["stream", *verb], "deploy a component that depends on") for verb in STREAM_VERBS),
    ],
)
def test_wrong_values_are_status_1_and_one_line(
    daemon: Any, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main([*arguments, "--root", str(daemon.root)]) == 1
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("verb", STREAM_VERBS)
def test_a_stream_manager_that_was_killed_is_one_line_with_the_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: list[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        host, port = taken.getsockname()
    (tmp_path / "streams").mkdir()
    left = {"host": host, "port": port}
    (tmp_path / "streams" / "endpoint.json").write_text(json.dumps(left))
    assert main(["stream", *verb, "--root", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert f"No stream manager at {host}:{port} (Connection refused): start localcore" in error
    assert error.count("\n") == 1


def test_a_port_out_of_range_is_named_with_its_limit(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["start", "--stream-manager-port", "70000"])
    assert caught.value.code == 2
    assert "'70000' is not a port: 0 (a free one) to 65535" in capsys.readouterr().err


def test_a_deployment_by_greengrass_clis_flags(
    daemon: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipes = tmp_path / "recipes"
    recipes.mkdir()
    (recipes / "a-1.0.0.yaml").write_text(
        "ComponentName: a\nComponentVersion: 1.0.0\n"
        "ComponentConfiguration: {DefaultConfiguration: {n: 1}}\n"
        "Manifests: [{Lifecycle: {run: 'echo hello; exec sleep 1000'}}]\n"
    )
    root = ["--root", str(daemon.root)]
    update = tmp_path / "update.json"
    update.write_text('{"a": {"MERGE": {"n": 2}}}')
    create = ["deployment", "create", "--recipeDir", str(recipes), "-m", "a=1.0.0"]
    assert main([*create, "-c", str(update), *root, "--json"]) == 0
    captured = capsys.readouterr()
    deployment = json.loads(captured.out)
    assert deployment["status"] == "SUCCEEDED"
    assert "a: RUNNING" in captured.err
    assert main(["component", "details", "-n", "a", "--json", *root]) == 0
    component = json.loads(capsys.readouterr().out)
    assert (component["state"], component["configuration"]) == ("RUNNING", {"n": 2})
    assert component["pss_bytes"] > 0
    assert main(["component", "list", *root]) == 0
    assert "RUNNING" in capsys.readouterr().out
    assert main(["deployment", "status", "-i", deployment["deploymentId"], *root]) == 0
    assert main(["deployment", "list", *root]) == 0
    assert main(["logs", "list-log-files", *root]) == 0
    assert "a.log" in capsys.readouterr().out
    assert main(["logs", "get", "localcore", *root]) == 0
    assert "Deployment succeeded" in capsys.readouterr().out
    assert main(["fault", "disconnect", "-n", "a", *root]) == 0
    assert main(["pubsub", "pub", "-t", "x", "-m", "hello", *root]) == 0
    assert "0 subscriptions" in capsys.readouterr().out
    assert main(["deployment", "create", "-m", "absent=1.0.0", *root]) == 1
    assert "No local version of component absent" in capsys.readouterr().out
    assert main(["component", "stop", "-n", "a", *root]) == 0
    daemon.wait_for(lambda states: states.get("a") == "FINISHED")


def test_stop_ends_the_daemon_and_a_second_stop_says_that_none_runs(
    daemon: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stop", "--root", str(daemon.root), "--timeout", "20"]) == 0
    assert main(["stop", "--root", str(daemon.root)]) == 3
    assert "No localcore runs" in capsys.readouterr().err
