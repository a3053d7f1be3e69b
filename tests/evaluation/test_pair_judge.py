"""Judges of realism: they must learn what a collection tells, be examined on what they were not taught, say where they cannot tell, and keep their word."""

import json
import os

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import caption_generation
import dataset_preparation
from oneseed.config.captioning import CaptionConfig
from oneseed.config.preparation import PrepareConfig
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import read_jsonl, write_jsonl
from oneseed.evaluation import pair_judge_training
from oneseed.evaluation.attribute_judge import AttributeJudge
from oneseed.evaluation.metrics import feature_distances, tones
from oneseed.evaluation.pair_judge import recall
from oneseed.evaluation.pair_judge_training import (
    describe_judges,
    is_shown,
    judge_pairs,
    load_pair_judge,
    pictures_of,
    train_pair_judge,
)
from oneseed.generation.memorisation import memorised, thumbnail_features

SIZE = 32
COUNT = 160
QUICK = dict(epochs=30, width=6)


def drawn(kind, style, dice):
    """A plain bar or block at one of three heights, grey (SIZE, SIZE) uint8; engravings are hatched."""
    place, shape = divmod(kind, 2)
    picture = 215 + 25 * dice.random((SIZE, SIZE))
    top = 3 + 10 * place + dice.integers(0, 3)
    picture[top : top + 6, slice(2, 30) if shape else slice(12, 20)] = 40 + 30 * dice.random()
    if style == "engraving":
        picture[::2] *= 0.6
    return picture.astype(np.uint8)


def toy(data, style="all", styles=("engraving", "painting"), matching=True, count=COUNT):
    """A captioned collection as the earlier stages leave it; captions name what is drawn, or anything where not matching."""
    collection = Collection(style, data)
    dice = np.random.default_rng(0)
    kinds = [(dice.integers(6), styles[i % len(styles)]) for i in range(count)]
    told = kinds if matching else [kinds[i] for i in dice.permutation(count)]

    def name(kind):
        return f"{('high', 'middle', 'low')[kind // 2]} {('tower', 'bridge')[kind % 2]}"

    rows = [
        {
            "id": f"{i * 0x9E3779B97F4A7C15 % 2**64:016x}",
            "filename": "",
            "caption": f"An {style} of a {name(kind)}" if matching else f"A {name(kind)}",
            "style": own,
            "split": "val" if i % 10 == 0 else "train",
        }
        for i, ((kind, style), (_, own)) in enumerate(zip(told, kinds))
    ]
    collection.write_metadata([{**row, "group": row["id"]} for row in rows])
    for path, split in ((collection.train, "train"), (collection.val, "val")):
        write_jsonl(path, [row for row in rows if row["split"] == split])
    collection.processed.mkdir(parents=True, exist_ok=True)
    np.save(collection.pixels(SIZE), np.stack([drawn(*kind, dice) for kind in kinds]))
    collection.pixels_ids(SIZE).write_text(
        json.dumps({"size": SIZE, "ids": [row["id"] for row in rows]})
    )
    return collection


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """-> (collection of two styles, judges taught on it, their file)."""
    folder = tmp_path_factory.mktemp("realism")
    collection = toy(folder / "data")
    return (
        collection,
        train_pair_judge(folder / "realism.pt", collection, **QUICK),
        folder / "realism.pt",
    )


def held_out(collection, judges):
    rows, path = judge_pairs(collection)
    rows = [row for row in rows if row["id"] in judges.unseen]
    return (
        pictures_of(rows, path).numpy(),
        [row["caption"] for row in rows],
        [row["style"] for row in rows],
    )


# The judges


def test_judges_tell_pairs_and_styles_that_they_were_not_taught(taught):
    """Twelve kinds in groups of 16: a perfect judge shares its hits with look-alikes, .5 or so; chance is .0625."""
    collection, judges, _ = taught
    pairs = judges.about["pairs"]
    styles = judges.about["styles"]
    assert pairs["recall"] > 0.25 and pairs["measurable"] and pairs["chance"] == 1 / 16, pairs
    assert (
        styles["balanced"] > 0.9
        and sum(styles["pictures"].values())
        == judges.about["held_out"]
        == COUNT - judges.about["shown"]
    ), styles
    pixels, captions, _ = held_out(collection, judges)
    found = judges.retrieval(pixels, captions)
    assert found["recall"] == pytest.approx(found["held_out"]) and found["recall"] == pytest.approx(
        (found["caption_of_picture"] + found["picture_of_caption"]) / 2
    )
    assert judges.retrieval(pixels, captions[1:] + captions[:1])["recall"] < 0.12
    assert judges.retrieval(pixels, ["A zebra"] * len(pixels))["recall"] == pytest.approx(
        1 / 16, abs=1e-3
    ), "one caption for all, of unknown words"


