"""The page without a server in a real browser: `make test-browser`.

It asks the npm registry for onnxruntime-web once; ONNXRUNTIME_WEB names a folder of it instead.
"""

import functools
import http.server
import os
import re
import threading

import numpy as np
import pytest
import torch

from oneseed.config.export import OnnxConfig, WebConfig
from oneseed.config.inference import PASSES
from oneseed.generation.generator import MultimodalGenerator
from oneseed.model import checkpoint

SEEDS = range(20)
# of Chromium, where a test reads the picture again and again
HARMLESS = "Canvas2D: Multiple readback operations"
PROMPTS = ["two ships by the sea", "A HUGE castle", "a windmill at night"]


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, without a log."""

    def log_message(self, *words):
        """Says nothing."""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A folder with best_model.pt, its export in model/ and the page in page/."""
    from oneseed.export.onnx import export_onnx
    from oneseed.export.web import write_web
    from oneseed.model.multimodal import MultimodalModel
    from oneseed.model.tokenizer import Tokenizer
    from tests.conftest import CAPTIONS, tiny_config

    folder = tmp_path_factory.mktemp("web")
    torch.manual_seed(5)
    model = MultimodalModel(tiny_config(channels=3), Tokenizer.train(CAPTIONS, 320)).eval()
    prior = model.sampler
    for last in (model.image_decoder.outward, prior.flow.outward, prior.regression[-1]):
        torch.nn.init.normal_(last.weight, std=0.1)
    prior.edges[1:3] = torch.tensor([0.4, 1])
    prior.edges[3:] = 1
    model.meta.update(style="engraving")
    with torch.no_grad():
        checkpoint.save(folder / "best_model.pt", model.state_dict())
    config = OnnxConfig(
        checkpoint=str(folder / "best_model.pt"), out=str(folder / "model"), check=len(SEEDS)
    )
    assert export_onnx(config) == 0
    write_web(
        WebConfig(
            model=str(folder / "model"),
            out=str(folder / "page"),
            runtime=os.environ.get("ONNXRUNTIME_WEB"),
        )
    )
    return folder


@pytest.fixture(scope="module")
def address(exported):
    """Where the page is served."""
    handler = functools.partial(QuietHandler, directory=exported / "page")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def opened(visits, address):
    """opened(end of the address, **context) -> page; see Visits."""

    def open_page(end="", **options):
        page = visits.page(
            harmless=(HARMLESS,),
            own=f"{re.escape(address)}|blob:",
            accept_downloads=True,
            **options,
        )
        page.goto(address + end)
        page.wait_for_selector("html[data-shown]")
        return page

    return open_page


def drawn(page):
    """What the page shows: pixels uint8 (S, S, 3), and the caption."""
    rgba = page.evaluate(
        """() => {
            const canvas = document.getElementById("picture");
            const image = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return [canvas.width, ...image.data];
        }"""
    )
    pixels = np.array(rgba[1:], dtype=np.uint8).reshape(rgba[0], rgba[0], 4)
    return pixels[..., :3], page.text_content("#caption")


def shows(page, seed, prompt=""):
    """Waits until the page shows a seed."""
    page.wait_for_selector(f'html[data-shown="{seed} {PASSES} {prompt}"]')


def test_seeds_have_the_pairs_of_the_program(opened, exported):
    expected = MultimodalGenerator(exported / "best_model.pt", "cpu").generate_batch(SEEDS)
    page = opened("#0")
    captions = []
    for seed in SEEDS:
        shows(page, seed)
        pixels, caption = drawn(page)
        captions.append(caption)
        image = np.asarray(expected[seed][0], dtype=int)
        assert np.abs(image - pixels).max() <= 2, seed
        page.locator("body").press("ArrowRight")
    assert captions == [caption for _, caption in expected]
    assert len({*captions}) > 1


def test_prompts_have_the_pairs_of_the_program(opened, exported):
    generator = MultimodalGenerator(exported / "best_model.pt", "cpu")
    page = opened("#3")
    for prompt in PROMPTS:
        page.fill("#prompt", prompt)
        page.press("#prompt", "Enter")
        shows(page, 3, prompt)
        image, caption = generator.generate(3, prompt)
        pixels, told = drawn(page)
        assert told == caption
        assert np.abs(np.asarray(image, dtype=int) - pixels).max() <= 2, prompt


def test_a_link_names_a_word_and_a_prompt(opened):
    page = opened("#Anna&prompt=two+ships")
    assert page.input_value("#seed") == "Anna"
    assert page.input_value("#prompt") == "two ships"
    assert re.search(r"seed 3209678038", page.text_content("#state"))
    page.fill("#seed", "9")
    page.press("#seed", "Enter")
    shows(page, 9, "two ships")
    assert page.url.endswith("#9&prompt=two+ships")


def test_the_picture_can_be_kept(opened):
    page = opened("#7")
    page.wait_for_selector("#download:not([hidden])")
    with page.expect_download() as waiting:
        page.click("#download")
    assert waiting.value.suggested_filename == "000007.png"
    from PIL import Image

    with Image.open(waiting.value.path()) as image:
        assert (np.asarray(image.convert("RGB")) == drawn(page)[0]).all()


def test_on_a_phone_picture_and_caption_come_first(opened):
    page = opened("#7", viewport={"width": 390, "height": 844}, is_mobile=True)
    for name in ("#picture", "#caption", "#seed"):
        box = page.locator(name).bounding_box()
        assert box["y"] + box["height"] <= 844, name
        assert box["x"] + box["width"] <= 390, name
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_seed_that_is_none_is_said(opened):
    page = opened("#7")
    page.fill("#seed", "-1")
    page.press("#seed", "Enter")
    page.wait_for_selector("#state.failed")
    assert "whole number from 0 to 4294967295" in page.text_content("#state")
