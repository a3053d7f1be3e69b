"""A caption that is code, in a real browser: copied whole, and rendered where nothing can run."""

import pytest

from oneseed.synthetic.screens.collection import SCREENS
from tests.browser.test_page import Engraver, folder, opened, served, violations

__all__ = ["folder", "opened", "served"]

FORMS = SCREENS.of_kinds(["form"])


class Programmer(Engraver):
    """True pairs of forms and their HTML."""

    writes_code = True
    facts = FORMS.collection(64)

    def generate_batch(self, seeds, prompt=None, style=None, guidance=None):
        return [
            (FORMS.draw(self.facts[seed % 64], seed, 128), self.told(seed, prompt, style))
            for seed in seeds
        ]

    def told(self, seed, prompt=None, style=None):
        return FORMS.tell(self.facts[seed % 64], seed, FORMS.last_level)


@pytest.fixture(scope="module")
def address(served):
    return served(Programmer())


def test_the_copied_code_is_the_caption_letter_by_letter(opened, address):
    """The field that had the button to copy lay under the code: nobody could press it."""
    page = opened(address + "?seed=3")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click(".copy-code")
    page.wait_for_selector(".copy-code:has-text('Copied')")
    assert page.evaluate("navigator.clipboard.readText()") == Programmer().told(3)
    assert not violations(page)


def test_every_word_of_a_rendered_form_can_be_read(opened, address):
    """On a black form the words were black."""
    number = next(i for i, facts in enumerate(Programmer.facts) if facts["form_theme"] == "black")
    page = opened(f"{address}?seed={number}")
    frame = page.frame_locator(".code-view iframe")
    colour = frame.locator("h1").evaluate("title => getComputedStyle(title).color")
    assert colour == "rgb(255, 255, 255)"
