"""A whole core device: real processes over the real control channel."""

import os
import signal
import zipfile
from pathlib import Path
from typing import Any

import pytest

from localcore.control.client import Control
from localcore.errors import LocalcoreError, UnreachableError
from localcore.supervisor import process_table

SLEEP = "exec sleep 1000"


def test_components_start_after_what_they_depend_on_and_stop_before(
    daemon: Any, lines: Any
) -> None:
    script = (
        f"trap 'echo stop NAME > {lines.path}; exit 0' TERM; echo start NAME > {lines.path}; "
        "while :; do sleep 0.01; done"
    )
    result = daemon.deploy(
        {
            "top 1.0.0": {"run": script.replace("NAME", "top"), "dependencies": {"mid": "HARD"}},
            "mid 1.0.0": {
                "startup": f"echo start mid > {lines.path}",
                "shutdown": f"echo stop mid > {lines.path}",
                "dependencies": {"low": "HARD"},
            },
            "low 1.0.0": {
                "startup": f"echo start low > {lines.path}",
                "shutdown": f"echo stop low > {lines.path}",
            },
        }
    )
    assert result["status"] == "SUCCEEDED", result
    assert [lines.next() for _ in range(3)] == ["start low", "start mid", "start top"]
    assert daemon.stop() == 0
    assert [lines.next() for _ in range(3)] == ["stop top", "stop mid", "stop low"]


def test_the_environment_is_the_one_aws_documents(daemon: Any) -> None:
    script = (
        'test "$PWD" = "{work:path}" && test -n "$SVCUID" && '
        'test "$AWS_CONTAINER_AUTHORIZATION_TOKEN" = "$SVCUID" && '
        'test "$AWS_IOT_THING_NAME" = localcore && test "$AWS_REGION" = us-east-1 && '
        'test "$AWS_DEFAULT_REGION" = us-east-1 && test -n "$GGC_VERSION" && '
        'test -S "$AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT" && '
        'test "$MINE" = "1 {x}" && test -z "$PYTHONPATH"'
    )
    result = daemon.deploy(
        {
            "a 1.0.0": {
                "startup": {"Script": script, "Setenv": {"MINE": "{configuration:/n} {x}"}},
                "configuration": {"n": 1},
            }
        }
    )
    assert result["status"] == "SUCCEEDED", daemon.log("a")


def test_a_component_killed_with_kill_9_comes_back_with_another_token(
    daemon: Any, lines: Any
) -> None:
    daemon.deploy({"a 1.0.0": {"run": f"echo $SVCUID > {lines.path}; {SLEEP}"}})
    token = lines.next()
    before = daemon.main_pid("a")
    os.kill(before, signal.SIGKILL)
    assert lines.next() != token
    component = daemon.control.component("a")
    assert (component["state"], component["restarts"]) == ("RUNNING", 1)
    assert component["pids"] != [before]


def test_three_errors_break_a_component_until_it_is_deployed_again(daemon: Any, lines: Any) -> None:
    recipes = {"a 1.0.0": {"run": f"echo $$ > {lines.path}; {SLEEP}"}}
    daemon.deploy(recipes)
    for _ in range(3):
        os.kill(int(lines.next()), signal.SIGKILL)
    daemon.wait_for(lambda states: states.get("a") == "BROKEN")
    component = daemon.control.component("a")
    assert "signal 9" in component["reason"]
    assert component["restarts"] == 2
    result = daemon.deploy(recipes)
    assert result["status"] == "SUCCEEDED", result
    assert daemon.control.component("a")["state"] == "RUNNING"


def test_hard_dependants_stop_with_their_dependency_and_soft_ones_go_on(daemon: Any) -> None:
    daemon.deploy(
        {
            "base 1.0.0": {"run": SLEEP},
            "hard 1.0.0": {"run": SLEEP, "dependencies": {"base": "HARD"}},
            "soft 1.0.0": {"run": SLEEP, "dependencies": {"base": "SOFT"}},
        }
    )
    hard, soft = daemon.main_pid("hard"), daemon.main_pid("soft")
    watch = daemon.control.watch()
    for _ in range(3):
        next(watch)
    os.kill(daemon.main_pid("base"), signal.SIGKILL)
    while next(watch) != {"event": "state", "name": "hard", "state": "RUNNING"}:
        pass
    assert daemon.main_pid("hard") != hard
    assert daemon.main_pid("soft") == soft


