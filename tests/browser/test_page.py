"""The page in a real browser: `make test-browser`.

Needs `pip install playwright` and Debian's chromium; fails where they are not.
Screenshots of every tab: /tmp/page_<tab>_{desktop,phone,dark}.png, /tmp/page_{sick,none}.png.
"""

import json
import re
import shutil
import threading
import zipfile
from typing import ClassVar

import pytest
from PIL import Image, ImageOps

from gradio_demo import TABS, build_page
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import read_jsonl
from oneseed.generation import cards
from oneseed.synthetic.engravings import attributes, drawing
from tests.page.test_gradio_demo import SICK
from tests.pretend import Pretend

# Gradio's client, where a stream is closed before it is open
HARMLESS = ("Method not implemented.",)
# of the tab Morph: the picture and the caption of a step
FRAME_SHOWS = """([source, caption]) => document.querySelector('#frame img').src == source
    && document.querySelector('#words textarea').value == caption"""
# of the tab Training
LEAF_SAYS = "words => document.querySelector('#flip-words textarea').value == words"
HOSTILE = "<img src=x onerror=alert(1)> **ship** [x](javascript:alert(2))"


class Engraver(Pretend):
    """True pairs of the built-in collection, without a model. Its redrawing is the negative."""

    styles: ClassVar = list(attributes.ATTRIBUTES["technique"])
    # the lines of its first drawing are the strongest of the first ones: the page opens on seed 0
    facts = attributes.collection(64, seed=8)
    # clear: pairs wait
    gate = threading.Event()
    gate.set()

    def generate_batch(self, seeds, prompt=None, style=None, guidance=None):
        self.gate.wait(60)
        return [
            (
                drawing.draw(self.facts[seed % 64], seed, 256).convert("RGB"),
                self.told(seed, prompt, style),
            )
            for seed in seeds
        ]

    def told(self, seed, prompt=None, style=None):
        return (
            attributes.tell(self.facts[seed % 64], seed)
            + (f" {prompt}" if prompt else "")
            + (f" ({style})" if style else "")
        )

    def encode_together(self, images):
        return self.encode_codes(images[:1])

    def encode_codes(self, images):
        return images

    def decode_code(self, z):
        return [
            (ImageOps.invert(image), f"An engraving of {image.width} by {image.height}")
            for image in z
        ]

    def vary(self, image, seeds, strength):
        return [(ImageOps.invert(image), f"An engraving varied by {seed}") for seed in seeds]

    def restyle(self, images, style, strength):
        return [(image, f"An engraving in {style}") for image in images]

    def walk(self, first, last, steps):
        for step in range(steps):
            self.gate.wait(60)
            yield self.generate_batch([first + step])[0]


class Sick(Engraver):
    health = SICK


class Late:
    """No checkpoint at first, one after `ready`."""

    ready = False

    def __call__(self):
        if not self.ready:
            raise UserError(
                "checkpoints/best_model.pt is missing; make it with: python training_loop.py"
            )
        return Engraver()


@pytest.fixture(scope="module")
def folder(builtin_data, tiny_run, tmp_path_factory):
    """What lies about after a training: data/, run/, report.json, plate.png."""
    folder = tmp_path_factory.mktemp("page")
    shutil.copytree(builtin_data, folder / "data")
    shutil.copytree(tiny_run, folder / "run")
    one = {
        "title": "picture and caption agree, strict",
        "value": 0.9,
        "floor": 0.1,
        "ceiling": 1.0,
        "wanted": "at least 0.8",
    }
    (folder / "report.json").write_text(
        json.dumps(
            {
                "checkpoint": HOSTILE,
                "seeds": 500,
                "first_seed": 10**9,
                "numbers": {"joint_strict": one, "memory": one},
            }
        )
    )
    drawing.draw(Engraver.facts[9], 9, 256).crop((0, 0, 200, 150)).save(folder / "plate.png")
    return folder


@pytest.fixture(scope="module")
def served(folder, put_on_port):
    """served(generator or loader) -> address of a page that shows it."""
    paths = [str(folder / name) for name in ("data", "run", "report.json")]
    return lambda source: put_on_port(lambda: build_page(source, *paths))


@pytest.fixture(scope="module")
def address(served):
    return served(Engraver())


