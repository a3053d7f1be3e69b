"""Requests to a captioning server: who asks again, how long it waits, and what it says of that.

A server that is busy (429, 503), in trouble (other 5xx), silent or cut off is asked again, each
time after a longer pause, or after the one that it asks for, in its Retry-After or in its words.
Longer pauses are told. Where a server points elsewhere, nobody follows: the key stays with it.
"""

import json
import os
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from oneseed.captioning.jobs import quote_answer
from oneseed.console.command import UserError

if TYPE_CHECKING:
    import requests

# further tries of a request; the pauses are 0, 2, 4 and 8 times RETRY_PAUSE, or what the server
# asks for
MAX_RETRIES = 4
# further tries after a timeout or a broken connection
MAX_READ_RETRIES = 2
# further tries after an answer that is none
MAX_MALFORMED_RETRIES = 1
# seconds
RETRY_PAUSE = 1
# seconds that are told
TOLD_PAUSE = 2
# seconds that nobody waits for a server
MAX_PAUSE = 600
# seconds until a connection must stand
CONNECT_PATIENCE = 10
# seconds until an answer must come; a CPU may need most of a minute a picture
ENDPOINT_PATIENCE = 300
# statuses of a server that has no time; it has none for other requests either
BUSY = (429, 503)
# statuses of a server that points elsewhere
MOVED = (301, 302, 303, 307, 308)
# stands for a status where no whole answer came
SILENT = 0
# seconds of the units in which a pause is stated, by their first letter
PAUSE_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
# a number and its unit: "20 seconds", "48.5s", "2m" of "2m30s"
PAUSE_PART = re.compile(
    r"(\d{1,9}(?:\.\d{1,9})?)\s*"
    r"(ms|milliseconds?|s|sec(?:ond)?s?|m|min(?:ute)?s?|h|hours?|d|days?)(?![a-z])",
    re.IGNORECASE,
)
# "retryDelay": "48s", also quoted within a text, or "try again in 2m30s"
STATED_PAUSE = re.compile(
    r"""(?:retry_?delay\\*"\s*:\s*\\*"|(?:retry|try\s+again)\s+(?:in|after)\s+)"""
    rf"((?:{PAUSE_PART.pattern}\s*)+)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Reply:
    """What a server answered to one request."""

    # of HTTP, or of an error told inside a 200; SILENT
    status: int
    # the value of its JSON; None where it is something else
    value: Any = None
    # status and the server's own words, for a terminal
    words: str = ""
    # all that it sent
    text: str = ""
    # seconds that it asks for
    pause: float | None = None
    # where it points instead, in full; "": nowhere
    location: str = ""

    @property
    def is_unpaid(self) -> bool:
        """Whether the server wants money before it goes on."""
        return self.status == 402 or (self.status == 429 and "insufficient_quota" in self.text)

    def holds(self, wanted: str) -> bool:
        """Whether it is an object of JSON with something of this name in it."""
        return isinstance(self.value, dict) and bool(self.value.get(wanted))

    def retries(self, wanted: str) -> int:
        """Further tries that it is worth. wanted: what a good answer holds; "": anything."""
        if self.is_unpaid:
            return 0
        if self.status == 429 or self.status >= 500:
            return MAX_RETRIES
        if self.status == SILENT:
            return MAX_READ_RETRIES
        is_malformed = self.status == 200 and wanted and not self.holds(wanted)
        return MAX_MALFORMED_RETRIES if is_malformed else 0


class Connection:
    """A server, its key, and the pauses that it asks for, shared by all threads that ask."""

    def __init__(self, address: str, at_once: int) -> None:
        """address: http://host:port/v1; at_once: requests at the same time.

        The key is OPENAI_API_KEY's, where there is one; UserError where it cannot be a key.
        """
        self.address = address
        self.session = open_session(at_once)
        self.lock = threading.Lock()
        # times of time.monotonic(): until when the server is left alone, and was said to be
        self.busy_until = 0.0
        self.told_until = 0.0

    def ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, wanted: str = ""
    ) -> Reply:
        """The last reply of all tries. body: JSON of a POST; wanted: see Reply.retries.

        UserError where nothing is there, or a longer pause is asked for than anybody waits.
        """
        tries = 0
        while True:
            time.sleep(max(0.0, self.busy_until - time.monotonic()))
            reply = self.send(method, path, body)
            if tries >= reply.retries(wanted):
                return reply
            self.wait(reply, tries)
            tries += 1

    def wait(self, reply: Reply, tries: int) -> None:
        """Sleeps before the next try, and says so where it takes long. tries: again, so far."""
        backoff = RETRY_PAUSE * 2**tries if tries else 0
        seconds = backoff if reply.pause is None else reply.pause
        if seconds > MAX_PAUSE:
            raise UserError(
                f"{self.address} wants to be left alone for {seconds:,.0f} seconds "
                f"({reply.words}): run the same command again then; finished captions are kept"
            )
        until = time.monotonic() + seconds
        with self.lock:
            if reply.status in BUSY:
                self.busy_until = max(self.busy_until, until)
            # Threads that wait at the same time say it once.
            is_news = seconds >= TOLD_PAUSE and until > self.told_until + 1
            if is_news:
                self.told_until = until
        if is_news:
            print(
                f"  waiting {seconds:,.0f} seconds for {self.address} ({reply.words}); "
                "Ctrl+C keeps what is done",
                flush=True,
            )
        time.sleep(seconds)

    def tell_silence(self, seconds: float) -> None:
        """Says that no answer has come for so long, unless a longer pause was said already."""
        if time.monotonic() > self.told_until:
            print(
                f"  no answer from {self.address} for {seconds:,.0f} seconds, waiting; "
                "Ctrl+C keeps what is done",
                flush=True,
            )

    def send(self, method: str, path: str, body: dict[str, Any] | None) -> Reply:
        """The reply to one request, of any status. UserError where nothing is there."""
        import requests
        from urllib3.exceptions import ProtocolError, ReadTimeoutError

        try:
            response = self.session.request(
                method,
                f"{self.address}/{path}",
                json=body,
                timeout=(CONNECT_PATIENCE, ENDPOINT_PATIENCE),
                # The key goes nowhere else.
                allow_redirects=False,
            )
        except requests.RequestException as error:
            cause = cause_of(error)
            if isinstance(cause, ReadTimeoutError):
                return Reply(SILENT, words=f"no answer within {ENDPOINT_PATIENCE} seconds")
            if isinstance(cause, ProtocolError):
                return Reply(SILENT, words="the server broke the connection off")
            raise UserError(
                f"nothing answers at {self.address} ({type(cause).__name__}): start the server or "
                "check the address, then run the same command again; finished captions are kept"
            ) from error
        except ValueError as error:
            # requests reads where a reply points, though nobody follows
            raise UserError(
                f"{self.address} points to an address that cannot be read: check the address "
                "of --captioner"
            ) from error
        return read_reply(response)


