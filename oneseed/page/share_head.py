"""The head of the page for those who run no script: websites and messengers that show a link.

An ASGI middleware between the gate and the page: it takes out the tags that Gradio puts there,
which speak of Gradio, and says in their place what the link shows: title, caption, picture.
"""

import asyncio
import html
import re
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from oneseed.console.command import UserError
from oneseed.generation.batcher import QueueFullError
from oneseed.generation.postcard import PREVIEW_SIZE
from oneseed.model.caption_source import SOURCE_WORDS
from oneseed.page.links import PairLink
from oneseed.page.share import Sharing
from oneseed.page.surroundings import TITLE
from oneseed.web.gate import to_stderr
from oneseed.web.visit import incident

USUAL_DESCRIPTION = "A seed draws a picture, and the same seed writes what it shows."
# seconds that the page waits for the caption of its link; websites wait about ten for the page
CAPTION_SECONDS = 3
OTHER_TAGS = re.compile(rb"""\s*<meta\s+(?:property="og:|name="twitter:)[^>]*>""")


class ShareHead:
    """The middleware; see the top of the file."""

    def __init__(self, app: ASGIApp, sharing: Sharing, *, private: bool) -> None:
        """private: the page asks for a password, so its head tells nothing of its pairs."""
        self.app = app
        self.sharing = sharing
        self.private = private
        # captions that are still being written
        self.tasks: set[asyncio.Task[str | None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or (scope["method"], scope["path"]) != ("GET", "/"):
            await self.app(scope, receive, send)
            return
        page = PageWithTags(send, await self.tags(scope))
        # read here, so it comes uncompressed
        headers = [one for one in scope["headers"] if one[0] != b"accept-encoding"]
        await self.app({**scope, "headers": headers}, receive, page.take)

    async def tags(self, scope: Scope) -> str:
        """What the head of the page at this address says, as HTML."""
        base = base_address(scope)
        if self.private or not await self.has_model():
            return head_elements(f"{base}/", TITLE, USUAL_DESCRIPTION)
        query = QueryParams(scope["query_string"])
        link = PairLink.of_query(query)
        picture = f"{base}/share/preview/{link.seed}.png"
        if link.conditions:
            picture = f"{picture}?{link.conditions}"
        # without a seed the page chooses one
        if query.get("tab", "generate") != "generate" or not query.get("seed"):
            return head_elements(f"{base}/", TITLE, USUAL_DESCRIPTION, picture)
        caption = await self.caption_in_time(link)
        if caption is None:
            return head_elements(f"{base}/", TITLE, USUAL_DESCRIPTION)
        description = caption or USUAL_DESCRIPTION
        return head_elements(f"{base}/?{link.query}", title_of(link), description, picture)

    async def has_model(self) -> bool:
        """Is there a model that draws?"""
        try:
            await self.sharing.fingerprint()
        except UserError:
            return False
        return True

    async def caption_in_time(self, link: PairLink) -> str | None:
        """As caption; "" where it is not there within a few seconds."""
        task = asyncio.create_task(self.caption(link))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        done, _ = await asyncio.wait([task], timeout=CAPTION_SECONDS)
        return task.result() if done else ""

    async def caption(self, link: PairLink) -> str | None:
        """The caption of a link's pair, None where the model has no such pair."""
        try:
            pair = await self.sharing.pair(link)
        except QueueFullError:
            return ""
        except UserError:
            return None
        except Exception:
            # the page itself opens all the same, and says what it can
            incident("the head of a link", to_stderr)
            return ""
        mark = SOURCE_WORDS[pair.facts["caption_source"]].mark
        return f"{pair.caption} ({mark})" if mark else pair.caption


@dataclass
class PageWithTags:
    """Passes the page on once it is whole, with other tags in its head."""

    send: Send
    tags: str
    start: Message | None = None
    parts: list[bytes] = field(default_factory=list)

    async def take(self, message: Message) -> None:
        """`send` for the application."""
        if message["type"] == "http.response.start":
            kind = Headers(raw=message["headers"]).get("content-type", "")
            if message["status"] == 200 and kind.startswith("text/html"):
                self.start = message
                return
        if self.start is None:
            await self.send(message)
            return
        self.parts.append(message.get("body", b""))
        if message.get("more_body"):
            return
        body = with_tags(b"".join(self.parts), self.tags)
        MutableHeaders(raw=self.start["headers"])["content-length"] = str(len(body))
        await self.send(self.start)
        await self.send({"type": "http.response.body", "body": body})


def with_tags(page: bytes, tags: str) -> bytes:
    """A page -> the same with these elements in its head, in place of all tags of their kind.

    They stand where the first of those stood: before any script, for some read only the begin.
    """
    end = page.index(b"</head>")
    other = OTHER_TAGS.search(page, 0, end)
    place = other.start() if other else end
    rest = OTHER_TAGS.sub(b"", page[place:end])
    return page[:place] + b"\n" + tags.encode() + rest + page[end:]


def base_address(scope: Scope) -> str:
    """Under which address a request asks for the page: "https://page.example.org".

    The gate has looked at the names. A proxy says with which scheme it was asked.
    """
    headers = Headers(scope=scope)
    host = headers.get("x-forwarded-host", "").partition(",")[0].strip() or headers["host"]
    scheme = headers.get("x-forwarded-proto", "").partition(",")[0].strip()
    return f"{scheme if scheme in ('http', 'https') else scope['scheme']}://{host}"


def title_of(link: PairLink) -> str:
    """What a link is called: "Seed 7: a ship"."""
    words = f"Seed {link.seed}"
    if link.prompt:
        words = f"{words}: {link.prompt}"
    return f"{words}, in {link.style}" if link.style else words


def head_elements(address: str, title: str, description: str, picture: str = "") -> str:
    """The elements of a head. picture: address of a preview, "" for none."""
    named = {"description": description, "twitter:card": "summary"}
    properties = {
        "og:type": "website",
        "og:site_name": TITLE,
        "og:url": address,
        "og:title": title,
        "og:description": description,
    }
    if picture:
        width, height = map(str, PREVIEW_SIZE)
        named |= {"twitter:card": "summary_large_image", "twitter:image": picture}
        properties |= {
            "og:image": picture,
            "og:image:type": "image/png",
            "og:image:width": width,
            "og:image:height": height,
            "og:image:alt": description,
        }
    named |= {"twitter:title": title, "twitter:description": description}
    lines = [f"<title>{html.escape(title)}</title>"]
    for kind, values in (("name", named), ("property", properties)):
        for name, value in values.items():
            lines.append(f'<meta {kind}="{name}" content="{html.escape(value)}">')
    return "\n".join(lines)
