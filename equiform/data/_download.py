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


class DownloadError(OSError):
    """A file could not be downloaded; the message says which and why."""


def secure_session(base_url: str, *, argument: str) -> requests.Session:
    """A session for URLs below one base, by https, or by http from a loopback address.

    It retries passing faults, waits as long as Retry-After says, and follows a redirect only to
    https, or to below the base itself. What it receives is not decoded. `argument` is what the
    error calls a base that is neither.
    """
    scheme, host = urlsplit(base_url).scheme, urlsplit(base_url).hostname or ""
    if scheme != "https" and not (scheme == "http" and _is_loopback(host)):
        raise ValueError(f"{argument} must be https (http for a loopback host), got {base_url!r}")
    session = requests.Session()
    # No adapter for anything else: a redirect from https to http finds none and fails.
    session.adapters.clear()
    # After the last retry the answer itself comes back, and its status is reported.
    passing = (429, 500, 502, 503, 504)
    retry = Retry(5, backoff_factor=0.5, status_forcelist=passing, raise_on_status=False)
    # With the slash: http://127.0.0.1 is also how http://127.0.0.1.example begins.
    prefix = "https://" if scheme == "https" else base_url.rstrip("/") + "/"
    session.mount(prefix, HTTPAdapter(max_retries=retry))
    # As it is, no transfer decoding: the file itself is what is kept and hashed.
    session.headers["Accept-Encoding"] = "identity"
    return session


def get(session: requests.Session, url: str, **headers: str) -> requests.Response:
    """The answer to a request, its body not read yet; DownloadError where no server answers."""
    try:
        return session.get(url, headers=headers, stream=True, timeout=(10.0, 60.0))  # seconds
    except requests.RequestException as error:
        raise DownloadError(f"{url} cannot be reached ({error})") from error


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
