import json
import os
import subprocess
import sys
from pathlib import Path

COMPONENTS = Path(__file__).resolve().parents[2] / "components"

PROGRAM = """
import json, sys, pkgutil
import read_sense_hat.service, read_sense_hat
names = {
    module.name
    for module in pkgutil.walk_packages(read_sense_hat.__path__, "read_sense_hat.")
    if module.name not in {"read_sense_hat.__main__", "read_sense_hat.emulated_device"}
}
print(json.dumps([sorted(names - set(sys.modules)), sorted(sys.modules)]))
"""


def run() -> tuple[list[str], list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": str(COMPONENTS)},
        stdout=subprocess.PIPE,
        check=True,
    )
    missing, loaded = json.loads(done.stdout)
    return missing, loaded


def test_every_module_of_the_artifact_is_loaded_at_the_start() -> None:
    # A deployment rewrites the zipapp: what is imported later may not be readable at that moment.
    missing, _ = run()
    assert missing == []


def test_the_libraries_of_the_hat_are_not_loaded_before_a_hat_is_opened() -> None:
    _, loaded = run()
    assert not {"numpy", "PIL", "sense_hat", "sense_emu", "stream_manager"} & set(loaded)
