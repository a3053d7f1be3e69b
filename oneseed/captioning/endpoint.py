"""Captions by any server that speaks OpenAI's chat completions: vLLM, llama.cpp, Ollama.

# the first model that it lists; OPENAI_API_KEY where it wants a key
server = Endpoint("http://localhost:8000/v1")
for caption in server.captions(jobs, max_new_tokens=40):
    print(caption)  # a Caption, or a NoCaption with the reason
"""

import multiprocessing
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.pool import ThreadPool
from typing import Any, TypeVar

from oneseed.captioning.answers import OTHER_MODEL, Said, read_answer
from oneseed.captioning.connection import BUSY, SILENT, Connection, Reply
from oneseed.captioning.jobs import Caption, CaptionJob, NoCaption, no_picture, quote_answer
from oneseed.console.command import UserError
from oneseed.console.html import data_url
from oneseed.dataset.commands import flag, script_command
from oneseed.dataset.prepared import DamagedPreparedError, prepared_bytes

# models that an error sentence lists
MAX_LISTED_MODELS = 10
# seconds without any answer that are told; the next time twice as many
TOLD_SILENCE = 15
# statuses of a server that may not know a parameter
DECLINED = (400, 422)
# words of a server that declines what a picture shows
OBJECTION = re.compile(r"content.?(?:filter|policy|management)|moderation|safety|flagged")
# an address to which a server points -> the address to give
ASKED_PATHS = re.compile(r"(https?://.+?)/+(?:models|chat/completions)/*(?:[?#].*)?")

USUAL_ADDRESS = "the address of an OpenAI-compatible server usually ends in /v1"

AskedThing = TypeVar("AskedThing")
AnswerTo = TypeVar("AnswerTo")


class Endpoint:
    """A server that captions."""

    def __init__(self, address: str, model: str = "", at_once: int = 8) -> None:
        """address: http://host:port/v1; model: "" for the first that the server lists.

        at_once: requests at the same time.
        UserError where no model is named and the server lists none.
        """
        self.at_once = at_once
        self.address = address.rstrip("/")
        self.connection = Connection(self.address, at_once)
        self.lock = threading.Lock()
        # of a question, beside its model and its messages; fewer once a server has declined some
        self.parameters: dict[str, Any] = {}
        # whether there has been any answer to a question
        self.has_answered = False
        # what ended the questions
        self.ending: UserError | None = None
        self.model = model or self.first_model()

    def first_model(self) -> str:
        """The first model that the server lists; told while that takes long. UserError."""
        (names,) = self.each_answer(lambda _: self.models(), [self.address])
        return names[0]

    def models(self) -> list[str]:
        """Names of the models that the server lists, at least one. UserError where it has none."""
        reply = self.connection.ask("GET", "models")
        self.require_access(reply)
        if reply.status == 404:
            raise UserError(f"{self.address}/models is not there ({reply.words}): {USUAL_ADDRESS}")
        if reply.status == 200 and reply.value is None:
            raise UserError(f"{self.address} {not_spoken(reply)}: {USUAL_ADDRESS}")
        try:
            if reply.status != 200:
                raise ValueError(reply.words)
            names = [quote_answer(one["id"]) for one in reply.value["data"]]
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{self.address}/models lists no models ({error}): name one with --captioner-model"
            ) from error
        if not names:
            raise UserError(
                f"the server at {self.address} has no model loaded: load one, or name it with "
                "--captioner-model"
            )
        return names

    def captions(
        self, jobs: Sequence[CaptionJob], max_new_tokens: int
    ) -> Iterator[Caption | NoCaption]:
        """The captions in the order in which they arrive, or why there is none.

        UserError where the server would answer no other question either.
        """
        self.parameters = {"max_tokens": max_new_tokens, "temperature": 0}
        yield from self.each_answer(self.caption, jobs)

    def each_answer(
        self, ask: Callable[[AskedThing], AnswerTo], things: Sequence[AskedThing]
    ) -> Iterator[AnswerTo]:
        """ask(thing) of each, in the order in which the answers arrive; silence is told."""
        # Its threads are daemons: Ctrl+C does not wait for a slow answer.
        with ThreadPool(self.at_once) as pool:
            answers = pool.imap_unordered(ask, things)
            silence = TOLD_SILENCE
            while True:
                try:
                    yield answers.next(timeout=silence)
                except StopIteration:
                    return
                except multiprocessing.TimeoutError:
                    self.connection.tell_silence(silence)
                    silence *= 2

    def caption(self, job: CaptionJob) -> Caption | NoCaption:
        """Asks for one caption. UserError where the next question would fare no better.

        After that error nothing more is asked, by no thread.
        """
        if self.ending is not None:
            raise self.ending
        try:
            return self.ask_for(job)
        except UserError as error:
            self.ending = error
            raise

    def ask_for(self, job: CaptionJob) -> Caption | NoCaption:
        """One picture's caption, or why there is none; UserError as in `caption`."""
        try:
            messages = chat_messages(job)
        except DamagedPreparedError as error:
            return no_picture(job, error)
        reply = self.question(messages)
        self.require_access(reply)
        if reply.status == 404:
            names = ", ".join(self.models()[:MAX_LISTED_MODELS])
            raise UserError(
                f"the server at {self.address} does not know the model {self.model} "
                f"({reply.words}): name one of its own with --captioner-model: {names}"
            )
        if reply.status != 200:
            return self.declined(job, reply)
        said = read_choice(reply.value)
        if said is None:
            advice = f"check the address, {USUAL_ADDRESS}"
            return NoCaption(job.row, not_spoken(reply), advice)
        self.has_answered = True
        return read_answer(job, said)

    def question(self, messages: list[dict[str, Any]]) -> Reply:
        """The reply to one question; again without the parameters that the server declines."""
        parameters = self.parameters
        while True:
            body = {"model": self.model, "messages": messages, **parameters}
            reply = self.connection.ask("POST", "chat/completions", body, wanted="choices")
            others = accepted_parameters(parameters, reply)
            if others is None:
                break
            parameters = others
        if reply.status == 200:
            self.keep_parameters(parameters)
        return reply

    def keep_parameters(self, parameters: dict[str, Any]) -> None:
        """Asks so from now on, and tells the first time what is different."""
        with self.lock:
            left_out = self.parameters.keys() - parameters.keys()
            if not left_out:
                return
            self.parameters = parameters
        names = " and ".join(parameters) or "neither"
        print(
            f"  {self.address} declines {' and '.join(sorted(left_out))}: asked with {names}",
            flush=True,
        )

    def require_access(self, reply: Reply) -> None:
        """UserError where the server wants a key or money, or points elsewhere."""
        if reply.location:
            raise moved_error(self.address, reply)
        # A server whose key is right may still forbid to describe a picture.
        if reply.status == 401 or (reply.status == 403 and not self.has_answered):
            command = script_command("caption_generation.py", flag("captioner", self.address))
            raise UserError(
                f"{self.address} wants another key ({reply.words}): set OPENAI_API_KEY, as in "
                f"OPENAI_API_KEY=… {command}"
            )
        if reply.is_unpaid:
            raise UserError(
                f"{self.address} wants to be paid first ({reply.words}): pay there or use another "
                "server, then run the same command again; finished captions are kept"
            )

    def declined(self, job: CaptionJob, reply: Reply) -> NoCaption:
        """Why there is no caption after a reply that is no answer, and what mends it."""
        if reply.status == 403 or OBJECTION.search(reply.text.lower()):
            reason = "declined for what the picture shows"
            return NoCaption(job.row, reason, OTHER_MODEL, reply.words, is_about_picture=True)
        if reply.status == SILENT or reply.status >= 500 or reply.status in BUSY:
            reason = "no answer" if reply.status == SILENT else "the server is busy or in trouble"
            fewer = ", or ask less at once with a smaller --batch-size" if self.at_once > 1 else ""
            advice = f"wait until the server has time or mend it{fewer}"
            return NoCaption(job.row, reason, advice, reply.words)
        advice = "mend what the server names, or name another model with --captioner-model"
        return NoCaption(job.row, "declined", advice, reply.words)


