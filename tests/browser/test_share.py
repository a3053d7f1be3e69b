"""Passing a pair on, in a real browser: its link, its postcard, its head."""

import pytest

from oneseed.generation import cards
from tests.browser.test_page import Engraver, folder, opened, served, shows

__all__ = ["folder", "opened", "served"]


@pytest.fixture(scope="module")
def address(served):
    return served(Engraver())


def copied_link(page):
    """Presses the button -> what the clipboard holds then."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("#copy-link")
    page.wait_for_selector("#copy-link:has-text('Link copied')")
    return page.evaluate("navigator.clipboard.readText()")


def test_the_copied_link_opens_the_same_pair(opened, address):
    page = opened(address + "?seed=3")
    shows(page, 3)
    page.fill("#seed input", "7")
    page.fill("#prompt textarea", 'a "ship" & <b>more</b>')
    page.click("#generate")
    shows(page, 7, 'a "ship" & <b>more</b>')
    link = copied_link(page)
    assert link.startswith(address)
    # the button says again what it does
    page.wait_for_selector("#copy-link:has-text('Copy link')")
    again = opened(link)
    shows(again, 7, 'a "ship" & <b>more</b>')
    assert again.input_value("#prompt textarea") == 'a "ship" & <b>more</b>'


def test_the_first_pair_of_a_bare_address_has_a_link_too(opened, address):
    page = opened(address + "?__theme=dark")
    shows(page, 0)
    assert copied_link(page) == f"{address}?seed=0"


def test_without_a_clipboard_the_link_is_copied_all_the_same(opened, address):
    """A page on http and another machine's address gets none: browsers hold it back."""
    page = opened(address + "?seed=7")
    shows(page, 7)
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.click("#copy-link")
    page.wait_for_selector("#copy-link:has-text('Link copied')")


def test_the_postcard_of_the_pair_that_is_shown_is_saved(opened, address, tmp_path):
    page = opened(address + "?seed=7&prompt=a+ship&style=stipple")
    shows(page, 7, "a ship", "stipple")
    with page.expect_download() as download:
        page.click("#save-postcard")
    assert download.value.suggested_filename == "seed_7_postcard.png"
    download.value.save_as(tmp_path / "card.png")
    paper, facts = cards.read_card(tmp_path / "card.png")
    assert paper.size == (1200, 1500)
    assert facts["caption"] == Engraver().told(7, "a ship", "stipple")
    page.wait_for_selector("#save-postcard:has-text('Postcard')")


def test_a_postcard_that_is_not_to_be_had_is_said_on_the_button(opened, address):
    page = opened(address + "?seed=7")
    shows(page, 7)
    page.evaluate("""() => {
        const real = window.fetch;
        const busy = () => Promise.resolve(new Response('', {status: 503}));
        window.fetch = (address, ...more) =>
            String(address).startsWith('/share/') ? busy() : real(address, ...more);
    }""")
    page.click("#save-postcard")
    page.wait_for_selector("#save-postcard:has-text('try again')")


def test_the_title_of_a_link_is_its_own(opened, address):
    page = opened(address + "?seed=7")
    assert page.locator("meta[property='og:title']").get_attribute("content") == "Seed 7"
    source = page.locator("meta[property='og:image']").get_attribute("content")
    answer = page.request.get(source)
    assert answer.ok
