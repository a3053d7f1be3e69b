"""Postcards: every caption fits, and their pair is found again."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from inference import main
from oneseed.config.inference import InferenceConfig
from oneseed.generation import cards, postcard
from oneseed.generation.generator import MultimodalGenerator
from oneseed.generation.rendering import encode_preview
from oneseed.generation.typesetting import CUT, set_text

PICTURE = Image.fromarray(np.random.default_rng(7).integers(0, 256, (32, 32), dtype=np.uint8))
FACTS = {
    "seed": 7,
    "prompt": "two small ships under a stormy sky and very many further words, one after another",
    "caption_source": "decoder",
    "checkpoint": "checkpoints/best_model.pt",
    "fingerprint": "5eed" * 16,
}
# a token is a word at the most
HUNDRED_TOKENS = " ".join(["An engraving of", *["lighthouses, ancient"] * 48, "at night."])
CAPTIONS = {
    "empty": "",
    "one letter": "I",
    "one word": "Lighthouse",
    "usual": "An engraving of two small ships by the sea under a stormy sky, in stipple.",
    "accents": "Ein Stich von Müllers Mühle, gezeichnet von Gustave Doré",
    "a hundred tokens": HUNDRED_TOKENS,
    "one very long word": "Donaudampfschifffahrt" * 12,
    "from right to left": "حصان صغير " * 8,
}


def printed_box(sheet, box):
    """The box around everything that is not paper within a box of a picture; None: only paper."""
    part = np.asarray(sheet.crop(box).convert("RGB"), dtype=int)
    paper = np.asarray(Image.new("RGB", (1, 1), postcard.PAPER_COLOUR), dtype=int)
    marks = np.argwhere(np.abs(part - paper).max(-1) > 8)
    if not len(marks):
        return None
    (top, left), (bottom, right) = marks.min(0), marks.max(0)
    return left + box[0], top + box[1], right + box[0], bottom + box[1]


@pytest.mark.parametrize("name", CAPTIONS)
def test_a_caption_of_any_length_fits_below_the_picture_and_beside_it(name):
    """Below the pictures of a sheet, what is longer than five lines is lost."""
    facts = {**FACTS, "caption": CAPTIONS[name]}
    card = postcard.postcard(PICTURE, facts)
    small = postcard.preview(PICTURE, facts)
    assert (card.size, small.size) == ((1200, 1500), (1200, 630))
    # below the frame and above the small line
    below = printed_box(card, (0, 1126, 1200, 1418))
    beside = printed_box(small, (584, 0, 1200, 500))
    if not facts["caption"]:
        assert (below, beside) == (None, None)
        return
    # nothing touches the edges of where it was looked for
    assert below[0] >= 80 and below[2] <= 1120 and below[1] > 1130 and below[3] < 1416
    assert beside[0] >= 620 and beside[2] <= 1150 and beside[1] > 40 and beside[3] < 498


@pytest.mark.parametrize("name", CAPTIONS)
def test_no_word_of_a_hundred_tokens_is_cut(name):
    caption = CAPTIONS[name]
    text = set_text(caption, width=1024, height=250, sizes=postcard.CAPTION_SIZES)
    assert "".join("".join(text.lines).split()) == "".join(caption.split())
    assert text.height <= 250
    assert all(text.width_of(line) <= 1024 for line in text.lines)


def test_lines_are_of_about_equal_length():
    """A last line of one word looks like an accident."""
    text = set_text(CAPTIONS["usual"], width=1024, height=250, sizes=(48,))
    widths = [text.width_of(line) for line in text.lines]
    assert len(widths) == 2
    assert min(widths) > 0.8 * max(widths)


def test_what_fits_in_no_size_ends_in_a_mark():
    text = set_text("ship " * 900, width=1024, height=250, sizes=postcard.CAPTION_SIZES)
    assert text.lines[-1].endswith(CUT)
    assert text.height <= 250
    assert text.width_of(text.lines[-1]) <= 1024


def test_a_caption_with_accents_is_in_one_font(monkeypatch):
    """The built-in font has no é: one word of the caption stood there in another font."""
    fonts = []
    draw = ImageDraw.ImageDraw.text

    def note(self, xy, text, fill=None, font=None, **more):
        fonts.append((text, font.getname()))
        draw(self, xy, text, fill, font, **more)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", note)
    caption = CAPTIONS["accents"]
    postcard.postcard(PICTURE, {**FACTS, "caption": caption})
    of_caption = {font for text, font in fonts if text in caption}
    assert len(of_caption) == 1


def test_the_small_line_says_what_the_pair_was_made_of():
    model = "best_model · 5eed5eed"
    assert postcard.model_words(FACTS) == model
    assert postcard.model_words({**FACTS, "checkpoint": "base"}) == "base model · 5eed5eed"
    asked = {**FACTS, "prompt": "a ship", "asked_style": "stipple", "caption_source": "nearest"}
    assert postcard.origin_words(asked) == (
        "seed 7, asked for “a ship”, in stipple, borrowed caption"
    )
    source = {"caption_source": "decoder"}
    walk = {"from": 3, "to": 9, "step": 1, "steps": 8, **source}
    assert postcard.origin_words(walk) == "from seed 3 to 9, step 2 of 8"
    varied = {"seed": 4, "image": "plate.png", **source}
    assert postcard.origin_words(varied) == "seed 4, after a picture"


# ---------------------------------------------------------------- cards


@pytest.fixture(scope="module")
def written(tiny_run, tmp_path_factory):
    """The folder of one pair with its postcard."""
    folder = tmp_path_factory.mktemp("postcards")
    main(
        InferenceConfig(
            checkpoint=str(tiny_run / "best_model.pt"),
            out=str(folder),
            device="cpu",
            seeds="7",
            prompt="a ship",
            postcard=True,
        )
    )
    return folder


@pytest.fixture(scope="module")
def generator(tiny_run):
    return MultimodalGenerator(tiny_run / "best_model.pt", device="cpu")


def test_a_postcard_says_all_that_its_card_says(written):
    _, facts = cards.read_card(written / "000007.png")
    paper, told = cards.read_card(written / "000007_postcard.png")
    assert paper.size == (1200, 1500)
    assert told.pop(postcard.POSTCARD) == postcard.ARRANGEMENT
    for digest in cards.DIGESTS:
        assert told.pop(digest) != facts.pop(digest)
    assert told == facts


def test_a_postcard_is_made_again_and_compared(written, generator, tiny_run, capsys):
    path = written / "000007_postcard.png"
    assert cards.differences(generator, path) == []
    told = InferenceConfig(
        checkpoint=str(tiny_run / "best_model.pt"), device="cpu", verify=str(path)
    )
    assert main(told) == 0
    assert "within 2/255" in capsys.readouterr().out


def test_a_changed_picture_on_a_postcard_is_found_even_where_its_digests_are_new(
    written, generator
):
    paper, facts = cards.read_card(written / "000007_postcard.png")
    ImageDraw.Draw(paper).rectangle((300, 300, 420, 420), fill="black")
    old = {key: value for key, value in facts.items() if key not in cards.DIGESTS}
    changed = written / "changed_postcard.png"
    changed.write_bytes(cards.encode_card(paper, cards.sign(paper, old)))
    (sentence,) = cards.differences(generator, changed)
    assert "away from what the model draws" in sentence


def test_a_preview_is_an_ordinary_picture(written):
    image, facts = cards.read_card(written / "000007.png")
    path = written / "preview.png"
    path.write_bytes(encode_preview(image, facts))
    assert cards.text_inside(path) == {}
    with Image.open(path) as small:
        assert small.size == postcard.PREVIEW_SIZE


@pytest.mark.parametrize(
    "wrong",
    [
        dict(postcard=True, count=4),
        dict(postcard=True, find="seeds", prompt="a ship"),
        dict(postcard=True, verify="a.png"),
        dict(postcard=True, index=4),
    ],
)
def test_postcards_are_refused_where_no_pair_is_written(wrong):
    with pytest.raises(ValueError, match="--postcard"):
        InferenceConfig(**wrong)
