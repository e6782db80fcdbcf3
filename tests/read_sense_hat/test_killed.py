"""The process is killed for real, again and again: no row is lost, none gets two numbers."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from hubkit.payloads import ReadingBatch, decode

COMPONENTS = Path(__file__).resolve().parents[2] / "components"

PROGRAM = """
import json, sys, time
from pathlib import Path
from hubkit.clock import SystemClock
from hubkit.config import convert
from hubkit.service import Surroundings
from read_sense_hat.configuration import ReadSenseHatConfiguration
from read_sense_hat.service import ReadSenseHat

work = Path(sys.argv[1])

class Bus:
    def __init__(self):
        self.heard = (work / "heard").open("ab", buffering=0)
    def publish(self, topic, payload):
        if topic.startswith("hub/readings/"):
            self.heard.write(payload + b"\\n")

configuration = convert(ReadSenseHatConfiguration, json.loads(sys.argv[2]))
service = ReadSenseHat(configuration, Surroundings(Bus(), SystemClock(), work, "thing"))
service.begin()
print("ready", flush=True)
while True:
    time.sleep(service.tick())
"""


def test_a_process_killed_at_any_moment_loses_and_doubles_no_row(tmp_path: Path) -> None:
    rows = 4000
    path = tmp_path / "recording.csv"
    path.write_text("When,Row\n" + "".join(f"{i},{i}\n" for i in range(rows)))
    work = tmp_path / "work"
    work.mkdir()
    configuration = {
        "devices": [
            {
                "id": "rec",
                "source": "replay",
                "file": str(path),
                "columns": {"When": "time", "Row": "row_number"},
            }
        ],
        "speed": 2000,
        "batchSeconds": 0.005,
        "ringKilobytes": 4096,
        "volatileFolder": "",
        "drainSeconds": 0,
        "logLevel": "INFO",
        "healthSeconds": 10,
    }
    heard = work / "heard"
    kills = 0
    while True:
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(work), json.dumps(configuration)],
            env={**os.environ, "PYTHONPATH": str(COMPONENTS)},
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            size = heard.stat().st_size
            # Somewhere in the next third of a second's writes.
            wanted = size + 2000 + 1777 * kills % 5000
            while heard.stat().st_size < wanted and not _ended(heard, rows):
                time.sleep(0.001)
            process.send_signal(signal.SIGKILL)
        kills += 1
        if _ended(heard, rows):
            break
    assert kills >= 5
    taken: dict[int, float | None] = {}
    lines = heard.read_bytes().split(b"\n")
    boots = set()
    for line in lines:
        if not line.endswith(b"}"):
            continue  # killed while it wrote to the pipe that stands for the nucleus
        batch = decode(ReadingBatch, line)
        boots.add(batch.boot)
        for i, value in enumerate(batch.values["row_number"]):
            assert taken.setdefault(batch.seq + i, value) == value
    assert len(boots) == 1
    # What was in the ring and not yet published when it was killed is asked for by the Aggregator.
    assert all(value == seq for seq, value in taken.items())
    assert len(taken) > rows * 0.95
    assert max(taken) == rows - 1


def _ended(heard: Path, rows: int) -> bool:
    if not heard.exists():
        return False
    lines = heard.read_bytes()[-5000:].split(b"\n")
    last = lines[-2] if len(lines) > 1 else b""
    return (
        last.endswith(b"}")
        and last.startswith(b"{")
        and (decode(ReadingBatch, last).next_seq == rows)
    )
