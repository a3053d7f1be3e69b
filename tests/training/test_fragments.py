"""Fragments of captions: what they are, and that the text encoder learns to read them."""

import torch
import torch.nn.functional as F

from oneseed.model.tokenizer import Tokenizer
from oneseed.synthetic.engravings import attributes
from oneseed.training.fragments import OPENING, fragment, teach_fragments
from tests.conftest import CAPTIONS

CAPTION = "An engraving of two small ships by the sea under a stormy sky, in stipple."


def fragments_of(caption, count=200):
    return [fragment(caption, torch.Generator().manual_seed(seed)) for seed in range(count)]


def test_fragments_are_captions_with_words_left_out():
    """People write "two small ships", not whole captions.

    A sampler that had met whole ones alone answered with nonsense.
    """
    made = fragments_of(CAPTION)
    words = CAPTION.removeprefix("An engraving of ").split()
    for text in made:
        kept = text.removeprefix("An engraving of ").split()
        assert kept, "empty"
        assert set(kept) <= set(words)
        # no word twice but "a", which may stand twice in a caption
        assert len(kept) == len(set(kept))
    lengths = [len(text.removeprefix("An engraving of ").split()) for text in made]
    assert min(lengths) == 1, "a single attribute"
    assert max(lengths) > len(words) / 2
    assert len(set(made)) > 100


def test_fragments_begin_as_captions_do_or_within_one():
    """Within a caption a word has other tokens than at its beginning."""
    starts = [text.startswith(("An engraving of ", " ")) for text in fragments_of(CAPTION)]
    assert all(starts)
    assert 0.7 < sum(text.startswith("An") for text in fragments_of(CAPTION)) / 200 < 0.9


def test_some_fragments_stand_in_another_order():
    words = CAPTION.split()
    ordered = 0
    for text in fragments_of(CAPTION):
        place = iter(words)
        ordered += all(word in place for word in text.split())
    assert 100 < ordered < 200


def test_captions_of_a_word_or_without_an_opening_are_no_trouble():
    assert fragments_of("", 3) == [""] * 3
    assert set(fragments_of("Ship.", 20)) == {"Ship.", " Ship."}
    assert all(text.strip() for text in fragments_of("城堡在山上 河", 20))
    assert OPENING.match("A painting depicting a ship.")
    assert not OPENING.match("Two ships of the line.")


def cosines(model, texts, codes):
    """Of texts with the codes of their pictures, on average."""
    with torch.no_grad():
        return float(F.cosine_similarity(model.features_of(texts), codes).mean())


def test_the_text_encoder_learns_fragments_and_nothing_else_changes(tiny_model):
    """What it reads in a fragment comes nearer to the pictures that the fragment is about."""
    captions = CAPTIONS * 40
    # two views of each picture; equal captions have equal pictures
    codes = torch.randn(len(CAPTIONS), 32, generator=torch.Generator().manual_seed(0)).repeat(80, 1)
    before = {name: weight.clone() for name, weight in tiny_model.state_dict().items()}
    parts = [fragment(text, torch.Generator().manual_seed(i)) for i, text in enumerate(captions)]
    far = cosines(tiny_model, parts, codes[: len(captions)])
    teach_fragments(tiny_model, captions, codes, temperature=0.07, seed=0)
    assert cosines(tiny_model, parts, codes[: len(captions)]) > far + 0.2
    assert not tiny_model.training
    changed = {
        name.split(".")[0]
        for name, weight in tiny_model.state_dict().items()
        if not torch.equal(weight, before[name])
    }
    assert changed == {"text_encoder"}


def test_fragments_are_taught_repeatably(tiny_model):
    """A run that is stopped here begins this again, and comes to the same model."""
    captions = [attributes.tell(facts, 1) for facts in attributes.collection(20)]
    tiny_model.set_tokenizer(Tokenizer.train(captions, 300))
    start = {name: weight.clone() for name, weight in tiny_model.state_dict().items()}
    codes = torch.randn(20, 32)
    ends = []
    for _ in range(2):
        tiny_model.load_state_dict(start)
        teach_fragments(tiny_model, captions, codes, temperature=0.07, seed=3)
        ends.append(tiny_model.features_of(captions[:2]).detach())
    assert torch.equal(*ends)
