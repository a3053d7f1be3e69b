"""What callers send, as the API describes it, and what it means for the model."""

import base64
import binascii
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

from oneseed.api.service import Defaults, adapted
from oneseed.config.api import MOST_IMAGES
from oneseed.config.inference import GUIDANCE, MAX_PASSES, MAX_PROMPT_LENGTH, InferenceConfig
from oneseed.console.command import UserError
from oneseed.generation.generator import MultimodalGenerator
from oneseed.seeds import LAST_SEED
from oneseed.web.inputs import (
    PAGE_MAX_GUIDANCE,
    PAGE_MAX_TEMPERATURE,
    one_line,
    one_of,
    typed_text,
)

# rows of a search
MOST_FOUND = 100

Seed = Annotated[int, Field(ge=0, le=LAST_SEED)]


class Sent(BaseModel):
    """A body or query: unknown fields are ignored, and null is as good as nothing."""

    model_config = ConfigDict(extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def without_nulls(cls, values: Any) -> Any:
        """Leaves out what is null."""
        if not isinstance(values, dict):
            return values
        return {name: value for name, value in values.items() if value is not None}


class PairConditions(Sent):
    """Under which conditions a seed is drawn; see inference.py."""

    prompt: str = Field("", description="what to show, in words; empty for nothing in particular")
    style: str = Field("", description="one of the model's styles; /v1/models lists them")
    guidance: float = Field(
        GUIDANCE, ge=0, le=PAGE_MAX_GUIDANCE, description="how literally a prompt is taken"
    )
    temperature: float = Field(
        0, ge=0, le=PAGE_MAX_TEMPERATURE, description="0 for the likeliest caption"
    )
    passes: int | None = Field(None, ge=1, le=MAX_PASSES, description="more draw more lines")
    finish: Literal["plain", "book"] | None = Field(
        None, description="of a model that carries training pictures"
    )


class ImagesOrder(PairConditions):
    """Body of /v1/images/generations, in OpenAI's form."""

    n: int = Field(1, ge=1, le=MOST_IMAGES, description="how many, of consecutive seeds")
    seed: Seed | None = Field(None, description="the first seed; left out: one at random")
    response_format: Literal["b64_json"] = Field("b64_json", description="the only one")


class PictureOrder(Sent):
    """Body of /v1/captions as JSON. The bytes of a picture file do as well."""

    image: str = Field(description="a picture file in base64, or as data URL")


class SearchOrder(Sent):
    """Body of /v1/search: words, or a picture."""

    prompt: str = Field("", description="words to look for")
    image: str = Field("", description="or a picture file in base64, or as data URL")
    count: int = Field(10, ge=1, le=MOST_FOUND, description="how many seeds")


class AskedPair(NamedTuple):
    """The model as it is to draw, and the settings that its pairs are drawn under."""

    generator: MultimodalGenerator
    config: InferenceConfig
    # as it is read where it says what captions do not, "" without a prompt
    read_prompt: str


def asked_prompt(value: str | None, generator: MultimodalGenerator) -> str:
    """A prompt as it is sent for captions that are code, else on one line. UserError: too long."""
    read = typed_text if generator.writes_code else one_line
    return read(value, "A prompt", limit=MAX_PROMPT_LENGTH)


def asked_pair(
    generator: MultimodalGenerator, wanted: PairConditions, usual: Defaults
) -> AskedPair:
    """Conditions, checked against the model. UserError where it cannot meet them."""
    prompt = asked_prompt(wanted.prompt, generator)
    style = one_of(wanted.style, generator.styles, "The style")
    read = generator.read_prompt(prompt, style or None).text.strip() if prompt else ""
    passes = wanted.passes or usual.passes
    finish = wanted.finish or usual.finish
    config = InferenceConfig(
        prompt=prompt or None,
        style=style or None,
        guidance=wanted.guidance,
        temperature=wanted.temperature,
        passes=passes,
        finish=finish,
    )
    drawing = adapted(generator, temperature=wanted.temperature, passes=passes, finish=finish)
    return AskedPair(drawing, config, read)


def decoded(text: str) -> bytes:
    """base64, or a data URL of it -> bytes. UserError where it is neither."""
    head, comma, rest = text.partition(",")
    if head.startswith("data:") and comma:
        text = rest
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise UserError("The image is no base64 text of a picture file.") from None
