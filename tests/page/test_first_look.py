"""What a visitor sees before asking for anything, and the words in which the page speaks."""

import re
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from gradio_demo import build_page
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.generation.generator import MultimodalGenerator
from oneseed.generation.pictures import open_picture
from oneseed.page import strangeness
from oneseed.page.opening import OPENING_SEEDS, best_seeds, drawn_examples
from oneseed.page.sentences import fit_words, names_command, teller, without_commands
from oneseed.page.strangeness import is_strange, strange_from
from oneseed.page.training_results import SeedBoard, describe_time_left
from tests.page.test_gradio_demo import Noise, called
from tests.page.test_training_tab import HEALTH


class Ranked(Noise):
    """Seed 11 fits best, its lines are the strongest but for those of seed 3, which fits worst.

    Every drawing is counted.
    """

    def __init__(self):
        self.drawn = []

    def generate_batch(self, seeds, prompt=None, style=None, guidance=3.0):
        self.drawn += list(seeds)
        return super().generate_batch(seeds, prompt, style, guidance)

    def picture(self, seed):
        contrast = {3: 1.0, 11: 0.9, 4: 0.8}.get(seed, 0.4)
        return super().picture(seed).point(lambda value: round(contrast * value))

    def match(self, pairs):
        fits = {"An engraving of 11": 0.9, "An engraving of 4": 0.8, "An engraving of 3": -0.5}
        return [{"cosine": fits.get(caption, 0.1), "match": 50} for _, caption in pairs]


class Request:
    """The page's address."""

    def __init__(self, **query):
        self.query_params = query


class Clicked:
    """The third picture of a gallery was clicked."""

    index = 2


def opened(page, **query):
    """What the controls and the plate become when the page is opened."""
    functions = [each for each in page.fns.values() if each.fn and each.fn.__name__ == "opened"]
    function = next(each for each in functions if len(each.outputs) > 2)
    names = [block.elem_id for block in function.outputs]
    return dict(zip(names, function.fn(Request(**query))))


# ---- the opening


def test_the_page_opens_on_the_best_of_a_few_seeds_and_draws_them_once():
    """It opened on seed 0, whatever that was: often the worst pair of all."""
    model = Ranked()
    page = build_page(model)
    first = opened(page)
    assert (first["seed"], first["caption"]) == ("11", "An engraving of 11")
    assert best_seeds(model)[:2] == [11, 4]
    opened(page)
    assert model.drawn.count(5) == 1
    assert sorted(set(model.drawn)) == list(range(OPENING_SEEDS))


