"""Teaching the picture judge: it learns, repeats, and is written only when it passes."""

import os
from dataclasses import replace

import pytest
import torch

from oneseed.console.command import UserError
from oneseed.evaluation import attribute_judge_training
from oneseed.evaluation.attribute_judge import (
    JUDGE_FORMAT,
    MAX_BLURRED,
    MIN_CLEAN,
    MIN_DEGRADED,
    AttributeJudge,
    save_judge,
)
from oneseed.evaluation.attribute_judge_training import (
    EXAM_SEED,
    FIRST_JUDGE_SEED,
    JUDGE_PLAN,
    Lessons,
    examination_result,
    examine_attribute_judge,
    labels,
    load_judge,
    share_right,
    taught_facts,
    teach_attribute_judge,
    train_judge,
)
from oneseed.evaluation.renders import draw_all
from oneseed.evaluation.spoiling import Drawings, Spoiler
from oneseed.evaluation.teaching import blurred, degrade, judge_generator
from oneseed.model.pixels import resized_views
from oneseed.synthetic.engravings.collection import ENGRAVINGS
from oneseed.synthetic.sprites.collection import SPRITES
from tests.evaluation.test_attribute_judge import about

QUICK = ((Lessons(32, replace(JUDGE_PLAN, epochs=1, batch_size=16)),),)


