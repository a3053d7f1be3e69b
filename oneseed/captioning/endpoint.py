"""Captions by any server that speaks OpenAI's chat completions: vLLM, llama.cpp, Ollama.

    # the first model that it lists; OPENAI_API_KEY where it wants a key
    server = Endpoint("http://localhost:8000/v1")
    for caption in server.captions(jobs, max_new_tokens=40):
        print(caption.row["id"], caption.text)

A server that is busy (429), in trouble (5xx), silent or cut off is asked again, each time after a
longer pause.
"""

import os
import re
from collections.abc import Iterator, Sequence
from multiprocessing.pool import ThreadPool
from typing import TYPE_CHECKING, Any

from oneseed.captioning.jobs import Caption, CaptionJob, quote_answer
from oneseed.console.command import UserError
from oneseed.console.html import data_url

if TYPE_CHECKING:
    import requests

# further tries of a request; the pauses are 0, 2, 4 and 8 times RETRY_PAUSE, or what Retry-After
# says
MAX_RETRIES = 4
# further tries after a timeout or a broken connection
MAX_READ_RETRIES = 2
# seconds
RETRY_PAUSE = 1
# seconds until a connection must stand
CONNECT_PATIENCE = 10
# seconds until an answer must come; a CPU may need most of a minute a picture
ENDPOINT_PATIENCE = 300
# pictures in a row without an answer
MAX_FAILURES = 10
# models that an error sentence lists
MAX_LISTED_MODELS = 10
RETRIED_STATUS = (429, 500, 502, 503, 504)


class NoAnswerError(Exception):
    """This one picture has no answer; the next one may have."""


