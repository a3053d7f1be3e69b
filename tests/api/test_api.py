"""The HTTP API: what a program gets, from a real model on a real port."""

import base64
import io
import json
import re
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from PIL import Image

import inference
from oneseed.api.routes import Routes, time_of
from oneseed.api.service import Service
from oneseed.config.api import MOST_IMAGES, ApiConfig, read_token
from oneseed.config.inference import MAX_PROMPT_LENGTH, InferenceConfig
from oneseed.console.command import UserError
from oneseed.generation import cards
from oneseed.generation.batcher import Batcher
from oneseed.generation.model_finder import ModelFinder
from oneseed.seeds import LAST_SEED


@pytest.fixture
def api(serve_api, api_generator):
    return serve_api(lambda: api_generator)


def picture(content):
    return Image.open(io.BytesIO(content)).convert("RGB")


def facts_in(content):
    return Image.open(io.BytesIO(content)).text


def far(one, other):
    return np.abs(np.asarray(one, dtype=int) - np.asarray(other, dtype=int)).max()


def orders(style):
    return [
        {},
        {"passes": 1},
        {"prompt": "two small ships", "guidance": 2.0, "style": style},
        {"temperature": 0.7},
    ]


@pytest.mark.parametrize("number", range(4))
def test_a_pair_is_byte_for_byte_the_card_that_inference_writes(
    api, api_checkpoint, api_generator, tmp_path, number
):
    """Two ways of writing a card would be two answers to the same seed."""
    order = orders(api_generator.styles[0])[number]
    settings = {"checkpoint": str(api_checkpoint), "out": str(tmp_path), "device": "cpu"}
    inference.main(InferenceConfig(seeds="7", **settings, **order))
    answer = api.get("/v1/pairs/7.png", params=order)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/png"
    assert answer.content == (tmp_path / "000007.png").read_bytes()
    told = api.get("/v1/pairs/7.json", params=order).json()
    assert told == json.loads((tmp_path / "000007.json").read_text("utf-8"))


def test_a_pair_that_the_caller_holds_is_not_drawn_again(api):
    first = api.get("/v1/pairs/7.png")
    assert first.headers["cache-control"] == "public, max-age=86400, immutable"
    tag = first.headers["etag"]
    drawn = Counter(api.service.batcher.sizes)
    for told in (tag, tag.removeprefix("W/"), f'"other", {tag}'):
        again = api.get("/v1/pairs/7.png", headers={"if-none-match": told})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
    assert api.service.batcher.sizes == drawn
    assert api.get("/v1/pairs/7.png", headers={"if-none-match": '"x"'}).status_code == 200


def test_the_tag_changes_with_the_conditions_and_with_nothing_else(api, api_generator):
    style = api_generator.styles[0]
    queries = [
        "7.png",
        "8.png",
        "7.json",
        "7.png?prompt=a+ship",
        "7.png?prompt=a+ship&guidance=1",
        f"7.png?style={style}",
        "7.png?passes=1",
        "7.png?temperature=1",
    ]
    tags = [api.get(f"/v1/pairs/{query}").headers["etag"] for query in queries]
    assert len(set(tags)) == len(queries)
    # four are the default, and guidance is of prompts alone
    for same in ("7.png?passes=4", "7.png?guidance=1", "7.png?unknown=1", "007.png"):
        assert api.get(f"/v1/pairs/{same}").headers["etag"] == tags[0]


def test_images_come_in_the_form_of_openai(api, api_generator):
    body = {
        "model": "anything",
        "prompt": "two small ships",
        "n": 3,
        "seed": 5,
        "size": "1024x1024",
        "quality": None,
        "response_format": "b64_json",
    }
    answer = api.post("/v1/images/generations", json=body).json()
    assert answer["created"] > 1.7e9
    assert [row["seed"] for row in answer["data"]] == [5, 6, 7]
    for row in answer["data"]:
        content = base64.b64decode(row["b64_json"])
        assert facts_in(content)["caption"] == row["caption"]
        assert facts_in(content)["prompt"] == "two small ships"
        assert 0 <= row["match"] <= 100
        assert row["revised_prompt"] == api_generator.read_prompt("two small ships").text.strip()
    alone = api.get("/v1/pairs/6.png", params={"prompt": "two small ships"}).content
    assert far(picture(alone), picture(base64.b64decode(answer["data"][1]["b64_json"]))) <= 1


