"""What stands in the way of an environment is said in one line."""

import sys

import pytest

from runtime.environment import EnvironmentRefusedError, check_python, environment_name


def test_this_python_will_do() -> None:
    check_python()


def test_a_missing_debian_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EnvironmentRefusedError, match="sudo apt install python3-venv"):
        check_python()


def test_an_old_python_is_refused_with_both_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2, "final", 0))
    with pytest.raises(EnvironmentRefusedError, match=r"Python 3\.9\.2 is too old, 3\.11 is"):
        check_python()


def test_another_lock_file_or_another_python_is_another_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = environment_name(b"first==1.0\n")
    assert name != environment_name(b"first==1.1\n")
    monkeypatch.setattr(sys.implementation, "cache_tag", "cpython-399")
    assert name != environment_name(b"first==1.0\n")
    assert environment_name(b"first==1.0\n").endswith("-cpython-399")