class Endpoint:
    """A server that captions."""

    def __init__(self, address: str, model: str = "", at_once: int = 8) -> None:
        """address: http://host:port/v1; model: "" for the first that the server lists.

        at_once: requests at the same time.
        UserError where no model is named and the server lists none.
        """
        self.at_once = at_once
        self.address = address.rstrip("/")
        self.session = open_session(at_once)
        self.model = model or self.models()[0]

    def models(self) -> list[str]:
        """Names of the models that the server lists, at least one. UserError where it has none."""
        try:
            listed = self.answer("GET", "models")["data"]
            names = [quote_answer(one["id"]) for one in listed]
        except (NoAnswerError, KeyError, TypeError) as error:
            raise UserError(
                f"{self.address}/models lists no models ({error}): name one with --captioner-model"
            ) from error
        if not names:
            raise UserError(
                f"the server at {self.address} has no model loaded: load one, or name it with "
                "--captioner-model"
            )
        return names

    def captions(self, jobs: Sequence[CaptionJob], max_new_tokens: int) -> Iterator[Caption]:
        """The captions in the order in which they arrive.

        A picture without an answer is left out and counted at the end; UserError where none gets
        any, or MAX_FAILURES in a row get none.
        """

        def ask(job: CaptionJob) -> Caption | str:
            # in a thread; the text says why there is no caption
            try:
                return self.caption(job, max_new_tokens)
            except NoAnswerError as error:
                return f"{job.picture.name} ({error})"

        troubles: list[str] = []
        in_a_row = 0
        # Its threads are daemons: Ctrl+C does not wait for a slow answer.
        with ThreadPool(self.at_once) as pool:
            for answer in pool.imap_unordered(ask, jobs):
                if isinstance(answer, Caption):
                    in_a_row = 0
                    yield answer
                    continue
                in_a_row += 1
                troubles.append(answer)
                if in_a_row == MAX_FAILURES or len(troubles) == len(jobs):
                    raise UserError(
                        f"{self.address} captioned none of {in_a_row} pictures in a row, the last "
                        f"being {answer}: mend the server or lower --batch-size, then run the "
                        "same command again; finished captions are kept"
                    )
        if troubles:
            print(
                f"  without an answer: {len(troubles):,} of {len(jobs):,} pictures, such as "
                f"{troubles[0]}; the same command asks for them again",
                flush=True,
            )

    def caption(self, job: CaptionJob, max_new_tokens: int) -> Caption:
        """Asks for one caption. NoAnswerError where this picture gets none."""
        answer = self.answer(
            "POST",
            "chat/completions",
            {
                "model": self.model,
                "messages": [{"role": "user", "content": chat_content(job)}],
                "max_tokens": max_new_tokens,
                "temperature": 0,
            },
        )
        try:
            choice = answer["choices"][0]
            text = choice["message"].get("content")
            is_cut = choice.get("finish_reason") == "length"
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise UserError(
                f"{self.address} does not answer as OpenAI's chat completions do: "
                f"{quote_answer(answer)}"
            ) from error
        # Some servers leave a model's thoughts in.
        text = re.sub(r"(?s)^\s*<think>.*?(</think>|$)", "", text if isinstance(text, str) else "")
        return Caption(job.row, text.strip(' \n"“”*'), is_cut)

    def answer(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """The JSON value of one request. body: JSON of a POST.

        NoAnswerError after all tries, or where the server declines this request; UserError where
        the next request would do no better.
        """
        response = self.send(method, path, body)
        words = explain_response(response)
        status = response.status_code
        if status in (401, 403):
            raise UserError(
                f"{self.address} wants another key ({words}): set OPENAI_API_KEY, as in "
                f"OPENAI_API_KEY=… python caption_generation.py --captioner {self.address}"
            )
        if status == 404 and path == "models":
            raise UserError(
                f"{self.address}/models is not there ({words}): the address of an "
                "OpenAI-compatible server usually ends in /v1"
            )
        if status == 404:
            names = ", ".join(self.models()[:MAX_LISTED_MODELS])
            raise UserError(
                f"the server at {self.address} does not know the model {self.model} ({words}): "
                f"name one of its own with --captioner-model: {names}"
            )
        if status != 200:
            raise NoAnswerError(words)
        try:
            return response.json()
        except ValueError as error:
            raise UserError(
                f"{self.address} answers with something other than JSON ({words}): the address of "
                "an OpenAI-compatible server usually ends in /v1"
            ) from error

    def send(self, method: str, path: str, body: dict[str, Any] | None) -> "requests.Response":
        """The response to one request, of any status.

        NoAnswerError where the server is silent or hangs up; UserError where nothing is there.
        """
        import requests
        from urllib3.exceptions import ProtocolError, ReadTimeoutError

        try:
            return self.session.request(
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
                raise NoAnswerError(f"no answer within {ENDPOINT_PATIENCE} seconds") from error
            if isinstance(cause, ProtocolError):
                raise NoAnswerError("the server broke the connection off") from error
            raise UserError(
                f"nothing answers at {self.address} ({type(cause).__name__}): start the server or "
                "check the address, then run the same command again; finished captions are kept"
            ) from error


def open_session(at_once: int) -> "requests.Session":
    """A session that sends the key of OPENAI_API_KEY, where there is one, and asks again."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3 import Retry

    session = requests.Session()
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if key:
        session.headers["Authorization"] = f"Bearer {key}"
    retry = Retry(
        total=None,
        connect=0,
        redirect=0,
        other=0,
        read=MAX_READ_RETRIES,
        status=MAX_RETRIES,
        status_forcelist=RETRIED_STATUS,
        allowed_methods=None,
        backoff_factor=RETRY_PAUSE,
        raise_on_status=False,
    )
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry, pool_maxsize=at_once))
    return session


def cause_of(error: Exception) -> Exception:
    """The error of urllib3 inside one of requests; the error itself where there is none."""
    inner = error.args[0] if error.args else error
    inner = getattr(inner, "reason", inner)
    return inner if isinstance(inner, Exception) else error


def chat_content(job: CaptionJob) -> list[dict[str, Any]]:
    """The message of one job: its picture and its question."""
    url = data_url(job.picture.read_bytes())
    return [
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "text", "text": job.question},
    ]


def explain_response(response: "requests.Response") -> str:
    """Status and the server's own words, for a terminal."""
    try:
        words = response.json()
    except ValueError:
        words = response.text
    for key in ("error", "message"):
        if isinstance(words, dict):
            words = words.get(key, words)
    return f"{response.status_code}: {quote_answer(words)}"