def test_without_a_seed_each_request_gets_another(api):
    rows = [api.post("/v1/images/generations", json={}).json()["data"] for _ in range(2)]
    assert [len(row) for row in rows] == [1, 1]
    assert rows[0][0]["seed"] != rows[1][0]["seed"]
    last = api.post("/v1/images/generations", json={"seed": LAST_SEED, "n": 4}).json()["data"]
    assert [row["seed"] for row in last] == [LAST_SEED], "where seeds end, the images end"


def test_pairs_are_decoded_together_and_are_what_they_are_alone(serve_api, api_generator):
    """Neighbours in a batch, and their prompts, leave no trace; a pixel may be 1/255 off."""
    together = serve_api(lambda: api_generator, Batcher(12, patience=20))
    alone = serve_api(lambda: api_generator, Batcher(1))
    prompts = ["two small ships", "a castle at night", "an elephant"]
    queries = [(seed, {"prompt": prompts[seed % 3]}) for seed in range(12)]

    def ask(query):
        return together.get(f"/v1/pairs/{query[0]}.png", params=query[1])

    with ThreadPoolExecutor(12) as pool:
        made = list(pool.map(ask, queries))
    assert together.service.batcher.sizes == Counter({12: 1})
    for (seed, query), answer in zip(queries, made):
        single = alone.get(f"/v1/pairs/{seed}.png", params=query)
        assert answer.headers["etag"] == single.headers["etag"]
        assert far(picture(answer.content), picture(single.content)) <= 1
        first, second = facts_in(answer.content), facts_in(single.content)
        # of the picture, which may be off so much
        for key in ("cosine", "match"):
            assert float(first.pop(key)) == pytest.approx(float(second.pop(key)), abs=0.01)
        for key in cards.DIGESTS:
            del first[key], second[key]
        assert first == second
    assert alone.service.batcher.sizes == Counter({1: 12})


def test_a_picture_gets_its_caption_and_their_match(api, api_generator):
    content = api.get("/v1/pairs/7.png").content
    image = picture(content)
    (caption,) = api_generator.caption([image])
    (match,) = api_generator.match([(image, caption)])
    wanted = {"caption": caption, "caption_source": api_generator.caption_source, **match}
    text = base64.b64encode(content).decode()
    assert api.post("/v1/captions", content=content).json() == wanted
    for sent in (text, f"data:image/png;base64,{text}"):
        assert api.post("/v1/captions", json={"image": sent}).json() == wanted


def test_seeds_are_found_by_words_and_by_a_picture(api, api_generator):
    by_words = api.post("/v1/search", json={"prompt": "two ships", "count": 3}).json()["data"]
    assert by_words == api_generator.find_seeds("two ships", count=3)
    content = api.get("/v1/pairs/7.png").content
    by_picture = api.post("/v1/search", content=content).json()["data"]
    assert by_picture == api_generator.find_seeds(image=picture(content))
    assert len(by_picture) == 10


def test_without_an_index_a_search_says_what_makes_one(serve_api, tiny_model, tmp_path):
    from oneseed.model import checkpoint

    checkpoint.save(tmp_path / "best_model.pt", tiny_model.state_dict())
    answer = serve_api(ModelFinder(str(tmp_path / "best_model.pt"), "cpu")).post(
        "/v1/search", json={"prompt": "a ship"}
    )
    assert answer.status_code == 404
    assert "--index" in answer.json()["detail"]


WRONG = [
    ("GET", "/v1/pairs/7x.png", {}, "A seed is a whole number from 0 to 4,294,967,295, or a word."),
    ("GET", f"/v1/pairs/{LAST_SEED + 1}.png", {}, "A seed is a whole number"),
    ("GET", "/v1/pairs/7.png?passes=0", {}, "passes: "),
    ("GET", "/v1/pairs/7.png?passes=many", {}, "passes: "),
    ("GET", "/v1/pairs/7.png?guidance=nan", {}, "guidance: "),
    ("GET", "/v1/pairs/7.png?finish=gold", {}, "finish: "),
    ("GET", "/v1/pairs/7.png?finish=book", {}, "carries its training pictures"),
    ("GET", "/v1/pairs/7.png?style=none", {}, "The style is one of: "),
    ("GET", f"/v1/pairs/7.png?prompt={'x' * (MAX_PROMPT_LENGTH + 1)}", {}, "characters, at most"),
    ("GET", "/v1/pairs/7.png?prompt=!!!", {}, "prompt"),
    ("POST", "/v1/images/generations", {"json": {"n": MOST_IMAGES + 1}}, "n: "),
    ("POST", "/v1/images/generations", {"json": {"seed": -1}}, "seed: "),
    ("POST", "/v1/images/generations", {"json": {"response_format": "url"}}, "response_format: "),
    ("POST", "/v1/images/generations", {"json": [1]}, "The body of this request: "),
    ("POST", "/v1/captions", {"content": b"GIF89a no"}, "cannot be read as a picture"),
    ("POST", "/v1/captions", {"content": b""}, "cannot be read as a picture"),
    ("POST", "/v1/captions", {"json": {"image": "%"}}, "no base64"),
    ("POST", "/v1/captions", {"json": {}}, "image: "),
    ("POST", "/v1/search", {"json": {}}, "Send words to look for, or a picture."),
    ("POST", "/v1/search", {"json": {"prompt": "a ship", "count": 0}}, "count: "),
]


