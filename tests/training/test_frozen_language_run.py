"""A run with a frozen language model, from training to pairs and what cannot be exported."""

import json

import pytest

import inference
from oneseed.config.export import OnnxConfig
from oneseed.config.inference import InferenceConfig
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.export.model_files import write_model_files
from oneseed.generation.generator import MultimodalGenerator
from tests.brief_runs import train_briefly
from tests.tiny_languages import tiny_language


def train(run, data, language, **settings):
    """A few steps with the language model of a folder."""
    model = {"text_decoder": str(language), "max_caption_length": 32}
    train_briefly(run, data, model=model, **settings)


def test_seeds_and_prompts_as_before_and_a_run_that_goes_on(tmp_path, builtin_data, capsys):
    rows, _ = Collection("builtin", builtin_data).read_captions()
    folder = tiny_language(tmp_path / "language", [row["caption"] for row in rows])
    best = tmp_path / "run" / "best_model.pt"
    for epochs in (1, 2):
        train(tmp_path / "run", builtin_data, folder, num_epochs=epochs)
    shown = capsys.readouterr().out
    assert "frozen language model" in shown
    assert "resuming after epoch 1" in shown

    generator = MultimodalGenerator(best, "cpu")
    generator.model.meta["caption_source"] = "decoder"
    assert generator.generate(7)[1] == generator.generate_batch([6, 7])[1][1]
    with pytest.raises(UserError, match="--text-decoder own"):
        generator.save_pretrained(tmp_path / "hub")
    with pytest.raises(UserError, match="ONNX files hold no frozen language model"):
        write_model_files(OnnxConfig(checkpoint=str(best), out=str(tmp_path / "onnx")))

    folder.rename(tmp_path / "moved")
    flags = {"checkpoint": str(best), "out": str(tmp_path / "out"), "device": "cpu", "seeds": "7"}
    with pytest.raises(UserError, match="--text-decoder PATH"):
        inference.main(InferenceConfig(**flags))
    moved = str(tmp_path / "moved")
    inference.main(InferenceConfig(**flags, text_decoder=moved, prompt="a ship by the sea"))
    (row,) = json.loads((tmp_path / "out" / "pairs.json").read_text("utf-8"))
    card = str(tmp_path / "out" / row["picture"])
    again = InferenceConfig(checkpoint=str(best), device="cpu", verify=card, text_decoder=moved)
    assert inference.main(again) == 0

    # a run that begins with its weights used to look for the language model at its old place
    capsys.readouterr()
    train(tmp_path / "second", builtin_data, moved, num_epochs=1, init=str(best))
    assert "begins with the weights of" in capsys.readouterr().out