def test_a_killed_daemon_takes_its_components_with_it_and_starts_them_again(
    daemon: Any, lines: Any
) -> None:
    daemon.deploy(
        {"a 1.0.0": {"run": SLEEP, "configuration": {"n": 1}}},
        update_config={"a": {"MERGE": {"n": 2}}},
    )
    # Two processes: the kernel kills the shell with localcore, the next start ends the other.
    daemon.deploy({"b 1.0.0": {"run": f"sleep 1000 & echo $! > {lines.path}; wait"}})
    assert lines.next()
    first = daemon.main_pid("a")
    inner = daemon.control.component("b")["pids"]
    daemon.kill()
    daemon.start()
    assert lines.next()
    daemon.wait_for(lambda states: states == {"a": "RUNNING", "b": "RUNNING"})
    assert process_table.stat(first) is None or daemon.main_pid("a") != first
    assert all(gone(pid) for pid in inner)
    assert daemon.control.component("a")["configuration"] == {"n": 2}


def gone(pid: int) -> bool:
    found = process_table.stat(pid)
    return found is None or found.state == "Z"


def test_a_failed_deployment_puts_everything_back(daemon: Any) -> None:
    daemon.deploy({"a 1.0.0": {"run": SLEEP, "configuration": {"n": 1}}})
    pid = daemon.main_pid("a")
    result = daemon.deploy(
        {"b 1.0.0": {"run": "exit 3"}},
        update_config={"a": {"MERGE": {"n": 5}}},
    )
    assert result["status"] == "FAILED"
    assert "b is BROKEN" in result["reason"]
    assert "exit code 3" in result["reason"]
    component = daemon.control.component("a")
    assert component["configuration"] == {"n": 1}
    assert component["pids"] == [pid], "what did not change was not restarted"
    assert [each["name"] for each in daemon.control.components()] == ["a"]


def test_only_what_changed_is_restarted(daemon: Any) -> None:
    recipes = {
        "a 1.0.0": {"run": f"echo {{configuration:/n}}; {SLEEP}", "configuration": {"n": 1}},
        "b 1.0.0": {"run": SLEEP, "configuration": {"n": 1}},
    }
    daemon.deploy(recipes)
    a, b = daemon.main_pid("a"), daemon.main_pid("b")
    update = {"MERGE": {"n": 2}}
    daemon.deploy(recipes, update_config={"a": update, "b": update})
    assert daemon.main_pid("a") != a, "its script has the value in it"
    assert daemon.main_pid("b") == b, "it only reads its configuration"
    assert daemon.control.component("b")["configuration"] == {"n": 2}


def test_a_removed_component_is_stopped_and_its_dependencies_with_it(daemon: Any) -> None:
    base = {"run": SLEEP}
    top = {"run": SLEEP, "dependencies": {"base": "HARD"}}
    daemon.deploy({"base 1.0.0": base, "top 1.0.0": top}, merge={"top": "1.0.0"})
    assert daemon.control.deploy(remove=["top"])["status"] == "SUCCEEDED"
    assert daemon.control.components() == []


@pytest.mark.parametrize(
    ("recipes", "options", "words"),
    [
        ({}, {"merge": {"absent": "1.0.0"}}, "No local version of component absent"),
        ({"a 1.0.0": {"run": SLEEP}}, {"update_config": {"b": {"MERGE": {}}}}, "no root component"),
        ({"a 1.0.0": {"run": {"Timeout": 3}}}, {}, "run has no Script"),
        ({"a 1.0.0": {"artifacts": [{"Uri": "s3://x/y.pyz"}]}}, {}, "put it at a/1.0.0/y.pyz"),
        ({"a 1.0.0": {}}, {"remove": ["never"]}, "never: no root component"),
    ],
)
def test_a_deployment_that_cannot_be_is_refused_with_the_reason(
    daemon: Any, recipes: dict[str, Any], options: dict[str, Any], words: str
) -> None:
    result = daemon.deploy(recipes, **options)
    assert result["status"] == "FAILED"
    assert words in result["reason"]


def test_a_request_that_makes_no_sense_is_refused_at_once(daemon: Any) -> None:
    with pytest.raises(LocalcoreError, match="MERGE"):
        daemon.control.deploy(update_config={"a": {"merged": 1}})
    with pytest.raises(LocalcoreError, match="not a version requirement"):
        daemon.control.deploy(merge={"a": "one"})
    with pytest.raises(LocalcoreError, match="No component 'x' is deployed"):
        daemon.control.restart("x")
    with pytest.raises(LocalcoreError, match="unknown verb 'dance'"):
        daemon.control.call("dance")


def test_artifacts_are_copied_and_archives_unpacked(daemon: Any, tmp_path: Path) -> None:
    folder = tmp_path / "artifacts" / "a" / "1.0.0"
    folder.mkdir(parents=True)
    (folder / "plain.txt").write_text("plain")
    with zipfile.ZipFile(folder / "pack.zip", "w") as archive:
        archive.writestr("inside.txt", "packed")
    script = (
        'test "$(cat {artifacts:path}/plain.txt)" = plain && '
        'test "$(cat {artifacts:decompressedPath}/pack/inside.txt)" = packed'
    )
    uris = [{"Uri": "s3://B/plain.txt"}, {"Uri": "s3://B/pack.zip", "Unarchive": "ZIP"}]
    result = daemon.deploy(
        {"a 1.0.0": {"startup": script, "artifacts": uris}}, artifact_dir=tmp_path / "artifacts"
    )
    assert result["status"] == "SUCCEEDED", daemon.log("a")


