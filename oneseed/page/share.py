"""What is passed on of a link's pair: its postcard and its preview, under lasting addresses.

/share/card/7.png?prompt=a+ship       1200 x 1500, a card that --verify makes again
/share/preview/7.png?prompt=a+ship    1200 x 630, as websites show a link

They cost a call of the model, so they wait in its queue like everything else, and the pairs that
were asked for last are kept.
"""

import asyncio
import functools
import hashlib
from collections import OrderedDict

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from oneseed import __version__
from oneseed.console.command import UserError
from oneseed.generation.batcher import Batcher, QueueFullError
from oneseed.generation.generator import MultimodalGenerator
from oneseed.generation.rendering import encode_postcard, encode_preview
from oneseed.generation.requests import Pair, pairs_of_seeds, with_facts
from oneseed.page.generate_handlers import Conditions, request_config
from oneseed.page.links import PairLink
from oneseed.page.pair_rows import FindGenerator

# what an address names -> what makes the PNG file
SHARED_KINDS = {"card": encode_postcard, "preview": encode_preview}
# pairs that are kept
MOST_KEPT = 64
# seconds for which nobody need ask again
FRESH_SECONDS = 3600


def draw_link(generator: MultimodalGenerator, link: PairLink) -> Pair:
    """The pair of a link, with the facts of its card. UserError where the model has none such."""
    wanted = Conditions(link.prompt, link.style, link.guidance, link.temperature)
    asked, config = request_config(generator, wanted)
    (pair,) = with_facts(asked, pairs_of_seeds(asked, config, [link.seed]))
    return pair


class Sharing:
    """The pairs of links, and their pictures."""

    def __init__(self, find_generator: FindGenerator, batcher: Batcher) -> None:
        self.find_generator = find_generator
        self.batcher = batcher
        # the latest last; of the batcher's thread alone
        self.kept: OrderedDict[tuple[str, PairLink], Pair] = OrderedDict()

    async def fingerprint(self) -> str:
        """Of the model that draws. UserError while there is none."""
        generator = await asyncio.to_thread(self.find_generator)
        return generator.fingerprint

    async def pair(self, link: PairLink) -> Pair:
        """The pair of a link. UserError where there is none, QueueFullError where many wait."""
        drawn = self.batcher.call_later(lambda: self.find_pair(link))
        return await asyncio.wrap_future(drawn)

    async def png(self, kind: str, link: PairLink) -> bytes:
        """The postcard or preview of a link, as a PNG file; errors as of `pair`.

        kind: one of SHARED_KINDS.
        """

        def encode() -> bytes:
            pair = self.find_pair(link)
            return SHARED_KINDS[kind](pair.image, pair.facts)

        return await asyncio.wrap_future(self.batcher.call_later(encode))

    def find_pair(self, link: PairLink) -> Pair:
        """The pair of a link, drawn where it is not kept."""
        generator = self.find_generator()
        key = (generator.fingerprint, link)
        if key not in self.kept:
            self.kept[key] = draw_link(generator, link)
        self.kept.move_to_end(key)
        if len(self.kept) > MOST_KEPT:
            self.kept.popitem(last=False)
        return self.kept[key]


def share_routes(sharing: Sharing, *, private: bool) -> list[Route]:
    """The addresses of postcards and previews below /share.

    private: no cache on the way may keep them.
    """
    keeping = f"{'private' if private else 'public'}, max-age={FRESH_SECONDS}"

    async def answer(request: Request, kind: str) -> Response:
        try:
            link = PairLink.of_seed(request.path_params["seed"], request.query_params)
            tag = share_tag(kind, link, await sharing.fingerprint())
            headers = {"etag": tag, "cache-control": keeping}
            if tag in request.headers.get("if-none-match", ""):
                return Response(status_code=304, headers=headers)
            png = await sharing.png(kind, link)
        except QueueFullError as error:
            return JSONResponse({"detail": str(error)}, 429, {"retry-after": str(error.seconds)})
        except UserError as error:
            return JSONResponse({"detail": str(error)}, 404)
        headers["content-disposition"] = f'inline; filename="seed_{link.seed}_{kind}.png"'
        return Response(png, 200, headers, "image/png")

    return [
        Route(f"/{kind}/{{seed}}.png", functools.partial(answer, kind=kind))
        for kind in SHARED_KINDS
    ]


def share_tag(kind: str, link: PairLink, fingerprint: str) -> str:
    """What tells a shared picture from every other one, in quotes, for the header ETag."""
    made_of = f"{kind} {link} {fingerprint} {__version__}"
    return f'"{hashlib.sha256(made_of.encode()).hexdigest()[:32]}"'