@pytest.fixture
def opened(visits):
    """opened(url, width=…, height=…, dark=…) -> page; see Visits."""

    def open_page(url, width=1280, height=900, *, dark=False, still=False, touch=False):
        page = visits.page(
            harmless=HARMLESS,
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            accept_downloads=True,
            has_touch=touch,
            reduced_motion="reduce" if still else "no-preference",
        )
        page.goto(url)
        page.wait_for_selector("#tabs [role=tab]")
        return page

    return open_page


def shows(page, seed, prompt=None, style=None):
    """Waits until the plate shows the pair of this seed, and its picture has arrived."""
    page.wait_for_function(
        """seed => document.querySelector('#shown input')?.value == seed
            && document.querySelector('#picture img')?.alt.startsWith(`Seed ${seed}:`)""",
        arg=str(seed),
    )
    page.wait_for_function("document.querySelector('#picture img').naturalWidth > 0")
    page.wait_for_function(
        "caption => document.querySelector('#caption textarea').value == caption",
        arg=Engraver().told(seed, prompt, style),
    )
    assert page.locator("#picture img").is_visible()
    assert page.locator("#caption textarea").is_visible()


def holds(page, gallery, count):
    """Waits until a gallery shows so many pictures, and all have arrived."""
    page.wait_for_function(
        """([name, count]) => {
            const all = [...document.querySelectorAll(`#${name} .thumbnail-lg img`)];
            const ready = image => (image.loading = 'eager') && image.naturalWidth;
            return all.length == count && all.every(ready);
        }""",
        arg=[gallery, count],
    )


def turn(page, name):
    page.get_by_role("tab", name=TABS[name], exact=True).click()


def settings(page):
    """Unfolds what is seldom changed."""
    page.click("#more button")
    page.wait_for_selector("#count input")


def linked(page, end):
    """Waits until the address bar ends so."""
    page.wait_for_function("end => location.href.endsWith(end)", arg=end)


def photograph(page, name):
    page.mouse.move(0, 0)
    # fonts, fading marks
    page.wait_for_timeout(700)
    page.screenshot(path=f"/tmp/page_{name}.png", full_page=True)


def overflow(page):
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


# ---------------------------------------------------------------- Generate


def test_generate_shows_the_pair_and_then_fills_the_sheet(opened, address):
    page = opened(address)
    shows(page, 0)
    # the first visit has something to look at
    holds(page, "sheet", 8)
    page.fill("#seed input", "12")
    settings(page)
    page.fill("#count input", "5")
    page.click("#generate")
    shows(page, 12)
    holds(page, "sheet", 5)
    # the address is the lasting link
    linked(page, "?seed=12")
    assert page.locator("#sheet .caption-label").all_inner_texts() == [
        f"seed {seed} · better than 85 of 100\n{Engraver().told(seed)}" for seed in range(12, 17)
    ]
    boxes = [
        (
            page.locator("#sheet img").nth(i).bounding_box(),
            page.locator("#sheet .caption-label").nth(i).bounding_box(),
        )
        for i in range(4)
    ]
    assert all(
        caption["y"] >= picture["y"] + picture["height"] - 1 for picture, caption in boxes
    ), "captions stand below"
    page.locator("#sheet button.thumbnail-lg").nth(2).click()
    shows(page, 14)
    assert page.input_value("#seed input") == "14"
    linked(page, "?seed=14")


def test_prompt_style_and_link_belong_together(opened, address):
    page = opened(address + "?seed=7")
    shows(page, 7)
    holds(page, "examples", 4)
    prompt = page.locator("#examples .caption-label").first.inner_text()
    page.locator("#examples button").first.click()
    shows(page, 0, prompt)
    page.fill("#seed input", "7")
    settings(page)
    page.locator("#style input").click()
    page.get_by_role("option", name="stipple").click()
    page.fill("#prompt textarea", "a zeppelin <b>& more</b>")
    page.click("#generate")
    shows(page, 7, "a zeppelin <b>& more</b>", "stipple")
    page.wait_for_function(
        "document.querySelector('#remark textarea')?.value"
        ".startsWith(\"No training caption has 'zeppelin'.\")"
    )
    again = opened(page.url)
    shows(again, 7, "a zeppelin <b>& more</b>", "stipple")
    assert again.input_value("#prompt textarea") == "a zeppelin <b>& more</b>"
    settings(again)
    assert again.input_value("#style input") == "stipple"
    shows(opened(address + "?seed=7th&guidance=99"), 0)


