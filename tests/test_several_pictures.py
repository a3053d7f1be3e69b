"""Rows of several pictures, such as a form and its table: prepared, learnt, answered together."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

import caption_generation
import dataset_preparation
import inference
from oneseed.config.captioning import CaptionConfig
from oneseed.config.inference import InferenceConfig
from oneseed.config.preparation import PrepareConfig
from oneseed.config.training import TrainConfig
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.dataset.curation import change_row
from oneseed.generation.pictures import named_pictures
from oneseed.model import checkpoint
from oneseed.model.further_pictures import FurtherPictures, joint_code
from oneseed.training.encoding import encode_codes
from oneseed.training.gradient_cache import GradientCache
from oneseed.training.loaders import create_data_loaders
from oneseed.training.losses import make_loss
from oneseed.training.objective import Objective
from tests.conftest import tiny_config

COUNT = 12
PREPARE = dict(
    style="queries",
    preset="small",
    image_size=32,
    smallest=16,
    caption_kind="code",
    workers=1,
)


def paint(path, number):
    """A picture that looks like no other."""
    pixels = np.random.default_rng(number).integers(0, 255, (32, 32), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def row_of(images, number):
    asked = {"role": "user", "content": "<image>" * len(images) + "Which query?"}
    answer = {"role": "assistant", "content": f"SELECT a FROM t{number}"}
    return {"images": images, "messages": [asked, answer]}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Twelve rows, the first ten of a form and a table; the last table is shared by two rows."""
    place = tmp_path_factory.mktemp("several")
    source = place / "source"
    source.mkdir()
    rows = []
    for number in range(COUNT):
        paint(source / f"form{number}.png", number)
        images = [f"form{number}.png"]
        if number < 10:
            table = min(number, 8)
            paint(source / f"table{table}.png", 100 + table)
            images.append(f"table{table}.png")
        rows.append(row_of(images, number))
    rows[1]["images"].append("missing.png")
    (source / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    prepare = PrepareConfig(**PREPARE, source=str(source), data=str(place / "data"))
    dataset_preparation.main(prepare)
    dataset_preparation.main(prepare)
    caption_generation.main(CaptionConfig(style="queries", data=str(place / "data")))
    return place


def records(place):
    return Collection("queries", place / "data").read_metadata()


def test_each_picture_is_prepared_and_a_row_names_all_of_its_own(place):
    """The second picture was counted, and nobody looked at it."""
    rows = records(place)
    assert len(rows) == COUNT + 9
    by_name = {row["original"].removesuffix(".png"): row for row in rows}
    for number in range(10):
        row = by_name[f"form{number}"]
        table = by_name[f"table{min(number, 8)}"]
        assert row["images"] == [row["filename"], table["filename"]]
        assert table["left_out"] and not table["caption"]
    assert "images" not in by_name["form11"]


def test_a_picture_beside_others_is_a_pair_once_a_row_gives_it_a_caption(place, tmp_path):
    """It was left out for ever, as if somebody had marked it; and who took it back lost that."""
    own = shutil.copytree(place, tmp_path / "again")
    before = {row["original"]: row for row in records(own)}
    taken_back, captioned = before["table0.png"], before["table1.png"]
    change_row(Collection("queries", own / "data"), taken_back["id"], left_out=False)
    source = own / "source"
    with open(source / "rows.jsonl", "a", encoding="utf-8") as file:
        file.write("\n" + json.dumps(row_of(["table1.png"], 99)))
    prepare = PrepareConfig(**PREPARE, source=str(source), data=str(own / "data"))
    for _ in range(2):
        dataset_preparation.main(prepare)
    after = {row["id"]: row for row in records(own)}
    assert not after[captioned["id"]].get("left_out")
    assert after[captioned["id"]]["caption"] == "SELECT a FROM t99"
    assert not after[taken_back["id"]].get("left_out"), "taken back, and stays so"
    assert after[before["table2.png"]["id"]]["left_out"]


def test_pairs_have_the_names_and_further_pictures_are_no_pairs(place):
    train, val = Collection("queries", place / "data").read_captions()
    assert len(train + val) == COUNT
    assert sum(len(row.get("images", ())) == 2 for row in train + val) == 10
    assert all(row["caption"].startswith("SELECT a FROM") for row in train + val)


def config_of(place):
    return TrainConfig(
        style="queries",
        preset="small",
        batch_size=4,
        data=str(place / "data"),
        device="cpu",
        precision="fp32",
    )


def test_a_batch_brings_further_pictures_to_their_owners(place):
    train, _ = create_data_loaders(tiny_config(vocab_size=0), config_of(place))
    rows = np.arange(len(train.rows))
    batch = train.batch(rows)
    assert batch.further is not None
    assert set(batch.further.owners.tolist()) == set(train.further)
    for image, owner in zip(batch.further.images, batch.further.owners.tolist()):
        (at,) = train.further[owner]
        assert torch.equal(image, train.images_at(np.array([at]))[0])
        assert not torch.equal(image, batch.images[owner])
    # a part of the batch has its own ones, counted from its first row
    part = batch.part(slice(2, 5))
    expected = [owner - 2 for owner in batch.further.owners.tolist() if 2 <= owner < 5]
    assert part.further.owners.tolist() == expected


def test_the_code_of_a_pair_is_of_all_its_pictures_and_of_one_its_own(tiny_model):
    first, second, other = torch.randn(3, 1, 1, 32, 32).clamp(-1, 1)
    images = torch.cat([first, other])
    both = FurtherPictures(second, torch.tensor([0]))
    codes = tiny_model.encode_pictures(images, both)
    alone = tiny_model.encode_pictures(images)
    assert torch.equal(codes[1], alone[1])
    mean = (alone[0] + tiny_model.encode_pictures(second)[0]) / 2
    assert torch.allclose(codes[0], mean / mean.square().mean().sqrt(), atol=1e-5)
    assert torch.equal(joint_code(alone, alone[:0], torch.zeros(0, dtype=torch.long)), alone)


def test_training_learns_from_them_in_parts_as_in_whole_batches(place, tiny_model):
    """--micro-batch gives each part of a batch its own further pictures."""
    train, _ = create_data_loaders(tiny_config(), config_of(place), tiny_model.tokenizer)
    batch = train.batch(np.arange(6))
    loss = make_loss(config_of(place), wordless=False)
    objective = Objective(tiny_model, loss, torch.device("cpu"), "fp32", 0)
    noise = objective.noise(6, 0)
    gradients = []
    for one, micro_batch in ((batch, 0), (batch, 2), (batch._replace(further=None), 0)):
        GradientCache(objective, micro_batch).forward_backward(one, noise)
        gradients.append(tiny_model.image_encoder.to_code.weight.grad.clone())
    assert torch.allclose(gradients[0], gradients[1], atol=1e-5)
    assert not torch.allclose(gradients[0], gradients[2], atol=1e-3)


def test_the_prior_is_fitted_to_the_codes_of_all_pictures(place, tiny_model):
    train, _ = create_data_loaders(tiny_config(), config_of(place), tiny_model.tokenizer)
    rows = torch.arange(len(train.rows))
    batch = train.batch(rows.numpy())
    expected = tiny_model.encode_pictures(batch.images, batch.further)
    for views in (1, 2):
        codes = encode_codes(tiny_model, train, rows, views=views)[: len(rows)]
        assert torch.allclose(codes, expected, atol=1e-5)


def test_several_pictures_are_answered_with_one_caption_and_a_card_that_is_true(
    place, tiny_model, tmp_path, monkeypatch
):
    checkpoint.save(tmp_path / "best_model.pt", tiny_model.state_dict())
    monkeypatch.chdir(place / "source")
    flags = {"checkpoint": str(tmp_path / "best_model.pt"), "device": "cpu"}
    shown = []
    for image in ("form0.png,table0.png", "form0.png, table1.png", "form0.png"):
        inference.main(InferenceConfig(image=image, out=str(tmp_path / "out"), **flags))
        (row,) = json.loads((tmp_path / "out" / "pairs.json").read_text("utf-8"))
        assert row["picture"] == "form0_drawn.png"
        shown.append(np.asarray(Image.open(tmp_path / "out" / row["picture"])))
        again = InferenceConfig(verify=str(tmp_path / "out" / row["picture"]), image=image, **flags)
        assert inference.main(again) == 0
    assert not np.array_equal(shown[0], shown[1])
    assert not np.array_equal(shown[0], shown[2])
    with pytest.raises(UserError, match="names another"):
        inference.main(
            InferenceConfig(
                verify=str(tmp_path / "out" / "form0_drawn.png"), image="form1.png", **flags
            )
        )
    with pytest.raises(UserError, match="not varied or restyled"):
        several = InferenceConfig(image="form0.png,form1.png", strength=0.3, **flags)
        inference.main(several)


def test_a_name_with_a_comma_is_one_picture(tmp_path):
    paint(tmp_path / "a,b.png", 0)
    assert named_pictures(f"{tmp_path}/a,b.png") == [f"{tmp_path}/a,b.png"]
    assert named_pictures("a.png, b.png") == ["a.png", "b.png"]
    assert named_pictures("a.png,") == ["a.png,"]
