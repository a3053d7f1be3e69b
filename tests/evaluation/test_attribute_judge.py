"""The picture judge: it must see what was drawn, keep its word across a save, and refuse to score when it cannot see."""

import os

import numpy as np
import pytest
import torch

from oneseed.console.command import UserError
from oneseed.evaluation import attribute_judge
from oneseed.evaluation.attribute_judge import (
    AttributeJudge,
    degrade,
    draw_all,
    judge_generator,
    labels,
    load_judge,
    resized_views,
    save_judge,
    share_right,
    teach_attribute_judge,
    train_judge,
)
from oneseed.synthetic.engravings import attributes


@pytest.fixture(scope="module")
def renders():
    facts = attribute_judge.uniform_facts(96)
    return facts, draw_all(facts, attribute_judge.FIRST_JUDGE_SEED, "renders")


def about(clean, degraded):
    def right(share):
        return {"all": share, **dict.fromkeys(attributes.ATTRIBUTES, share)}

    return {
        "format": attribute_judge.JUDGE_FORMAT,
        "collection": attributes.COLLECTION,
        "width": 8,
        "clean": right(clean),
        "degraded": right(degraded),
    }


def test_labels_and_answers_use_the_same_numbers(renders):
    """A head that is sure of label i must answer value i, for every attribute: two sides, one rule."""
    facts, pixels = renders
    judge = AttributeJudge(8)
    sure = iter(
        torch.nn.functional.one_hot(truth, len(values)).float()
        for truth, values in zip(labels(facts).T, attributes.ATTRIBUTES.values())
    )
    judge.logits = lambda features: list(sure)
    assert judge.see(pixels) == facts


def test_same_lesson_same_judge_and_the_global_generator_is_left_alone(
    renders, tmp_path, monkeypatch
):
    monkeypatch.setattr(attribute_judge, "require_pass", lambda judge: None)
    monkeypatch.setattr(attribute_judge, "JUDGE_BATCH", 16)
    before = torch.get_rng_state()
    one, other = (
        train_judge(tmp_path / f"{i}.pt", renders=32, exam=8, epochs=1, width=8) for i in range(2)
    )
    assert torch.equal(before, torch.get_rng_state())
    assert all(
        torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values())
    )


def test_judge_learns_the_easy_attributes_within_seconds(renders, monkeypatch):
    """96 renders cannot teach all; place and technique must come out far above chance (1 in 3), on the renders themselves."""
    monkeypatch.setattr(attribute_judge, "JUDGE_BATCH", 32)
    facts, pixels = renders
    torch.manual_seed(0)
    judge = teach_attribute_judge(AttributeJudge(16), pixels, labels(facts), epochs=12)
    right = share_right(judge.see(pixels), facts)
    assert right["technique"] > 0.8 and right["sky"] > 0.7, right


def test_an_answer_does_not_depend_on_its_batch(renders):
    judge = AttributeJudge(8)
    alone = np.concatenate([judge.features(renders[1][i : i + 1]) for i in range(4)])
    assert np.allclose(alone, judge.features(renders[1][:4]), atol=1e-5)


def test_saved_judge_gives_equal_answers_and_loads_as_plain_data(renders, tmp_path):
    judge = AttributeJudge(8)
    judge.about = about(1.0, 1.0)
    save_judge(judge, tmp_path / "judge.pt")
    again = load_judge(tmp_path / "judge.pt")
    assert again.about == judge.about and isinstance(
        torch.load(tmp_path / "judge.pt", weights_only=True)["about"], str
    )
    assert np.array_equal(judge.features(renders[1][:8]), again.features(renders[1][:8]))
    assert judge.see(renders[1][:8]) == again.see(renders[1][:8])


def test_undertrained_judge_refuses_to_score_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(attribute_judge, "JUDGE_BATCH", 16)
    with pytest.raises(UserError, match="refuses to score") as refusal:
        train_judge(tmp_path / "judge.pt", renders=32, exam=20, epochs=1, width=8)
    assert refusal.value.code == 1 and not list(tmp_path.iterdir())


@pytest.mark.parametrize("clean, degraded, weak", [(0.98, 0.98, "clean"), (1.0, 0.96, "degraded")])
def test_stored_judge_that_failed_refuses(tmp_path, clean, degraded, weak):
    judge = AttributeJudge(8)
    judge.about = about(clean, degraded)
    save_judge(judge, tmp_path / "judge.pt")
    with pytest.raises(UserError, match=weak) as refusal:
        load_judge(tmp_path / "judge.pt")
    assert refusal.value.code == 1


def test_judge_of_another_collection_is_taught_anew(tmp_path, monkeypatch):
    judge = AttributeJudge(8)
    judge.about = {**about(1.0, 1.0), "collection": "builtin-0"}
    save_judge(judge, tmp_path / "judge.pt")
    monkeypatch.setattr(attribute_judge, "train_judge", lambda path: "taught anew")
    assert load_judge(tmp_path / "judge.pt") == load_judge(tmp_path / "missing.pt") == "taught anew"


@pytest.mark.parametrize("content", [b"", b"no judge", "model"])
def test_a_file_that_is_no_judge_is_named_and_kept(tmp_path, content):
    path = tmp_path / "best_model.pt"
    torch.save({"weights": torch.zeros(1)}, path) if content == "model" else path.write_bytes(
        content
    )
    size = path.stat().st_size
    with pytest.raises(UserError, match="best_model.pt"):
        load_judge(path)
    assert path.stat().st_size == size


def test_colour_and_other_sizes_are_brought_to_what_the_judge_knows(renders):
    pixels = renders[1][:2].numpy()
    assert torch.equal(resized_views(pixels), resized_views(np.repeat(pixels[..., None], 3, -1)))
    assert resized_views(np.zeros((2, 64, 64, 3), np.uint8)).shape == (
        2,
        1,
        attribute_judge.JUDGE_SIZE,
        attribute_judge.JUDGE_SIZE,
    )
    assert resized_views(pixels).min() >= -1 and resized_views(pixels).max() <= 1


def test_degrading_changes_every_picture_by_its_own_amount_and_repeats(renders):
    images = resized_views(renders[1][:4])
    once, twice = (degrade(images, judge_generator("test")) for _ in range(2))
    assert torch.equal(once, twice) and once.shape == images.shape and once.abs().max() <= 1
    change = (once - images).square().mean((1, 2, 3))
    assert (change > 1e-3).all() and change.unique().numel() == 4


def test_lesson_and_exam_share_no_seed_with_the_collection():
    assert (
        attribute_judge.FIRST_JUDGE_SEED > 100_000
        and attribute_judge.EXAM_SEED >= attribute_judge.FIRST_JUDGE_SEED + 100_000
    )
    # the judge may know every combination
    assert any(attributes.held_out(facts) for facts in attribute_judge.uniform_facts(500))


@pytest.mark.skipif(not os.environ.get("LONG"), reason="some minutes; LONG=1 runs it")
def test_the_real_judge_passes_its_examination(tmp_path_factory):
    # test_evaluation.py reads it again
    judge = load_judge(tmp_path_factory.getbasetemp() / "judge.pt")
    print(judge.about)
    assert (
        judge.about["clean"]["all"] >= attribute_judge.CLEAN
        and judge.about["degraded"]["all"] >= attribute_judge.DEGRADED
    )
    assert judge.about["seconds"] < 600, judge.about["seconds"]
