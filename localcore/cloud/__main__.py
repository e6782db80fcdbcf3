"""`python -m localcore.cloud`: S3 and Kinesis on loopback, by moto, until SIGTERM or SIGINT.

Everything it holds is in memory (large objects in ROOT/tmp) and gone when it ends. Exit status: 0
after a signal, 2 when the folder or the port is in use.
"""

import argparse
import contextlib
import logging
import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import msgspec

from localcore.atomic_file import write_atomically
from localcore.cloud.endpoint import (
    CREATE_PATH,
    ENDPOINT_FILE,
    HOST,
    LOCK_FILE,
    EndpointFile,
    held,
    start_time,
)

StartResponse = Callable[[str, list[tuple[str, str]]], object]
Environment = dict[str, Any]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m localcore.cloud", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of endpoint.json")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--bucket", action="append", default=[], help="S3 bucket to create")
    parser.add_argument("--kinesis", action="append", default=[], help="data stream to create")
    parser.add_argument("--region", default=os.environ.get("AWS_REGION", "us-east-1"))
    parser.add_argument("--listening-descriptor", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


class EmbeddedCloud:
    """moto's application, and one path of our own that creates what is asked for.

    moto's Kinesis is not safe for concurrent calls: two puts can take the same sequence number, so
    calls to it go one by one.
    """

    def __init__(self, region: str):
        # Imported here: it is most of the start time, and `--help` needs none of it.
        from moto.moto_server.werkzeug_app import (  # noqa: PLC0415
            DomainDispatcherApplication,
            create_backend_app,
        )

        self._region = region
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._kinesis_lock = threading.Lock()

    def create(self, buckets: Iterable[str], kinesis_streams: Iterable[str]) -> None:
        """Create those that do not exist."""
        from moto.backends import get_backend  # noqa: PLC0415
        from moto.core import DEFAULT_ACCOUNT_ID  # noqa: PLC0415

        s3 = get_backend("s3")[DEFAULT_ACCOUNT_ID]["aws"]
        kinesis = get_backend("kinesis")[DEFAULT_ACCOUNT_ID][self._region]
        for name in buckets:
            if name not in s3.buckets:
                s3.create_bucket(name, self._region)
        for name in kinesis_streams:
            if name not in kinesis.streams:
                kinesis.create_stream(name, shard_count=1)

    def __call__(self, environ: Environment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request (WSGI)."""
        if environ.get("PATH_INFO") == CREATE_PATH:
            return self._create(environ, start_response)
        if environ.get("HTTP_X_AMZ_TARGET", "").startswith("Kinesis_"):
            with self._kinesis_lock:
                return self._answer(environ, start_response)
        return self._answer(environ, start_response)

    def _answer(self, environ: Environment, start_response: StartResponse) -> Iterable[bytes]:
        answer: Iterable[bytes] = self._moto(environ, start_response)
        return answer

    def _create(self, environ: Environment, start_response: StartResponse) -> Iterable[bytes]:
        wanted = parse_qs(environ.get("QUERY_STRING", ""))
        try:
            self.create(wanted.get("bucket", ()), wanted.get("kinesis", ()))
        except Exception as error:  # noqa: BLE001 - moto's errors have no common base of their own
            start_response("400 Bad Request", [("Content-Type", "text/plain")])
            return [str(error).encode()]
        start_response("204 No Content", [])
        return []


def main() -> int:
    """Serve until a signal."""
    arguments = _arguments()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    arguments.root.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as resources:
        if arguments.listening_descriptor is None:
            lock = resources.enter_context((arguments.root / LOCK_FILE).open("w"))
            if not held(lock):
                return _refused(f"another embedded cloud uses {arguments.root}: stop it first")
            try:
                listening = socket.create_server((HOST, arguments.port))
            except OSError as error:
                return _refused(f"port {arguments.port} is taken ({error}): name another")
            resources.enter_context(listening)
            arguments.listening_descriptor = listening.fileno()
        _serve(arguments)
    return 0


def _serve(arguments: argparse.Namespace) -> None:
    cloud = EmbeddedCloud(arguments.region)
    cloud.create(arguments.bucket, arguments.kinesis)

    from moto.moto_server.werkzeug_app import MotoRequestHandler  # noqa: PLC0415
    from werkzeug.serving import make_server  # noqa: PLC0415

    # A line per request would be the loudest thing in the log, and no news.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server(
        HOST,
        arguments.port,
        cloud,
        threaded=True,
        request_handler=MotoRequestHandler,
        fd=arguments.listening_descriptor,
    )
    endpoint_file = arguments.root / ENDPOINT_FILE
    pid, port = os.getpid(), server.server_address[1]
    endpoint = EndpointFile(
        pid=pid, started=start_time(pid) or 0, port=port, url=f"http://{HOST}:{port}"
    )
    write_atomically(endpoint_file, msgspec.json.encode(endpoint))
    try:
        server.serve_forever()
    finally:
        endpoint_file.unlink(missing_ok=True)
        shutil.rmtree(arguments.root / "tmp", ignore_errors=True)


def _refused(reason: str) -> int:
    sys.stderr.write(f"{reason}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
