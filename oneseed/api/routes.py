"""The API's routes: what each takes, and what it answers."""

import asyncio
import base64
import hashlib
import io
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from PIL import Image
from pydantic import ValidationError

from oneseed.api.asked import (
    AskedPair,
    ImagesOrder,
    PairConditions,
    PictureOrder,
    SearchOrder,
    Sent,
    asked_pair,
    asked_prompt,
    decoded,
)
from oneseed.api.documentation import documentation
from oneseed.api.service import Service
from oneseed.config.base_model import checkpoint_name
from oneseed.console.command import UserError
from oneseed.dataset.commands import draw_command
from oneseed.generation import index
from oneseed.generation.cards import CardFacts, signed_card
from oneseed.generation.generator import MultimodalGenerator, get_random_seed
from oneseed.media.kinds import CLIP, SOUND
from oneseed.media.square import BESIDE
from oneseed.model.caption_source import NONE
from oneseed.seeds import seeds_from
from oneseed.web.inputs import parse_seed

# for a day: a server may be given another model under the same addresses
KEEP = "max-age=86400, immutable"
BEARER = HTTPBearer(auto_error=False, description="where the server was given a token")
# what the description says of a body that is a picture file, or JSON
SENT_PICTURE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "image/*": {"schema": {"type": "string", "format": "binary"}},
            "application/json": {"schema": PictureOrder.model_json_schema()},
        },
    }
}
SENT_SEARCH: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": SearchOrder.model_json_schema()},
            "image/*": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}

Body = TypeVar("Body", bound=Sent)
Wanted = Annotated[PairConditions, Query()]


class Routes:
    """The routes. A method's docstring is what the API's description says of it."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def add_to(self, app: FastAPI) -> None:
        """Registers the routes; those below /v1 ask for the token."""
        locked = [Depends(self.check_token)]
        for path, answer in (
            ("/v1/pairs/{seed}.png", self.pair_picture),
            ("/v1/pairs/{seed}.json", self.pair_facts),
            ("/v1/pairs/{seed}.wav", self.pair_sound),
            ("/v1/pairs/{seed}.gif", self.pair_clip),
            ("/v1/models", self.models),
        ):
            app.add_api_route(path, answer, methods=["GET"], dependencies=locked)
        app.add_api_route(
            "/v1/images/generations", self.images, methods=["POST"], dependencies=locked
        )
        for path, answer, body in (
            ("/v1/captions", self.captions, SENT_PICTURE),
            ("/v1/search", self.search, SENT_SEARCH),
        ):
            app.add_api_route(
                path, answer, methods=["POST"], dependencies=locked, openapi_extra=body
            )
        for path, answer in (
            ("/healthz", self.alive),
            ("/readyz", self.ready),
            ("/metrics", self.metrics),
        ):
            app.add_api_route(path, answer, methods=["GET"])
        app.add_api_route("/docs", self.describe, methods=["GET"], include_in_schema=False)

    def check_token(
        self, given: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
    ) -> None:
        """401 where the server has a token and the request has not."""
        token = self.service.token
        if token and not (given and self.service.takes_token(given.credentials)):
            raise HTTPException(
                401,
                "This needs the server's token, in the header Authorization: Bearer TOKEN.",
                {"www-authenticate": "Bearer"},
            )

    # ---- pairs

    async def pair_picture(self, request: Request, seed: str, wanted: Wanted) -> Response:
        """The picture of a seed as PNG, a card that says how it was made.

        It is the file that inference.py writes for this seed; see docs/api.md.
        """
        return await self.pair(request, seed, wanted, "png")

    async def pair_facts(self, request: Request, seed: str, wanted: Wanted) -> Response:
        """Caption, match and all else that is known of a seed's pair."""
        return await self.pair(request, seed, wanted, "json")

    async def pair_sound(self, request: Request, seed: str, wanted: Wanted) -> Response:
        """The sound of a seed as WAV, where the model has learnt sounds."""
        return await self.pair_beside(request, seed, wanted, SOUND)

    async def pair_clip(self, request: Request, seed: str, wanted: Wanted) -> Response:
        """The clip of a seed as GIF, where the model has learnt clips."""
        return await self.pair_beside(request, seed, wanted, CLIP)

    async def pair_beside(
        self, request: Request, seed: str, wanted: PairConditions, medium: str
    ) -> Response:
        """The file that a seed's picture stands for; 404 where pictures are of another medium."""
        drawn = (await self.service.generator()).medium
        if drawn != medium:
            raise HTTPException(404, f"This model draws {drawn}s; it has learnt no {medium}s.")
        return await self.pair(request, seed, wanted, medium)

    async def pair(
        self, request: Request, seed: str, wanted: PairConditions, kind: str
    ) -> Response:
        """A pair's files. kind: "png", "json", or one of BESIDE."""
        number = parse_seed(seed)
        asked = await self.asked(wanted)
        headers = {"etag": entity_tag(asked, number, kind), "cache-control": self.keep}
        if headers["etag"] in tags_of(request.headers.get("if-none-match", "")):
            return Response(status_code=304, headers=headers)
        ((facts, png),) = await self.cards(asked, [number])
        if kind == "json":
            row = {**facts, "picture": f"{number:06d}.png"}
            return JSONResponse(row, headers=headers)
        if beside := BESIDE.get(kind):
            content = await asyncio.to_thread(beside.encode, Image.open(io.BytesIO(png)))
            return Response(content, media_type=beside.content_type, headers=headers)
        return Response(png, media_type="image/png", headers=headers)

    @property
    def keep(self) -> str:
        """What caches are told of a pair; one behind a token or login is its caller's own."""
        return f"{'private' if self.service.is_private else 'public'}, {KEEP}"

    async def images(self, order: ImagesOrder) -> dict[str, Any]:
        """Pairs of consecutive seeds, in the form of OpenAI's images; the model's name is ignored.

        Each has its picture in base64, and beside it caption, seed and match: so many of a hundred
        real pairs fit no better.
        """
        asked = await self.asked(order)
        first = get_random_seed() if order.seed is None else order.seed
        made = await self.cards(asked, seeds_from(first, order.n))
        data = []
        for facts, png in made:
            row = {
                "b64_json": base64.b64encode(png).decode(),
                "caption": facts["caption"],
                "seed": facts["seed"],
                "match": facts.get("match"),
            }
            if asked.read_prompt:
                row["revised_prompt"] = asked.read_prompt
            data.append(row)
        return {"created": int(time.time()), "data": data}

    async def asked(self, wanted: PairConditions) -> AskedPair:
        """Conditions, checked against the model as it is now."""
        generator = await self.service.generator()
        return asked_pair(generator, wanted, self.service.usual)

    async def cards(self, asked: AskedPair, seeds: Sequence[int]) -> list[tuple[CardFacts, bytes]]:
        """The signed facts and the PNG of each seed's pair, decoded with those of others."""
        futures = self.service.batcher.pairs(asked.generator, asked.config, seeds)
        pairs = await asyncio.gather(*map(asyncio.wrap_future, futures))
        grey = asked.generator.grey
        return [
            await asyncio.to_thread(signed_card, pair.image, pair.facts, grey=grey)
            for pair in pairs
        ]

    # ---- pictures and words

    async def captions(self, request: Request) -> dict[str, Any]:
        """The caption that the model gives a picture, and how well they match."""
        generator = await self.service.generator()
        content = await request.body()
        if is_json(request):
            content = decoded(parsed(PictureOrder, content).image)
        image = await self.service.picture(content, generator.square)

        def told() -> dict[str, Any]:
            (caption,) = generator.caption([image])
            match = {}
            if generator.caption_source != NONE:
                (match,) = generator.match([(image, caption)])
            return {"caption": caption, "caption_source": generator.caption_source, **match}

        return await self.service.call(told)

    async def search(self, request: Request) -> dict[str, Any]:
        """The indexed seeds that fit words or a picture best, the best first."""
        generator = await self.service.generator()
        if index.load_index(generator, "seeds") is None:
            command = draw_command(generator.checkpoint, "--index N")
            raise HTTPException(404, f"No seed is indexed here; whoever runs it can: {command}.")
        content = await request.body()
        order = parsed(SearchOrder, content) if is_json(request) else SearchOrder()
        words = asked_prompt(order.prompt, generator)
        if is_json(request):
            content = decoded(order.image)
        if not words and not content:
            raise UserError("Send words to look for, or a picture.")
        image = None if words else await self.service.picture(content, generator.square)
        rows = await self.service.call(
            lambda: generator.find_seeds(words or None, image, order.count)
        )
        return {"object": "list", "data": rows}

    # ---- about the server

    async def models(self) -> dict[str, Any]:
        """The model that answers here, with its styles and its fingerprint."""
        return {"object": "list", "data": [listed_model(await self.service.generator())]}

    async def alive(self) -> dict[str, str]:
        """Whether the server runs."""
        return {"status": "ok"}

    async def ready(self) -> dict[str, str]:
        """Whether there is a model; 503 and the reason where there is none."""
        generator = await self.service.generator()
        return {"status": "ready", "model": checkpoint_name(generator.checkpoint)}

    async def metrics(self) -> PlainTextResponse:
        """Counts for Prometheus."""
        service = self.service
        return PlainTextResponse(service.metrics.text(service.batcher, service.in_hand))

    async def describe(self, request: Request) -> HTMLResponse:
        """This page."""
        return HTMLResponse(documentation(request.app.openapi()))


