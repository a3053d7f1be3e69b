"""What a link shows to those who run no script, and the pictures that it names."""

import asyncio
import html
import http.client
import io
import re
import threading
import urllib.parse

import pytest
from PIL import Image

from oneseed.console.command import UserError
from oneseed.generation import cards
from oneseed.generation.batcher import Batcher, QueueFullError
from oneseed.page import share, share_head
from oneseed.page.links import PairLink
from oneseed.page.share import MOST_KEPT, Sharing
from oneseed.page.share_head import ShareHead, with_tags
from oneseed.page.surroundings import TITLE
from oneseed.web.inputs import parse_seed
from tests.page.test_gradio_demo import Noise, Served

HOSTILE_PROMPT = """a "><script>alert(1)</script> <!-- ' &amp; </head> ship"""
META = re.compile(r"""<meta\s+(?:property|name)="([^"]*)"\s+content="([^"]*)"\s*/?>""")


class Shared(Noise):
    """Counts its pairs; those of seed 13 wait."""

    drawn = 0
    gate = threading.Event()

    def generate_batch(self, seeds, *conditions, **more):
        Shared.drawn += len(seeds)
        if 13 in seeds:
            assert self.gate.wait(60)
        return super().generate_batch(seeds, *conditions, **more)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    page = Served(Shared(), tmp_path_factory.mktemp("share"))
    yield page
    page.close()


def ask(port, path, method="GET", **headers):
    """-> (status, headers, body)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, headers=named)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def tags_of(port, query="", **headers):
    """The tags of the page at an address, each of which stands there once -> {name: content}."""
    status, _, body = ask(port, f"/{query}", **headers)
    assert status == 200
    head = body.decode().partition("<script")[0]
    found = META.findall(head)
    tags = {name: html.unescape(content) for name, content in found}
    assert len(tags) == len(found)
    # nothing of Gradio's own stands further down
    assert len(re.findall(r"og:title|twitter:title", body.decode())) == 2
    return tags


def query_of(**values):
    return "?" + urllib.parse.urlencode(values)


def test_the_tags_of_a_link_name_its_caption_and_a_picture_that_is_there(served):
    """Websites that showed a link showed Gradio's own picture and "Click to try out the app!"."""
    tags = tags_of(served.port, query_of(seed=7, prompt="a ship", style="stipple", guidance=2))
    caption = "An engraving of 7, prompt a ship, style stipple, guidance 2.0"
    assert tags["og:title"] == tags["twitter:title"] == "Seed 7: a ship, in stipple"
    assert tags["description"] == tags["og:description"] == caption
    assert tags["twitter:description"] == tags["og:image:alt"] == caption
    assert tags["twitter:card"] == "summary_large_image"
    link = "seed=7&prompt=a+ship&style=stipple&guidance=2.0"
    assert tags["og:url"] == f"{served.url}/?{link}"
    address = tags["og:image"]
    assert address == tags["twitter:image"]
    assert address.startswith(f"{served.url}/share/preview/7.png?")
    status, headers, body = ask(served.port, address.removeprefix(served.url))
    assert (status, headers["content-type"]) == (200, "image/png")
    with Image.open(io.BytesIO(body)) as picture:
        assert [str(length) for length in picture.size] == [
            tags["og:image:width"],
            tags["og:image:height"],
        ]


def test_a_link_costs_its_pair_once_however_often_it_is_looked_at(served):
    before = Shared.drawn
    for path in ("/?seed=21", "/share/preview/21.png", "/share/card/21.png", "/?seed=21"):
        assert ask(served.port, path)[0] == 200
    assert Shared.drawn == before + 1


def test_a_page_without_a_pair_in_its_link_says_what_it_is(served):
    for query in ("", "?tab=morph&from=3&to=9", "?tab=training", "?__theme=dark"):
        tags = tags_of(served.port, query)
        assert tags["og:title"] == TITLE
        assert tags["og:url"] == f"{served.url}/"
        assert tags["og:image"] == f"{served.url}/share/preview/0.png"


