"""The tab Play in a real browser: a round of each by keyboard, and a map of 2,000 seeds that is
smooth.

Screenshots: /tmp/page_play_{desktop,phone,dark}.png.
"""

import time

import numpy as np
import pytest
from PIL import Image

from gradio_demo import build_page
from oneseed.evaluation.people import ANSWERS_NAME, read_answers
from oneseed.generation import seed_map
from oneseed.generation.seed_map import SeedMap
from tests.browser.test_page import HARMLESS, PALE, UNNAMED, overflow, violations
from tests.page.test_play import Engraver

# what Gradio says when the page is left while it is being told something
LEFT = "Unexpected error Connection errored out. "
SEEDS = 2000
# milliseconds from one frame to the next while the pointer moves over the map
SMOOTH = 25
READY = """() => window.seedMap?.sheet && seedMap.place
    && document.querySelectorAll('.choice').length === 6
    && document.querySelector('#mixer img')?.naturalWidth > 0"""


def large_map(generator):
    """A map of 2,000 seeds, from the pictures of sixty."""
    pairs = generator.generate_batch(range(60))
    tiles = np.stack([seed_map.tile_of(image, "RGB") for image, _ in pairs])
    features = generator.picture_features([image for image, _ in pairs])
    of_seed = np.arange(SEEDS) % 60
    noise = np.random.default_rng(0).normal(scale=0.01, size=(SEEDS, generator.dimensions))
    return SeedMap(
        tiles=tiles[of_seed],
        features=(features.numpy()[of_seed] + noise).astype(np.float16),
        captions=[pairs[number][1] for number in of_seed],
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("play")


class Slow(Engraver):
    """Takes its time for the map."""

    fingerprint = "510" * 21

    def generate_batch(self, seeds, *conditions, **more):
        if len(seeds) == seed_map.SEEDS_AT_ONCE:
            time.sleep(0.5)
        return super().generate_batch(seeds, *conditions, **more)


@pytest.fixture(scope="module")
def served(folder, put_on_port):
    """served(generator) -> address of a page that shows it."""
    paths = [str(folder / "data"), str(folder), str(folder / "report" / "report.json")]
    return lambda generator: put_on_port(lambda: build_page(generator, *paths))


@pytest.fixture(scope="module")
def address(served, folder):
    """Of a page on which 2,000 seeds are drawn already."""
    generator = Engraver()
    generator.size = 128
    generator.checkpoint = folder / "best_model.pt"
    seed_map.save_map(generator, large_map(generator))
    return served(generator)


@pytest.fixture
def opened(visits, address):
    """opened(query="", width=…, at=address, …) -> the tab Play, filled; see Visits."""

    def open_page(query="", width=1280, height=900, at=address, **more):
        page = visits.page(
            harmless=(*HARMLESS, LEFT),
            # a seed that is opened leaves the page, and what it was being told
            aborts=True,
            viewport={"width": width, "height": height},
            **more,
        )
        page.goto(f"{at}?tab=play{query}")
        page.wait_for_function(READY)
        return page

    return open_page


def text_of(page, selector):
    return page.locator(selector).inner_text()


def test_the_map_is_walked_and_a_seed_opened_by_keyboard(opened):
    page = opened()
    page.focus("#seed-map .map-frame canvas")
    before = text_of(page, "#map-told")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert text_of(page, "#map-told") != before
    seed = page.evaluate("seedMap.seed()")
    ((_, caption),) = Engraver().generate_batch([seed % 60])
    assert text_of(page, "#map-told") == f"seed {seed} {caption}"
    page.keyboard.press("+")
    page.keyboard.press("+")
    assert page.evaluate("seedMap.scale") == pytest.approx(2.25)
    # however far one walks, the chosen seed is in view
    for _ in range(60):
        page.keyboard.press("ArrowLeft")
    assert page.evaluate("seedMap.place[0]") == 0
    page.wait_for_function("seedMap.left === 0")
    seed = page.evaluate("seedMap.seed()")
    page.keyboard.press("Enter")
    page.wait_for_function(
        "seed => document.querySelector('#shown input')?.value == seed", arg=str(seed)
    )
    assert page.url.endswith(f"?seed={seed}")


def test_a_map_of_2000_seeds_follows_the_pointer_in_every_frame(opened):
    """Each frame once drew 2,000 pictures again."""
    page = opened()
    assert page.evaluate("seedMap.found.seeds.flat().length") == SEEDS
    deltas = page.evaluate(
        """async () => {
            const canvas = seedMap.canvas();
            const box = canvas.getBoundingClientRect();
            const frame = () => new Promise(requestAnimationFrame);
            const deltas = [];
            const seen = new Set();
            let last = await frame();
            for (let i = 0; i < 180; i++) {
                canvas.dispatchEvent(new PointerEvent('pointermove', {
                    pointerType: 'mouse', bubbles: true,
                    clientX: box.left + box.width * (i + 1) / 182,
                    clientY: box.top + box.height * (.5 + .4 * Math.sin(i / 20)),
                }));
                const now = await frame();
                deltas.push(now - last);
                last = now;
                seen.add(seedMap.seed());
            }
            return [deltas, seen.size];
        }"""
    )
    median = float(np.median(deltas[0]))
    print(
        f"median of a hover frame {median:.1f} ms, 90th percentile "
        f"{np.quantile(deltas[0], 0.9):.1f} ms, {deltas[1]} seeds pointed at"
    )
    assert deltas[1] > 50
    assert median < SMOOTH


def test_a_click_opens_a_seed_and_a_tap_shows_it_first(opened):
    page = opened()
    box = page.locator("#seed-map .map-frame canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 3, box["y"] + box["height"] / 3)
    seed = page.evaluate("seedMap.seed()")
    page.mouse.down()
    page.mouse.up()
    page.wait_for_url(f"**/?seed={seed}")
    phone = opened(width=390, height=844, has_touch=True)
    assert phone.evaluate("seedMap.scale") > 2
    box = phone.locator("#seed-map .map-frame canvas").bounding_box()
    before = phone.evaluate("seedMap.seed()")
    phone.touchscreen.tap(box["x"] + 60, box["y"] + 120)
    phone.wait_for_function("before => seedMap.seed() !== before", arg=before)
    assert "tab=play" in phone.url
    seed = phone.evaluate("seedMap.seed()")
    phone.touchscreen.tap(box["x"] + 60, box["y"] + 120)
    phone.wait_for_url(f"**/?seed={seed}")


def test_a_first_map_grows_before_the_eyes_is_stopped_and_goes_on(opened, served, folder):
    slow = Slow()
    slow.checkpoint = folder / "slow.pt"
    page = opened(at=served(slow))
    page.wait_for_function("seedMap.found.seeds.flat().length >= 48")
    page.click("#stop-map")
    page.wait_for_selector("#map-more")
    drawn = page.evaluate("seedMap.found.seeds.flat().length")
    assert 48 <= drawn < 240
    assert text_of(page, "#map-more") == f"Draw {240 - drawn} more"
    # the server hears of it a little later, and would stop what follows, too
    page.wait_for_timeout(2500)
    page.click("#map-more")
    page.wait_for_function("seedMap.found.seeds.flat().length === 240")
    page.wait_for_selector("#map-more", state="hidden")
    page.wait_for_selector("#stop-map", state="hidden")


def test_a_dragged_map_moves_and_opens_nothing(opened):
    page = opened()
    page.click("#seed-map [data-zoom='2']")
    page.wait_for_timeout(200)
    left = page.evaluate("seedMap.left")
    box = page.locator("#seed-map .map-frame canvas").bounding_box()
    page.mouse.move(box["x"] + 400, box["y"] + 300)
    page.mouse.down()
    page.mouse.move(box["x"] + 250, box["y"] + 300, steps=6)
    page.mouse.up()
    moved = page.evaluate("seedMap.left") - left
    assert moved == pytest.approx(150 / box["width"] / 2, rel=0.05)
    assert "tab=play" in page.url


@pytest.mark.parametrize("game, keys", [("caption", "1234"), ("dream", "12")])
def test_a_round_is_played_by_keyboard_and_counted(opened, folder, game, keys):
    page = opened()
    root = f"#{game}-game"
    answered = []
    path = folder / "report" / ANSWERS_NAME
    kept = len(read_answers(path))
    page.focus(f"{root} .choice >> nth=0")
    for turn, key in enumerate(keys):
        page.keyboard.press(key)
        page.wait_for_function(
            "root => document.querySelector(`${root} .verdict`).textContent", arg=root
        )
        answered.append(text_of(page, f"{root} .verdict").startswith("Right"))
        assert page.locator(f"{root} .choice.right").count() == 1
        assert page.locator(f"{root} .choice.wrong").count() == (0 if answered[-1] else 1)
        score = text_of(page, f"{root} .score")
        assert score.startswith(f"{sum(answered)} of {turn + 1} right")
        # a second choice changes nothing
        page.keyboard.press("1")
        assert text_of(page, f"{root} .score") == score
        # the button for another round has the focus
        page.keyboard.press("Enter")
        page.wait_for_function(
            "root => !document.querySelector(`${root} .verdict`).textContent", arg=root
        )
        assert page.evaluate("document.activeElement.className") == "choice"
    rows = read_answers(path)[kept:]
    assert [row.is_right for row in rows] == answered
    assert {row.game for row in rows} == {game}
    # this browser remembers it
    page.reload()
    page.wait_for_function(READY)
    assert text_of(page, f"{root} .score") == score


def test_before_one_has_chosen_neither_page_nor_messages_tell_what_is_right(opened):
    """A round is fair only where a look at the page's source does not win it."""
    page = opened()
    bodies = []
    page.on(
        "response",
        lambda response: bodies.append(response) if "queue" in response.url else None,
    )
    page.click("#caption-game .next")
    page.wait_for_timeout(1500)
    page.wait_for_function(READY)
    choices = page.evaluate(
        """() => [...document.querySelectorAll('#caption-game .choice')].map(choice =>
            [...choice.attributes].map(one => one.name).sort().join())"""
    )
    assert len(choices) == 4
    assert set(choices) == {"class,data-key,type"}
    html = page.locator("#caption-game").inner_html()
    page.focus("#caption-game .choice >> nth=0")
    page.keyboard.press("2")
    page.wait_for_selector("#caption-game .choice.right")
    seed = page.locator("#caption-game .verdict a").inner_text().removeprefix("seed ")
    assert seed not in html
    assert bodies


def test_the_triangle_is_moved_by_keys_and_by_the_pointer(opened):
    page = opened()

    def shows(seed):
        ((_, caption),) = Engraver().generate_batch([seed])
        page.wait_for_function(
            """caption => !mixer.isDrawing
                && document.querySelector('#mixer .verdict').textContent === caption""",
            arg=caption,
        )

    page.focus("#mixer svg")
    for key, seed in (("1", 3), ("2", 9), ("3", 27)):
        page.keyboard.press(key)
        shows(seed)
    assert page.get_attribute("#mixer svg", "aria-valuetext") == (
        "seed 3: 0 %, seed 9: 0 %, seed 27: 100 %"
    )
    page.keyboard.press("0")
    page.keyboard.press("ArrowUp")
    page.wait_for_function("mixer.weights[0] > mixer.weights[1]")
    shows(3)
    box = page.locator("#mixer svg").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    # far outside: the point stays at the corner
    page.mouse.move(box["x"] - 50, box["y"] + box["height"] + 20, steps=8)
    page.mouse.up()
    assert page.evaluate("mixer.weights") == [0, 1, 0]
    shows(9)
    page.fill("#mixer input >> nth=1", "12")
    page.keyboard.press("Tab")
    shows(12)
    page.fill("#mixer input >> nth=1", "12 or so")
    page.keyboard.press("Tab")
    page.wait_for_selector("text=A seed is a whole number")


def test_while_a_point_is_dragged_one_mixture_is_asked_for_at_a_time(opened):
    """Each move of the mouse once asked for a picture; they arrived a minute after the hand."""
    page = opened()
    page.evaluate(
        """() => {
            const [ask, got] = [play.ask, mixer.got];
            [window.most, window.open, window.asked] = [0, 0, 0];
            play.ask = (name, value) => {
                window.asked += 1;
                window.open += 1;
                window.most = Math.max(window.most, window.open);
                ask(name, value);
            };
            mixer.got = found => {
                window.open -= 1;
                got(found);
            };
        }"""
    )
    page.locator("#mixer svg").scroll_into_view_if_needed()
    box = page.locator("#mixer svg").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.6)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 + 40, box["y"] + box["height"] * 0.8, steps=60)
    page.mouse.up()
    last = page.evaluate("JSON.stringify(mixer.weights)")
    # where the hand let go is drawn in the end
    page.wait_for_function(
        "weights => !mixer.isDrawing && mixer.asked.endsWith(`${weights}]`)", arg=last
    )
    assert page.evaluate("window.asked") >= 1
    assert page.evaluate("window.most") == 1


@pytest.mark.parametrize(
    "name, width, height, more",
    [
        ("desktop", 1280, 900, {}),
        ("phone", 390, 844, {"has_touch": True}),
        ("dark", 1280, 900, {"color_scheme": "dark", "reduced_motion": "reduce"}),
    ],
)
def test_the_tab_fits_reads_well_and_can_be_told(opened, name, width, height, more):
    page = opened("", width, height, **more)
    page.wait_for_timeout(500)
    assert overflow(page) == 0
    assert page.evaluate(UNNAMED) == []
    assert page.evaluate(PALE) == []
    assert violations(page) == []
    # nothing moves by itself
    assert (
        page.evaluate(
            """() => document.getAnimations().filter(one =>
            one.effect.target?.closest('#seed-map, .game, #mixer')).length"""
        )
        == 0
    )
    page.screenshot(path=f"/tmp/page_play_{name}.png", full_page=True)
    with Image.open(f"/tmp/page_play_{name}.png") as picture:
        assert picture.height > 1000
