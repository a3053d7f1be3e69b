"""The page of --check in a real browser: `make test-browser`."""

import json

import pytest

from tests.preparation.test_checking import HOSTILE, check, lines


@pytest.mark.parametrize("width", [1200, 390])
def test_the_page_shows_every_plate_asks_nobody_and_runs_nothing(browser, tmp_path, width):
    (tmp_path / "set").mkdir()
    names = [
        "<img src=x onerror=alert(1)>.png",
        "\u202egnp.png",
        "plain.png",
        "a_very_long_name_" * 8 + ".png",
    ]
    for seed, name in enumerate(names):
        lines(seed, 120 + 40 * seed).save(tmp_path / "set" / name)
    lines(2, 200).resize((300, 120)).save(tmp_path / "set" / "again.jpg")
    (tmp_path / "set" / "captions.jsonl").write_text(
        "".join(json.dumps({"image": name, "caption": HOSTILE}) + "\n" for name in names), "utf-8"
    )
    collection, _, _ = check(tmp_path / "set", tmp_path)
    page = browser.new_page(viewport={"width": width, "height": 900})
    asked = []
    spoken = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: spoken.append(message.text))
    page.on("dialog", lambda dialog: (spoken.append(dialog.message), dialog.dismiss()))
    path = collection.check.with_suffix(".html")
    page.goto(path.as_uri())
    page.wait_for_timeout(200)
    assert [url for url in asked if not url.startswith("data:image/jpeg")] == [path.as_uri()]
    assert not spoken
    assert page.title() == "engraving: what the source holds"
    assert page.evaluate("[...document.images].every(image => image.naturalWidth)")
    assert page.locator("img").count() >= 10
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "nothing sticks out"
    assert page.evaluate(
        "[...document.querySelectorAll('*')].every(one =>"
        " [...one.attributes].every(attribute => !attribute.name.startsWith('on')))"
    )
    page.close()
