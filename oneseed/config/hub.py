"""Settings of `python -m oneseed.export hub` and `python -m oneseed.export space`."""

from dataclasses import dataclass
from typing import Any

from oneseed.config.options import checkpoint_option, parse_seeds
from oneseed.console.flags import BaseConfig, option
from oneseed.hub_models import HUB_NAME

SPACE_KINDS = ("gradio", "static")


def license_option(note: str) -> Any:
    """The field `license`. note: of its default."""
    return option("", f"as the Hub names it, such as mit or cc-by-4.0; default: {note}")


def push_option(what: str) -> Any:
    """The field `push`. what: is sent there."""
    return option("", f"owner/name on the Hugging Face Hub: {what}")


def private_option() -> Any:
    """The field `private`."""
    return option(False, "of --push: where it is new there, only its owner can see it")


def create_pr_option() -> Any:
    """The field `create_pr`."""
    return option(False, "of --push: as a pull request, which its owner looks at")


def require_place(push: str, private: bool, create_pr: bool) -> None:
    """ValueError where --push names no place on the Hub, or another flag needs one."""
    if (private or create_pr) and not push:
        flag = "--private" if private else "--create-pr"
        raise ValueError(f"{flag} needs a place on the Hub: --push owner/name")
    found = HUB_NAME.fullmatch(push)
    if push and not (found and found["revision"] is None):
        raise ValueError(f"--push is owner/name, such as anna/engravings, got {push!r}")


@dataclass(frozen=True)
class Destination(BaseConfig):
    """What both commands ask: which model, and whether it is sent to the Hub."""

    checkpoint: str = checkpoint_option()
    push: str = push_option("also send the folder there")
    private: bool = private_option()
    create_pr: bool = create_pr_option()

    def __post_init__(self) -> None:
        super().__post_init__()
        require_place(self.push, self.private, self.create_pr)


@dataclass(frozen=True)
class HubConfig(Destination):
    """Which model to give to other people, and what its card says."""

    out: str = option("outputs/hub", "folder of the model and its card")
    license: str = license_option("mit for the base model; none is stated for any other")
    pictures: str = option("", "what the model was trained on, in words, for its card")
    report: str = option(
        "outputs/report/report.json", "of evaluation.py, whose figures the card shows"
    )
    seeds: str = option("0-7", "the pairs on the card: 7, 0-9 or 1,5")

    def __post_init__(self) -> None:
        super().__post_init__()
        parse_seeds(self.seeds)


@dataclass(frozen=True)
class SpaceConfig(Destination):
    """Which page becomes a Space, and of which kind."""

    kind: str = option(
        "gradio",
        "gradio: the whole page, run by Python there; static: the page that "
        "python -m oneseed.export web wrote, which the browser runs and which never sleeps",
        choices=SPACE_KINDS,
    )
    web: str = option("outputs/web", "of --kind static: the folder of that page")
    out: str = option("outputs/space", "folder of the Space")
    license: str = license_option("none is stated")
    title: str = option("One seed, one picture, one caption", "of the Space")
