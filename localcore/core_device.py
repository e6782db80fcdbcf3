"""A core device in one process: everything wired together, started and stopped in order.

root/config/          configuration, deployments, what is deployed
root/work/ packages/ logs/
root/ipc.socket       Greengrass IPC
root/control.socket   the command line
root/localcore.pid    locked while a daemon runs on the root
"""

import asyncio
import contextlib
import fcntl
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from localcore.access_record import AccessRecord
from localcore.authorization import Authorizer
from localcore.built_in import STREAM_MANAGER, TOKEN_EXCHANGE, BuiltIns
from localcore.cloud import endpoint
from localcore.config_store import ConfigStore
from localcore.control.server import ControlServer
from localcore.deployments import Deployments
from localcore.device_helper import DeviceHelper
from localcore.errors import LocalcoreError
from localcore.mqtt import Mqtt
from localcore.personality import JAVA, LITE
from localcore.pubsub import PubSub
from localcore.resolver import BUILT_IN
from localcore.secret_file import SecretFile
from localcore.server import IpcServer
from localcore.services import Services
from localcore.shadows import Shadows
from localcore.socket_paths import prepare_socket, remove_socket, socket_path
from localcore.supervisor import process_table
from localcore.supervisor.leftovers import end_leftovers
from localcore.supervisor.plan import ComponentPlan
from localcore.supervisor.supervisor import Supervisor
from localcore.update_consent import UpdateConsent

log = logging.getLogger(__name__)

