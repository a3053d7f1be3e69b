"""The page in a real browser: `make test-browser`. Needs `pip install playwright` and Debian's chromium; fails where they are not.

Screenshots: /tmp/page_desktop.png, page_phone.png, page_dark.png, page_sick.png, page_none.png.
"""
import os
import re
import socket
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
import scenes
from cli import UserError
from gradio_demo import build_page, serve

SICK = {"passed": False, "auc": 0.81, "directions": 33, "norm": 30.2, "low_power": True, "rows": 120, "caption_spread": 0.3, "picture_spread": 0.3}


class Engraver:
    """True pairs of the built-in collection: no model to wait for."""
    style, checkpoint, health = "builtin", "checkpoints/best_model.pt", None
    facts = scenes.collection(64, seed=5)

    def generate_batch(self, seeds):
        return [(scenes.draw(self.facts[seed % 64], seed, 256).convert("RGB"), self.told(seed)) for seed in seeds]

    def told(self, seed):
        return scenes.tell(self.facts[seed % 64], seed)


class Sick(Engraver):
    health = SICK


class Late:
    """No checkpoint at first, one after `ready`."""
    ready = False

    def __call__(self):
        if not self.ready:
            raise UserError("checkpoints/best_model.pt is missing; make it with: python training_loop.py")
        return Engraver()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """served(generator or loader) -> address of a page that shows it."""
    os.environ["GRADIO_TEMP_DIR"] = str(tmp_path_factory.mktemp("cache"))
    pages = []

    def start(source):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        pages.append(serve(build_page(source), port=port))
        return f"http://127.0.0.1:{port}/"

    yield start
    for page in pages:
        page.close(verbose=False)


@pytest.fixture(scope="module")
def address(served):
    return served(Engraver())


@pytest.fixture
def opened(browser):
    """opened(url, width=…, height=…, dark=…) -> page. At the end: no console error, no request to another host."""
    complaints, contexts = [], []

    def open_page(url, width=1280, height=900, dark=False):
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", accept_downloads=True))
        page = contexts[-1].new_page()
        page.set_default_timeout(60_000)                                # a busy machine
        page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: complaints.append(request.url) if not re.match(r"(http://127\.0\.0\.1:\d+/|data:|blob:)", request.url) else None)
        page.goto(url)
        page.wait_for_selector("#generate")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints, complaints


def shows(page, seed):
    """Waits until the page shows the pair of this seed, and its picture has arrived."""
    page.wait_for_function("seed => document.querySelector('#shown input')?.value == seed && document.querySelector('#picture img')?.alt.startsWith(`Seed ${seed}:`)", arg=str(seed))
    page.wait_for_function("document.querySelector('#picture img').naturalWidth > 0")
    page.wait_for_function("caption => document.querySelector('#caption textarea').value == caption", arg=Engraver().told(seed))
    assert page.locator("#picture img").is_visible() and page.locator("#caption textarea").is_visible()


def photograph(page, name):
    page.mouse.move(0, 0)
    page.wait_for_timeout(700)                                          # fonts, fading marks
    page.screenshot(path=f"/tmp/page_{name}.png", full_page=True)


def overflow(page):
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


def test_generate_shows_picture_and_caption(opened, address):
    page = opened(address)
    shows(page, 0)
    page.fill("#seed input", "12")
    page.click("#generate")
    shows(page, 12)
    assert page.url.endswith("?seed=12")                                # the address is the lasting link
    page.fill("#seed input", "13")
    page.press("#seed input", "Enter")
    shows(page, 13)


def test_link_fills_and_shows_its_seed(opened, address):
    page = opened(address + "?seed=7")
    shows(page, 7)
    assert page.input_value("#seed input") == "7"
    shows(opened(address + "?seed=nonsense"), 0)


def test_random_seed_changes_the_field_and_the_pair(opened, address):
    page = opened(address)
    shows(page, 0)
    page.click("#random")
    page.wait_for_function("document.querySelector('#seed input').value != '0'")
    shows(page, int(page.input_value("#seed input")))


def test_sheet_of_four_shows_four_pairs_and_a_click_brings_one_up(opened, address):
    page = opened(address + "?seed=20")
    shows(page, 20)
    page.fill("#count input", "4")
    page.click("#draw-sheet")
    page.wait_for_function("document.querySelectorAll('#sheet img').length == 4")
    assert page.locator("#sheet .caption-label").all_inner_texts() == [f"seed {seed}\n{Engraver().told(seed)}" for seed in range(20, 24)]
    boxes = [(page.locator("#sheet img").nth(i).bounding_box(), page.locator("#sheet .caption-label").nth(i).bounding_box()) for i in range(4)]
    assert all(caption["y"] >= picture["y"] + picture["height"] - 1 for picture, caption in boxes), "captions stand below"
    page.locator("#sheet button").nth(2).click()
    shows(page, 22)
    assert page.input_value("#seed input") == "22"


def test_bad_seed_is_answered_in_a_sentence_and_the_pair_stays(opened, address):
    page = opened(address + "?seed=7")
    shows(page, 7)
    page.fill("#seed input", "3.7")
    page.click("#generate")
    page.wait_for_selector("text=A seed is a whole number from 0 to 4,294,967,295.")
    shows(page, 7)
    assert page.url.endswith("?seed=7")


def test_download_gives_the_png(opened, address, tmp_path):
    page = opened(address + "?seed=7")
    shows(page, 7)
    page.hover("#picture")
    with page.expect_download() as download:
        page.click("#picture [aria-label=Download]")
    download.value.save_as(tmp_path / "7.png")
    from PIL import Image
    with Image.open(tmp_path / "7.png") as picture:
        assert picture.format == "PNG" and picture.tobytes() == Engraver().generate_batch([7])[0][0].tobytes()


def test_fields_and_pictures_have_names(opened, address):
    page = opened(address + "?seed=7")
    shows(page, 7)
    for label in ("Seed", "Caption", "How many, up to 24"):
        assert page.get_by_label(label, exact=True).first.is_visible(), label
    assert page.locator("#picture img").get_attribute("alt") == f"Seed 7: {Engraver().told(7)}"
    assert page.locator("h1").count() == 1


@pytest.mark.parametrize("name, width, height, dark", [("desktop", 1280, 900, False), ("phone", 390, 844, False), ("dark", 1280, 900, True)])
def test_nothing_overflows(opened, address, name, width, height, dark):
    page = opened(address + "?seed=7", width, height, dark)
    shows(page, 7)
    page.click("#draw-sheet")
    page.wait_for_function("document.querySelectorAll('#sheet img').length == 8 && [...document.querySelectorAll('#sheet img')].every(image => (image.loading = 'eager') && image.naturalWidth)")
    assert overflow(page) == 0
    red, green, blue = map(int, re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor"))[:3])
    assert (red + green + blue < 120) == dark
    photograph(page, name)


def test_failed_health_check_is_a_banner(opened, served):
    page = opened(served(Sick()))
    shows(page, 0)
    banner = page.locator("#health")
    assert banner.is_visible() and "LATENT CHECK FAILED" in banner.inner_text()
    photograph(page, "sick")


def test_page_without_checkpoint_says_how_to_make_one_and_finds_it(opened, served):
    late = Late()
    page = opened(served(late), 390)
    page.wait_for_selector("#notice")
    assert all(command in page.locator("#notice").inner_text() for command in ("make demo", "python dataset_preparation.py", "python caption_generation.py", "python training_loop.py"))
    assert overflow(page) == 0
    photograph(page, "none")
    late.ready = True
    page.click("#generate")
    shows(page, 0)
    page.wait_for_selector("#notice", state="detached")
