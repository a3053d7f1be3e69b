"""The picture judge keeps its word across a save, and refuses to score when it cannot see."""

import json

import numpy as np
import pytest
import torch

from oneseed.console.command import UserError
from oneseed.evaluation.attribute_judge import (
    JUDGE_FORMAT,
    AttributeJudge,
    read_judge,
    require_pass,
    save_judge,
)
from oneseed.evaluation.attribute_judge_training import FIRST_JUDGE_SEED, labels, uniform_facts
from oneseed.evaluation.renders import draw_all
from oneseed.model.pixels import VIEW_SIZE, resized_views
from oneseed.synthetic.engravings import attributes


@pytest.fixture(scope="module")
def renders():
    facts = uniform_facts(24)
    return facts, draw_all(facts, FIRST_JUDGE_SEED, "renders")


def about(clean, degraded):
    def right(share):
        return {"all": share, **dict.fromkeys(attributes.ATTRIBUTES, share)}

    return {
        "format": JUDGE_FORMAT,
        "collection": attributes.COLLECTION,
        "width": 8,
        "clean": right(clean),
        "degraded": right(degraded),
    }


def test_labels_and_answers_use_the_same_numbers(renders):
    """A head that is sure of label i must answer value i, for every attribute: two sides, one
    rule."""
    facts, pixels = renders
    judge = AttributeJudge(8)
    sure = [
        torch.nn.functional.one_hot(truth, len(values)).float()
        for truth, values in zip(labels(facts).T, attributes.ATTRIBUTES.values())
    ]
    judge.logits = lambda features: sure
    assert judge.see(pixels) == facts


def test_an_answer_does_not_depend_on_its_batch(renders):
    _, pixels = renders
    judge = AttributeJudge(8)
    alone = np.concatenate([judge.features(pixels[i : i + 1]) for i in range(4)])
    assert np.allclose(alone, judge.features(pixels[:4]), atol=1e-5)


def test_saved_judge_gives_equal_answers_and_loads_as_plain_data(renders, tmp_path):
    _, pixels = renders
    judge = AttributeJudge(8)
    judge.about = about(1.0, 1.0)
    save_judge(judge, tmp_path / "judge.pt")
    again = read_judge(tmp_path / "judge.pt")
    assert again.about == judge.about
    stored = torch.load(tmp_path / "judge.pt", weights_only=True)
    assert json.loads(stored["about"]) == judge.about
    assert np.array_equal(judge.features(pixels[:8]), again.features(pixels[:8]))
    assert judge.see(pixels[:8]) == again.see(pixels[:8])


@pytest.mark.parametrize("clean, degraded, weak", [(0.98, 0.98, "clean"), (1.0, 0.96, "degraded")])
def test_a_judge_that_failed_refuses_to_score(clean, degraded, weak):
    judge = AttributeJudge(8)
    judge.about = about(clean, degraded)
    with pytest.raises(UserError, match=f"of {weak} renders.*refuses to score") as refusal:
        require_pass(judge)
    assert refusal.value.code == 1


def test_colour_and_other_sizes_are_brought_to_what_the_judge_knows(renders):
    pixels = renders[1][:2].numpy()
    assert torch.equal(resized_views(pixels), resized_views(np.repeat(pixels[..., None], 3, -1)))
    small = resized_views(np.zeros((2, 64, 64, 3), np.uint8))
    assert small.shape == (2, 1, VIEW_SIZE, VIEW_SIZE)
    assert resized_views(pixels).min() >= -1
    assert resized_views(pixels).max() <= 1
