"""The picture judge keeps its word across a save, and refuses to score when it cannot see."""

import json

import numpy as np
import pytest
import torch

from oneseed.console.command import UserError
from oneseed.evaluation.attribute_judge import (
    JUDGE_FORMAT,
    AttributeJudge,
    judge_views,
    read_judge,
    require_pass,
    save_judge,
)
from oneseed.evaluation.attribute_judge_training import (
    FIRST_JUDGE_SEED,
    labels,
    taught_facts,
)
from oneseed.evaluation.renders import draw_all
from oneseed.model.pixels import resized_views
from oneseed.synthetic.engravings.collection import ENGRAVINGS
from oneseed.synthetic.sprites.collection import SPRITES

COLLECTIONS = pytest.mark.parametrize("drawn", [ENGRAVINGS, SPRITES], ids=lambda drawn: drawn.style)


def some_renders(drawn, count=24):
    facts = drawn.collection(count)
    seeds = range(FIRST_JUDGE_SEED, FIRST_JUDGE_SEED + count)
    return facts, draw_all(drawn, facts, seeds, "renders")


@pytest.fixture(scope="module")
def renders():
    return some_renders(ENGRAVINGS)


def about(clean, degraded, blurred=0.2, drawn=ENGRAVINGS):
    def right(share):
        return {"all": share, **dict.fromkeys(drawn.attributes, share)}

    return {
        "format": JUDGE_FORMAT,
        "collection": drawn.version,
        "width": 8,
        "clean": right(clean),
        "degraded": right(degraded),
        "blurred": right(blurred),
    }


@COLLECTIONS
def test_labels_and_answers_use_the_same_numbers(drawn):
    """A head that is sure of label i must answer value i, for every attribute: two sides, one
    rule."""
    facts, pixels = some_renders(drawn)
    judge = AttributeJudge(drawn, 8)
    sure = [
        torch.nn.functional.one_hot(truth, len(values) + 1).float()
        for truth, values in zip(labels(drawn, facts).T, drawn.attributes.values())
    ]
    judge.logits = lambda features: sure
    assert judge.see(pixels) == facts


def test_what_cannot_be_read_is_none_and_no_value(renders):
    facts, pixels = renders
    judge = AttributeJudge(ENGRAVINGS, 8)
    unread = [
        torch.nn.functional.one_hot(torch.full((24,), len(values)), len(values) + 1).float()
        for values in ENGRAVINGS.attributes.values()
    ]
    judge.logits = lambda features: unread
    assert judge.see(pixels) == [dict.fromkeys(one) for one in facts]


@COLLECTIONS
def test_a_level_that_tells_no_colour_teaches_nothing_of_colours(drawn):
    """Sprites are white where no caption tells a colour; white is none of the colours."""
    facts = drawn.combinations(1)
    numbers = labels(drawn, facts)
    for column, (name, values) in enumerate(drawn.attributes.items()):
        for one, number in zip(facts, numbers[:, column].tolist()):
            assert number == (values.index(one[name]) if one[name] in values else -100)
    judge = AttributeJudge(drawn, 8)
    images = torch.zeros(len(facts), drawn.channels, drawn.size, drawn.size)
    assert torch.isfinite(judge.loss(images, torch.full_like(numbers, -100)))


def test_rivals_differ_in_their_subject_alone():
    facts = taught_facts(ENGRAVINGS, 40)
    for one, other in zip(facts[:20], facts[20:]):
        assert [name for name in one if one[name] != other[name]] == ["subject"]


@COLLECTIONS
def test_an_answer_does_not_depend_on_its_batch(drawn):
    _, pixels = some_renders(drawn, 4)
    judge = AttributeJudge(drawn, 8)
    alone = np.concatenate([judge.features(pixels[i : i + 1]) for i in range(4)])
    assert np.allclose(alone, judge.features(pixels[:4]), atol=1e-5)


@COLLECTIONS
def test_saved_judge_gives_equal_answers_and_loads_as_plain_data(drawn, tmp_path):
    _, pixels = some_renders(drawn)
    judge = AttributeJudge(drawn, 8)
    judge.about = about(1.0, 1.0, drawn=drawn)
    save_judge(judge, tmp_path / "judge.pt")
    again = read_judge(tmp_path / "judge.pt", drawn)
    assert again.about == judge.about
    stored = torch.load(tmp_path / "judge.pt", weights_only=True)
    assert json.loads(stored["about"]) == judge.about
    assert np.array_equal(judge.features(pixels[:8]), again.features(pixels[:8]))
    assert judge.see(pixels[:8]) == again.see(pixels[:8])


@pytest.mark.parametrize("clean, degraded, weak", [(0.98, 0.98, "clean"), (1.0, 0.96, "degraded")])
def test_a_judge_that_failed_refuses_to_score(clean, degraded, weak):
    judge = AttributeJudge(ENGRAVINGS, 8)
    judge.about = about(clean, degraded)
    with pytest.raises(UserError, match=f"of {weak} renders.*refuses to score") as refusal:
        require_pass(judge)
    assert refusal.value.code == 1


def test_a_judge_that_reads_blurs_refuses_to_score():
    """It read .98 of ghosts that people named in four to six of ten pictures."""
    judge = AttributeJudge(ENGRAVINGS, 8)
    judge.about = about(1.0, 1.0, 0.5)
    require_pass(judge)
    judge.about = about(1.0, 1.0, 0.51)
    sentence = r"reads the subject of 0\.510 of blurred renders.*refuses to score"
    with pytest.raises(UserError, match=sentence) as refusal:
        require_pass(judge)
    assert refusal.value.code == 1


def test_colour_and_other_sizes_are_brought_to_what_the_judge_knows(renders):
    pixels = renders[1][:2].numpy()
    colours = np.repeat(pixels[..., None], 3, -1)
    assert torch.equal(judge_views(pixels, 1, 128), resized_views(pixels))
    assert torch.equal(judge_views(colours, 1, 128), resized_views(pixels))
    assert torch.equal(judge_views(pixels, 3, 128), judge_views(colours, 3, 128))
    small = judge_views(np.zeros((2, 64, 64, 3), np.uint8), 3, 128)
    assert small.shape == (2, 3, 128, 128)
    assert small.max() == -1


def test_colours_reach_a_judge_that_reads_them():
    red = np.zeros((1, 64, 64, 3), np.uint8)
    red[..., 0] = 90
    blue = red[..., ::-1]
    judge = AttributeJudge(SPRITES, 8)
    assert not np.allclose(judge.features(red), judge.features(blue))