def test_style_shares_follow_the_pictures(taught):
    collection, judges, _ = taught
    pixels, _, styles = held_out(collection, judges)
    engravings = pixels[[style == "engraving" for style in styles]]
    assert judges.style_shares(engravings)["engraving"] > 0.85 and sum(
        judges.style_shares(pixels).values()
    ) == pytest.approx(1)
    assert judges.style_shares(np.repeat(engravings[..., None], 3, -1)) == judges.style_shares(
        engravings
    )


def test_a_collection_of_one_style_has_features_but_no_style_to_tell(tmp_path):
    judges = train_pair_judge(
        tmp_path / "realism.pt", toy(tmp_path, styles=("engraving",)), epochs=1, width=4
    )
    assert (
        judges.about["styles"] is None
        and judges.style_shares(np.zeros((2, SIZE, SIZE), np.uint8)) == {}
    )
    features = judges.features(
        np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)
    )
    assert features.shape == (3, judges.FEATURES) and np.allclose(
        np.linalg.norm(features, axis=1), 1, atol=1e-5
    )
    assert "picture tower" in judges.network and "all" in judges.network


def test_captions_that_do_not_belong_are_reported_as_not_measurable(tmp_path):
    """The lesson is noise: what a judge learns by heart must not pass for a measure."""
    judges = train_pair_judge(tmp_path / "realism.pt", toy(tmp_path, matching=False), **QUICK)
    assert not judges.about["pairs"]["measurable"] and "not measurable here" in "\n".join(
        describe_judges(judges.about)
    ), judges.about


def test_answers_do_not_depend_on_the_batch_and_the_lesson_repeats(tmp_path):
    collection = toy(tmp_path)
    before = torch.get_rng_state()
    one, other = (
        train_pair_judge(tmp_path / f"{i}.pt", collection, epochs=2, width=4) for i in range(2)
    )
    assert torch.equal(before, torch.get_rng_state())
    assert all(
        torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values())
    )
    pixels = held_out(collection, one)[0][:5]
    assert np.allclose(
        one.features(pixels),
        np.concatenate([one.features(pixel[None]) for pixel in pixels]),
        atol=1e-5,
    )


def test_look_alikes_fall_into_one_half_and_the_halves_are_even():
    rows = [{"group": f"{i:016x}"} for i in range(2000)]
    assert 900 < sum(map(is_shown, rows)) < 1100
    assert is_shown({"id": "a", "group": "g"}) == is_shown({"id": "b", "group": "g"})


def test_recall_is_what_its_name_says():
    perfect = recall(torch.eye(64))
    assert perfect == {
        "recall": pytest.approx(1),
        "caption_of_picture": pytest.approx(1),
        "picture_of_caption": pytest.approx(1),
        "chance": 1 / 16,
    }
    assert recall(torch.zeros(64, 64))["recall"] == pytest.approx(1 / 16), "equals share the hit"
    assert recall(torch.eye(5))["chance"] == 1 / 5
    assert recall(-torch.eye(32))["recall"] == 0
    # every picture finds the same caption
    lopsided = torch.eye(48) + torch.arange(48) * 10.0
    assert (
        recall(lopsided)["caption_of_picture"]
        < 0.1
        < recall(lopsided)["picture_of_caption"]
        == pytest.approx(1)
    )


# Their file


def test_judges_are_taught_once_and_anew_when_the_collection_changes(tmp_path, monkeypatch, capsys):
    collection = toy(tmp_path)
    path = tmp_path / "realism.pt"
    monkeypatch.setattr(
        pair_judge_training,
        "train_pair_judge",
        lambda path, collection: train_pair_judge(path, collection, epochs=1, width=4),
    )
    first = load_pair_judge(path, collection)
    assert (
        isinstance(torch.load(path, weights_only=True)["about"], str)
        and "teaching them, once" in capsys.readouterr().out
    )
    monkeypatch.setattr(pair_judge_training, "train_pair_judge", lambda *_: "taught anew")
    again = load_pair_judge(path, collection)
    pixels, captions, _ = held_out(collection, first)
    assert (
        again.about == first.about
        and again.unseen == first.unseen
        and np.array_equal(again.features(pixels), first.features(pixels))
    )
    assert again.retrieval(pixels, captions) == first.retrieval(
        pixels, captions
    ) and again.style_of(pixels) == first.style_of(pixels)
    rows = read_jsonl(collection.train)
    write_jsonl(collection.train, [{**rows[0], "caption": "Another"}, *rows[1:]])
    assert load_pair_judge(path, collection) == "taught anew"
    write_jsonl(collection.train, rows[1:])
    assert load_pair_judge(path, collection) == "taught anew"


