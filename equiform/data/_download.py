"""A session that speaks only to servers that it can trust, and waits when asked to."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from equiform._extras import require

require("requests", extra="images")
import requests  # noqa: E402
from requests.adapters import HTTPAdapter  # noqa: E402
from urllib3.util import Retry  # noqa: E402

CHUNK = 2**16
TIMEOUT = (10.0, 60.0)  # seconds to connect, and between bytes


class DownloadError(OSError):
    """A file could not be downloaded; the message says which and why."""


def secure_session(base_url: str, *, argument: str) -> requests.Session:
    """A session for URLs below one base, by https, or by http from a loopback address.

    It retries passing faults, waits as long as Retry-After says, and follows a redirect only to
    https, or to below the base itself. What it receives is not decoded.

    Args:
        base_url: where the files lie.
        argument: what the error calls it.

    Raises:
        ValueError: `base_url` is neither https nor http of a loopback address.
    """
    scheme, host = urlsplit(base_url).scheme, urlsplit(base_url).hostname or ""
    if scheme != "https" and not (scheme == "http" and _is_loopback(host)):
        raise ValueError(f"{argument} must be https (http for a loopback host), got {base_url!r}")
    session = requests.Session()
    # No adapter for anything else: a redirect from https to http finds none and fails.
    session.adapters.clear()
    # After the last retry the answer itself comes back, and its status is reported.
    retry = Retry(
        total=5,
        backoff_factor=0.5,
        status_forcelist=(429, 500, 502, 503, 504),
        raise_on_status=False,
    )
    # With the slash: http://127.0.0.1 is also how http://127.0.0.1.example begins.
    prefix = "https://" if scheme == "https" else base_url.rstrip("/") + "/"
    session.mount(prefix, HTTPAdapter(max_retries=retry))
    # As it is, no transfer decoding: the file itself is what is kept and hashed.
    session.headers["Accept-Encoding"] = "identity"
    return session


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
