"""An HTTP consumer of OpenLineage events, as the specification's HTTP transport sends to it."""

import os
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

import requests

from workbench.errors import ConfigError
from workbench.lineage.journal import utc_now

KEY_VARIABLE: Final = "WORKBENCH_LINEAGE_API_KEY"
DEFAULT_PATH: Final = "/api/v1/lineage"  # Marquez; the OpenLineage client's default
_CONNECT_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 15.0
_MOST_SAID: Final = 300
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_AGAIN: Final = frozenset({408, 425, 429})
_TURNED_AWAY: Final = frozenset({401, 403, 404, 405})


@dataclass(frozen=True)
class Answer:
    """What a consumer answered.

    Attributes:
        status: HTTP status; 0 where there was no answer.
        said: Beginning of the answer, or why there was none.
        wait: Seconds after which it wants to be asked again.
    """

    status: int
    said: str = ""
    wait: float | None = None

    @property
    def accepted(self) -> bool:
        return 200 <= self.status < 300

    @property
    def known(self) -> bool:
        """It has the event already."""
        return self.status == 409

    @property
    def again(self) -> bool:
        """It may take the event later."""
        return self.status == 0 or self.status >= 500 or self.status in _AGAIN

    @property
    def turned_away(self) -> bool:
        """Whatever the event: the address or the key is wrong."""
        return self.status in _TURNED_AWAY or 300 <= self.status < 400


class Consumer:
    """One address that takes events.

    Args:
        url: http(s); without a path, that of the specification's HTTP transport is added.
        api_key: Sent as bearer token, never over an unencrypted network.
        patience: Seconds to wait for an answer.

    Raises:
        ConfigError: The address is malformed, holds a password, or would carry the key in clear.
    """

    def __init__(
        self, url: str, api_key: str | None = None, *, patience: float = _ANSWER_SECONDS
    ) -> None:
        self.url = _checked(url, bool(api_key))
        self._patience = patience
        self._session = requests.Session()
        self._session.auth = _Bearer(api_key)

    def take(self, event: bytes, key: str) -> Answer:
        """Offer an event.

        Args:
            event: JSON.
            key: Tells repetitions of this request from others.
        """
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        try:
            with self._session.post(
                self.url, event, headers=headers, allow_redirects=False, stream=True,
                timeout=(min(_CONNECT_SECONDS, self._patience), self._patience),
            ) as response:  # fmt: skip
                said = "" if response.ok else _beginning(response)
                return Answer(response.status_code, said, _wait(response))
        except requests.RequestException as error:
            return Answer(0, type(error).__name__)


def consumer(url: str) -> Consumer:
    """A consumer, with the API key of the environment."""
    return Consumer(url, os.environ.get(KEY_VARIABLE))


class _Bearer(requests.auth.AuthBase):
    """Our key or none: never what a `.netrc` has for the host."""

    def __init__(self, key: str | None) -> None:
        self._key = key

    def __call__(self, request: Any) -> Any:
        if self._key:
            request.headers["Authorization"] = f"Bearer {self._key}"
        return request


def _checked(url: str, secret: bool) -> str:
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise ConfigError(f"consumer {url!r}: expected http(s)://host[:port][/path].")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError(
            f"consumer at {parts.hostname}: the address holds a user, query or fragment; expected"
            f" none, give its key in {KEY_VARIABLE}."
        )
    if secret and parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise ConfigError(
            f"consumer {url!r}: {KEY_VARIABLE} would travel unencrypted; expected https."
        )
    return url if parts.path not in ("", "/") else url.rstrip("/") + DEFAULT_PATH


def _beginning(response: requests.Response) -> str:
    try:
        data = next(response.iter_content(_MOST_SAID), b"")
    except requests.RequestException:
        return ""
    text = data[:_MOST_SAID].decode("utf-8", "replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _wait(response: requests.Response) -> float | None:
    """Seconds of `Retry-After` (RFC 9110, section 10.2.3): a number or a date."""
    value = response.headers.get("Retry-After", "")
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - utc_now()).total_seconds())
    except (ValueError, TypeError):
        return None
