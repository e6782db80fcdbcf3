"""A component for test_hubkit_service.py: says on stdout what is done with it, one JSON line each.

`python hub_component.py COMPONENT`. Its configuration decides how it behaves.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from hubkit.config import ConfigurationError
from hubkit.health import HealthValue
from hubkit.service import NotNowError, Service, ServiceConfiguration, Surroundings, run


class LabConfiguration(ServiceConfiguration, frozen=True, kw_only=True):
    name: str
    needs_file: str
    drain_payloads: int
    receive_seconds: float


def say(event: str, **values: Any) -> None:
    sys.stdout.write(json.dumps({"event": event, **values}) + "\n")
    sys.stdout.flush()


class Lab(Service):
    def __init__(self, configuration: LabConfiguration, surroundings: Surroundings) -> None:
        self._configuration = configuration
        self._left = configuration.drain_payloads
        self._finishing = False
        if configuration.name == "impossible":
            raise ConfigurationError("name='impossible': any other name is allowed")
        if configuration.needs_file and not Path(configuration.needs_file).exists():
            say("not now")
            raise NotNowError(f"{configuration.needs_file} is not there yet")
        say("built", name=configuration.name, thing=surroundings.thing_name)

    def begin(self) -> None:
        say("begin")

    def receive(self, topic: str, payload: bytes) -> None:
        if self._configuration.receive_seconds:
            time.sleep(self._configuration.receive_seconds)
            return
        say("receive", topic=topic, payload=payload.decode())
        if self._finishing:
            self._left -= 1

    def tick(self) -> float:
        return 0.05

    def reconnected(self) -> None:
        say("reconnected")

    def finish(self) -> None:
        self._finishing = True
        say("finish")

    def finished(self) -> bool:
        return self._left <= 0

    def close(self) -> None:
        say("close")

    def health(self) -> dict[str, HealthValue]:
        return {"name": self._configuration.name}


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], LabConfiguration, Lab, ("lab/in/#",)))
