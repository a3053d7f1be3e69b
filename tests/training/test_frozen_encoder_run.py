"""A run with a frozen picture encoder, from training to the report and what can be exported."""

import json
import shutil

import pytest

import evaluation
import inference
from oneseed.config.evaluation import EvaluateConfig
from oneseed.config.inference import InferenceConfig
from oneseed.console.command import UserError
from oneseed.generation.generator import MultimodalGenerator
from oneseed.model import checkpoint
from tests.brief_runs import train_briefly
from tests.tiny_towers import tiny_clip, tiny_dinov2


def train(folder, data, encoder, **changes):
    return train_briefly(folder, data, model={"encoder": str(encoder)}, **changes)


@pytest.fixture(scope="module")
def place(tmp_path_factory, builtin_data):
    """A folder with tower/ and run/, which was trained on its features."""
    place = tmp_path_factory.mktemp("frozen")
    tiny_dinov2(place / "tower")
    train(place / "run", builtin_data, place / "tower")
    return place


def test_a_picture_is_captioned_redrawn_and_its_card_true(place, builtin_data):
    picture = next((builtin_data / "processed" / "builtin" / "resized").glob("*.png"))
    best = place / "run" / "best_model.pt"
    out = place / "out"
    config = InferenceConfig(checkpoint=str(best), out=str(out), image=str(picture), device="cpu")
    inference.main(config)
    (row,) = json.loads((out / "pairs.json").read_text("utf-8"))
    again = {"verify": str(out / row["picture"]), "image": str(picture)}
    assert inference.main(InferenceConfig(checkpoint=str(best), device="cpu", **again)) == 0


def test_a_report_is_written_with_the_encoder(place):
    """Of the judges nothing is asked here: the collection is none that is drawn."""
    generator = MultimodalGenerator(place / "run" / "best_model.pt", "cpu")
    generator.model.meta["style"] = "engraving"
    checkpoint.save(place / "report_model.pt", generator.model.state_dict())
    config = EvaluateConfig(
        checkpoint=str(place / "report_model.pt"),
        seeds=2,
        out=str(place / "report"),
        data=str(place / "nothing"),
        device="cpu",
    )
    evaluation.main(config)
    report = json.loads((place / "report" / "report.json").read_text("utf-8"))
    assert report["fingerprint"] == generator.fingerprint


def test_an_encoder_that_has_moved_is_named_and_a_run_goes_on_with_it_alone(
    place, builtin_data, capsys
):
    best = place / "run" / "best_model.pt"
    assert not [name for name in checkpoint.load(best) if "tower" in name or "network" in name]
    shutil.copytree(place / "tower", place / "moved")
    (place / "tower").rename(place / "away")
    try:
        with pytest.raises(UserError, match="there is no picture encoder in .* --encoder PATH"):
            inference.main(InferenceConfig(checkpoint=str(best), device="cpu"))
        found = {"checkpoint": str(best), "encoder": str(place / "moved"), "device": "cpu"}
        inference.main(InferenceConfig(out=str(place / "seeds"), seeds="0", **found))
        assert (place / "seeds" / "000000.png").exists()
        generator = MultimodalGenerator(best, "cpu", encoder=place / "moved")
        with pytest.raises(UserError, match="no part of it, .* --encoder vit"):
            generator.save_pretrained(place / "hub")
        assert not (place / "hub").exists()
        tiny_clip(place / "other")
        with pytest.raises(UserError, match="encoder_sha256"):
            train(place / "run", builtin_data, place / "other", num_epochs=2)
        capsys.readouterr()
        train(place / "run", builtin_data, place / "moved", num_epochs=2)
    finally:
        (place / "away").rename(place / "tower")
    shown = capsys.readouterr().out
    assert "frozen picture encoder" in shown
    assert "resuming after epoch 1" in shown
    assert MultimodalGenerator(best, "cpu").model.meta["encoder_path"] == str(place / "moved")