NUCLEUS_VERSION = BUILT_IN["aws.greengrass.Nucleus"]
_IDENTITY = "identity"
# What a component must not get from whoever started localcore: a real account, another Python.
_PRIVATE_PREFIXES = ("AWS_",)
_PRIVATE = frozenset(("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "LOCALCORE_ROOT"))


@dataclass(frozen=True, slots=True)
class Settings:
    """How to start a device. None: as the last time on this root, or the default."""

    root: Path
    nucleus: Literal["java", "lite"] | None = None
    thing_name: str | None = None
    region: str | None = None
    stream_manager_port: int = 0
    devices: tuple[str, ...] = field(default=())
    record_access: Path | None = None


def _access_record(settings: Settings) -> AccessRecord | None:
    return None if settings.record_access is None else AccessRecord(settings.record_access)


class AlreadyRunningError(LocalcoreError):
    """Another daemon runs on the root."""


class CoreDevice:
    """``start``, then ``wait`` until someone calls ``shut_down``, then ``close``."""

    def __init__(self, settings: Settings) -> None:
        self.root = settings.root
        for folder in ("config", "work", "logs"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        self._lock = _locked(self.root / "localcore.pid")
        self.store = ConfigStore(self.root / "config")
        self.thing_name, self.region, self.nucleus = self._identity(settings)
        personality = JAVA if self.nucleus == "java" else LITE
        self.pubsub = PubSub(personality.local_topics)
        self.mqtt = Mqtt()
        self.supervisor = Supervisor(
            self.root, self.store, self._environment, self._on_component_stopped
        )
        consent = UpdateConsent()
        self.deployments = Deployments(
            self.root,
            self.thing_name,
            self.store,
            self.supervisor,
            BuiltIns(self.root, self.region, settings.stream_manager_port),
            consent,
        )
        self.ipc = IpcServer(
            Services(
                config=self.store,
                identities=self.supervisor,
                lifecycle=self.supervisor,
                deployments=self.deployments,
                pubsub=self.pubsub,
                mqtt=self.mqtt,
                shadows=Shadows(self.store),
                consent=consent,
                secrets=SecretFile(self.root, self.region),
                authorizer=Authorizer(
                    self.store, personality, self.thing_name, _access_record(settings)
                ),
                personality=personality,
                thing_name=self.thing_name,
                region=self.region,
                root=self.root,
            )
        )
        self.ipc_path = socket_path(self.root, "ipc.socket")
        self._control_path = socket_path(self.root, "control.socket")
        self._control = ControlServer(self)
        self._helpers = [
            DeviceHelper(f"device-{number}", command, self.root, self.supervisor)
            for number, command in enumerate(settings.devices, 1)
        ]
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()
        self._cloud: endpoint.Endpoint | None = None

    async def start(self) -> None:
        """Serve IPC and the command line, and launch what is deployed."""
        await end_leftovers(self.store)
        prepare_socket(self.ipc_path)
        await self.ipc.start(self.ipc_path)
        self._tasks += [
            asyncio.create_task(helper.live(), name=helper.name) for helper in self._helpers
        ]
        self.deployments.launch_deployed()
        self._tasks.append(asyncio.create_task(self.deployments.work(), name="deployments"))
        for task in self._tasks:
            task.add_done_callback(self._log_crash)
        prepare_socket(self._control_path)
        await self._control.start(self._control_path)
        log.info(
            "Started root=%s nucleus=%s thing_name=%s", self.root, self.nucleus, self.thing_name
        )

    def shut_down(self) -> None:
        """Have ``wait`` return."""
        self._stopping.set()

    async def wait(self) -> None:
        """Return when the device shall stop."""
        await self._stopping.wait()

    async def close(self) -> None:
        """Stop deployments, components in reverse order of dependency, helpers, servers."""
        for task in self._tasks:
            if task.get_name() == "deployments":
                task.cancel()
        await self.supervisor.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._control.close()
        await self.ipc.close()
        remove_socket(self._control_path)
        remove_socket(self.ipc_path)
        self.store.sync()
        self.store.close()
        # The file stays: removing it would let two daemons lock two files of one name.
        os.ftruncate(self._lock, 0)
        os.close(self._lock)
        log.info("Stopped root=%s", self.root)

    def helper_pids(self) -> dict[str, int | None]:
        """The `--device` programs and their processes."""
        return {helper.name: helper.pid for helper in self._helpers}

    def _identity(self, settings: Settings) -> tuple[str, str, Literal["java", "lite"]]:
        record = self.store.record(_IDENTITY)
        known = record if isinstance(record, dict) else {}
        thing_name = settings.thing_name or str(known.get("thingName", "localcore"))
        region = settings.region or str(known.get("region", "us-east-1"))
        nucleus = settings.nucleus or ("lite" if known.get("nucleus") == "lite" else "java")
        identity = {"thingName": thing_name, "region": region, "nucleus": nucleus}
        if identity != known:
            self.store.set_record(_IDENTITY, dict(identity))
        return thing_name, region, nucleus

    async def _environment(self, plan: ComponentPlan) -> Mapping[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name not in _PRIVATE and not name.startswith(_PRIVATE_PREFIXES)
        }
        environment = {
            **inherited,
            "AWS_IOT_THING_NAME": self.thing_name,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "GGC_VERSION": NUCLEUS_VERSION,
            # The Java nucleus sets it empty on a device without a certificate.
            "GG_ROOT_CA_PATH": "",
            "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT": str(self.ipc_path),
            "AWS_ACCESS_KEY_ID": "localcore",
            "AWS_SECRET_ACCESS_KEY": "localcore",
        }
        if plan.built_in:
            environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[1])
        cloud = self._cloud_url(plan)
        return environment if cloud is None else {**environment, "AWS_ENDPOINT_URL": cloud}

    def _cloud_url(self, plan: ComponentPlan) -> str | None:
        """The embedded cloud's address; it is started for the first component that asks for AWS."""
        known = self._cloud
        # One that is still starting is known here before it is to be found in its folder.
        if known is None or process_table.stat(known.pid) is None:
            folder = self.root / "cloud"
            asking = {plan.name, *plan.dependencies} & {STREAM_MANAGER, TOKEN_EXCHANGE}
            known = endpoint.ensure(folder, wait=False) if asking else endpoint.find(folder)
            self._cloud = known
        return None if known is None else known.url

    def _on_component_stopped(self, component: str) -> None:
        self.ipc.disconnect(component)

    def _log_crash(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("A defect of localcore ended %s", task.get_name(), exc_info=error)
            self.shut_down()


def _locked(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.read(descriptor, 32).decode(errors="replace").strip()
        os.close(descriptor)
        raise AlreadyRunningError(
            f"localcore already runs on {path.parent} (pid {pid or 'unknown'}): "
            "stop it with `localcore stop`, or choose another --root"
        ) from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


async def run(settings: Settings, on_ready: contextlib.AbstractContextManager[None]) -> None:
    """Run a device until it is told to stop; ``on_ready`` is entered when it is ready."""
    import signal  # noqa: PLC0415

    device = CoreDevice(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, device.shut_down)
    try:
        await device.start()
        with on_ready:
            await device.wait()
    finally:
        await device.close()
