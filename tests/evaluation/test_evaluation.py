"""The evaluation: known answers for known generators."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import evaluation
from evaluation import evaluate, main
from oneseed.config.evaluation import EvaluateConfig
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import write_jsonl
from oneseed.evaluation import picture_judges
from oneseed.evaluation.report import text_report
from oneseed.evaluation.samples import PAIRS_SHOWN
from oneseed.synthetic.collections import drawn_collection
from oneseed.synthetic.engravings.collection import ENGRAVINGS
from oneseed.synthetic.sprites.collection import SPRITES
from tests.evaluation.fakes import (
    BarcodeJudge,
    Constant,
    Perfect,
    PerfectSprites,
    Shuffled,
    config,
    value,
)

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def all_are_barcodes(barcodes):
    """Every test of this file draws bar codes."""


def test_perfect_generator_scores_one_with_floor_and_ceiling(tmp_path):
    report, examples, _ = evaluate(Perfect(), config(tmp_path), BarcodeJudge())
    joint = report["numbers"]["joint_strict"]
    assert joint["value"] == 1
    assert joint["ceiling"] == {"reconstructions": 1, "real pairs": 1}
    assert joint["floor"] < 0.02
    assert value(report, "joint_mean") == 1
    assert value(report, "distinct_pairs") == 1
    assert value(report, "distinct_pictures") > 0.95
    assert value(report, "fallback") == 0
    # three values: a third by chance
    assert 0.1 < report["numbers"]["joint_technique"]["floor"] < 0.5
    assert len(examples) == PAIRS_SHOWN
    assert examples[0]["seed"] == 1_000_000_000
    assert all(seen == said for _, seen, said in examples[0]["verdict"])
    assert not [warning for warning in report["warnings"] if "SMALL SPREAD" in warning]


def test_a_collection_in_colour_without_styles_is_judged_as_exactly(tmp_path):
    report, _, gallery = evaluate(PerfectSprites(), config(tmp_path), BarcodeJudge(SPRITES))
    assert report["collection"] == SPRITES.version
    for name in (
        "joint_strict",
        "joint_colour",
        "caption_to_picture_seen",
        "prompt_to_pair_unseen",
        "picture_to_caption_seen",
        "partial_prompt",
        "retrieval_picture_1_seen",
        "interpolation_strict",
    ):
        assert value(report, name) == 1, name
    assert report["numbers"]["partial_prompt"]["title"].startswith(
        "a prompt of shape, size and colour alone"
    )
    assert "style_drawn" not in report["numbers"]
    assert not [name for name in report["numbers"] if name.startswith("typed")]
    assert next(iter(gallery.values()))[0].mode == "RGB"


def test_constant_pair_agrees_and_is_exposed_by_its_spread(tmp_path):
    """Agreement alone would call it perfect: every report must say in the same breath that all its
    pairs are one."""
    report, _, _ = evaluate(Constant(), config(tmp_path), BarcodeJudge())
    joint = report["numbers"]["joint_strict"]
    assert joint["value"] == 1
    assert joint["floor"] == 1, "no better than shuffled"
    assert value(report, "distinct_pictures") < 0.02
    assert value(report, "distinct_captions") < 0.02
    assert value(report, "distance_pictures_subject") > 0.9
    warnings = "\n".join(report["warnings"])
    assert "SMALL SPREAD: the pictures" in warnings
    assert "SMALL SPREAD: the captions" in warnings
    assert "UNEVEN" in warnings
    assert warnings in text_report(report)


def test_captions_of_other_pairs_score_like_the_floor(tmp_path):
    report, _, _ = evaluate(Shuffled(), config(tmp_path), BarcodeJudge())
    mean = report["numbers"]["joint_mean"]
    assert value(report, "joint_strict") < 0.02
    assert abs(mean["value"] - mean["floor"]) < 0.05
    assert mean["ceiling"]["real pairs"] == 1


def test_same_generator_same_report(tmp_path):
    reports = []
    for _ in range(2):
        numbers = evaluate(Perfect(), config(tmp_path, 50), BarcodeJudge()).report["numbers"]
        for timed in ("seconds_per_pair", "seconds", "memory"):
            numbers.pop(timed, None)
        reports.append(numbers)
    assert reports[0] == reports[1]


def prepared(data, pairs):
    """What preparing and captioning would leave of these pairs: nine tenths of them training."""
    collection = Collection("builtin", data)
    rows = [
        {"id": f"{i:016x}", "filename": f"{i:016x}.png", "caption": caption, "style": "builtin"}
        for i, (_, caption) in enumerate(pairs)
    ]
    trained = len(rows) * 9 // 10
    write_jsonl(collection.train, ({**row, "split": "train"} for row in rows[:trained]))
    write_jsonl(collection.val, ({**row, "split": "val"} for row in rows[trained:]))
    collection.processed.mkdir(parents=True)
    collection.pixels_ids(16).write_text(json.dumps({"ids": [row["id"] for row in rows]}))
    np.save(collection.pixels(16), np.stack([np.asarray(image.convert("L")) for image, _ in pairs]))


def test_memorised_pictures_are_counted(tmp_path):
    """A generator that copies its training pictures is as near to them as can be; fresh renders are
    not."""
    prepared(tmp_path / "data", Perfect().generate_batch(range(10**9, 10**9 + 100)))
    copied, _, _ = evaluate(Perfect(), config(tmp_path, 100), BarcodeJudge())
    fresh, _, _ = evaluate(Perfect(), config(tmp_path, 100, first_seed=5000), BarcodeJudge())
    assert "Nearer to training picture" in "".join(copied["notes"])
    # ten of the hundred are validation
    assert 0.9 <= value(copied, "memorised") < 0.95
    assert value(fresh, "memorised") < 0.1


class Level2(Perfect):
    """Tells subject and count alone."""

    facts = ENGRAVINGS.collection(3000, level=2, seed=5)
    level = 2
    styles = ("builtin",)


def test_lower_levels_are_judged_by_what_they_tell(tmp_path):
    """A prompt's pair had to agree in what captions of this level never tell: it scored 0."""
    prepared(tmp_path / "data", Level2().generate_batch(range(3000)))
    # 200 seeds are uneven by .1 too often
    report, _, _ = evaluate(Level2(), config(tmp_path, 500), BarcodeJudge())
    assert value(report, "joint_strict") == 1
    assert value(report, "picture_to_caption_seen") == 1
    assert value(report, "prompt_to_pair_seen") == 1
    assert value(report, "memorised") < 0.1
    assert "joint_size" in report["numbers"]
    assert "joint_sky" not in report["numbers"]
    assert not report["warnings"]