def moved_error(address: str, reply: Reply) -> UserError:
    """The error of a server that points elsewhere, with the address to use instead."""
    found = ASKED_PATHS.fullmatch(reply.location)
    new = quote_answer(found[1]) if found else address
    if new == address:
        return UserError(
            f"{address} points to {quote_answer(reply.location)} ({reply.status}), where nobody "
            f"asks: check the address, {USUAL_ADDRESS}"
        )
    command = script_command("caption_generation.py", flag("captioner", new))
    return UserError(
        f"{address} has moved to {new} ({reply.status}): use that address, as in {command}"
    )


def chat_messages(job: CaptionJob) -> list[dict[str, Any]]:
    """The messages of one job: its row's system prompt, where it has one, picture and question.

    DamagedPreparedError.
    """
    url = data_url(prepared_bytes(job.picture))
    content = [
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "text", "text": job.question},
    ]
    system = job.row.get("system")
    before = [{"role": "system", "content": system}] if system else []
    return [*before, {"role": "user", "content": content}]


def not_spoken(reply: Reply) -> str:
    """What a server does that answers well, but not with chat completions."""
    if reply.value is None:
        return f"answers with something other than JSON ({reply.words})"
    return f"does not answer as OpenAI's chat completions do ({quote_answer(reply.value)})"


def accepted_parameters(parameters: dict[str, Any], reply: Reply) -> dict[str, Any] | None:
    """What to ask with after a reply that declines some of the parameters by name.

    The length limit gets its newer name before it is left out. None: the reply names none.
    """
    if reply.status not in DECLINED:
        return None
    declined = [name for name in parameters if re.search(rf"\b{name}\b", reply.text)]
    if not declined:
        return None
    others = {name: value for name, value in parameters.items() if name not in declined}
    if "max_tokens" in declined:
        others["max_completion_tokens"] = parameters["max_tokens"]
    return others


def read_choice(value: Any) -> Said | None:
    """A JSON answer of chat completions -> what the model said; None: it is none."""
    choices = value.get("choices") if isinstance(value, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        return None
    message = choice.get("message")
    if not isinstance(message, dict):
        # as of plain completions
        message = {"content": choice.get("text")} if "text" in choice else None
    if message is None:
        return None
    return Said(
        message.get("content"),
        ended_by=str(choice.get("finish_reason") or "stop"),
        has_thoughts=bool(message.get("reasoning_content") or message.get("reasoning")),
        refusal=str(message.get("refusal") or ""),
    )