def test_dice_draws_a_new_pair(opened, address):
    page = opened(address)
    shows(page, 0)
    page.click("#random")
    page.wait_for_function("document.querySelector('#seed input').value != '0'")
    shows(page, int(page.input_value("#seed input")))


def test_stop_ends_a_sheet_that_is_being_drawn(opened, address):
    page = opened(address)
    shows(page, 0)
    holds(page, "sheet", 8)
    assert not page.locator("#stop-generate").is_visible()
    settings(page)
    page.fill("#count input", "24")
    try:
        page.click("#generate")
        page.wait_for_selector("#stop-generate")
        Engraver.gate.clear()
        # until the server has answered, Gradio has nothing to cancel, and says so in the console
        page.wait_for_timeout(1000)
        page.click("#stop-generate")
        page.wait_for_selector("#stop-generate", state="hidden")
    finally:
        Engraver.gate.set()
    # the server hears of it a little later, and would stop the next sheet, too
    page.wait_for_timeout(2000)
    page.fill("#count input", "3")
    page.fill("#seed input", "30")
    # and the next one is served
    page.press("#seed input", "Enter")
    shows(page, 30)
    holds(page, "sheet", 3)


def test_bad_seed_is_answered_in_a_sentence_and_the_pair_stays(opened, address):
    page = opened(address + "?seed=7")
    shows(page, 7)
    page.fill("#seed input", "3.7")
    page.click("#generate")
    page.wait_for_selector("text=A seed is a whole number from 0 to 4,294,967,295, or a word.")
    shows(page, 7)
    linked(page, "?seed=7")


def test_download_gives_the_png_and_copy_the_caption(opened, address, tmp_path):
    page = opened(address + "?seed=7")
    shows(page, 7)
    page.hover("#picture")
    with page.expect_download() as download:
        page.click("#picture [aria-label=Download]")
    download.value.save_as(tmp_path / "7.png")
    with Image.open(tmp_path / "7.png") as picture:
        assert picture.format == "PNG"
        assert picture.tobytes() == Engraver().generate_batch([7])[0][0].tobytes()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("#caption [aria-label=Copy]")
    page.wait_for_function(
        "caption => navigator.clipboard.readText().then(text => text == caption)",
        arg=Engraver().told(7),
    )


def test_a_card_that_is_dropped_anywhere_brings_back_its_controls(opened, address, folder):
    image, caption = Engraver().generate(14, "two ships", "stipple")
    facts = cards.sign(
        image,
        {
            "caption": caption,
            "fingerprint": Engraver.fingerprint,
            "seed": 14,
            "prompt": "two ships",
            "asked_style": "stipple",
            "guidance": 3.0,
            "cosine": 0.9,
            "match": 85,
        },
    )
    (folder / "card.png").write_bytes(cards.encode_card(image, facts))
    page = opened(address)
    shows(page, 0)
    page.evaluate(
        """bytes => { const carried = new DataTransfer();
        carried.items.add(new File([new Uint8Array(bytes)], 'card.png', {type: 'image/png'}));
        const options = {bubbles: true, cancelable: true, dataTransfer: carried};
        document.querySelector('#plate').dispatchEvent(new DragEvent('drop', options)); }""",
        list((folder / "card.png").read_bytes()),
    )
    shows(page, 14, "two ships", "stipple")
    page.wait_for_function(
        "document.querySelector('#verdict textarea')?.value.startsWith('The card is true')"
    )
    assert page.input_value("#prompt textarea") == "two ships"
    settings(page)
    assert page.input_value("#style input") == "stipple"
    assert page.input_value("#fit textarea") == "Fits better than 85 of 100 real pairs"


# ---------------------------------------------------------------- the first screen

SIZES = {"1440": (1440, 900), "1280": (1280, 720), "phone": (390, 844)}
FIRST = ("#picture img", "#caption textarea", "#seed input", "#generate")


@pytest.mark.parametrize("size", SIZES)
def test_the_first_screen_holds_picture_caption_seed_and_button(opened, address, size):
    """On a phone the picture lay two screens below the seed that had drawn it."""
    width, height = SIZES[size]
    page = opened(address, width, height)
    shows(page, 0)
    holds(page, "sheet", 8)
    for name in FIRST:
        box = page.locator(name).bounding_box()
        assert box["x"] >= 0 and box["y"] >= 0, (name, box)
        assert box["x"] + box["width"] <= width, (name, box)
        assert box["y"] + box["height"] <= height, (name, box)
    assert page.locator("#picture img").bounding_box()["width"] >= 200
    assert not page.locator("[id^=stop]:visible").count(), "nothing runs"
    photograph(page, f"first_{size}")