def test_what_a_model_tells_is_read_off_its_captions_where_its_collection_is_elsewhere(tmp_path):
    """A model of a lower level, judged where its collection is not, was asked for all levels."""
    report, _, _ = evaluate(Level2(), config(tmp_path, 30), BarcodeJudge())
    assert value(report, "joint_strict") == 1
    assert "joint_sky" not in report["numbers"]


def test_a_generator_that_obeys_scores_one_and_its_floor_is_chance(tmp_path):
    report, _, gallery = evaluate(Perfect(), config(tmp_path, 60), BarcodeJudge())
    for name in (
        "caption_to_picture_seen",
        "caption_to_picture_unseen",
        "prompt_to_pair_unseen",
        "picture_to_caption_seen",
        "retrieval_picture_1_seen",
        "retrieval_caption_10_unseen",
        "style_drawn",
        "style_named",
        "transfer_drawn",
        "transfer_named",
        "transfer_kept",
        "interpolation_strict",
        "variation_kept_0.3",
        "joint_over_conditional",
    ):
        assert value(report, name) == 1, name
        assert (report["numbers"][name]["floor"] or 0) < 0.4, name
    assert [len(pictures) for pictures in gallery.values()] == [12, 12]


def test_a_generator_deaf_to_prompts_and_styles_scores_like_the_floor(tmp_path):
    class Deaf(Perfect):
        def generate_batch(self, seeds, prompt=None, style=None):
            return super().generate_batch(seeds)

        def restyle(self, images, style, strength=1.0):
            return [self.pair(facts, 1) for facts in self.see(images)]

    report, _, _ = evaluate(Deaf(), config(tmp_path, 60), BarcodeJudge())
    assert value(report, "joint_strict") == 1
    assert value(report, "caption_to_picture_seen") < 0.05
    assert value(report, "prompt_to_pair_seen") < 0.05
    assert value(report, "style_drawn") < 0.6
    assert value(report, "transfer_drawn") == 0
    assert value(report, "transfer_kept") == 1


def test_broken_captions_are_counted_and_wrong(tmp_path):
    class Mute(Perfect):
        def generate_batch(self, seeds, **conditions):
            pairs = []
            for seed, (image, caption) in zip(seeds, super().generate_batch(seeds, **conditions)):
                broken = ("", "engraving", "An engraving of a small", caption)
                pairs.append((image, broken[seed % 4]))
            return pairs

    report, _, _ = evaluate(Mute(), config(tmp_path), BarcodeJudge())
    assert value(report, "fallback") == 0.75
    assert value(report, "joint_strict") == 0.25


