"""What a model and a Space on the Hugging Face Hub have in common: their card, and sending."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oneseed.console.command import UserError
from oneseed.files import write_text

# which the Hub shows
CARD_FILE = "README.md"
# the end of a card as it was written: SHA-256 of what stands before
CARD_END = re.compile(r"\n<!-- as it was written: ([0-9a-f]{64}) -->\n")


@dataclass(frozen=True)
class Repository:
    """A place on the Hub."""

    # "owner/name"
    name: str
    # "gradio" or "static" of a Space; None: a model
    sdk: str | None = None
    # who sees a new one: its owner alone
    private: bool = False
    # change nothing there, but propose it
    create_pr: bool = False


def front_matter(facts: Mapping[str, Any]) -> str:
    """The head of README.md, in which the Hub looks. None and "" are left out.

    Every value of JSON is one of YAML too.
    """
    lines = [
        f"{name}: {json.dumps(value, ensure_ascii=False)}"
        for name, value in facts.items()
        if value not in (None, "")
    ]
    return "\n".join(["---", *lines, "---", ""])


def write_card(folder: Path, text: str) -> None:
    """Writes README.md; one that somebody has changed or made stays, and a line says so."""
    card = folder / CARD_FILE
    if is_edited(card):
        print(
            f"note: {card.as_posix()} was not written so by this program, so it stays as it is; "
            "remove it to have it written anew"
        )
        return
    digest = hashlib.sha256(text.encode()).hexdigest()
    write_text(card, f"{text}\n<!-- as it was written: {digest} -->\n")


def is_edited(card: Path) -> bool:
    """Whether a card is there, and other than write_card has left it."""
    try:
        content = card.read_text("utf-8", "replace")
    except FileNotFoundError:
        return False
    text, *end = CARD_END.split(content)
    return end != [hashlib.sha256(text.encode()).hexdigest(), ""]


def send(
    folder: Path,
    files: Sequence[str],
    place: Repository,
    token: str | None = None,
    *,
    message: str = "A model of one seed, one picture, one caption",
) -> str:
    """Send some files of a folder to the Hub -> the address of what is there then.

    files: names in the folder. token: None: that of `hf auth login`. message: of the commit.
    UserError where it fails.
    """
    from huggingface_hub import HfApi

    kind = "space" if place.sdk else "model"
    api = HfApi(token=token)
    try:
        if not place.create_pr:
            api.create_repo(
                place.name,
                repo_type=kind,
                private=place.private,
                exist_ok=True,
                space_sdk=place.sdk,
            )
        sent = api.upload_folder(
            repo_id=place.name,
            repo_type=kind,
            folder_path=folder,
            allow_patterns=list(files),
            create_pr=place.create_pr,
            commit_message=message,
        )
    except Exception as error:
        # of the library, its HTTP client and the system, without a common class
        raise sending_error(error, place) from error
    return sent.pr_url or f"https://huggingface.co/{'spaces/' if place.sdk else ''}{place.name}"


def sending_error(error: Exception, place: Repository) -> UserError:
    """Whatever sending raised -> the sentence for the user."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403) or type(error).__name__ == "LocalTokenNotFoundError":
        log_in = "log in with hf auth login and a token that may write"
        if place.create_pr:
            return UserError(f"the Hub takes no proposal for {place.name} from you: {log_in}")
        return UserError(
            f"the Hub does not let you write to {place.name}: {log_in}, or propose the change "
            "with --create-pr"
        )
    text = " ".join(str(error).split())[:200]
    return UserError(
        f"nothing was sent to {place.name} ({type(error).__name__}: {text}); "
        "the same command tries again"
    )