def test_a_word_is_a_seed_and_its_link_says_it(opened, address):
    page = opened(address)
    shows(page, 0)
    page.fill("#seed input", "Anna")
    page.press("#seed input", "Enter")
    page.wait_for_selector("#picture img[alt^='Seed 3209678038 (Anna):']")
    linked(page, "?seed=Anna")
    again = opened(page.url)
    again.wait_for_selector("#picture img[alt^='Seed 3209678038 (Anna):']")
    assert again.input_value("#seed input") == "Anna"


def test_arrow_keys_go_to_the_next_seed_but_not_while_somebody_types(opened, address):
    page = opened(address + "?seed=7")
    shows(page, 7)
    page.keyboard.press("ArrowRight")
    shows(page, 8)
    linked(page, "?seed=8")
    page.keyboard.press("ArrowLeft")
    shows(page, 7)
    page.focus("#prompt textarea")
    page.keyboard.press("ArrowRight")
    page.focus("#seed input")
    page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(500)
    shows(page, 7)
    assert page.input_value("#seed input") == "7"


def test_a_swipe_goes_to_the_next_seed(opened, address):
    page = opened(address + "?seed=7", 390, 844, touch=True)
    shows(page, 7)
    box = page.locator("#picture img").bounding_box()
    y = box["y"] + box["height"] / 2
    finger = page.context.new_cdp_session(page)

    def swipe(begin, end, down=0):
        touch = {"type": "touchStart", "touchPoints": [{"x": begin, "y": y}]}
        finger.send("Input.dispatchTouchEvent", touch)
        for step in (0.5, 1):
            point = {"x": begin + (end - begin) * step, "y": y + down * step}
            finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
        finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    swipe(260, 120)
    shows(page, 8)
    swipe(120, 260)
    shows(page, 7)
    # scrolling is none
    swipe(200, 180, down=-150)
    page.wait_for_timeout(500)
    shows(page, 7)


def test_a_click_on_the_picture_shows_it_large(opened, address):
    page = opened(address + "?seed=7")
    shows(page, 7)
    small = page.locator("#picture img").bounding_box()["width"]
    page.locator("#picture img").click()
    page.wait_for_selector("#large[open]")
    assert page.locator("#large img").bounding_box()["width"] > small
    assert page.locator("#large p").inner_text() == Engraver().told(7)
    assert violations(page) == []
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    page.wait_for_selector("#large", state="hidden")
    shows(page, 7)


def test_no_tab_is_an_empty_frame(opened, address):
    """Morph and Find showed nothing until somebody had understood what they are for."""
    page = opened(address)
    shows(page, 0)
    turn(page, "morph")
    page.wait_for_function("document.querySelector('#frame img')?.naturalWidth > 0")
    page.wait_for_selector("#film:enabled")
    assert not page.locator("[id^=stop]:visible").count(), "nothing runs"
    turn(page, "find")
    holds(page, "found", 8)
    assert not page.locator(".print .empty:visible").count()
    page.locator("#found button.thumbnail-lg").nth(2).click()
    shows(page, 2)


# ---------------------------------------------------------------- the other tabs


def test_a_brought_picture_is_redrawn_varied_and_restyled(opened, address, folder):
    page = opened(address)
    turn(page, "picture")
    page.locator("#upload input[type=file]").set_input_files(str(folder / "plate.png"))
    page.wait_for_function(
        "document.querySelector('#drawing img')?.naturalWidth == 200"
        " && document.querySelector('#read textarea').value == 'An engraving of 200 by 150'"
    )
    assert page.url.endswith("?tab=picture")
    page.fill("#vary-count input", "6")
    page.click("#vary")
    holds(page, "variations", 6)
    assert (
        page.locator("#variations .caption-label").nth(5).inner_text()
        == "seed 5 · better than 85 of 100\nAn engraving varied by 5"
    )
    page.click("#restyle")
    holds(page, "variations", len(Engraver.styles))
    assert (
        page.locator("#variations .caption-label").first.inner_text()
        == f"{Engraver.styles[0]} · better than 85 of 100\nAn engraving in {Engraver.styles[0]}"
    )
    page.hover("#upload")
    page.click("#upload [aria-label='Remove Image']")
    page.wait_for_selector("#drawing img", state="detached")
    page.click("#vary")
    page.wait_for_selector("text=Bring a picture first")
    page.click("#borrow")
    page.wait_for_function("document.querySelector('#drawing img')?.naturalWidth == 32")


