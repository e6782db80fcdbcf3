"""AWS clients for one endpoint, made when first needed.

botocore alone is used, not boto3: the same clients with less to import (a quarter of a second and
35 MB the first time, which is why it is not imported before).
"""

import os
import threading
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

# A laptop that lost its network must notice within seconds; a slow upload may take a minute.
_CONNECT_TIMEOUT_S: Final = 5
_READ_TIMEOUT_S: Final = 60


class AwsClients:
    """One client per service for one endpoint and region; used from several threads."""

    def __init__(self, endpoint_url: str | None, region: str):
        self._endpoint_url = endpoint_url
        self._region = region
        self._lock = threading.Lock()
        self._clients: dict[str, Any] = {}

    def get(self, service: str) -> Any:
        """The client of a service; the first call imports botocore."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._make(service)
            return self._clients[service]

    def _make(self, service: str) -> Any:
        import botocore.config  # noqa: PLC0415 - see above
        import botocore.session  # noqa: PLC0415

        session = botocore.session.get_session()
        if is_loopback(self._endpoint_url) and "AWS_ACCESS_KEY_ID" not in os.environ:
            session.set_credentials("localcore", "localcore")
        return session.create_client(
            service,
            endpoint_url=self._endpoint_url,
            region_name=self._region,
            config=botocore.config.Config(
                connect_timeout=_CONNECT_TIMEOUT_S,
                read_timeout=_READ_TIMEOUT_S,
                # Who uses a client retries, with a back-off of its own.
                retries={"total_max_attempts": 1},
                request_checksum_calculation="when_required",
                proxies={} if is_loopback(self._endpoint_url) else None,
            ),
        )


def is_loopback(url: str | None) -> bool:
    """Whether a URL leads to this machine, where any credentials will do."""
    host = urlsplit(url).hostname if url else None
    if host is None:
        return False
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