def test_what_cannot_be_done_is_refused_in_one_sentence(api):
    """A UserError was an internal error once, status 500."""
    for method, path, body, words in WRONG:
        answer = api.request(method, path, **body)
        sentence = answer.json()["detail"]
        assert answer.status_code == 422, (path, sentence)
        assert words in sentence, (path, sentence)
        assert "\n" not in sentence


def test_what_is_too_large_is_refused(api):
    large = b"x" * (11 * 2**20)
    answer = api.post("/v1/captions", content=large, headers={"content-type": "image/png"})
    assert answer.status_code == 413
    assert "too large" in answer.json()["detail"]
    assert api.post("/v1/images/generations", json={"prompt": "x" * 2**21}).status_code == 413


def test_a_load_balancer_may_ask_for_headers_alone(api):
    """Those that ask by HEAD were told that there is nothing, and took the server for dead."""
    for path in ("/healthz", "/readyz", "/v1/models", "/v1/pairs/7.png"):
        head, whole = api.head(path), api.get(path)
        assert (head.status_code, head.content) == (200, b""), path
        assert head.headers["content-length"] == str(len(whole.content))
    assert api.head("/v1/captions").status_code == 404


def test_other_addresses_names_and_websites_get_nothing(api):
    assert api.get("/v1/nothing").status_code == 404
    assert api.delete("/v1/models").status_code == 404
    assert api.get("/v1/models", headers={"host": "stranger.example"}).status_code == 421
    foreign = {"origin": "http://stranger.example"}
    assert api.post("/v1/images/generations", json={}, headers=foreign).status_code == 403


def test_a_full_queue_is_told_with_429_and_when_to_ask_again(serve_api, api_generator):
    batcher = Batcher(most_waiting=MOST_IMAGES)
    api = serve_api(lambda: api_generator, batcher)
    assert api.get("/readyz").status_code == 200
    begun, release = threading.Event(), threading.Event()

    def busy(items):
        begun.set()
        release.wait(30)
        return items

    batcher.submit(busy, [None])
    assert begun.wait(20)
    with ThreadPoolExecutor(1) as pool:
        try:
            order = {"n": MOST_IMAGES, "seed": 0}
            accepted = pool.submit(api.post, "/v1/images/generations", json=order)
            while len(batcher.waiting) < MOST_IMAGES and not accepted.done():
                release.wait(0.01)
            refused = api.get("/v1/pairs/7.png")
            queue = re.search(r"^oneseed_queue_length (\d+)$", api.get("/metrics").text, re.M)[1]
        finally:
            release.set()
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert int(queue) == MOST_IMAGES
        assert len(accepted.result(30).json()["data"]) == MOST_IMAGES


def test_a_token_is_asked_for_where_there_is_one(serve_api, api_generator):
    api = serve_api(lambda: api_generator, token="s3cret")
    for given in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic s3cret"}):
        for method, path in (
            ("GET", "/v1/pairs/7.png"),
            ("GET", "/v1/models"),
            ("POST", "/v1/images/generations"),
            ("POST", "/v1/captions"),
            ("POST", "/v1/search"),
        ):
            refused = api.request(method, path, headers=given)
            assert refused.status_code == 401, path
            assert refused.headers["www-authenticate"] == "Bearer"
    for path in ("/healthz", "/readyz", "/metrics", "/docs", "/openapi.json"):
        assert api.get(path).status_code == 200, path
    answer = api.get("/v1/pairs/7.png", headers={"authorization": "Bearer s3cret"})
    assert answer.status_code == 200
    assert answer.headers["cache-control"].startswith("private")