def test_a_morph_moves_picture_and_caption_together(opened, address):
    page = opened(address + "?tab=morph&from=20&to=30")
    page.wait_for_function("document.querySelector('#from input')?.value == '20'")
    page.fill("#steps input[type=number]", "6")
    page.press("#steps input[type=number]", "Tab")
    page.click("#morph")
    holds(page, "strip", 6)
    page.wait_for_selector("#play:has-text('Pause')")
    seen = set()
    # it goes there and back by itself
    for _ in range(400):
        seen.add(
            (
                page.evaluate("document.querySelector('#frame img')?.src"),
                page.input_value("#words textarea"),
            )
        )
        if len({caption for _, caption in seen}) == 6:
            break
        page.wait_for_timeout(100)
    told = [Engraver().told(20 + step) for step in range(6)]
    assert {caption for _, caption in seen} >= set(told)
    page.click("#play")
    page.wait_for_selector("#play:has-text('Play')")
    sources = page.evaluate(
        "[...document.querySelectorAll('#strip .thumbnail-lg img')].map(image => image.src)"
    )
    page.locator("#strip button.thumbnail-lg").nth(3).click()
    page.wait_for_function(
        FRAME_SHOWS,
        arg=[sources[3], told[3]],
    )
    assert page.input_value("#step input[type=number]") == "4"
    page.focus("#step input[type=range]")
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        FRAME_SHOWS,
        arg=[sources[4], told[4]],
    )
    assert page.url.endswith("?tab=morph&from=20&to=30")
    with page.expect_download() as download:
        page.click("#film")
    assert download.value.suggested_filename == "morph_20_30.gif"


def test_a_found_seed_comes_up_in_the_first_tab(opened, address):
    page = opened(address + "?tab=find")
    page.fill("#sought textarea", "an elephant on a starry night")
    page.fill("#find-count input", "5")
    page.click("#find")
    holds(page, "found", 5)
    page.locator("#found button.thumbnail-lg").nth(2).click()
    shows(page, 42)
    linked(page, "?seed=42")


def test_a_dropped_archive_is_reported(opened, address, folder):
    with zipfile.ZipFile(folder / "mine.zip", "w") as archive:
        archive.write(folder / "plate.png", "plate.png")
        archive.writestr("<b>cut.png", b"PNG")
    page = opened(address + "?tab=collection")
    holds(page, "shelf", 24)
    page.click("#check button")
    page.locator("#archive input[type=file]").set_input_files(str(folder / "mine.zip"))
    page.wait_for_selector("#check-report iframe")
    assert re.search(r"found +2", page.input_value("#checked textarea"))
    assert (
        page.frame_locator("#check-report iframe").locator("h1").inner_text() == "all: 1 pictures"
    )
    photograph(page, "archive")


def test_who_wants_no_motion_gets_none_until_asked(opened, address):
    page = opened(address + "?tab=morph", still=True)
    page.fill("#steps input[type=number]", "3")
    page.press("#steps input[type=number]", "Tab")
    page.click("#morph")
    holds(page, "strip", 3)
    page.wait_for_selector("#film:enabled")
    page.wait_for_function("document.querySelector('#frame img')?.naturalWidth")
    assert page.locator("#play").inner_text() == "Play"


def test_a_caption_is_found_mended_and_the_picture_left_out(opened, address, folder):
    page = opened(address + "?tab=collection")
    collection = Collection("builtin", folder / "data")
    holds(page, "shelf", 24)
    page.click("#onward")
    holds(page, "shelf", 16)
    row = collection.read_metadata()[30]
    page.fill("#words-wanted input", row["id"])
    page.press("#words-wanted input", "Enter")
    holds(page, "shelf", 1)
    page.locator("#shelf button.thumbnail-lg").click()
    page.wait_for_function(
        "caption => document.querySelector('#one-caption textarea')?.value == caption",
        arg=row["caption"],
    )
    page.wait_for_function("document.querySelector('#one-picture img').naturalWidth")
    page.fill("#one-caption textarea", HOSTILE)
    page.click("#save")
    page.wait_for_selector("#said")
    page.wait_for_function(
        "told => document.querySelector('#shelf .caption-label').innerText == told",
        arg=f"An engraving of {HOSTILE}",
    )
    assert collection.read_metadata()[30]["caption"] == f"An engraving of {HOSTILE}"
    page.click("#mark")
    page.wait_for_selector("#mark:has-text('Take back')")
    assert row["id"] not in {
        pair["id"] for pair in read_jsonl(collection.train) + read_jsonl(collection.val)
    }
    page.click("#mark")
    page.wait_for_selector("#mark:has-text('Leave out')")


