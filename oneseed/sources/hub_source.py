"""The name of a data set of the Hugging Face Hub, and the sentence where it cannot be read."""

import contextlib
import re
from collections.abc import Generator
from typing import NamedTuple

from oneseed.console.command import UserError
from oneseed.console.output import printable
from oneseed.files import expanded

# names of errors, of any library, that mean no network
UNREACHED = {
    "ConnectionError",
    "TimeoutError",
    "TransportError",
    "TimeoutException",
    "HTTPError",
    "OfflineModeIsEnabled",
}


class HubSource(NamedTuple):
    """What hf:owner/name:subset:split says; None where nothing is said.

    name: owner/name, or the absolute path of a folder.
    """

    name: str
    subset: str | None
    split: str | None


def parse_hub_source(source: str) -> HubSource:
    """hf:owner/name, hf:owner/name:split or hf:owner/name:subset:split, or a folder as the name.

    UserError where it is none of these.
    """
    text = source.removeprefix("hf:")
    words = [text] if expanded(text).is_dir() else text.split(":")
    name, *further = words
    folder = expanded(name)
    is_folder = folder.is_dir()
    is_valid = re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name) or (name and is_folder)
    are_valid = all(re.fullmatch(r"[\w.+-]+", word) for word in further)
    if not is_valid or len(words) > 3 or not are_valid:
        raise UserError(
            f"--source {source} names no data set; "
            "they read hf:owner/name, hf:owner/name:split or hf:owner/name:subset:split"
        )
    return HubSource(
        folder.resolve().as_posix() if is_folder else name,
        words[1] if len(words) == 3 else None,
        words[-1] if len(words) > 1 else None,
    )


@contextlib.contextmanager
def user_errors(source: str) -> Generator[None]:
    """Any error inside ends as one sentence."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        # of datasets, huggingface_hub, httpx, fsspec and pyarrow, without a common class
        raise hub_error(error, source) from error


def hub_error(error: BaseException, source: str) -> UserError:
    """Whatever reading a data set raised -> the sentence for the user."""
    kinds = kinds_of(error)
    text = printable(" ".join(str(error).split()))
    name = parse_hub_source(source).name
    choices = re.search(r"\[(.*?)\]", text)
    if "gated" in text or "GatedRepoError" in kinds:
        return UserError(
            f"{source} wants to be asked: accept its terms on "
            f"https://huggingface.co/datasets/{name}, log in with hf auth login, "
            "and run the same command again"
        )
    if kinds & {"DatasetNotFoundError", "RepositoryNotFoundError"}:
        return UserError(
            f"{source} does not exist, or not for everyone: look for it on "
            "https://huggingface.co/datasets, or log in with hf auth login "
            "and run the same command again"
        )
    if choices and text.startswith("Bad split"):
        first = first_choice(choices[1])
        return wrong_choice(source, "split", choices[1], example=f"hf:{name}:{first}")
    if choices and text.startswith(("Config name is missing", "BuilderConfig")):
        example = f"hf:{name}:{first_choice(choices[1])}:train"
        return wrong_choice(source, "subset, or wants one", choices[1], example=example)
    if "scripts are no longer supported" in text:
        return UserError(
            f"{source} can be read only by running its own code, which is never done: "
            "download its pictures and name their folder, --source PATH"
        )
    if kinds & UNREACHED:
        return UserError(
            f"{source} cannot be reached ({type(error).__name__}): "
            "run the same command again with a network; what has arrived is kept"
        )
    return UserError(
        f"{source} cannot be read ({type(error).__name__}: {text[:200]}): "
        "name another, or download its pictures and name their folder, --source PATH"
    )


def kinds_of(error: BaseException) -> set[str]:
    """Names of the classes of an error, of their bases, and of what caused it."""
    kinds = set()
    cause: BaseException | None = error
    while cause is not None:
        kinds |= {kind.__name__ for kind in type(cause).__mro__}
        cause = cause.__cause__
    return kinds


def first_choice(choices: str) -> str:
    """ "'en', 'de'" -> "en"."""
    return choices.replace("'", "").split(", ")[0]


def wrong_choice(source: str, what: str, choices: str, *, example: str) -> UserError:
    """The sentence for a split or subset that is not there; example: a right --source."""
    return UserError(f"{source} has no such {what}; there are {choices}: --source {example}")