def open_session(at_once: int) -> "requests.Session":
    """A session that sends the key of OPENAI_API_KEY, where there is one."""
    import requests
    from requests.adapters import HTTPAdapter

    session = requests.Session()
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not (key.isascii() and key.isprintable()):
        raise UserError(
            "OPENAI_API_KEY holds letters that no key has: set it to the key that the server gave"
        )
    if key:
        session.headers["Authorization"] = f"Bearer {key}"
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=at_once))
    return session


def cause_of(error: Exception) -> Exception:
    """The error of urllib3 inside one of requests; the error itself where there is none."""
    inner = error.args[0] if error.args else error
    inner = getattr(inner, "reason", inner)
    return inner if isinstance(inner, Exception) else error


def read_reply(response: "requests.Response") -> Reply:
    """A response -> the reply; an error told inside a good response counts as what it says."""
    text = response.content.decode("utf-8", "replace")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    # Gemini's way
    if isinstance(value, list) and len(value) == 1 and error_inside(value[0]) is not None:
        value = value[0]
    status = response.status_code
    error = error_inside(value) if status == 200 else None
    if error is not None:
        status = status_of(error)
    told = text if value is None else value
    for key in ("error", "message"):
        if isinstance(told, dict):
            told = told.get(key) or told
    words = f"{status}: {quote_answer(told if error is None else error_words(error))}"
    pause = None if status == 200 else read_pause(response.headers, text)
    return Reply(status, value, words, text, pause, read_location(response))


def read_location(response: "requests.Response") -> str:
    """The whole address to which a response points; "": it points nowhere."""
    location = response.headers.get("Location")
    if not location or response.status_code not in MOVED:
        return ""
    try:
        return urljoin(response.url, location)
    except ValueError:
        return ""


def error_inside(value: Any) -> Any:
    """The error that a good answer holds instead of a choice; None: it holds none."""
    if not isinstance(value, dict):
        return None
    choices = value.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    for holder in (value, first):
        if isinstance(holder, dict) and holder.get("error"):
            return holder["error"]
    return None


def status_of(error: Any) -> int:
    """The status that an error tells: its code, 429 where it speaks of a rate, else 502."""
    code = str(error.get("code", error.get("status"))) if isinstance(error, dict) else ""
    if code.isdecimal() and 400 <= int(code) < 600:
        return int(code)
    return 429 if "rate" in str(error).lower().replace("_", " ").split() else 502


def error_words(error: Any) -> Any:
    """What an error says: its message where it has one."""
    return error.get("message") or error if isinstance(error, dict) else error


def read_pause(headers: Mapping[str, str], text: str) -> float | None:
    """The pause that an error asks for, in its headers or else in its text, in seconds.

    None: it asks for none.
    """
    seconds = read_retry_after(headers.get("Retry-After"))
    if seconds is not None:
        return seconds
    milliseconds = read_retry_after(headers.get("Retry-After-Ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    stated = [stated_seconds(found[1]) for found in STATED_PAUSE.finditer(text)]
    return max(stated, default=None)


def stated_seconds(text: str) -> float:
    """A pause in words, such as "2m30.5s", in seconds."""
    seconds = 0.0
    for number, unit in PAUSE_PART.findall(text.lower()):
        is_thousandth = unit.startswith(("ms", "milli"))
        seconds += float(number) * (0.001 if is_thousandth else PAUSE_UNITS[unit[0]])
    return seconds


def read_retry_after(retry_after: str | None) -> float | None:
    """Retry-After, seconds or a date (RFC 9110, 10.2.3) -> seconds; None: it is neither."""
    if not retry_after:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            date = parsedate_to_datetime(retry_after)
        except ValueError:
            return None
        seconds = (date.astimezone(UTC) - datetime.now(UTC)).total_seconds()
    return seconds if 0 <= seconds < float("inf") else 0.0
