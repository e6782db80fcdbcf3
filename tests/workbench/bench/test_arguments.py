"""The command line of scripts/bench."""

from pathlib import Path

import pytest

from workbench.bench.arguments import SUITES, Nucleus, parse
from workbench.bench.suites import SUITES as MEASURED


def refusal(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit):
        parse(argv)
    return capsys.readouterr().err


def test_every_suite_is_measured_when_none_is_named() -> None:
    assert parse([]).suites == SUITES == tuple(MEASURED)


def test_suites_are_measured_once_and_in_their_order() -> None:
    assert parse(["book", "ipc", "book"]).suites == ("ipc", "book")


def test_an_unknown_suite_is_refused_with_those_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert "speed is no suite: ipc, aggregator" in refusal(["speed"], capsys)


def test_another_nucleus_is_measured_with_the_ipc_suite_alone() -> None:
    arguments = parse(["--socket", "/run/ipc.socket", "--token", "T", "--topic-prefix", "lab/"])
    assert arguments.suites == ("ipc",)
    assert arguments.nucleus == Nucleus(Path("/run/ipc.socket"), "T")
    assert arguments.topic_prefix == "lab"


def test_a_socket_without_a_token_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "go together" in refusal(["--socket", "/run/ipc.socket"], capsys)


def test_other_suites_are_refused_for_another_nucleus(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["memory", "--socket", "/run/ipc.socket", "--token", "T"]
    assert "the suite ipc only" in refusal(argv, capsys)


def test_a_file_in_no_folder_is_refused_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "there is no folder" in refusal(["--json", str(tmp_path / "no" / "f.json")], capsys)