def test_steps_are_limited_by_their_timeout(daemon: Any) -> None:
    result = daemon.deploy({"a 1.0.0": {"install": {"Script": SLEEP, "Timeout": 0.1}}})
    assert result["status"] == "FAILED"
    assert "install script did not end within its Timeout of 0.1 s" in result["reason"]


def test_a_stubborn_component_is_killed_after_the_shutdown_timeout(daemon: Any, lines: Any) -> None:
    stubborn = f"trap '' TERM; echo deaf > {lines.path}; while :; do sleep 0.01; done"
    daemon.deploy({"a 1.0.0": {"run": stubborn, "shutdown": {"Script": "true", "Timeout": 0.2}}})
    assert lines.next() == "deaf"
    pid = daemon.main_pid("a")
    assert daemon.stop() == 0
    assert gone(pid)
    assert "Killed after the shutdown Timeout" in daemon.log("a")


def test_output_is_logged_as_the_nucleus_logs_it(daemon: Any) -> None:
    daemon.deploy({"a 1.0.0": {"startup": "echo out; echo err >&2"}})
    lines = daemon.log("a").splitlines()
    out = next(line for line in lines if "stdout. out." in line)
    err = next(line for line in lines if "stderr. err." in line)
    assert "[INFO] (Copier) a: stdout. out. {scriptName=services.a.lifecycle.startup" in out
    assert "[WARN] (Copier) a: stderr. err." in err
    assert "serviceName=a, currentState=STARTING}" in out


def test_messages_go_through_the_control_channel(daemon: Any) -> None:
    received = daemon.control.subscribe("hub/#")
    assert daemon.control.publish("hub/x", b"\xff\x00") == 1
    assert next(received) == ("hub/x", b"\xff\x00")
    received.close()
    cloud = daemon.control.subscribe_to_iot_core("up/+")
    daemon.control.publish_to_iot_core("up/1", "text")
    assert next(cloud) == ("up/1", b"text")
    cloud.close()


def test_a_second_start_on_the_same_root_is_refused(daemon: Any) -> None:
    second = type(daemon)(daemon.root)
    with pytest.raises(AssertionError):
        second.start()
    assert second.stop() == 2


def test_a_root_without_daemon_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="localcore start --root"):
        Control(tmp_path).status()


def test_a_root_with_a_long_path_works_too(tmp_path: Path, daemon: Any) -> None:
    long = type(daemon)(tmp_path / ("long" * 30))
    long.start()
    try:
        status = long.control.status()
        assert len(status["ipcSocket"]) <= 107
        folder = Path(status["ipcSocket"]).parent
        assert long.deploy({"a 1.0.0": {"run": SLEEP}})["status"] == "SUCCEEDED"
    finally:
        long.stop()
    assert not folder.exists()


def test_a_device_program_lives_and_dies_with_localcore(daemon: Any, lines: Any) -> None:
    root = daemon.root.with_name("own")
    own = type(daemon)(root, "--device", f"echo $$ > {lines.path}; {SLEEP}")
    own.start()
    try:
        first = int(lines.next())
        os.kill(first, signal.SIGKILL)
        second = int(lines.next())
        assert own.control.status()["devices"] == {"device-1": second}
    finally:
        own.stop()
    assert gone(first)
    assert gone(second)


def test_a_deployment_that_a_kill_interrupts_goes_on_at_the_next_start(
    daemon: Any, lines: Any
) -> None:
    install = f"echo installing > {lines.path}; test -e go || exec sleep 1000; touch done"
    folder = daemon.root / "given"
    folder.mkdir()
    (folder / "a-1.0.0.yaml").write_text(
        "ComponentName: a\nComponentVersion: 1.0.0\n"
        f"Manifests: [{{Lifecycle: {{install: '{install}', run: '{SLEEP}'}}}}]\n"
    )
    deployment = daemon.control.create_deployment(recipe_dir=folder, merge={"a": "1.0.0"})
    assert lines.next() == "installing"
    daemon.kill()
    (daemon.root / "work" / "a" / "go").touch()
    daemon.start()
    assert daemon.control.deployment(deployment)["status"] in ("IN_PROGRESS", "SUCCEEDED")
    assert lines.next() == "installing"
    daemon.wait_for(lambda states: states.get("a") == "RUNNING")
    # The next one waits in the queue for the end of this one.
    assert daemon.deploy({})["status"] == "SUCCEEDED"
    assert daemon.control.deployment(deployment)["status"] == "SUCCEEDED"
