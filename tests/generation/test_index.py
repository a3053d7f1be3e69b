"""Seeds are found again by what they show; pairs too near to a training picture are marked."""

import json

import numpy as np
import pytest
from PIL import Image

import inference
from oneseed.config.inference import InferenceConfig
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.generation import index, memorisation
from oneseed.generation.generator import MultimodalGenerator


@pytest.fixture
def generator(tiny_run, tmp_path):
    """Its checkpoint lies in a folder of its own, so that no other test finds the indexes."""
    (tmp_path / "model.pt").write_bytes((tiny_run / "best_model.pt").read_bytes())
    return MultimodalGenerator(tmp_path / "model.pt", device="cpu")


def build(generator, count, data="nowhere"):
    inference.main(
        InferenceConfig(
            index=count,
            checkpoint=str(generator.checkpoint),
            device="cpu",
            data=str(data),
            batch_size=8,
        )
    )


def test_the_best_seeds_for_words_and_for_a_picture_are_those_of_an_exhaustive_search(generator):
    build(generator, 50)
    pairs = generator.generate_batch(range(50))
    images = [image for image, _ in pairs]
    captions = [caption for _, caption in pairs]
    texts = generator.caption_features(captions)
    words = generator.read_prompt("a ship").text
    ship = generator.caption_features([words])  # (1, D)
    pictures = generator.picture_features(images)  # (50, D)
    by_words = ((pictures @ ship.T + texts @ ship.T) / 2)[:, 0].numpy()
    found = generator.find_seeds("a ship", count=5)
    assert np.allclose([row["score"] for row in found], np.sort(by_words)[::-1][:5], atol=2e-3)
    for row in found:
        seed = row["seed"]
        assert np.isclose(by_words[seed], row["score"], atol=2e-3)
        assert row["caption"] == captions[seed]
        (score,) = generator.match([pairs[seed]])
        assert row["match"] == pytest.approx(score["match"], abs=2)
    sought = generator.picture_features([images[17]])  # (1, D)
    by_picture = ((texts @ sought.T + pictures @ sought.T) / 2)[:, 0].numpy()
    found = generator.find_seeds(image=images[17], count=3)
    assert np.allclose([row["score"] for row in found], np.sort(by_picture)[::-1][:3], atol=2e-3)


@pytest.mark.parametrize("end, known", [(SystemExit, 16), (KeyboardInterrupt, 24)])
def test_an_index_goes_on_where_it_stood(generator, monkeypatch, end, known):
    """Ten thousand seeds take minutes; a kill, or the wish for more, does not begin them again.

    Ctrl+C loses none of them.
    """
    drawn = []
    real = generator.generate_batch

    def ended(seeds, *rest):
        if seeds[0] >= 24:
            raise end
        return real(seeds, *rest)

    monkeypatch.setattr(generator, "generate_batch", ended)
    with pytest.raises(end):
        index.index_seeds(generator, 60, 8, seeds_between_saves=16)
    monkeypatch.setattr(
        generator, "generate_batch", lambda seeds, *rest: drawn.extend(seeds) or real(seeds, *rest)
    )
    index.index_seeds(generator, 40, 8, seeds_between_saves=16)
    assert drawn == list(range(known, 40))
    index.index_seeds(generator, 30, 8, seeds_between_saves=16)
    assert len(drawn) == 40 - known
    stored = index.load_index(generator, "seeds")
    assert {len(stored[name]) for name in ("features", "cosine", "captions")} == {40}
    assert stored["captions"] == [caption for _, caption in real(range(40))]


def test_an_index_that_somebody_stops_keeps_what_is_drawn(generator):
    """Stop, on the page, a moment before 2,000 seeds were drawn, had lost them all."""
    growth = index.grow_seeds(generator, 2000, 8)
    assert [next(growth), next(growth)] == [8, 16]
    growth.close()
    assert len(index.load_index(generator, "seeds")["captions"]) == 16


def test_an_index_of_another_model_counts_as_missing(generator, tiny_run):
    build(generator, 4)
    generator.checkpoint.write_bytes((tiny_run / "checkpoint_epoch_001.pt").read_bytes())
    other = MultimodalGenerator(generator.checkpoint, device="cpu")
    with pytest.raises(UserError, match="no index of seeds beside .*--index 10000"):
        other.find_seeds("a ship")
    build(other, 4)
    assert len(other.find_seeds("a ship")) == 4


