"""Captions by an OpenAI-compatible server.

A captioner behind an address: any server that speaks OpenAI's chat completions, such as vLLM, llama.cpp or Ollama.

    server = Endpoint("http://localhost:8000/v1")                       # the first model it lists; OPENAI_API_KEY where it wants a key
    for key, text, cut in server.captions([("plate", "plate.png", "Describe it in one sentence.")], 40): …

A server that is busy (429), in trouble (5xx), silent or cut off is asked again, each time after a longer pause.
"""

import base64
import os
import re
from multiprocessing.pool import ThreadPool
from pathlib import Path

from oneseed.console.command import UserError

# further tries of a request; the pauses are 0, 2, 4 and 8 times PAUSE, or what Retry-After says
MAX_RETRIES = 4
# seconds
RETRY_PAUSE = 1
# seconds until an answer must come; a CPU may need most of a minute a picture
ENDPOINT_PATIENCE = 300
# pictures in a row without an answer
MAX_FAILURES = 10


class Refused(Exception):
    """This one picture has no answer; the next one may have."""


class Endpoint:
    """address: http://host:port/v1; model: "" for the first that the server lists; at_once: requests at the same time."""

    def __init__(self, address, model="", at_once=8):
        import requests
        from urllib3 import Retry

        self.at_once = at_once
        self.address = address.rstrip("/")
        key = os.environ.get("OPENAI_API_KEY", "").strip()
        self.session = requests.Session()
        self.session.headers.update({"Authorization": f"Bearer {key}"} if key else {})
        retry = Retry(
            total=None,
            connect=0,
            redirect=0,
            other=0,
            read=2,
            status=MAX_RETRIES,
            status_forcelist=[429, 500, 502, 503, 504],
            allowed_methods=None,
            # read: timeouts and broken connections
            backoff_factor=RETRY_PAUSE,
            raise_on_status=False,
        )
        for scheme in ("http://", "https://"):
            self.session.mount(
                scheme, requests.adapters.HTTPAdapter(max_retries=retry, pool_maxsize=at_once)
            )
        self.model = model or self.models()[0]

    def models(self):
        """Names of the models that the server lists, at least one. UserError where it lists none."""
        try:
            names = [printable_answer(one["id"]) for one in self.answer("GET", "models")["data"]]
        except (Refused, KeyError, TypeError) as error:
            raise UserError(
                f"{self.address}/models lists no models ({error}): name one with --captioner-model"
            ) from error
        if not names:
            raise UserError(
                f"the server at {self.address} has no model loaded: load one, or name it with --captioner-model"
            )
        return names

    def captions(self, jobs, max_new_tokens):
        """Jobs of (key, PNG file, question) -> iterator of (key, the answer, perhaps "", and whether it was cut off), in the order of the answers.
        A picture that gets none is left out and told at the end; UserError where none gets any, or GIVE_UP in a row do not."""

        # in a thread
        def ask(job):
            key, path, question = job
            try:
                return key, *self.caption(path, question, max_new_tokens), None
            except Refused as error:
                return key, None, None, f"{Path(path).name} ({error})"

        refused = []
        in_a_row = 0
        # its threads are daemons: Ctrl+C does not wait for a slow answer
        with ThreadPool(self.at_once) as pool:
            for key, text, cut, trouble in pool.imap_unordered(ask, jobs):
                in_a_row = in_a_row + 1 if trouble else 0
                if not trouble:
                    yield key, text, cut
                    continue
                refused.append(trouble)
                if in_a_row == MAX_FAILURES or len(refused) == len(jobs):
                    raise UserError(
                        f"{self.address} captioned none of {in_a_row} pictures in a row, the last being {trouble}: mend the server or lower --batch-size, "
                        "then run the same command again; finished captions are kept"
                    )
        if refused:
            print(
                f"  without an answer: {len(refused):,} of {len(jobs):,} pictures, such as {refused[0]}; the same command asks for them again",
                flush=True,
            )

    def caption(self, path, question, max_new_tokens):
        """PNG file and question -> (the answer, perhaps "", and whether it was cut off). Refused where this picture gets none."""
        picture = "data:image/png;base64," + base64.b64encode(Path(path).read_bytes()).decode()
        content = [
            {"type": "image_url", "image_url": {"url": picture}},
            {"type": "text", "text": question},
        ]
        answer = self.answer(
            "POST",
            "chat/completions",
            {
                "model": self.model,
                "messages": [{"role": "user", "content": content}],
                "max_tokens": max_new_tokens,
                "temperature": 0,
            },
        )
        try:
            choice = answer["choices"][0]
            text = choice["message"].get("content")
            cut = choice.get("finish_reason") == "length"
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise UserError(
                f"{self.address} does not answer as OpenAI's chat completions do: {printable_answer(answer)}"
            ) from error
        # some servers leave a model's thoughts in
        text = re.sub(r"(?s)^\s*<think>.*?(</think>|$)", "", text if isinstance(text, str) else "")
        return text.strip(' \n"“”*'), cut

    def answer(self, method, path, body=None):
        """The JSON value of one request. Refused after all tries, or where the server declines this request; UserError where the next would do no better."""
        import requests
        from urllib3.exceptions import ProtocolError, ReadTimeoutError

        try:
            # the key goes nowhere else
            response = self.session.request(
                method,
                f"{self.address}/{path}",
                json=body,
                timeout=(10, ENDPOINT_PATIENCE),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            cause = error.args[0] if error.args else error
            cause = getattr(cause, "reason", cause)
            if isinstance(cause, (ProtocolError, ReadTimeoutError)):
                raise Refused(
                    f"no answer within {ENDPOINT_PATIENCE} seconds"
                    if isinstance(cause, ReadTimeoutError)
                    else "the server broke the connection off"
                ) from error
            why = type(cause if isinstance(cause, Exception) else error).__name__
            raise UserError(
                f"nothing answers at {self.address} ({why}): start the server or check the address, then run the same command again; "
                "finished captions are kept"
            ) from error
        words = explained(response)
        if response.status_code in (401, 403):
            raise UserError(
                f"{self.address} wants another key ({words}): set OPENAI_API_KEY, as in OPENAI_API_KEY=… python caption_generation.py --captioner {self.address}"
            )
        if response.status_code == 404 and path == "models":
            raise UserError(
                f"{self.address}/models is not there ({words}): the address of an OpenAI-compatible server usually ends in /v1"
            )
        if response.status_code == 404:
            raise UserError(
                f"the server at {self.address} does not know the model {self.model} ({words}): name one of its own with --captioner-model: "
                f"{', '.join(self.models()[:10])}"
            )
        if response.status_code != 200:
            raise Refused(words)
        try:
            return response.json()
        except ValueError as error:
            raise UserError(
                f"{self.address} answers with something other than JSON ({words}): the address of an OpenAI-compatible server usually ends in /v1"
            ) from error


def explained(response):
    """Status and the server's own words, for a terminal."""
    try:
        words = response.json()
    except ValueError:
        words = response.text
    for key in ("error", "message"):
        words = words.get(key, words) if isinstance(words, dict) else words
    return f"{response.status_code}: {printable_answer(words)}"


def printable_answer(text, longest=160):
    """A stranger's text for a terminal: one line, nothing that could move its cursor or turn its text around."""
    return "".join(filter(str.isprintable, " ".join(str(text).split())))[:longest]