@pytest.mark.parametrize("prompt", [HOSTILE_PROMPT, "</title><script>x</script>", '" onload="x'])
def test_a_hostile_prompt_is_text_in_the_head(served, prompt):
    """Whoever is sent such a link would run a stranger's script under the page's name."""
    query = query_of(seed=8, prompt=prompt)
    body = ask(served.port, f"/{query}")[2].decode()
    head = body.partition("<meta charset")[2].partition("<script")[0]
    assert "alert(1)" not in head.replace(html.escape(prompt), "")
    names = re.findall(r"<([a-z!/-]+)", head.partition("<style")[0])
    assert set(names) <= {"base", "meta", "title", "/title"}
    tags = tags_of(served.port, query)
    assert tags["og:title"] == f"Seed 8: {prompt}"
    assert urllib.parse.parse_qs(tags["og:image"].partition("?")[2]) == {"prompt": [prompt]}


def test_the_charset_and_the_tags_stand_at_the_begin_of_the_page(served):
    """A browser looks for the charset in the first 1,024 bytes, a website for tags in a few kB."""
    body = ask(served.port, "/" + query_of(seed=9, prompt="é" * 400))[2]
    assert b'<meta charset="utf-8"' in body[:1024]
    assert body.index(b"og:image:alt") < body.index(b"<style")
    assert b"og:image:alt" in body[:32_000]


def test_addresses_are_those_under_which_the_page_was_asked_for():
    def scope(scheme="http", **headers):
        raw = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
        return {"type": "http", "scheme": scheme, "headers": raw}

    base = share_head.base_address
    assert base(scope(host="page.example:7860")) == "http://page.example:7860"
    assert base(scope(host="[::1]:7860", scheme="https")) == "https://[::1]:7860"
    proxied = {"host": "127.0.0.1:7860", "x_forwarded_host": "page.example, inner.example"}
    assert base(scope(**proxied, x_forwarded_proto="https, http")) == "https://page.example"
    assert base(scope(host="page.example", x_forwarded_proto="javascript")) == "http://page.example"


def test_a_name_that_is_not_the_page_s_comes_into_no_tag(served):
    for header in ("Host", "X_Forwarded_Host"):
        status, _, body = ask(served.port, "/?seed=7", **{header: "stranger.example"})
        assert status == 421
        assert b"og:" not in body


# ---------------------------------------------------------------- pictures


def test_the_postcard_of_a_link_is_a_card_of_its_pair(served, tmp_path):
    status, headers, body = ask(served.port, "/share/card/7.png?prompt=a+ship&temperature=0.5")
    assert status == 200
    assert headers["content-disposition"] == 'inline; filename="seed_7_card.png"'
    path = tmp_path / "card.png"
    path.write_bytes(body)
    paper, facts = cards.read_card(path)
    assert paper.size == (1200, 1500)
    assert (facts["seed"], facts["prompt"], facts["temperature"]) == (7, "a ship", 0.5)
    assert facts["caption"] == "An engraving of 7, prompt a ship, temperature 0.5"
    generator = Shared()
    assert cards.differences(generator, path) == []


def test_who_has_a_picture_is_told_so_without_a_call_of_the_model(served):
    _, headers, _ = ask(served.port, "/share/preview/31.png")
    assert headers["cache-control"] == "public, max-age=3600"
    before = Shared.drawn
    status, again, body = ask(served.port, "/share/preview/31.png", If_None_Match=headers["etag"])
    assert (status, body, again["etag"]) == (304, b"", headers["etag"])
    assert Shared.drawn == before
    others = ("/share/card/31.png", "/share/preview/32.png", "/share/preview/31.png?prompt=x")
    tags = {ask(served.port, path)[1]["etag"] for path in others}
    assert len(tags | {headers["etag"]}) == 4
    assert ask(served.port, "/share/preview/31.png", "HEAD")[2] == b""


@pytest.mark.parametrize(
    "path, sentence",
    [
        ("/share/card/-1.png", "A seed is"),
        ("/share/card/7x.png", "A seed is"),
        ("/share/card/4294967296.png", "A seed is"),
        ("/share/card/7.png?style=oil", "The style is one of: line, stipple."),
        ("/share/other/7.png", "There is nothing at this address."),
        ("/share/card/7.gif", "There is nothing at this address."),
        ("/share/card/..%2f7.png", "There is nothing at this address."),
        (f"/share/card/{'7' * 90}.png", "There is nothing at this address."),
    ],
)
def test_what_is_no_pair_is_refused_in_a_sentence(served, path, sentence):
    status, _, body = ask(served.port, path)
    assert status == 404
    assert sentence in body.decode()