def test_a_damaged_index_is_named_and_executes_nothing(generator):
    path = generator.checkpoint.with_suffix(".seeds.npz")
    build(generator, 4)
    whole = path.read_bytes()

    def read(changed):
        index.read_index(path, generator.fingerprint, changed, kind="seeds", dimensions=32)

    for damage in (b"", b"no archive", whole[: len(whole) // 2]):
        path.write_bytes(damage)
        with pytest.raises(UserError, match="damaged or no index"):
            read(len(damage))
    np.savez(path, fingerprint=np.array([{"an": "object"}], dtype=object))
    with pytest.raises(UserError, match="damaged or no index"):
        read(-1)


def test_a_training_picture_is_its_own_nearest_and_marked_and_a_blank_one_is_not(
    generator, builtin_data, tmp_path, monkeypatch, capsys
):
    collection = Collection("builtin", builtin_data)
    train, val = collection.read_captions()
    # no index yet
    assert generator.near_training([Image.new("L", (32, 32))]) == [None]
    build(generator, 2, builtin_data)
    (found,) = generator.nearest_training([Image.open(collection.resized / train[3]["filename"])])
    assert len(found) == 3
    assert found[0] == {
        "id": train[3]["id"],
        "filename": train[3]["filename"],
        "caption": train[3]["caption"],
        "distance": pytest.approx(0, abs=1e-3),
        "memorised": True,
    }
    distances = [row["distance"] for row in found]
    assert distances == sorted(distances)

    # the report's measure, on the same pictures
    path = collection.pixels(32)
    ids = json.loads(collection.pixels_ids(32).read_text("utf-8"))["ids"]

    def pixels(rows):
        return np.load(path)[[ids.index(row["id"]) for row in rows]]

    rebuilt = np.stack(
        [
            np.asarray(image)
            for image in generator.reconstruct([Image.fromarray(one) for one in pixels(val)])
        ]
    )
    assert float(index.load_index(generator, "training")["threshold"]) == pytest.approx(
        memorisation.memorised(
            memorisation.thumbnail_features, rebuilt, rebuilt, pixels(train), range(len(train))
        ).threshold,
        abs=1e-4,
    )

    monkeypatch.chdir(tmp_path)
    Image.open(collection.resized / train[3]["filename"]).save("copy.png")
    for kind in ("training", "seeds"):
        inference.main(
            InferenceConfig(
                find=kind,
                image="copy.png",
                checkpoint=str(generator.checkpoint),
                out="out",
                device="cpu",
                data=str(builtin_data),
            )
        )
        assert Image.open("out/found.png").width
    printed = capsys.readouterr().out
    assert "TOO NEAR" in printed
    assert train[3]["id"] in printed
    assert "seed 0 " in printed
    # what is farther than the threshold is not marked; one that has hardly learnt has a large one
    monkeypatch.setattr(index, "copy_threshold", lambda distances: 0.01)
    build(generator, 2, builtin_data)
    assert generator.near_training([Image.effect_noise((32, 32), 90).convert("RGB")]) == [None]


def test_a_pair_that_copies_is_marked_where_it_is_shown_and_in_its_card(
    generator, builtin_data, tmp_path, monkeypatch, capsys
):
    build(generator, 2, builtin_data)
    image, _ = generator(1)
    known = {**index.load_index(generator, "training"), "threshold": 1e-3}
    known["thumbnails"][5] = memorisation.thumbnail_features(generator.letterboxed([image]))
    monkeypatch.setattr(index, "load_index", lambda generator, kind: known)
    inference.main(
        InferenceConfig(
            seeds="0-2",
            checkpoint=str(generator.checkpoint),
            out=str(tmp_path / "out"),
            device="cpu",
        )
    )
    rows = json.loads((tmp_path / "out" / "pairs.json").read_text("utf-8"))
    copied = known["rows"][5]["id"]
    assert [row.get("near_training") for row in rows] == [None, copied, None]
    assert capsys.readouterr().out.count(f"TOO NEAR to training picture {copied}") == 1
