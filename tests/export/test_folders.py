"""What is exported to a folder replaces nothing that somebody else has put there."""

import json

import pytest

from inference import MultimodalGenerator
from oneseed.config.export import OnnxConfig
from oneseed.console.command import UserError
from oneseed.export import model_files
from oneseed.export.folders import require_model_folder, takes_export

ONNX_CONFIG = json.dumps({"format": 1, "files": {}})
MODEL_CONFIG = json.dumps({"format": 1, "config": {}, "meta": {}})


def fill(folder, files):
    """Writes files, {name: text} -> the folder."""
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    return folder


def contents(folder):
    """{name: content} of the files in a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize(
    "files, is_free",
    [
        ({}, True),
        ({"notes.txt": "mine"}, True),
        ({"config.json": ONNX_CONFIG, "tokenizer.json": "{}"}, True),
        ({"pair.onnx": "", "tokenizer.json": "{}"}, True),
        ({"tokenizer.json": "{}"}, False),
        ({"config.json": MODEL_CONFIG}, False),
        ({"config.json": '{"model_type": "bert"}', "pair.onnx": ""}, False),
        ({"config.json": "[" * 100_000}, False),
        ({"config.json": "no JSON"}, False),
    ],
)
def test_a_folder_takes_an_export_where_nothing_of_others_is_lost(files, is_free, tmp_path):
    """An export that was killed, which leaves graphs without config.json, is taken up again."""
    assert takes_export(fill(tmp_path / "folder", files)) is is_free


def test_a_file_takes_no_export(tmp_path):
    (tmp_path / "file").write_text("mine")
    assert not takes_export(tmp_path / "file")
    assert takes_export(tmp_path / "nowhere")


def test_an_export_deletes_no_file_of_a_saved_model(tiny_checkpoint, tmp_path):
    """`web --model outputs/hub` recommended `onnx --out outputs/hub`, which deleted config.json and
    replaced tokenizer.json of the model there."""
    folder = tmp_path / "outputs" / "hub"
    MultimodalGenerator(tiny_checkpoint, "cpu").save_pretrained(folder)
    before = contents(folder)
    with pytest.raises(UserError, match=r"outputs/hub holds something else .* --out"):
        model_files.write_model_files(OnnxConfig(out=str(folder)))
    assert contents(folder) == before
    assert require_model_folder(folder) is None


def test_an_earlier_export_stays_where_a_model_cannot_be_traced(
    tiny_checkpoint, tmp_path, monkeypatch
):
    """The files were deleted first; a model from before version 0.4 was refused after that."""

    def refuse(model, kind):
        raise UserError("models from before version 0.4 are not exported")

    folder = fill(tmp_path / "export", {"config.json": ONNX_CONFIG, "pair.onnx": "a graph"})
    before = contents(folder)
    monkeypatch.setattr(model_files, "traced_files", refuse)
    with pytest.raises(UserError, match=r"before version 0\.4"):
        model_files.write_model_files(OnnxConfig(checkpoint=str(tiny_checkpoint), out=str(folder)))
    assert contents(folder) == before


@pytest.mark.parametrize(
    "files",
    [
        {"config.json": ONNX_CONFIG, "pair.onnx": ""},
        {"config.json": '{"model_type": "bert"}'},
        {"model.safetensors": "weights of somebody"},
    ],
)
def test_a_model_replaces_no_other_one(files, tmp_path):
    """`hub --out outputs/export` replaced the config.json of the ONNX files there."""
    folder = fill(tmp_path / "folder", files)
    with pytest.raises(UserError, match="holds something else than a model of this program"):
        require_model_folder(folder)
