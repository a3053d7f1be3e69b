"""Any word is a seed: everywhere the same one, on every machine and for ever."""

import json
import unicodedata

import pytest
from PIL import Image

import inference
from oneseed.config.inference import InferenceConfig
from oneseed.config.options import words_of_seeds
from oneseed.generation import cards
from oneseed.generation.generator import MultimodalGenerator
from oneseed.seeds import LAST_SEED, is_word, seed_of_word


@pytest.mark.parametrize(
    "word, seed", [("Anna", 3209678038), ("anna", 1431804757), ("Zoë", 3332449944)]
)
def test_a_word_is_a_seed(word, seed):
    """What it gives may never change: links and cards carry the words."""
    assert seed_of_word(word) == seed
    assert 0 <= seed <= LAST_SEED


def test_a_letter_is_the_same_however_it_was_typed():
    """A Mac types "ë" as two signs where others type one; both shall give the same pair."""
    apart = unicodedata.normalize("NFD", "Zoë")
    assert apart != "Zoë"
    assert seed_of_word(apart) == seed_of_word("Zoë")


@pytest.mark.parametrize("text", ["", "7", "7th", "-a", "a,b", "a\nb", "²", " a", "<b>", "\ud800"])
def test_what_begins_with_no_letter_or_holds_a_comma_is_no_word(text):
    assert not is_word(text)


def test_words_are_kept_beside_their_seeds():
    assert words_of_seeds("Anna, 7,0-9,Berta") == {
        seed_of_word("Anna"): "Anna",
        seed_of_word("Berta"): "Berta",
    }


def test_a_card_says_the_word_and_is_verified_by_its_number(tiny_run, tmp_path):
    checkpoint = str(tiny_run / "best_model.pt")
    inference.main(
        InferenceConfig(seeds="Anna,7", checkpoint=checkpoint, out=str(tmp_path), device="cpu")
    )
    rows = json.loads((tmp_path / "pairs.json").read_text("utf-8"))
    assert [(row["seed"], row.get("word")) for row in rows] == [(3209678038, "Anna"), (7, None)]
    generator = MultimodalGenerator(checkpoint, "cpu")
    path = tmp_path / "3209678038.png"
    assert cards.differences(generator, path) == []
    facts = {key: value for key, value in cards.read_card(path)[1].items() if "sha256" not in key}
    with Image.open(path) as image:
        lie = cards.sign(image.convert("RGB"), {**facts, "word": "Berta"})
        (tmp_path / "lie.png").write_bytes(cards.encode_card(image.convert("RGB"), lie))
    (told,) = cards.differences(generator, tmp_path / "lie.png")
    assert "'Berta', which is another seed" in told
