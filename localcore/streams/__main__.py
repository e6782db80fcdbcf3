"""`python -m localcore.streams`: run the stream manager until SIGTERM or SIGINT.

Exit status: 0 after a signal, 2 when it cannot run (the folder is in use, the port is taken).
"""

import argparse
import asyncio
import fcntl
import logging
import os
import signal
import sys
from pathlib import Path

import msgspec

from localcore.atomic_file import write_atomically
from localcore.cloud.clients import AwsClients
from localcore.streams.exporters.exports import CloudExports
from localcore.streams.exporters.runner import RETRY_CAP_S
from localcore.streams.operations import Operations, now_ms
from localcore.streams.server import StreamServer
from localcore.streams.store import Store

log = logging.getLogger("localcore.streams")

HOST = "127.0.0.1"
ENDPOINT_FILE = "endpoint.json"
_EXPIRE_EVERY_S = 10.0
# The supervisor waits 15 s for a component to end before it kills it.
_CLOSE_TIMEOUT_S = 5.0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m localcore.streams", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of the message streams")
    parser.add_argument("--port", type=int, default=8088, help="0 takes a free one")
    parser.add_argument("--port-file", type=Path, help="file to write the port to when listening")
    parser.add_argument("--endpoint-url", help="AWS endpoint; without it, the real AWS")
    parser.add_argument("--region", required=True)
    parser.add_argument(
        "--auth-token",
        action="append",
        metavar="TOKEN",
        help="only clients with one of these may connect; without any, everybody may",
    )
    parser.add_argument(
        "--retry-cap-seconds",
        type=float,
        default=RETRY_CAP_S,
        help="longest wait between two attempts to export (AWS's own: 300)",
    )
    return parser.parse_args()


async def _serve(arguments: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    store = Store(arguments.root)
    clients = AwsClients(arguments.endpoint_url, arguments.region)
    exports = CloudExports(store, clients, now_ms, arguments.retry_cap_seconds)
    server = StreamServer(Operations(store, exports), arguments.auth_token)
    port = await server.start(HOST, arguments.port)
    exports.start()
    endpoint_file = arguments.root / ENDPOINT_FILE
    _announce(endpoint_file, arguments.port_file, port)
    log.info("listening host=%s port=%d message_streams=%d", HOST, port, len(store.names()))
    while not stop.is_set():
        exports.expire()
        try:
            async with asyncio.timeout(_EXPIRE_EVERY_S):
                await stop.wait()
        except TimeoutError:
            continue
    endpoint_file.unlink(missing_ok=True)
    await server.close()
    await exports.close(_CLOSE_TIMEOUT_S)
    store.close()
    log.info("ended")


def _announce(endpoint_file: Path, port_file: Path | None, port: int) -> None:
    endpoint = {"host": HOST, "port": port, "pid": os.getpid()}
    write_atomically(endpoint_file, msgspec.json.encode(endpoint))
    if port_file is not None:
        write_atomically(port_file, f"{port}\n".encode())


def main() -> int:
    """Run until a signal."""
    arguments = _arguments()
    logging.basicConfig(
        level=logging.INFO, stream=sys.stdout, format="%(levelname)s %(name)s: %(message)s"
    )
    arguments.root.mkdir(parents=True, exist_ok=True)
    with (arguments.root / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.error("another stream manager uses %s: stop it first", arguments.root)
            return 2
        try:
            asyncio.run(_serve(arguments))
        except OSError as error:
            log.error("cannot serve port=%d error=%s", arguments.port, error)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