def entity_tag(asked: AskedPair, seed: int, kind: str) -> str:
    """The ETag of a pair: its model, its conditions and its seed.

    Weak, since two batches may give pictures that are 1/255 apart in a pixel.
    """
    generator = asked.generator
    told = {
        "model": generator.fingerprint,
        "checkpoint": checkpoint_name(generator.checkpoint),
        "seed": seed,
        "prompt": asked.config.prompt,
        "style": asked.config.style,
        "guidance": asked.config.guidance if asked.config.prompt else None,
        "temperature": generator.temperature,
        "passes": generator.passes if generator.draws_in_passes else None,
        "finish": generator.finish,
        "kind": kind,
    }
    digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()
    return f'W/"{digest[:32]}"'


def tags_of(header: str) -> set[str]:
    """The header If-None-Match -> its tags, as weak ones."""
    tags = (tag.strip() for tag in header.split(","))
    return {tag if tag.startswith("W/") else f"W/{tag}" for tag in tags if tag}


def is_json(request: Request) -> bool:
    """Does a request say that its body is JSON?"""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json"


def parsed(kind: type[Body], content: bytes) -> Body:
    """A body of JSON as one of our kinds, with the API's own sentence where it is none."""
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_input=False)) from None


def time_of(path: Path) -> int:
    """When a file was written, in seconds since 1970; 0 where it was moved away meanwhile."""
    try:
        return int(path.stat().st_mtime)
    except OSError:
        return 0


def listed_model(generator: MultimodalGenerator) -> dict[str, Any]:
    """A model as OpenAI's list has it, and what callers can choose."""
    return {
        "id": checkpoint_name(generator.checkpoint),
        "object": "model",
        "created": time_of(generator.checkpoint),
        "owned_by": "oneseed",
        "fingerprint": generator.fingerprint,
        "style": generator.style,
        "styles": generator.styles,
        "caption_source": generator.caption_source,
        "image_size": generator.model.config.image_size,
        "finish": generator.finish,
    }
