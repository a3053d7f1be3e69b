"""The evaluation: known answers for known generators. Renders are bar codes here, so that a judge of three lines reads them exactly."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
import evaluation
from evaluation import evaluate, main
from oneseed.config.evaluation import EvaluateConfig
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import write_jsonl
from oneseed.evaluation import metrics, report
from oneseed.evaluation.exact import level_of
from oneseed.evaluation.metrics import agreement, distinct, is_fallback, total_variation
from oneseed.evaluation.report import report_page, text_report
from oneseed.synthetic.engravings import attributes, drawing
from oneseed.synthetic.engravings.attributes import ATTRIBUTES

NAMES = tuple(ATTRIBUTES)


def evaluation_hits(cosine, facts, best):
    return metrics.hits(cosine, facts, NAMES, best)


REAL_DRAW = drawing.draw


def barcode(facts, seed, size=16):
    """Facts -> a picture whose first pixels are the values' numbers, the rest grey noise of the seed."""
    pixels = np.random.default_rng(seed).integers(100, 200, (size, size), dtype=np.uint8)
    pixels[0, :7] = [values.index(facts[name]) for name, values in ATTRIBUTES.items()]
    return Image.fromarray(pixels)


class BarcodeJudge:
    about = {"collection": attributes.COLLECTION}

    def see(self, pixels):
        return [
            {
                name: values[min(int(i), len(values) - 1)]
                for (name, values), i in zip(ATTRIBUTES.items(), row[0, :7])
            }
            for row in np.asarray(pixels)
        ]

    def features(self, pixels):
        return np.asarray(pixels).reshape(len(pixels), -1).astype(np.float32)


