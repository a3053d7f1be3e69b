"""The page's lasting links: what its address says -> the values of the controls."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from oneseed.config.inference import GUIDANCE, MAX_PROMPT_LENGTH
from oneseed.console.command import UserError
from oneseed.web.inputs import (
    one_line,
    parse_guidance,
    parse_seed,
    parse_temperature,
    seed_text,
)

# characters of a style's name
MAX_STYLE_LENGTH = 80


def short_text(value: Any, name: str) -> str:
    """A style's name on one line."""
    return one_line(value, name, limit=MAX_STYLE_LENGTH)


def prompt_text(value: Any, name: str = "A prompt") -> str:
    """A prompt on one line."""
    return one_line(value, name, limit=MAX_PROMPT_LENGTH)


@dataclass(frozen=True)
class LinkedControl:
    """A control that a link may set."""

    # value where the link is silent, or wrong
    usual: Any
    # check(value, name) gives the value or raises UserError
    check: Callable[[Any, str], Any]


# name in the query ->
LINKED_CONTROLS = {
    # "": the page opens on a good one
    "seed": LinkedControl("", seed_text),
    "prompt": LinkedControl("", prompt_text),
    "style": LinkedControl("", short_text),
    "guidance": LinkedControl(GUIDANCE, parse_guidance),
    "temperature": LinkedControl(0.0, parse_temperature),
    "from": LinkedControl("3", seed_text),
    "to": LinkedControl("9", seed_text),
}


def controls_from_query(query: Mapping[str, str]) -> dict[str, Any]:
    """Query of the page's address, {"seed": "7", "prompt": "…"} -> the values of the controls.

    What it lacks, or says wrongly, is as usual.
    """
    return {name: linked_value(query, name) for name in LINKED_CONTROLS}


def linked_value(query: Mapping[str, str], name: str) -> Any:
    """The value of one control."""
    control = LINKED_CONTROLS[name]
    if name not in query:
        return control.usual
    try:
        return control.check(query[name], name)
    except UserError:
        return control.usual


@dataclass(frozen=True)
class PairLink:
    """A lasting link to one pair."""

    seed: int
    prompt: str = ""
    style: str = ""
    guidance: float = GUIDANCE
    temperature: float = 0.0

    @classmethod
    def of_query(cls, query: Mapping[str, str]) -> "PairLink":
        """The pair that the page shows at an address with this query; without a seed, of seed 0."""
        values = controls_from_query(query)
        values["seed"] = parse_seed(values["seed"] or 0)
        return cls(**{name: values[name] for name in cls.__dataclass_fields__})

    @classmethod
    def of_seed(cls, seed: str, query: Mapping[str, str]) -> "PairLink":
        """As of_query, the seed as a path says it; UserError where that is none."""
        return cls.of_query({**query, "seed": str(parse_seed(seed))})

    @property
    def conditions(self) -> str:
        """What the query says beside the seed: "prompt=a+ship"; usual values stay out of it."""
        names = ("prompt", "style", "guidance", "temperature")
        values = {name: getattr(self, name) for name in names}
        unusual = [one for one in values.items() if one[1] != LINKED_CONTROLS[one[0]].usual]
        return urlencode(unusual)

    @property
    def query(self) -> str:
        """The query of the page's address: "seed=7&prompt=a+ship"."""
        return "&".join(filter(None, [f"seed={self.seed}", self.conditions]))