def test_other_styles_get_no_exact_judge(tmp_path):
    class Prints(Perfect):
        style = "engraving"
        health = {  # noqa: RUF012  nothing writes to it
            "passed": False,
            "auc": 0.9,
            "directions": 30,
            "norm": 31.0,
            "low_power": True,
            "rows": 85,
            "caption_spread": 0.5,
            "picture_spread": 0.5,
        }

    report, _, _ = evaluate(Prints(), config(tmp_path, 20))
    assert report["judge"] is None
    assert not [name for name in report["numbers"] if name.startswith(("joint", "distance"))]
    assert "85 held-out pictures are too few for a verdict" in report["warnings"][0]
    assert "FAILED" not in report["warnings"][0]
    assert value(report, "distinct_pairs") == 1
    assert any("drawn collections alone" in note for note in report["notes"])


@pytest.fixture
def there(monkeypatch):
    """A checkpoint is there; stand-ins speak for it."""
    monkeypatch.setattr(evaluation, "require_checkpoint", lambda path, data: None)


@pytest.mark.usefixtures("there")
def test_main_writes_both_files(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(evaluation, "MultimodalGenerator", lambda *_, **__: Perfect())
    monkeypatch.setattr(picture_judges, "load_judge", lambda path, drawn: BarcodeJudge())
    assert not main(config(tmp_path, 20))
    report = json.loads((tmp_path / "report" / "report.json").read_text("utf-8"))
    assert report["numbers"]["joint_strict"]["value"] == 1
    assert report["seeds"] == 20
    assert (tmp_path / "report" / "index.html").read_text("utf-8").startswith("<!DOCTYPE html>")
    assert "picture and caption agree, strict" in capsys.readouterr().out


@pytest.mark.usefixtures("there")
def test_main_prints_what_moved_since_another_report(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(picture_judges, "load_judge", lambda path, drawn: BarcodeJudge())
    monkeypatch.setattr(evaluation, "MultimodalGenerator", lambda *_, **__: Shuffled())
    main(config(tmp_path / "old", 20))
    monkeypatch.setattr(evaluation, "MultimodalGenerator", lambda *_, **__: Perfect())
    old = str(tmp_path / "old" / "report" / "report.json")
    main(config(tmp_path / "new", 20, compare=old))
    _, _, moved = capsys.readouterr().out.partition(f"\n\nWhat moved since {old}:\n")
    # seconds move too, up or down
    [strict] = [line for line in moved.splitlines() if line.endswith("caption agree, strict")]
    assert strict.startswith("+")
    page = (tmp_path / "new" / "report" / "index.html").read_text("utf-8")
    assert "<h2>What moved</h2>" in page


def test_missing_checkpoint_is_one_sentence_and_teaches_no_judge(tmp_path, monkeypatch):
    def fail(path, drawn):
        pytest.fail("the judge was asked for before the model")

    monkeypatch.setattr(picture_judges, "load_judge", fail)
    with pytest.raises(UserError, match=r"none\.pt is missing; make it with: make demo, or python"):
        main(config(tmp_path, checkpoint=str(tmp_path / "none.pt")))


def test_a_judge_that_refuses_ends_the_evaluation(tmp_path, monkeypatch):
    def refuse(path, drawn):
        raise UserError("it refuses to score", code=1)

    monkeypatch.setattr(picture_judges, "load_judge", refuse)
    with pytest.raises(UserError) as refusal:
        evaluate(Perfect(), config(tmp_path))
    assert refusal.value.code == 1


def test_help_answers_without_torch():
    start = time.time()
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "evaluation.py", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert "--first-seed" in done.stdout
    assert "torch" not in done.stderr
    assert time.time() - start < 5


@pytest.mark.parametrize("wrong", [{"seeds": 1}, {"first_seed": -1}, {"first_seed": 2**32 - 1}])
def test_seeds_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match="--"):
        EvaluateConfig(**wrong)


@pytest.mark.skipif(not os.environ.get("LONG"), reason="teaches the real judge; LONG=1 runs it")
def test_real_renders_with_their_captions_score_near_one(tmp_path, tmp_path_factory, monkeypatch):
    class Real(Perfect):
        def pair(self, facts, seed):
            return ENGRAVINGS.draw(facts, seed, 128).convert("RGB"), ENGRAVINGS.tell(facts, seed, 5)

        def caption(self, images):
            return [""] * len(images)

    monkeypatch.undo()
    assert drawn_collection("builtin") is ENGRAVINGS
    judge = str(tmp_path_factory.getbasetemp() / "judge_builtin.pt")
    report, _, _ = evaluate(Real(), EvaluateConfig(seeds=200, data=str(tmp_path), judge=judge))
    assert value(report, "joint_strict") >= 0.97
    assert report["numbers"]["joint_strict"]["ceiling"]["real pairs"] >= 0.97