def test_nobody_without_the_password_sees_a_pair(tmp_path):
    served = Served(Shared(), tmp_path, auth="anna:secret", login=("anna", "secret"))
    try:
        assert ask(served.port, "/share/card/7.png")[0] == 401
        tags = tags_of(served.port, "?seed=7&prompt=a+ship")
        assert tags["og:title"] == TITLE
        assert "og:image" not in tags
        assert not [value for value in tags.values() if "engraving" in value]
    finally:
        served.close()


# ---------------------------------------------------------------- without a server


def test_a_page_without_a_model_has_a_head_without_a_picture():
    def missing():
        raise UserError("checkpoints/best_model.pt is missing")

    head = ShareHead(None, Sharing(missing, Batcher()), private=False)
    scope = {
        "type": "http",
        "scheme": "http",
        "headers": [(b"host", b"page.example")],
        "query_string": b"seed=7",
    }
    tags = asyncio.run(head.tags(scope))
    assert "og:title" in tags
    assert "og:image" not in tags


def test_a_busy_model_lets_the_page_open_and_draws_the_picture_later(monkeypatch):
    """A page that waits for a caption for its head would not open while somebody draws."""
    monkeypatch.setattr(share_head, "CAPTION_SECONDS", 0.05)
    Shared.gate.clear()

    async def look():
        sharing = Sharing(Shared, Batcher())
        head = ShareHead(None, sharing, private=False)
        caption = await head.caption_in_time(PairLink(13))
        Shared.gate.set()
        return caption, (await sharing.pair(PairLink(13))).caption

    try:
        assert asyncio.run(look()) == ("", "An engraving of 13")
    finally:
        Shared.gate.set()


def test_many_who_ask_for_one_link_cost_one_pair_and_too_many_are_told_to_come_back():
    """Each postcard costs a call of the model: a thousand requests must not cost a thousand."""
    Shared.gate.clear()
    before = Shared.drawn

    async def crowd():
        sharing = Sharing(Shared, Batcher(most_waiting=6))
        asked = [asyncio.create_task(sharing.pair(PairLink(13)))]
        while Shared.drawn == before:
            await asyncio.sleep(0.01)
        asked += [asyncio.create_task(sharing.pair(PairLink(13))) for _ in range(6 + 5)]
        await asyncio.sleep(0.05)
        Shared.gate.set()
        return await asyncio.gather(*asked, return_exceptions=True)

    try:
        answers = asyncio.run(crowd())
    finally:
        Shared.gate.set()
    assert sum(isinstance(answer, QueueFullError) for answer in answers) == 5
    assert Shared.drawn == before + 1


def test_the_pairs_that_are_kept_are_few():
    async def many():
        sharing = Sharing(Shared, Batcher())
        for seed in range(100, 100 + MOST_KEPT + 3):
            await sharing.pair(PairLink(seed))
        return sharing

    sharing = asyncio.run(many())
    assert len(sharing.kept) == MOST_KEPT
    assert next(iter(sharing.kept))[1].seed == 103


def test_a_borrowed_caption_says_so():
    class Borrowed(Shared):
        caption_source = "nearest"

    head = ShareHead(None, Sharing(Borrowed, Batcher()), private=False)
    assert asyncio.run(head.caption(PairLink(7))) == "An engraving of 7 (borrowed caption)"


def test_a_link_of_the_page_is_written_as_its_script_writes_it():
    assert PairLink(7).query == "seed=7"
    assert PairLink(7, prompt="a ship", guidance=2.5).query == "seed=7&prompt=a+ship&guidance=2.5"
    assert PairLink.of_query({"seed": "7", "style": "stipple"}) == PairLink(7, style="stipple")
    assert PairLink.of_query({"seed": "7 8", "from": "4"}) == PairLink(0)
    assert PairLink.of_query({"seed": "Anna"}) == PairLink(parse_seed("Anna"))
    with pytest.raises(UserError, match="A seed is"):
        PairLink.of_seed("7 8", {})


def test_only_tags_of_the_head_are_taken_out():
    page = (
        b'<head><meta name="twitter:x"\n content="1" /><p></head><meta property="og:y" content="2">'
    )
    told = with_tags(page, "<title>t</title>")
    assert told == b'<head>\n<title>t</title><p></head><meta property="og:y" content="2">'


def test_entity_tags_tell_models_apart():
    link = PairLink(7)
    assert share.share_tag("card", link, "a") != share.share_tag("card", link, "b")
