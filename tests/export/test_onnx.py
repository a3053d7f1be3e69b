"""The ONNX files of a tiny model, run by onnxruntime: `pip install -r requirements-export.txt`."""

import json
import os

import numpy as np
import pytest
import torch

from oneseed.config.export import OnnxConfig
from oneseed.model import checkpoint
from oneseed.model.multimodal import MultimodalModel

for library in ("onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(library)

pytestmark = pytest.mark.skipif(not os.environ.get("LONG"), reason="two minutes; LONG=1 runs it")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder to export to."""
    return tmp_path_factory.mktemp("export")


@pytest.fixture
def exported(clustered_model, folder):
    """(exit status, folder, model) of an export, made once."""
    from oneseed.export.onnx import export_onnx

    path = folder / "best_model.pt"
    if not path.exists():
        with torch.no_grad():
            checkpoint.save(path, clustered_model.state_dict())
        config = OnnxConfig(checkpoint=str(path), out=str(folder / "files"), check=24)
        (folder / "status").write_text(str(export_onnx(config)))
    status = int((folder / "status").read_text())
    return status, folder / "files", MultimodalModel.from_checkpoint(path)


def test_the_files_give_the_pairs_of_pytorch(exported):
    status, files, _ = exported
    assert status == 0
    names = {"pair", "pair_small", "prompt", "prompt_small"}
    found = {file.name for file in files.iterdir()}
    assert found == {*(f"{name}.onnx" for name in names), "config.json", "tokenizer.json"}


def test_a_pair_is_the_same_alone_and_in_a_batch(exported):
    import onnxruntime

    from oneseed.seeds import latents

    _, files, model = exported
    session = onnxruntime.InferenceSession(files / "pair.onnx")
    z = latents(range(12), model.config.latent_dim).numpy()
    pixels, tokens = session.run(None, {"z": z, "passes": np.array(2)})
    for row in range(len(z)):
        alone, words = session.run(None, {"z": z[row : row + 1], "passes": np.array(2)})
        assert words.tolist() == tokens[row : row + 1].tolist()
        assert np.abs(alone[0].astype(int) - pixels[row]).max() <= 1


def test_files_tell_nothing_of_the_machine_that_made_them(exported):
    """A traced node carries the file and line of the code that it comes from."""
    from oneseed.export import graphs

    _, files, _ = exported
    place = os.path.dirname(graphs.__file__).encode()
    for file in files.iterdir():
        assert place not in file.read_bytes(), file.name


def test_the_config_is_that_of_the_model(exported):
    _, files, model = exported
    facts = json.loads((files / "config.json").read_text("utf-8"))
    assert facts["fingerprint"] == model.fingerprint()
    assert (files / "tokenizer.json").read_text("utf-8") == model.tokenizer.json


def test_files_of_another_model_are_found_out(exported):
    """The check that every export ends with must be able to fail."""
    from oneseed.export.model_files import compare_files

    _, files, model = exported
    config = OnnxConfig(out=str(files), check=8)
    assert compare_files(model, ["pair"], config)
    with torch.no_grad():
        model.image_decoder.outward.bias += 0.05
    assert not compare_files(model, ["pair"], config)