def test_pairs_behind_a_login_are_not_for_shared_caches():
    """Behind --auth without a token a proxy could keep them, and give them to anybody."""

    def nobody():
        raise UserError("no model")

    assert Routes(Service(nobody, Batcher(), private=True)).keep.startswith("private")
    assert Routes(Service(nobody, Batcher())).keep.startswith("public")


def test_a_model_whose_file_was_moved_away_is_still_listed(tmp_path):
    """Training anew in its folder moves it, and the list of models answered 500."""
    assert time_of(tmp_path / "gone.pt") == 0


def test_the_token_comes_from_a_file_or_from_the_environment(tmp_path, monkeypatch):
    """On the command line every user of the machine could read it."""
    monkeypatch.delenv("ONESEED_API_TOKEN", raising=False)
    assert read_token("") == ""
    monkeypatch.setenv("ONESEED_API_TOKEN", "from the environment")
    assert read_token("") == "from the environment"
    file = tmp_path / "token"
    file.write_text("from the file\n")
    assert read_token(str(file)) == "from the file"
    file.write_text("\n")
    with pytest.raises(UserError, match="is empty"):
        read_token(str(file))
    with pytest.raises(UserError, match="cannot be read"):
        read_token(str(tmp_path / "missing"))
    assert not [name for name in vars(ApiConfig()) if name == "token"]


def test_a_model_that_is_missing_is_told_and_found_once_it_is_there(
    serve_api, api_checkpoint, tmp_path
):
    path = tmp_path / "best_model.pt"
    api = serve_api(ModelFinder(str(path), "cpu"))
    assert api.get("/healthz").json() == {"status": "ok"}
    for asked in ("/readyz", "/v1/models", "/v1/pairs/7.png"):
        refused = api.get(asked)
        assert refused.status_code == 503
        assert "best_model.pt is missing" in refused.json()["detail"]
        assert refused.headers["retry-after"]
    path.write_bytes(api_checkpoint.read_bytes())
    assert api.get("/readyz").json()["status"] == "ready"
    assert api.get("/v1/pairs/7.png").status_code == 200


def test_the_model_is_listed_with_what_can_be_chosen(api, api_generator):
    (model,) = api.get("/v1/models").json()["data"]
    assert model["fingerprint"] == api_generator.fingerprint
    assert model["styles"] == api_generator.styles
    assert (model["object"], model["image_size"]) == ("model", 32)


def test_requests_are_counted_by_route_and_status(api):
    api.get("/v1/pairs/7.png")
    api.get("/v1/pairs/8.png")
    api.get("/v1/pairs/7x.png")
    answer = api.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    lines = answer.text.splitlines()
    route = "/v1/pairs/{seed}.png"
    assert f'oneseed_requests_total{{method="GET",route="{route}",status="200"}} 2' in lines
    assert f'oneseed_requests_total{{method="GET",route="{route}",status="422"}} 1' in lines
    assert f'oneseed_request_seconds_count{{route="{route}"}} 3' in lines
    assert 'oneseed_batch_size_bucket{le="1"} 2' in lines
    assert "oneseed_batch_size_count 2" in lines
    shape = r"# TYPE \w+ (counter|gauge|histogram)|\w+(\{.+\})? [\d.e-]+"
    assert all(re.fullmatch(shape, line) for line in lines), lines


def test_the_description_needs_no_other_host_and_no_script(api):
    """The usual /docs loads its scripts from a CDN, which learns of every visitor."""
    page = api.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "<script" not in page.text
    assert not re.search(r"https?://", page.text)
    for path in api.get("/openapi.json").json()["paths"]:
        assert path in page.text


def test_once_it_is_to_end_nothing_new_begins(api):
    assert api.get("/v1/pairs/7.png").status_code == 200
    api.service.drain(seconds=5)
    refused = api.get("/v1/pairs/7.png")
    assert refused.status_code == 503
    assert refused.headers["retry-after"]
    assert api.get("/readyz").status_code == 503
    assert api.get("/healthz").status_code == 200


def test_an_unforeseen_fault_is_a_500_that_says_nothing_of_itself(serve_api, api_generator, capsys):
    class Broken(type(api_generator)):
        def generate_batch(self, *args, **more):
            raise KeyError("/home/anna/secret")

    broken = api_generator.in_passes(2)
    broken.__class__ = Broken
    answer = serve_api(lambda: broken).get("/v1/pairs/7.png")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "KeyError" in capsys.readouterr().err
    assert isinstance(answer, httpx.Response)
