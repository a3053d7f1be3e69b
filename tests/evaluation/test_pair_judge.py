"""Judges of realism: they must learn what a collection tells, be examined on what they were not
taught, say where they cannot tell, and keep their word."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
import torch

import caption_generation
import dataset_preparation
from evaluation import evaluate
from oneseed.config.captioning import CaptionConfig
from oneseed.config.preparation import PrepareConfig
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import read_jsonl, write_jsonl
from oneseed.evaluation import pair_judge_training
from oneseed.evaluation.learned import cached_pictures, cached_rows
from oneseed.evaluation.metrics import feature_distances
from oneseed.evaluation.pair_judge import recall
from oneseed.evaluation.pair_judge_training import (
    PAIR_PLAN,
    describe_judges,
    is_shown,
    judge_pairs,
    load_pair_judge,
    pictures_of,
    train_pair_judge,
)
from oneseed.evaluation.real_pairs import collection_to_teach
from oneseed.evaluation.samples import as_images
from tests.evaluation.fakes import Perfect, config

SIZE = 32
COUNT = 160
QUICK = {"plan": replace(PAIR_PLAN, epochs=30), "width": 6}
HASTY = {"plan": replace(PAIR_PLAN, epochs=1), "width": 4}


def drawn(kind, style, generator):
    """A plain bar or block at one of three heights, grey (SIZE, SIZE) uint8; engravings are
    hatched."""
    height, shape = divmod(kind, 2)
    picture = 215 + 25 * generator.random((SIZE, SIZE))
    top = 3 + 10 * height + generator.integers(0, 3)
    columns = slice(2, 30) if shape else slice(12, 20)
    picture[top : top + 6, columns] = 40 + 30 * generator.random()
    if style == "engraving":
        picture[::2] *= 0.6
    return picture.astype(np.uint8)


def name_of(kind):
    height, shape = divmod(kind, 2)
    return f"{('high', 'middle', 'low')[height]} {('tower', 'bridge')[shape]}"


def toy(data, style="all", styles=("engraving", "painting"), matching=True, count=COUNT):
    """A captioned collection as the earlier stages leave it; captions name what is drawn, or
    anything where not matching."""
    collection = Collection(style, data)
    generator = np.random.default_rng(0)
    kinds = [(generator.integers(6), styles[i % len(styles)]) for i in range(count)]
    named = kinds if matching else [kinds[i] for i in generator.permutation(count)]
    rows = []
    for i, ((kind, named_style), (_, own)) in enumerate(zip(named, kinds)):
        caption = f"An {named_style} of a {name_of(kind)}" if matching else f"A {name_of(kind)}"
        picture_id = f"{i * 0x9E3779B97F4A7C15 % 2**64:016x}"
        rows.append(
            {
                "id": picture_id,
                "filename": f"{picture_id}.png",
                "caption": caption,
                "style": own,
                "split": "val" if i % 10 == 0 else "train",
            }
        )
    known = {"width": SIZE, "height": SIZE, "source": "toy"}
    collection.write_metadata(
        [{**row, **known, "sha256": row["id"] * 4, "group": row["id"]} for row in rows]
    )
    for path, split in ((collection.train, "train"), (collection.val, "val")):
        write_jsonl(path, [row for row in rows if row["split"] == split])
    collection.processed.mkdir(parents=True, exist_ok=True)
    np.save(collection.pixels(SIZE), np.stack([drawn(*kind, generator) for kind in kinds]))
    ids = {"size": SIZE, "ids": [row["id"] for row in rows]}
    collection.pixels_ids(SIZE).write_text(json.dumps(ids))
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


def test_judges_tell_pairs_that_they_were_not_taught(taught):
    """Twelve kinds in groups of 16: a perfect judge shares its hits with look-alikes, .5 or so;
    chance is .0625."""
    collection, judges, _ = taught
    pairs = judges.about["pairs"]
    assert pairs["recall"] > 0.25
    assert pairs["measurable"]
    assert pairs["chance"] == 1 / 16
    pixels, captions, _ = held_out(collection, judges)
    found = judges.retrieval(pixels, captions)
    assert found["recall"] == pytest.approx(pairs["recall"])
    both = found["caption_of_picture"] + found["picture_of_caption"]
    assert found["recall"] == pytest.approx(both / 2)
    assert judges.retrieval(pixels, captions[1:] + captions[:1])["recall"] < 0.12
    # one caption for all, of unknown words
    unknown = judges.retrieval(pixels, ["A zebra"] * len(pixels))
    assert unknown["recall"] == pytest.approx(1 / 16, abs=1e-3)


def test_judges_tell_styles_that_they_were_not_taught(taught):
    _, judges, _ = taught
    styles = judges.about["styles"]
    assert styles["balanced"] > 0.9
    assert sum(styles["pictures"].values()) == judges.about["held_out"]
    assert judges.about["held_out"] == COUNT - judges.about["shown"]


def test_style_shares_follow_the_pictures(taught):
    collection, judges, _ = taught
    pixels, _, styles = held_out(collection, judges)
    engravings = pixels[[style == "engraving" for style in styles]]
    shares = judges.style_shares(engravings)
    assert shares["engraving"] > 0.85
    assert sum(judges.style_shares(pixels).values()) == pytest.approx(1)
    assert judges.style_shares(np.repeat(engravings[..., None], 3, -1)) == shares


def test_a_collection_of_one_style_has_features_but_no_style_to_tell(tmp_path):
    collection = toy(tmp_path, styles=("engraving",))
    judges = train_pair_judge(tmp_path / "realism.pt", collection, **HASTY)
    assert judges.about["styles"] is None
    assert judges.style_shares(np.zeros((2, SIZE, SIZE), np.uint8)) == {}
    pixels = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)
    features = judges.features(pixels)
    assert features.shape == (3, judges.FEATURES)
    assert np.allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)
    assert "picture tower" in judges.network
    assert "all" in judges.network


def test_captions_that_do_not_belong_are_reported_as_not_measurable(tmp_path):
    """The lesson is noise: what a judge learns by heart must not pass for a measure."""
    judges = train_pair_judge(tmp_path / "realism.pt", toy(tmp_path, matching=False), **QUICK)
    assert not judges.about["pairs"]["measurable"], judges.about
    assert "not measurable here" in "\n".join(describe_judges(judges.about))


def test_answers_do_not_depend_on_the_batch_and_the_lesson_repeats(tmp_path):
    collection = toy(tmp_path)
    before = torch.get_rng_state()
    plan = replace(PAIR_PLAN, epochs=2)
    one, other = (
        train_pair_judge(tmp_path / f"{i}.pt", collection, plan=plan, width=4) for i in range(2)
    )
    assert torch.equal(before, torch.get_rng_state())
    weights = other.state_dict()
    for name, weight in one.state_dict().items():
        assert torch.equal(weight, weights[name]), name
    pixels = held_out(collection, one)[0][:5]
    alone = np.concatenate([one.features(pixel[None]) for pixel in pixels])
    assert np.allclose(one.features(pixels), alone, atol=1e-5)


def test_the_features_serve_for_distances(taught):
    """Noise lies farther from real pictures than other real pictures do."""
    collection, judges, _ = taught
    pixels = held_out(collection, judges)[0]
    noise = np.random.default_rng(0).integers(0, 256, pixels[:30].shape, dtype=np.uint8)
    found = feature_distances(
        judges.features,
        noise,
        pixels[:30],
        known=pixels[::2],
        others=pixels[1::2],
        network=judges.network,
    )
    assert found.frechet["samples"] > 3 * found.frechet["real"]
    assert found.kernel["samples"] > found.kernel["real"]


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
    lopsided = recall(torch.eye(48) + torch.arange(48) * 10.0)
    assert lopsided["caption_of_picture"] < 0.1
    assert lopsided["picture_of_caption"] == pytest.approx(1)


# Their file


def test_judges_are_taught_once_and_read_again(tmp_path, monkeypatch, capsys):
    collection = toy(tmp_path)
    path = tmp_path / "realism.pt"
    monkeypatch.setattr(
        pair_judge_training,
        "train_pair_judge",
        lambda path, collection: train_pair_judge(path, collection, **HASTY),
    )
    first = load_pair_judge(path, collection)
    printed = capsys.readouterr().out
    assert "teaching them, once" in printed
    assert "pairs: taught" in printed
    assert isinstance(torch.load(path, weights_only=True)["about"], str)
    monkeypatch.setattr(pair_judge_training, "train_pair_judge", lambda *_: "taught anew")
    again = load_pair_judge(path, collection)
    pixels, captions, _ = held_out(collection, first)
    assert again.about == first.about
    assert again.unseen == first.unseen
    assert np.array_equal(again.features(pixels), first.features(pixels))
    assert again.retrieval(pixels, captions) == first.retrieval(pixels, captions)
    assert again.style_of(pixels) == first.style_of(pixels)


def test_judges_are_taught_anew_when_the_collection_changes(tmp_path, monkeypatch):
    collection = toy(tmp_path)
    path = tmp_path / "realism.pt"
    train_pair_judge(path, collection, **HASTY)
    monkeypatch.setattr(pair_judge_training, "train_pair_judge", lambda *_: "taught anew")
    assert load_pair_judge(path, collection) != "taught anew"
    rows = read_jsonl(collection.train)
    write_jsonl(collection.train, [{**rows[0], "caption": "Another"}, *rows[1:]])
    assert load_pair_judge(path, collection) == "taught anew"
    write_jsonl(collection.train, rows[1:])
    assert load_pair_judge(path, collection) == "taught anew"


@pytest.mark.parametrize("content", [b"", b"no judges", "model"])
def test_a_file_that_holds_no_judges_is_named_and_kept(tmp_path, taught, content):
    path = tmp_path / "best_model.pt"
    if content == "model":
        torch.save({"weights": torch.zeros(1)}, path)
    else:
        path.write_bytes(content)
    size = path.stat().st_size
    with pytest.raises(UserError, match=r"best_model\.pt.*remove it"):
        load_pair_judge(path, taught[0])
    assert path.stat().st_size == size


def test_what_is_missing_or_too_small_is_named_with_the_command_that_mends_it(tmp_path):
    path = tmp_path / "realism.pt"
    with pytest.raises(UserError, match=r"python dataset_preparation\.py --style all"):
        load_pair_judge(path, Collection("all", tmp_path))
    small = toy(tmp_path, count=20)
    command = r"python dataset_preparation\.py --style all --source PATH"
    with pytest.raises(UserError, match=rf"20 captioned pictures, too few.*{command}"):
        load_pair_judge(path, small)
    small.pixels(SIZE).unlink()
    with pytest.raises(UserError, match=rf"pixels_128\.npy is missing.*{command}"):
        load_pair_judge(path, small)
    assert not path.exists()


def test_a_collection_too_small_for_judges_gets_the_rest_of_the_report(tmp_path, capsys):
    """Twenty pictures ended in an error: their owners never heard that they are learnt by heart."""

    class Copier(Perfect):
        """Draws the training pictures themselves."""

        style = "few"

        def generate_batch(self, seeds, **conditions):
            train = read_jsonl(collection.train)
            pictures = as_images(cached_pictures(collection, SIZE, train))
            chosen = [seed % len(train) for seed in seeds]
            return [(pictures[i].convert("RGB"), train[i]["caption"]) for i in chosen]

    collection = toy(tmp_path / "data", style="few", styles=("few",), count=20)
    found = evaluate(Copier(), config(tmp_path, 18, realism=str(tmp_path / "realism.pt")))
    assert found.report["numbers"]["memorised"]["value"] == 1
    assert "pair_retrieval" not in found.report["numbers"]
    told = [note for note in found.report["notes"] if note.startswith("No judges: ")]
    assert "few has 20 captioned pictures, too few" in told[0]
    assert "teaching" not in capsys.readouterr().out


def test_the_held_out_figures_are_told(taught):
    _, judges, _ = taught
    said = "\n".join(describe_judges(judges.about))
    assert f"{judges.about['pairs']['recall']:.3f}" in said
    assert "chance 0.062" in said
    assert f"{judges.about['styles']['balanced']:.3f}" in said
    assert "engraving" in said
    assert "painting" in said
    assert "teaching" not in said


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
    assert about["pairs"]["recall"] > 0.35
    assert about["styles"]["balanced"] > 0.65
    assert about["seconds"] < 240


def test_pictures_that_are_gone_leave_a_note_instead_of_a_report(tmp_path):
    """Prepared again at another size, all pairs were drawn, and then the report ended."""

    class Elsewhere(Perfect):
        style = "few"

    collection = toy(tmp_path / "data", style="few", styles=("few",), count=20)
    collection.pixels(SIZE).unlink()
    report, _, _ = evaluate(Elsewhere(), config(tmp_path, 4))
    assert "memorised" not in report["numbers"]
    (told,) = [note for note in report["notes"] if "were not measured" in note]
    assert "dataset_preparation.py --style few" in told
    assert "--image-size 16" in told, "that of the model's pictures"


def test_judges_are_taught_on_all_styles_only_where_these_hold_the_collection(tmp_path):
    """A collection that was prepared later was compared with none of its own pictures."""
    everything = toy(tmp_path)
    inside = toy(tmp_path, style="few", styles=("few",), count=20)
    assert collection_to_teach(inside, str(tmp_path)).style == "all"
    rows = read_jsonl(inside.train)
    write_jsonl(inside.train, [{**row, "id": row["id"][::-1]} for row in rows])
    assert collection_to_teach(inside, str(tmp_path)).style == "few"
    write_jsonl(inside.train, rows)
    everything.pixels(SIZE).unlink()
    assert collection_to_teach(inside, str(tmp_path)).style == "few"


def test_rows_whose_pictures_are_gone_do_not_shift_the_others(tmp_path):
    collection = toy(tmp_path, count=20)
    train, _ = collection.read_captions()
    ids = json.loads(collection.pixels_ids(SIZE).read_text())
    gone = train[3]["id"]
    ids["ids"] = ["f" * 16 if one == gone else one for one in ids["ids"]]
    collection.pixels_ids(SIZE).write_text(json.dumps(ids))
    kept = cached_rows(collection, SIZE, train)
    assert [row["id"] for row in kept] == [row["id"] for row in train if row["id"] != gone]
    assert len(cached_pictures(collection, SIZE, kept)) == len(train) - 1