@pytest.mark.parametrize("content", [b"", b"no judges", "model"])
def test_a_file_that_holds_no_judges_is_named_and_kept(tmp_path, taught, content):
    path = tmp_path / "best_model.pt"
    torch.save({"weights": torch.zeros(1)}, path) if content == "model" else path.write_bytes(
        content
    )
    size = path.stat().st_size
    with pytest.raises(UserError, match="best_model.pt.*remove it"):
        load_pair_judge(path, taught[0])
    assert path.stat().st_size == size


def test_what_is_missing_or_too_small_is_named_with_the_command_that_mends_it(tmp_path):
    with pytest.raises(UserError, match="python caption_generation.py --style all"):
        load_pair_judge(tmp_path / "realism.pt", Collection("all", tmp_path))
    small = toy(tmp_path, count=20)
    with pytest.raises(
        UserError,
        match="20 captioned pictures, too few.*python dataset_preparation.py --style all --source PATH",
    ):
        load_pair_judge(tmp_path / "realism.pt", small)
    small.pixels(SIZE).unlink()
    with pytest.raises(UserError, match="pixels_128.npy is missing.*python dataset_preparation.py"):
        load_pair_judge(tmp_path / "realism.pt", small)
    assert not (tmp_path / "realism.pt").exists()


def test_the_held_out_figures_are_told(taught):
    _, judges, _ = taught
    said = "\n".join(describe_judges(judges.about))
    assert (
        f"{judges.about['pairs']['recall']:.3f}" in said
        and "chance 0.062" in said
        and f"{judges.about['styles']['balanced']:.3f}" in said
    )
    assert "engraving" in said and "painting" in said and "teaching" not in said


# Arithmetic