def test_the_page_opens_on_strong_lines_rather_than_on_the_very_best_fit():
    """The best fit was a pale plate with little in it; its caption could hardly be wrong."""

    class Pale(Ranked):
        def picture(self, seed):
            picture = super().picture(seed)
            return picture.point(lambda value: value // 8 + 200) if seed == 11 else picture

    model = Pale()
    assert best_seeds(model)[:2] == [11, 4]
    assert opened(build_page(model))["seed"] == "4"


def test_a_link_wins_over_the_opening_pair_and_may_name_a_word():
    page = build_page(Ranked())
    assert opened(page, seed="7")["caption"] == "An engraving of 7"
    named = opened(page, seed="Anna")
    assert (named["seed"], named["caption"]) == ("Anna", "An engraving of 3209678038")


def test_without_captions_the_first_seed_opens():
    class Wordless(Ranked):
        caption_source = "none"

    assert best_seeds(Wordless()) == list(range(OPENING_SEEDS))


def test_a_word_is_told_beside_the_pair_and_only_beside_its_own():
    page = build_page(Noise())
    told = called(page, "surroundings", 3209678038, "x", 85, "", "Anna")
    assert told["picture"].alt_text == "Seed 3209678038 (Anna): x"
    told = called(page, "surroundings", 7, "x", 85, "", "Anna")
    assert told["picture"].alt_text == "Seed 7: x"


@pytest.mark.parametrize(
    "name, seed, reached",
    [
        ("later", "7", "8"),
        ("earlier", "9", "8"),
        ("earlier", "0", "0"),
        ("later", "Anna", "3209678039"),
    ],
)
def test_the_arrows_go_one_seed_on_and_stop_at_the_ends(name, seed, reached):
    shown = called(build_page(Noise()), name, seed, "", "", 3, 0, 1)
    assert (shown["seed"], shown["shown"]) == (reached, int(reached))
    assert shown["caption"] == f"An engraving of {reached}"


def test_examples_are_pictures_and_a_click_brings_up_the_same_pair():
    model = Ranked()
    page = build_page(model)
    draw = next(f for f in page.fns.values() if f.fn and f.fn.__name__ == "examples").fn
    rows = draw([]).value
    examples = drawn_examples(model)
    assert len(rows) == len(examples) == 4
    assert [example.seed for example in examples] == best_seeds(model)[:4]
    drawn = model.drawn[:]
    draw([])
    assert model.drawn == drawn, "they are drawn once"
    assert "value" not in str(draw(rows)), "what is there stays"
    chosen = next(f for f in page.fns.values() if f.fn and f.fn.__name__ == "bring_up_example").fn
    controls = chosen(Clicked())
    assert (controls.seed, controls.prompt) == (str(examples[2].seed), examples[2].prompt)
    ((image, _),) = model.generate_batch([int(controls.seed)], controls.prompt)
    assert image.tobytes() == examples[2].image.tobytes()


def test_find_shows_the_best_known_pairs_before_anything_is_looked_for():
    """The tab was a blank page until somebody at the terminal had made an index."""
    page = build_page(Ranked(), editable=False)
    rows = called(page, "shown", [])["found"]
    assert [text.split("\n")[0] for _, text in rows[:2]] == [
        "seed 11 · better than 50 of 100",
        "seed 4 · better than 50 of 100",
    ]
    assert len(rows) == 8


def test_looking_without_an_index_names_a_way_on_that_a_visitor_has():
    import gradio

    class Bare(Noise):
        def find_seeds(self, prompt=None, image=None, count=10):
            raise UserError("there is no index; build it once: python inference.py --index 10000")

    search = next(f for f in build_page(Bare()).fns.values() if f.api_name == "find").fn
    with pytest.raises(gradio.Error, match="as a prompt in the tab Generate") as refused:
        next(search("an owl", None, "8"))
    assert not names_command(refused.value.message)


# ---- sentences


def test_a_fit_is_told_in_words():
    assert fit_words(78) == "Fits better than 78 of 100 real pairs"
    assert fit_words(None) == ""


SENTENCES = {
    "checkpoints/a.pt is missing; make it with: make demo, or python dataset_preparation.py "
    "--source builtin; or take the base model: --checkpoint base": "checkpoints/a.pt is missing.",
    "No collection is prepared yet; make one: python dataset_preparation.py --source builtin": (
        "No collection is prepared yet."
    ),
    "No seed is indexed yet: python inference.py --index 10": "No seed is indexed yet.",
    "run again: make demo": "Run again.",
    "python training_loop.py": "This does not work here yet.",
}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_visitors_read_the_cause_and_the_operator_reads_the_command(sentence, capsys):
    """Visitors of a public page were told to type commands on a machine that is not theirs."""
    tell = teller(is_private=False)
    told = tell(sentence)
    assert told.startswith(SENTENCES[sentence])
    assert not names_command(told)
    assert told.endswith(".")
    tell(sentence)
    assert capsys.readouterr().err == f"page: {sentence}\n", "once"
    assert teller(is_private=True)(sentence) == sentence


def test_a_sentence_without_a_command_stays_as_it_is():
    for sentence in (
        "Click a picture that is on show.",
        "How many is a whole number; so write one.",
    ):
        assert without_commands(sentence) == sentence


def test_a_public_page_shows_no_command_anywhere(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def missing():
        raise UserError("checkpoints/best_model.pt is missing; make it with: make demo")

    for source in (missing, Noise()):
        page = build_page(source, str(tmp_path), "run", "report.json", editable=False)
        said = [called(page, "state"), called(page, "held"), called(page, "read")]
        texts = [getattr(one, "value", one) for part in said for one in part.values()]
        shown = " ".join(text for text in texts if isinstance(text, str))
        assert "report.json is not here" in shown
        assert not names_command(re.sub(r"<[^>]+>", " ", shown))
    assert "make demo" in capsys.readouterr().err


def test_the_latent_check_is_one_sentence_and_its_figures_are_folded_away():
    class Checked(Noise):
        health: ClassVar = {**HEALTH, "passed": False, "auc": 0.81}

    page = build_page(Checked())
    banner = called(page, "state")["health"].value
    assert banner.count(".") == 1
    assert "0.81" not in banner
    assert "<details><summary>" in called(page, "read")["numbers"]


# ---- a training that is running


def test_a_run_tells_how_long_it_takes_at_most():
    board = SeedBoard(ends={1: 1000.0, 2: 1060.0, 3: 1120.0}, epochs=10)
    assert describe_time_left(board, 1130.0) == "epoch 3 of 10 · at most 7 minutes left"


@pytest.mark.parametrize(
    "board, now",
    [
        (SeedBoard(), 0.0),
        (SeedBoard(ends={1: 1000.0}, epochs=10), 1010.0),
        (SeedBoard(ends={1: 1000.0, 2: 1060.0}, epochs=2), 1070.0),
        (SeedBoard(ends={1: 1000.0, 2: 1060.0}, epochs=10), 9000.0),
        (SeedBoard(ends={1: 1000.0, 2: 1060.0}), 1070.0),
        (SeedBoard(ends={1: 1060.0, 2: 1000.0}, epochs=9), 1000.0),
    ],
)
def test_a_run_that_has_ended_or_stands_still_promises_nothing(board, now):
    assert describe_time_left(board, now) == ""


# ---- pictures unlike all others


def test_a_picture_far_from_the_collection_is_strange_and_a_held_out_one_is_not(
    tiny_run, builtin_data, monkeypatch
):
    """Whatever was brought, the page drew something and said nothing.

    The tiny model redraws everything badly, so that the farthest held-out picture is the strange
    one here.
    """
    monkeypatch.setattr(strangeness, "STRANGE_TIMES", 1.0)
    generator = MultimodalGenerator(tiny_run / "best_model.pt", "cpu")
    collection = Collection("builtin", builtin_data)
    held_out = [open_picture(collection.picture(row)) for row in collection.read_captions()[1]]
    limit = strange_from(generator, builtin_data)
    distances = strangeness.redrawing_distances(generator, held_out)
    assert np.quantile(distances, 0.99) == pytest.approx(limit)
    assert is_strange(generator, held_out[int(distances.argmax())], builtin_data)
    assert not is_strange(generator, held_out[int(distances.argmin())], builtin_data)


def test_nobody_is_called_strange_where_nothing_is_there_to_compare(tiny_run, tmp_path):
    generator = MultimodalGenerator(tiny_run / "best_model.pt", "cpu")
    assert strange_from(generator, tmp_path) is None
    assert not is_strange(generator, Image.new("RGB", (32, 32)), tmp_path)


def test_the_base_model_knows_prints_from_noise():
    """The limit of the model that comes with the program, on its own pictures and on noise."""
    generator = MultimodalGenerator("base", "cpu")
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    assert is_strange(generator, Image.fromarray(noise), "nowhere")
    assert is_strange(generator, Image.new("RGB", (128, 128), "white"), "nowhere")
    carried = strangeness.pictures_in_book(generator, 7)
    assert not any(is_strange(generator, picture, "nowhere") for picture in carried)
