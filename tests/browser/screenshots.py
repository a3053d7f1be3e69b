"""The README's pictures of the page: every tab of a served page, after its main action.

After make demo and python inference.py --index 2000:

python gradio_demo.py &
python tests/browser/screenshots.py http://127.0.0.1:7860 samples
"""

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

# pixels of the window
WIDTH = 1100
HEIGHT = 1200
# pixels of the saved picture's width
SHOWN = 760


def loaded(page, gallery, count):
    page.wait_for_function(
        """([name, count]) => {
            const all = [...document.querySelectorAll(`#${name} .thumbnail-lg img`)];
            const ready = image => (image.loading = 'eager') && image.naturalWidth;
            return all.length >= count && all.every(ready);
        }""",
        arg=[gallery, count],
        timeout=120_000,
    )


def generate(page):
    loaded(page, "sheet", 8)


def picture(page):
    page.click("#borrow")
    page.wait_for_function("document.querySelector('#drawing img')?.naturalWidth")
    page.click("#vary")
    loaded(page, "variations", 8)


def morph(page):
    page.click("#morph")
    page.wait_for_selector("#film:enabled", timeout=120_000)
    loaded(page, "strip", 24)
    page.locator("#strip button.thumbnail-lg").nth(11).click()
    page.wait_for_timeout(500)


def find(page):
    page.fill("#sought textarea", "an elephant on a starry night")
    page.click("#find")
    loaded(page, "found", 8)


def play(page):
    page.wait_for_function("window.seedMap?.sheet && seedMap.place", timeout=120_000)
    page.wait_for_timeout(3000)


def collection(page):
    loaded(page, "shelf", 24)
    page.locator("#shelf button.thumbnail-lg").nth(3).click()
    page.wait_for_function("document.querySelector('#one-picture img')?.naturalWidth")


def training(page):
    page.wait_for_selector("#losses svg")
    page.wait_for_timeout(1000)


def main(url, folder):
    chromium = (
        shutil.which("chromium")
        or shutil.which("chromium-browser")
        or shutil.which("google-chrome")
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for act in (generate, picture, morph, find, play, collection, training):
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            page.goto(f"{url}/?tab={act.__name__}" if act is not generate else url)
            page.wait_for_selector("#tabs [role=tab]")
            page.wait_for_function("document.querySelector('#seed input')?.value !== ''")
            page.wait_for_timeout(2000)
            act(page)
            page.mouse.move(0, 0)
            page.wait_for_timeout(1000)
            shot = page.screenshot(full_page=act in (generate, play))
            image = Image.open(io.BytesIO(shot)).convert("L")
            image = image.resize(
                (SHOWN, round(image.height * SHOWN / WIDTH)), Image.Resampling.LANCZOS
            )
            image.quantize(16).save(Path(folder) / f"page_{act.__name__}.png", optimize=True)
            page.close()
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
