"""What the API's answers are made of: the model, the queue, the token, and what is in hand."""

import asyncio
import hmac
import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PIL import Image

from oneseed.api.metrics import Metrics
from oneseed.config.inference import PASSES
from oneseed.console.command import UserError
from oneseed.generation.batcher import Batcher
from oneseed.generation.generator import MultimodalGenerator
from oneseed.generation.pictures import decoded_picture
from oneseed.media.decoding import UnusablePictureError
from oneseed.media.square import AS_PICTURES, Square
from oneseed.web.inputs import PAGE_MAX_PIXELS

# that requests in hand may still take once the server is to end
DRAIN_SECONDS = 60.0
# pictures that are read from their files at once; one may take 160 MB
PICTURES_READ_AT_ONCE = 2


class NoModelError(UserError):
    """There is no model yet; the sentence says why."""


@dataclass(frozen=True)
class Defaults:
    """What holds where a request does not say it."""

    passes: int = PASSES
    # None: the model's own
    finish: str | None = None


class Service:
    """Holds what the routes share. Its methods with `async` run in the server's loop."""

    def __init__(
        self,
        find_generator: Callable[[], MultimodalGenerator],
        batcher: Batcher,
        *,
        token: str = "",
        private: bool = False,
        usual: Defaults | None = None,
    ) -> None:
        """find_generator: gives the model, or raises UserError while there is none.

        token: that callers must send, "" for none. private: whether callers log in without one.
        """
        self.find_generator = find_generator
        self.batcher = batcher
        self.token = token
        self.is_private = private or bool(token)
        self.usual = usual or Defaults()
        self.metrics = Metrics()
        # requests that are being answered
        self.in_hand = 0
        self.is_closing = False
        self.reading = asyncio.Semaphore(PICTURES_READ_AT_ONCE)

    def takes_token(self, token: str) -> bool:
        """Is this the token? Takes as long for every wrong one."""
        return hmac.compare_digest(token.encode(), self.token.encode())

    async def generator(self) -> MultimodalGenerator:
        """The model, loaded where it has appeared meanwhile. NoModelError while there is none."""
        try:
            return await asyncio.to_thread(self.find_generator)
        except UserError as error:
            raise NoModelError(str(error)) from error

    async def call(self, function: Callable[[], Any]) -> Any:
        """What a function gives that asks the model; it waits for its turn like a pair."""
        return await asyncio.wrap_future(self.batcher.call_later(function))

    async def picture(self, content: bytes, square: Square = AS_PICTURES) -> Image.Image:
        """The bytes of a picture file -> RGB picture. UserError where they are none.

        square: see generation.pictures.open_picture.
        """
        async with self.reading:
            return await asyncio.to_thread(picture_of_bytes, content, square)

    def drain(self, seconds: float = DRAIN_SECONDS) -> None:
        """Takes no further requests, and returns once those in hand are answered."""
        self.is_closing = True
        end = time.monotonic() + seconds
        while self.in_hand and time.monotonic() < end:
            time.sleep(0.02)


def picture_of_bytes(content: bytes, square: Square = AS_PICTURES) -> Image.Image:
    """The bytes of a picture file -> RGB picture, upright. UserError where they are none.

    square: see generation.pictures.open_picture.
    """
    file = io.BytesIO(content)
    try:
        return decoded_picture(file, most_pixels=PAGE_MAX_PIXELS, square=square)
    except UnusablePictureError as error:
        raise UserError(
            f"This cannot be read as {square.words}: {error}; send another, such as a "
            f"{square.kinds}."
        ) from None


def adapted(
    generator: MultimodalGenerator, *, temperature: float, passes: int, finish: str | None
) -> MultimodalGenerator:
    """The same model, which draws so. UserError where it cannot."""
    other = generator.in_passes(passes).in_finish(finish)
    other.temperature = temperature
    return other