def test_tones_tell_pale_and_uniform_pictures_from_real_ones():
    dice = np.random.default_rng(0)
    real = (
        (dice.integers(60, 200, (200, 1, 1)) + dice.integers(-50, 51, (200, 16, 16)))
        .clip(0, 255)
        .astype(np.uint8)
    )
    same = tones(real[::2], real[1::2])
    assert same.keys() == {"luminance", "deviation", "near_white", "near_black"}
    assert all(
        same[name]["within"] and same[name]["wide"] for name in ("luminance", "deviation")
    ), same
    pale = tones((real // 8 + 223).astype(np.uint8), real)
    assert (
        not pale["luminance"]["within"]
        and not pale["deviation"]["wide"]
        and pale["luminance"]["spread"] == pytest.approx(1 / 8, abs=0.02)
    )
    paper = tones(np.full((4, 8, 8), 240, np.uint8), np.full((4, 8, 8), 39, np.uint8))
    assert (paper["near_white"]["median"], paper["near_white"]["quartiles"]) == (
        1,
        [0, 0],
    ) and paper["near_black"] == {
        "median": 0,
        "quartiles": [1, 1],
        "within": False,
        "spread": 1,
        "wide": True,
    }
    with pytest.raises(ValueError, match="size"):
        tones(real, real[:, :8, :8])


def frechet(a, b):
    """Independent: trace of the root of the product by the symmetric root of one factor."""
    (mean_a, cov_a), (mean_b, cov_b) = ((rows.mean(0), np.cov(rows.T)) for rows in (a, b))
    values, vectors = np.linalg.eigh(cov_a)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    return (
        ((mean_a - mean_b) ** 2).sum()
        + np.trace(cov_a + cov_b)
        - 2 * np.sqrt(np.linalg.eigvalsh(root @ cov_b @ root).clip(0)).sum()
    )


def kernel(a, b):
    def k(a, b):
        return (a @ b.T / a.shape[1] + 1) ** 3

    def own(a):
        return (k(a, a).sum() - np.trace(k(a, a))) / len(a) / (len(a) - 1)

    return own(a) + own(b) - 2 * k(a, b).mean()


def test_distances_are_those_of_the_formulas_with_as_many_pictures_of_each():
    dice = np.random.default_rng(0)
    kinds = [
        dice.normal(shift, scale, (count, 4))
        for shift, scale, count in ((0.5, 1, 90), (0.1, 1, 60), (0, 1, 80), (0, 1, 60))
    ]
    before = torch.get_rng_state()
    found = feature_distances(lambda rows: rows, *kinds, "themselves")
    assert (
        torch.equal(before, torch.get_rng_state())
        and found["network"] == "themselves"
        and found["pictures"] == 60
    )
    some = [rows[np.linspace(0, len(rows) - 1, 60).round().astype(int)] for rows in kinds]
    for name, rows in zip(("samples", "reconstructions", "real"), (some[0], some[1], some[3])):
        assert found["frechet"][name] == pytest.approx(frechet(rows, some[2]), rel=1e-3)
        assert found["kernel"][name] == pytest.approx(kernel(rows, some[2]), abs=1e-4)
    assert found["frechet"]["samples"] > 2 * found["frechet"]["real"] and found["kernel"][
        "samples"
    ] > 0.05 > abs(found["kernel"]["real"])


def test_any_network_can_give_the_features(taught):
    collection, judges, _ = taught
    pixels = held_out(collection, judges)[0]
    noise = np.random.default_rng(0).integers(0, 256, pixels[:30].shape, dtype=np.uint8)
    for features, name in (
        (judges.features, judges.network),
        (AttributeJudge(8).features, "an untrained picture judge"),
        (thumbnail_features, "thumbnails"),
    ):
        found = feature_distances(features, noise, pixels[:30], pixels[::2], pixels[1::2], name)
        assert (
            found["frechet"]["samples"] > 3 * found["frechet"]["real"]
            and found["kernel"]["samples"] > found["kernel"]["real"]
        ), (name, found)


def smooth(count, seed):
    """Pictures without like, (count, 128, 128) uint8."""
    noise = torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(seed))
    return (
        (F.interpolate(noise, 128, mode="bicubic").clamp(0, 1)[:, 0] * 255).to(torch.uint8).numpy()
    )


def test_copies_are_found_although_blurred_pale_and_noisy():
    training = smooth(100, 0)
    fresh = smooth(40, 1)

    def coarse(pictures):
        return (
            F.avg_pool2d(torch.tensor(pictures)[:, None].float(), 8)
            .repeat_interleave(8, 2)
            .repeat_interleave(8, 3)[:, 0]
            .to(torch.uint8)
            .numpy()
        )

    copies = (
        (
            coarse(training[60:80]) * 0.5
            + 90
            + np.random.default_rng(0).normal(0, 20, (20, 128, 128))
        )
        .clip(0, 255)
        .astype(np.uint8)
    )
    found = memorised(
        thumbnail_features,
        np.concatenate([copies, coarse(fresh[:20])]),
        coarse(fresh[20:]),
        training,
        [f"id {i}" for i in range(100)],
    )
    assert found["share"] == pytest.approx(0.5, abs=0.03)
    assert {(place, id) for place, id, _ in found["nearest"][:20]} == {
        (i, f"id {60 + i}") for i in range(20)
    }
    assert [distance for *_, distance in found["nearest"]] == sorted(
        distance for *_, distance in found["nearest"]
    ) and found["nearest"][19][2] < found["threshold"]


@pytest.mark.skipif(
    "ENGRAVINGS" not in os.environ or not os.environ.get("LONG"),
    reason="two to three minutes; LONG=1 and ENGRAVINGS, the folder of real pictures",
)
def test_real_pictures_of_four_styles_can_be_judged(tmp_path):

    dataset_preparation.main(
        PrepareConfig(
            source=os.environ["ENGRAVINGS"],
            style="all",
            image_size=128,
            workers=2,
            data=str(tmp_path),
        )
    )
    caption_generation.main(CaptionConfig(style="all", captioner="existing", data=str(tmp_path)))
    about = load_pair_judge(tmp_path / "realism.pt", Collection("all", tmp_path)).about
    print(*describe_judges(about), sep="\n")
    assert (
        about["pairs"]["recall"] > 0.35
        and about["styles"]["balanced"] > 0.65
        and about["seconds"] < 240
    ), about