def renders_of(drawn, count=96):
    """Facts to teach, and their renders: rivals share a seed."""
    facts = taught_facts(drawn, count)
    first = range(FIRST_JUDGE_SEED, FIRST_JUDGE_SEED + count // 2)
    return facts, draw_all(drawn, facts, [*first, *first], "renders")


@pytest.fixture(scope="module")
def renders():
    return renders_of(ENGRAVINGS)


@pytest.mark.parametrize("drawn", [ENGRAVINGS, SPRITES], ids=lambda drawn: drawn.style)
def test_same_lesson_same_judge_and_the_global_generator_is_left_alone(
    drawn, tmp_path, monkeypatch
):
    monkeypatch.setattr(attribute_judge_training, "require_pass", lambda judge: None)
    before = torch.get_rng_state()
    one, other = (
        train_judge(tmp_path / f"{i}.pt", drawn, exam=8, courses=QUICK, width=8) for i in range(2)
    )
    assert torch.equal(before, torch.get_rng_state())
    weights = other.state_dict()
    assert one.state_dict().keys() == weights.keys()
    for name, weight in one.state_dict().items():
        assert torch.equal(weight, weights[name]), name


def test_a_judge_that_failed_is_followed_by_one_that_learns_to_read_first(tmp_path, monkeypatch):
    """Small shapes in any turn were read in .49 of drawings, and the report of sprites refused."""
    lessons = QUICK[0][0]
    courses = (*QUICK, (replace(lessons, spoils=False), lessons))
    taken = []

    def taught(drawn, course, width):
        taken.append([part.spoils for part in course])
        return AttributeJudge(drawn, width)

    def passes(judge):
        if len(taken) == 1:
            raise UserError("it reads too little", code=1)

    monkeypatch.setattr(attribute_judge_training, "taught_judge", taught)
    monkeypatch.setattr(attribute_judge_training, "require_pass", passes)
    train_judge(tmp_path / "judge.pt", SPRITES, exam=8, courses=courses, width=8)
    assert taken == [[True], [False, True]]


def test_the_first_lessons_hold_nothing_beyond_reading(renders):
    facts, pixels = renders
    judge = AttributeJudge(ENGRAVINGS, 8)
    views, truth = judge.views(pixels), labels(ENGRAVINGS, facts)
    spoiler = Spoiler(ENGRAVINGS, views)
    batch = Drawings(views[:32], views[48:80], truth[:32])
    images, targets = spoiler.reading_lesson(batch, judge_generator("test"))
    assert torch.equal(targets, truth[:32])
    assert torch.equal(images[:16], views[:16])
    assert not torch.equal(images[16:], views[16:32])
    assert not torch.equal(spoiler.lesson(batch, judge_generator("test"))[1], truth[:32])


def test_judge_learns_the_easy_attributes_within_seconds(renders):
    """96 renders cannot teach all; technique and sky must come out far above chance (1 in 3), on
    the renders themselves."""
    facts, pixels = renders
    torch.manual_seed(0)
    plan = replace(JUDGE_PLAN, epochs=30, batch_size=32)
    truth = labels(ENGRAVINGS, facts)
    judge = teach_attribute_judge(AttributeJudge(ENGRAVINGS, 16), pixels, truth, plan)
    right = share_right(judge.see(pixels), facts)
    assert right["technique"] > 0.8, right
    assert right["sky"] > 0.7, right


def test_undertrained_judge_refuses_to_score_and_writes_nothing(tmp_path):
    with pytest.raises(UserError, match="refuses to score") as refusal:
        train_judge(tmp_path / "judge.pt", ENGRAVINGS, exam=20, courses=QUICK, width=8)
    assert refusal.value.code == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("clean, degraded, weak", [(0.98, 0.98, "clean"), (1.0, 0.96, "degraded")])
def test_stored_judge_that_failed_refuses(tmp_path, clean, degraded, weak):
    judge = AttributeJudge(ENGRAVINGS, 8)
    judge.about = about(clean, degraded)
    save_judge(judge, tmp_path / "judge.pt")
    with pytest.raises(UserError, match=weak) as refusal:
        load_judge(tmp_path / "judge.pt", ENGRAVINGS)
    assert refusal.value.code == 1


def test_stored_judge_that_passed_is_loaded(tmp_path):
    judge = AttributeJudge(ENGRAVINGS, 8)
    judge.about = about(1.0, 1.0)
    save_judge(judge, tmp_path / "judge.pt")
    assert load_judge(tmp_path / "judge.pt", ENGRAVINGS).about == judge.about


@pytest.mark.parametrize(
    "other",
    [{"collection": "builtin-0"}, {"collection": SPRITES.version}, {"format": JUDGE_FORMAT - 1}],
    ids=["version", "collection", "format"],
)
def test_judge_of_another_collection_or_format_is_taught_anew(tmp_path, monkeypatch, other):
    """A judge of before, who reads ghosts, must not score."""
    judge = AttributeJudge(ENGRAVINGS, 8)
    judge.about = {**about(1.0, 1.0), **other}
    save_judge(judge, tmp_path / "judge.pt")
    monkeypatch.setattr(attribute_judge_training, "train_judge", lambda path, drawn: "taught anew")
    assert load_judge(tmp_path / "judge.pt", ENGRAVINGS) == "taught anew"
    assert load_judge(tmp_path / "missing.pt", ENGRAVINGS) == "taught anew"


@pytest.mark.parametrize("content", [b"", b"no judge", "model"])
def test_a_file_that_is_no_judge_is_named_and_kept(tmp_path, content):
    path = tmp_path / "best_model.pt"
    if content == "model":
        torch.save({"weights": torch.zeros(1)}, path)
    else:
        path.write_bytes(content)
    size = path.stat().st_size
    with pytest.raises(UserError, match=r"best_model\.pt"):
        load_judge(path, ENGRAVINGS)
    assert path.stat().st_size == size


def test_degrading_changes_every_picture_by_its_own_amount_and_repeats(renders):
    images = resized_views(renders[1][:4])
    once, twice = (degrade(images, judge_generator("test")) for _ in range(2))
    assert torch.equal(once, twice)
    assert once.shape == images.shape
    assert once.abs().max() <= 1
    change = (once - images).square().mean((1, 2, 3))
    assert (change > 1e-3).all()
    assert change.unique().numel() == 4


def test_lesson_and_exam_share_no_seed_with_the_collection():
    assert FIRST_JUDGE_SEED > 100_000
    assert EXAM_SEED >= FIRST_JUDGE_SEED + 100_000
    # the judge may know every combination
    assert any(ENGRAVINGS.held_out(facts) for facts in taught_facts(ENGRAVINGS, 500))


def test_blurring_keeps_the_tone_and_takes_the_lines():
    lines = torch.ones(1, 1, 128, 128)
    lines[..., ::4] = -1
    soft = blurred(lines, 3.0)
    inside = soft[..., 20:-20]
    assert inside.mean() == pytest.approx(0.5, abs=0.01)
    assert inside.std() < 0.02
    assert torch.allclose(blurred(lines, 0.05), lines)
    # each picture has its own
    both = blurred(lines.repeat(2, 1, 1, 1), torch.tensor([0.05, 3.0]).view(2, 1, 1, 1))
    assert torch.allclose(both, torch.cat([lines, soft]), atol=1e-6)


def test_the_examination_tells_how_blurs_are_read():
    facts, pixels = renders_of(ENGRAVINGS, 20)
    judge = AttributeJudge(ENGRAVINGS, 8)
    # this one reads every picture, whatever it is like
    judge.see = lambda pictures: [dict(one) for one in facts]
    found = examine_attribute_judge(judge, pixels, facts)
    assert found["blurred"]["subject"] == found["clean"]["all"] == 1
    assert found["subject_by_blur"] == dict.fromkeys(("1", "1.5", "2", "3", "4"), 1.0)
    assert "1.00 at 1.5" in examination_result(found, "subject")


@pytest.mark.skipif(not os.environ.get("LONG"), reason="some minutes; LONG=1 runs it")
@pytest.mark.parametrize("drawn", [ENGRAVINGS, SPRITES], ids=lambda drawn: drawn.style)
def test_the_real_judge_passes_its_examination(drawn, tmp_path_factory):
    # test_evaluation.py reads that of the engravings again
    judge = load_judge(tmp_path_factory.getbasetemp() / f"judge_{drawn.style}.pt", drawn)
    print(judge.about)
    assert judge.about["clean"]["all"] >= MIN_CLEAN
    assert judge.about["degraded"]["all"] >= MIN_DEGRADED
    assert judge.about["blurred"][next(iter(drawn.attributes))] <= MAX_BLURRED
    assert judge.about["seconds"] < 600, judge.about["seconds"]