def test_the_training_is_drawn_and_told(opened, address):
    page = opened(address + "?tab=training")
    page.wait_for_selector("#losses svg")
    holds(page, "grids", 2)
    page.wait_for_function("document.querySelector('#flip img')?.naturalWidth > 0")
    assert page.input_value("#flip-words textarea") == "after epoch 2"
    page.locator("#grids button.thumbnail-lg").first.click()
    page.wait_for_function(
        "document.querySelector('#flip-words textarea').value == 'after epoch 1'"
    )
    page.click("#flip-play")
    page.wait_for_function(
        "document.querySelector('#flip-words textarea').value == 'after epoch 2'"
    )
    page.click("#flip-play:has-text('Pause')")
    assert page.locator("#losses svg").count() >= 6
    assert page.input_value("#run textarea").startswith("2 epochs")
    assert page.locator("#numbers summary").all_inner_texts() == [
        "Pairs of seeds",
        "Latent and cost",
    ]
    assert HOSTILE in page.locator("#numbers").inner_text()


# ---------------------------------------------------------------- the whole page

# elements of which a screen reader could not tell what they are
UNNAMED = """() => {
    const labelled = element => [...element.labels ?? []].some(label => label.innerText.trim());
    const named = element => labelled(element)
        || element.getAttribute('aria-label') || element.title || element.innerText?.trim()
        || [...element.querySelectorAll('img')].some(image => image.alt)
        || element.querySelector('[aria-label]');
    const seen = element => element.checkVisibility() && element.type !== 'file';
    const all = selector => [...document.querySelectorAll(selector)].filter(seen);
    const fields = all('button, input, textarea, select, a[href], [role=tab]');
    const images = all('img').filter(image => !image.alt && !image.closest('footer'));
    return [...fields.filter(element => !named(element)), ...images]
        .map(element => element.outerHTML.slice(0, 200));
}"""
# text whose contrast with the paper below it is less than 4.5 to 1
PALE = """() => {
    const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
    const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
    const light = ([r, g, b]) => .2126 * linear(r / 255) + .7152 * linear(g / 255)
        + .0722 * linear(b / 255);
    const paper = element => {
        for (; element; element = element.parentElement) {
            const colour = numbers(getComputedStyle(element).backgroundColor);
            if (colour[3] !== 0)
                return colour;
        }
        return [255, 255, 255];
    };
    const hasText = element => {
        const isText = node => node.nodeType === 3 && node.textContent.trim();
        const isField = /INPUT|TEXTAREA/.test(element.tagName) && element.type !== 'range';
        return [...element.childNodes].some(isText) || (isField && element.value);
    };
    const hidden = element => !element.checkVisibility({opacityProperty: true})
        || element.matches(':disabled:not(textarea, input)')
        || getComputedStyle(element).clipPath !== 'none';
    const found = [];
    for (const element of document.querySelectorAll('main *')) {
        if (!hasText(element) || hidden(element))
            continue;
        const style = getComputedStyle(element);
        const ink = element instanceof SVGElement ? style.fill : style.webkitTextFillColor;
        const [a, b] = [light(numbers(ink)), light(paper(element))].sort((x, y) => y - x);
        const kind = element.className?.baseVal ?? element.className;
        const text = (element.value ?? element.textContent).slice(0, 40);
        if ((a + .05) / (b + .05) < 4.5)
            found.push(`${element.tagName} ${kind} ${text} ${ink}`);
    }
    return found;
}"""


def violations(page):
    """What axe-core finds against WCAG 2 A and AA -> "rule: element" each."""
    from axe_playwright_python.sync_playwright import Axe

    found = (
        Axe()
        .run(page, options={"runOnly": ["wcag2a", "wcag2aa"], "resultTypes": ["violations"]})
        .response["violations"]
    )
    return [f"{rule['id']}: {node['html'][:160]}" for rule in found for node in rule["nodes"]]


