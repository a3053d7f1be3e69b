"""A run with a frozen picture encoder, from training to the report and what can be exported."""

import json
import shutil

import pytest
import torch

import evaluation
import inference
import training_loop
from oneseed.config.evaluation import EvaluateConfig
from oneseed.config.inference import InferenceConfig
from oneseed.config.training import TrainConfig
from oneseed.console.command import UserError
from oneseed.generation.generator import MultimodalGenerator
from oneseed.model import checkpoint
from tests.conftest import tiny_config
from tests.tiny_towers import tiny_clip, tiny_dinov2


def train(folder, data, encoder, **changes):
    config = TrainConfig(
        style="builtin",
        preset="small",
        epoch_pictures=1,
        batch_size=8,
        sampler_steps=10,
        data=str(data),
        checkpoints=str(folder),
        device="cpu",
        precision="fp32",
        **{"num_epochs": 1, **changes},
    )
    return training_loop.main(tiny_config(vocab_size=0, encoder=str(encoder)), config)


@pytest.fixture(scope="module")
def place(tmp_path_factory, builtin_data):
    """A folder with tower/ and run/, which was trained on its features."""
    place = tmp_path_factory.mktemp("frozen")
    tiny_dinov2(place / "tower")
    train(place / "run", builtin_data, place / "tower")
    return place


def test_a_run_is_trained_resumed_and_refuses_another_encoder(place, builtin_data, capsys):
    best = checkpoint.load(place / "run" / "best_model.pt")
    assert not [name for name in best if "tower" in name]
    train(place / "run", builtin_data, place / "tower", num_epochs=2)
    shown = capsys.readouterr().out
    assert "frozen picture encoder" in shown
    assert "resuming after epoch 1" in shown
    tiny_clip(place / "other")
    with pytest.raises(UserError, match="encoder_sha256"):
        train(place / "run", builtin_data, place / "other", num_epochs=3)
    # the same files elsewhere are the same encoder
    shutil.copytree(place / "tower", place / "copy")
    train(place / "run", builtin_data, place / "copy", num_epochs=2)


def test_a_picture_is_captioned_redrawn_and_its_card_true(place, builtin_data):
    picture = next((builtin_data / "processed" / "builtin" / "resized").glob("*.png"))
    best = place / "run" / "best_model.pt"
    out = place / "out"
    config = InferenceConfig(checkpoint=str(best), out=str(out), image=str(picture), device="cpu")
    inference.main(config)
    (row,) = json.loads((out / "pairs.json").read_text("utf-8"))
    again = {"verify": str(out / row["picture"]), "image": str(picture)}
    assert inference.main(InferenceConfig(checkpoint=str(best), device="cpu", **again)) == 0


def test_where_the_encoder_has_moved_every_command_takes_its_new_place(place, builtin_data):
    shutil.rmtree(place / "lost", ignore_errors=True)
    tiny_clip(place / "lost")
    train(place / "other_run", builtin_data, place / "lost")
    (place / "lost").rename(place / "found")
    best = place / "other_run" / "best_model.pt"
    with pytest.raises(UserError, match="--encoder PATH"):
        inference.main(InferenceConfig(checkpoint=str(best), out=str(place / "no"), device="cpu"))
    found = {"checkpoint": str(best), "encoder": str(place / "found"), "device": "cpu"}
    inference.main(InferenceConfig(out=str(place / "seeds"), seeds="0", **found))
    assert (place / "seeds" / "000000.png").exists()
    with pytest.raises(UserError, match="--encoder vit"):
        MultimodalGenerator(best, "cpu", encoder=place / "found").save_pretrained(place / "hub")
    assert not (place / "hub").exists()


def test_a_report_is_written_with_the_encoder(place, builtin_data, monkeypatch):
    """Of the judges nothing is asked here: the collection is none that is drawn."""
    weights = checkpoint.load(place / "run" / "best_model.pt")
    with torch.no_grad():
        generator = MultimodalGenerator(place / "run" / "best_model.pt", "cpu")
    generator.model.meta["style"] = "engraving"
    checkpoint.save(place / "report_model.pt", generator.model.state_dict())
    assert len(weights) == len(generator.model.state_dict())
    config = EvaluateConfig(
        checkpoint=str(place / "report_model.pt"),
        seeds=2,
        out=str(place / "report"),
        data=str(place / "nothing"),
        device="cpu",
    )
    evaluation.main(config)
    report = json.loads((place / "report" / "report.json").read_text("utf-8"))
    assert report["fingerprint"] == MultimodalGenerator(config.checkpoint, "cpu").fingerprint