class Perfect:
    """Draws real pairs, rebuilds pictures as they are, captions them truly, and does what prompts and styles say."""

    style = "builtin"
    health = None
    dimensions = 1024
    level = 5
    styles = list(ATTRIBUTES["technique"])
    facts = attributes.collection(3000, seed=5)

    def pair(self, facts, seed):
        return barcode(facts, seed).convert("RGB"), attributes.tell(facts, seed, self.level)

    def generate_batch(self, seeds, prompt=None, style=None):
        wanted = (
            [attributes.parse(one) for one in prompt]
            if prompt
            else [
                dict(self.facts[seed % 3000], **{"technique": style} if style else {})
                for seed in seeds
            ]
        )
        return [
            self.pair(
                {
                    **attributes.CONSTANT,
                    **{name: value for name, value in one.items() if value is not None},
                },
                seed,
            )
            for one, seed in zip(wanted, seeds)
        ]

    def see(self, images):
        return BarcodeJudge().see([np.asarray(image.convert("L")) for image in images])

    def reconstruct(self, images):
        return [image.convert("RGB") for image in images]

    def caption(self, images):
        return [attributes.tell(facts, 1, self.level) for facts in self.see(images)]

    def restyle(self, images, style, strength=1.0):
        return [self.pair(dict(facts, technique=style), 1) for facts in self.see(images)]

    def similarity(self, images, captions):
        told = [attributes.parse(caption) for caption in captions]
        return torch.tensor(
            [
                [
                    sum(one[name] == other[name] for name in NAMES if other[name] is not None)
                    for other in told
                ]
                for one in self.see(images)
            ]
        ).float()

    def interpolate(self, first, last, steps):
        return self.generate_batch([first] * (steps // 2) + [last] * (steps - steps // 2))

    def vary(self, image, seeds, strength):
        return [self.pair(self.see([image])[0], seed) for seed in seeds]


class Constant(Perfect):
    """The same good picture with the same true caption for every seed."""

    def generate_batch(self, seeds, **conditions):
        return super().generate_batch([0]) * len(seeds)


class Shuffled(Perfect):
    """Good pictures, each with the caption of another seed."""

    def generate_batch(self, seeds, prompt=None, style=None):
        pairs = super().generate_batch(seeds, prompt, style)
        return [
            (image, caption)
            for (image, _), (_, caption) in zip(
                pairs, pairs[len(pairs) // 2 :] + pairs[: len(pairs) // 2]
            )
        ]


@pytest.fixture(autouse=True)
def barcodes(monkeypatch):
    monkeypatch.setattr(drawing, "draw", barcode)


def config(tmp_path, seeds=200, **more):
    return EvaluateConfig(
        seeds=seeds,
        out=str(tmp_path / "report"),
        data=str(tmp_path / "data"),
        judge=str(tmp_path / "judge.pt"),
        **more,
    )


def value(report, name):
    return report["numbers"][name]["value"]


@pytest.fixture(autouse=True)
def no_processes(monkeypatch):
    # a worker process costs more than 200 bar codes
    monkeypatch.setattr("judge.os.cpu_count", lambda: 0)


def test_perfect_generator_scores_one_with_floor_and_ceiling(tmp_path):
    report, examples, _ = evaluate(Perfect(), config(tmp_path), BarcodeJudge())
    joint = report["numbers"]["joint_strict"]
    assert (
        joint["value"] == 1
        and joint["ceiling"] == {"reconstructions": 1, "real pairs": 1}
        and joint["floor"] < 0.02
    )
    assert value(report, "joint_mean") == value(report, "distinct_pairs") == 1
    assert value(report, "distinct_pictures") > 0.95 and value(report, "fallback") == 0
    # three values: a third by chance
    assert 0.1 < report["numbers"]["joint_technique"]["floor"] < 0.5
    assert len(examples) == metrics.EXAMPLES and examples[0]["seed"] == 1_000_000_000
    assert all(seen == told for _, seen, told in examples[0]["verdict"])
    assert not [warning for warning in report["warnings"] if "SMALL SPREAD" in warning]


def test_constant_pair_agrees_and_is_exposed_by_its_spread(tmp_path):
    """Agreement alone would call it perfect: every report must say in the same breath that all its pairs are one."""
    report, _, _ = evaluate(Constant(), config(tmp_path), BarcodeJudge())
    joint = report["numbers"]["joint_strict"]
    # no better than shuffled
    assert joint["value"] == joint["floor"] == 1
    assert value(report, "distinct_pictures") < 0.02 and value(report, "distinct_captions") < 0.02
    assert value(report, "distance_pictures_subject") > 0.9
    warnings = "\n".join(report["warnings"])
    assert (
        "SMALL SPREAD: the pictures" in warnings
        and "SMALL SPREAD: the captions" in warnings
        and "UNEVEN" in warnings
    )
    assert warnings in text_report(report)


def test_captions_of_other_pairs_score_like_the_floor(tmp_path):
    report, _, _ = evaluate(Shuffled(), config(tmp_path), BarcodeJudge())
    mean = report["numbers"]["joint_mean"]
    assert (
        value(report, "joint_strict") < 0.02
        and abs(mean["value"] - mean["floor"]) < 0.05
        and mean["ceiling"]["real pairs"] == 1
    )


def test_same_generator_same_report(tmp_path):
    one, other = (
        evaluate(Perfect(), config(tmp_path, 50), BarcodeJudge())[0]["numbers"] for _ in range(2)
    )
    timed = ("seconds_per_pair", "seconds", "memory")
    assert {name: row for name, row in one.items() if name not in timed} == {
        name: row for name, row in other.items() if name not in timed
    }


def prepared(data, pairs):
    """What preparing and captioning would leave of these pairs: nine tenths of them training."""
    collection = Collection("builtin", data)
    rows = [{"id": f"{i:016x}", "caption": caption} for i, (_, caption) in enumerate(pairs)]
    write_jsonl(collection.train, rows[: len(rows) * 9 // 10])
    write_jsonl(collection.val, rows[len(rows) * 9 // 10 :])
    collection.processed.mkdir(parents=True)
    collection.pixels_ids(16).write_text(json.dumps({"ids": [row["id"] for row in rows]}))
    np.save(collection.pixels(16), np.stack([np.asarray(image.convert("L")) for image, _ in pairs]))


def test_memorised_pictures_are_counted(tmp_path):
    """A generator that copies its training pictures is as near to them as can be; fresh renders are not."""
    prepared(tmp_path / "data", Perfect().generate_batch(range(10**9, 10**9 + 100)))
    copied, _, _ = evaluate(Perfect(), config(tmp_path, 100), BarcodeJudge())
    fresh, _, _ = evaluate(Perfect(), config(tmp_path, 100, first_seed=5000), BarcodeJudge())
    assert "Nearer to training picture" in "".join(copied["notes"])
    # ten of the hundred are validation
    assert 0.9 <= value(copied, "memorised") < 0.95 and value(fresh, "memorised") < 0.1


def test_lower_levels_are_judged_by_what_they_tell(tmp_path):
    class Level2(Perfect):
        facts = attributes.collection(3000, level=2, seed=5)
        level = 2
        styles = ["builtin"]

    prepared(tmp_path / "data", Level2().generate_batch(range(3000)))
    # 200 seeds are uneven by .1 too often
    report, _, _ = evaluate(Level2(), config(tmp_path, 500), BarcodeJudge())
    assert (
        value(report, "joint_strict") == value(report, "picture_to_caption_seen") == 1
        and value(report, "memorised") < 0.1
    )
    assert (
        "joint_size" in report["numbers"]
        and "joint_sky" not in report["numbers"]
        and not report["warnings"]
    ), report["warnings"]


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
    assert (
        value(report, "joint_strict") == 1
        and value(report, "caption_to_picture_seen") < 0.05
        and value(report, "prompt_to_pair_seen") < 0.05
    )
    assert (
        value(report, "style_drawn") < 0.6
        and value(report, "transfer_drawn") == 0
        and value(report, "transfer_kept") == 1
    )


def test_what_moved_is_told_and_a_strange_file_refused(tmp_path):
    old, _, _ = evaluate(Shuffled(), config(tmp_path, 40), BarcodeJudge())
    new, _, _ = evaluate(Perfect(), config(tmp_path, 40), BarcodeJudge())
    changes = report.moved(new, old)
    assert any(
        line.startswith("+") and line.endswith("picture and caption agree, strict")
        for line in changes
    ) and not report.moved(new, new)
    assert "What moved" in report_page(new, [], {}, changes)
    (tmp_path / "odd.json").write_text("[]")
    with pytest.raises(UserError, match="--compare .*odd.json is no report"):
        report.read_report(tmp_path / "odd.json")


def test_broken_captions_are_counted_and_wrong(tmp_path):
    class Mute(Perfect):
        def generate_batch(self, seeds, **conditions):
            return [
                (image, ("", "engraving", "An engraving of a small", caption)[seed % 4])
                for seed, (image, caption) in zip(
                    seeds, super().generate_batch(seeds, **conditions)
                )
            ]

    report, _, _ = evaluate(Mute(), config(tmp_path), BarcodeJudge())
    assert value(report, "fallback") == 0.75 and value(report, "joint_strict") == 0.25


def test_other_styles_get_no_exact_judge(tmp_path):
    class Prints(Perfect):
        style = "engraving"
        health = {
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
    assert report["judge"] is None and not [
        name for name in report["numbers"] if name.startswith(("joint", "distance"))
    ]
    assert "LATENT" in report["warnings"][0] and value(report, "distinct_pairs") == 1
    assert any("built-in collection alone" in note for note in report["notes"])


def test_page_shows_hostile_captions_as_text(tmp_path):
    class Hostile(Perfect):
        style = "<b>engraving"

        def generate_batch(self, seeds, **conditions):
            return [
                (image, '<script>alert(1)</script> & "more".')
                for image, _ in super().generate_batch(seeds)
            ]

    document = report_page(*evaluate(Hostile(), config(tmp_path, 4)))
    assert "<script" not in document and "<b>engraving" not in document
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;more&quot;." in document
    # self-contained
    assert document.count("data:image/png;base64,") == 4 and "http" not in document


def test_page_marks_what_disagrees(tmp_path):
    document = report_page(*evaluate(Shuffled(), config(tmp_path, 20), BarcodeJudge()))
    assert 'class="wrong">subject: seen ' in document


def test_main_writes_both_files(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        evaluation, "MultimodalGenerator", lambda checkpoint_path, device: Perfect()
    )
    monkeypatch.setattr(evaluation, "load_judge", lambda path: BarcodeJudge())
    assert not main(config(tmp_path, 20))
    report = json.loads((tmp_path / "report" / "report.json").read_text("utf-8"))
    assert report["numbers"]["joint_strict"]["value"] == 1 and report["seeds"] == 20
    assert (tmp_path / "report" / "index.html").read_text("utf-8").startswith("<!DOCTYPE html>")
    assert "picture and caption agree, strict" in capsys.readouterr().out


def test_missing_checkpoint_is_one_sentence_and_teaches_no_judge(tmp_path, monkeypatch):
    monkeypatch.setattr(
        evaluation,
        "load_judge",
        lambda path: pytest.fail("the judge was asked for before the model"),
    )
    with pytest.raises(UserError, match="training_loop.py"):
        main(config(tmp_path, checkpoint=str(tmp_path / "none.pt")))


def test_a_judge_that_refuses_ends_the_evaluation(tmp_path, monkeypatch):
    def refuse(path):
        raise UserError("it refuses to score", code=1)

    monkeypatch.setattr(evaluation, "load_judge", refuse)
    with pytest.raises(UserError) as refusal:
        evaluate(Perfect(), config(tmp_path))
    assert refusal.value.code == 1


def test_retrieval_counts_the_first_places_only():
    facts = attributes.collection(3)
    cosine = np.array([[0.9, 0.1, 0], [0.9, 0.5, 0.1], [0.5, 0.4, 0.1]])
    assert [evaluation_hits(cosine, facts, best) for best in (1, 2, 3)] == pytest.approx(
        [1 / 3, 2 / 3, 1]
    )


def test_total_variation_known_answers():
    assert total_variation("ab", "ab") == total_variation("aabb", "ab") == 0
    assert (
        total_variation("aa", "bb") == 1
        and total_variation("aa", "ab") == total_variation("ab", "aa") == 0.5
    )
    # an unread value is a value of its own
    assert total_variation(["a", None], ["a", "a"]) == 0.5


def test_agreement_counts_unread_as_wrong():
    facts = attributes.collection(2)
    silent = dict(facts[1], sky=None)
    assert agreement(facts, facts, NAMES)["strict"] == 1
    found = agreement(facts, [facts[0], silent], NAMES)
    assert (
        found["strict"] == 0.5 and found["sky"] == 0.5 and found["mean"] == pytest.approx(13 / 14)
    )
    # both blind is no agreement
    assert agreement([silent], [silent], NAMES)["sky"] == 0
    assert distinct([facts[0], facts[0], silent], NAMES) == 1


@pytest.mark.parametrize(
    "caption, fallback",
    [
        ("", True),
        ("Engraving.", True),
        ("An engraving of a", True),
        ("An engraving of a ship.", False),
    ],
)
def test_fallback_captions(caption, fallback):
    assert is_fallback(caption) == fallback
    assert not is_fallback("An old title", ends=False) and is_fallback("", ends=False)


@pytest.mark.parametrize("level", range(1, 6))
def test_level_is_read_from_the_captions(level):
    captions = [
        attributes.tell(facts, i, level) for i, facts in enumerate(attributes.collection(50, level))
    ]
    assert level_of(captions) == level and level_of([]) == 5


def test_help_answers_without_torch():
    start = time.time()
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "evaluation.py", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "--first-seed" in done.stdout and "torch" not in done.stderr
    assert time.time() - start < 5


def test_seeds_out_of_range_are_refused():
    for wrong in (dict(seeds=1), dict(first_seed=-1), dict(first_seed=2**32 - 1)):
        with pytest.raises(ValueError):
            EvaluateConfig(**wrong)


@pytest.mark.skipif(not os.environ.get("LONG"), reason="teaches the real judge; LONG=1 runs it")
def test_real_renders_with_their_captions_score_near_one(tmp_path, tmp_path_factory, monkeypatch):
    class Real(Perfect):
        def generate_batch(self, seeds):
            return [
                (
                    drawing.draw(self.facts[seed % 3000], seed).convert("RGB"),
                    attributes.tell(self.facts[seed % 3000], seed),
                )
                for seed in seeds
            ]

        def caption(self, images):
            return [""] * len(images)

    monkeypatch.undo()
    assert drawing.draw is REAL_DRAW
    settings = EvaluateConfig(
        seeds=200, data=str(tmp_path), judge=str(tmp_path_factory.getbasetemp() / "judge.pt")
    )
    report, _, _ = evaluate(Real(), settings)
    assert (
        value(report, "joint_strict") >= 0.97
        and report["numbers"]["joint_strict"]["ceiling"]["real pairs"] >= 0.97
    )