@pytest.mark.parametrize(
    "name, width, height, dark",
    [("desktop", 1280, 900, False), ("phone", 390, 844, False), ("dark", 1280, 900, True)],
)
def test_every_tab_fits_reads_well_and_can_be_told(
    opened, address, folder, name, width, height, dark
):
    """No scrolling sideways, contrast of 4.5 to 1, a name for every field and picture.

    Leaves screenshots to look at.
    """
    page = opened(address + "?seed=7", width, height, dark=dark)
    shows(page, 7)
    holds(page, "sheet", 8)
    holds(page, "examples", 4)
    page.click("#more button")
    page.wait_for_selector("#guidance")

    def check(tab):
        assert overflow(page) == 0, tab
        assert page.evaluate(UNNAMED) == [], tab
        assert page.evaluate(PALE) == [], tab
        assert violations(page) == [], tab
        photograph(page, f"{tab}_{name}")

    check("generate")
    turn(page, "picture")
    page.locator("#upload input[type=file]").set_input_files(str(folder / "plate.png"))
    page.wait_for_function("document.querySelector('#drawing img')?.naturalWidth")
    page.click("#restyle")
    holds(page, "variations", len(Engraver.styles))
    check("picture")
    turn(page, "morph")
    page.fill("#steps input[type=number]", "12")
    page.press("#steps input[type=number]", "Tab")
    page.click("#morph")
    holds(page, "strip", 12)
    page.wait_for_function("document.querySelector('#frame img')?.naturalWidth")
    page.click("#play")
    check("morph")
    turn(page, "find")
    page.fill("#sought textarea", "an elephant on a starry night")
    page.click("#find")
    holds(page, "found", 8)
    check("find")
    turn(page, "collection")
    holds(page, "shelf", 24)
    page.locator("#shelf button.thumbnail-lg").nth(3).click()
    page.wait_for_function("document.querySelector('#one-picture img')?.naturalWidth")
    check("collection")
    turn(page, "training")
    page.wait_for_selector("#losses svg")
    holds(page, "grids", 2)
    check("training")
    red, green, blue = map(
        int,
        re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor"))[:3],
    )
    assert (red + green + blue < 120) == dark
    assert page.locator("h1").count() == 1


def test_the_keyboard_alone_reaches_the_pair_and_the_tabs(opened, address):
    page = opened(address)
    shows(page, 0)
    page.focus("#tabs [role=tab]")
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("(document.activeElement.closest('[id]') ?? document.activeElement).id")
        )
        if reached[-1] == "more":
            break
    assert {"picture", "earlier", "seed", "later", "generate", "random", "prompt"} <= set(reached)
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.focus("#seed input")
    page.keyboard.press("Control+A")
    page.keyboard.type("9")
    page.keyboard.press("Enter")
    shows(page, 9)
    # everything that is drawn by then is played through without a mouse
    page.focus("#generate")
    page.keyboard.press("ArrowRight")
    shows(page, 10)
    page.focus("#picture button:has(img)")
    page.keyboard.press("Enter")
    page.wait_for_selector("#large[open]")
    page.keyboard.press("Escape")
    page.wait_for_selector("#large", state="hidden")
    holds(page, "sheet", 8)
    page.locator("#sheet button.thumbnail-lg").nth(3).focus()
    page.keyboard.press("Enter")
    shows(page, 12)


def test_failed_health_check_is_a_banner(opened, served):
    page = opened(served(Sick()))
    shows(page, 0)
    banner = page.locator("#health")
    assert banner.is_visible()
    assert banner.inner_text().startswith("Drawn seeds may look worse than redrawn pictures")
    photograph(page, "sick")


def test_page_without_checkpoint_says_how_to_make_one_and_finds_it(opened, served):
    late = Late()
    page = opened(served(late), 390)
    page.wait_for_selector("#notice")
    assert all(
        command in page.locator("#notice").inner_text()
        for command in (
            "make demo",
            "python dataset_preparation.py",
            "python caption_generation.py",
            "python training_loop.py",
        )
    )
    assert overflow(page) == 0
    photograph(page, "none")
    late.ready = True
    page.click("#generate")
    shows(page, 0)
    page.wait_for_selector("#notice", state="detached")
