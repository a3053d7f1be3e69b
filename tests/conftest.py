"""What several test files need: tiny models, a prepared collection, small fakes.

The project is imported inside the fixtures, so that a test of one part loads no other.
"""

import os
import shutil
import sys

import pytest

from tests.caption_server import CaptionServer

os.environ.setdefault("TQDM_DISABLE", "1")
# The shell's python is the one that runs the tests, as in an activated environment, so that
# messages name it "python".
os.environ["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])

CAPTIONS = [
    "An engraving of a ship.",
    "An engraving of two ships by the sea.",
    "An engraving showing a castle.",
    "An engraving depicting an elephant.",
    "An engraving of a tent, in stipple.",
    "An engraving of three trees.",
    "An engraving showing a large bridge.",
    "An engraving of a windmill at night.",
]
TINY = {
    "preset": "small",
    "image_size": 32,
    "channels": 1,
    "latent_dim": 32,
    "patch": 2,
    "width": 16,
    "max_width": 32,
    "vocab_size": 320,
    "max_caption_length": 48,
    "text_width": 32,
    "text_layers": 2,
    "text_heads": 2,
    "flow_dims": 8,
    "flow_width": 32,
    "vit_width": 32,
    "vit_layers": 1,
}


@pytest.fixture(scope="session")
def browser():
    """Chromium, for tests/browser/."""
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next((path for path in map(shutil.which, names) if path), None)
    assert chromium, "no Chromium here: apt-get install chromium"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="session")
def tiny_blip2():
    """tiny_blip2(path): saves an untrained BLIP-2 of 82 thousand parameters there -> path."""
    from benchmarks.captioning import tiny_blip2

    return tiny_blip2


@pytest.fixture
def caption_server(monkeypatch):
    """A server that answers questions for captions, with no proxy in between."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    server = CaptionServer()
    yield server
    server.close()


def tiny_config(**changes):
    """A real model that trains in seconds: 32 px grey, latent 32."""
    from oneseed.config.model import ModelConfig

    return ModelConfig(**{**TINY, **changes})


@pytest.fixture
def tiny_model():
    """An untrained tiny model; its last layers are not zero, so that outputs depend on z."""
    import torch

    from oneseed.model.multimodal import MultimodalModel
    from oneseed.model.tokenizer import Tokenizer

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = MultimodalModel(tiny_config(), Tokenizer.train(CAPTIONS, 320)).eval()
        torch.nn.init.normal_(model.image_decoder.outward.weight, std=0.2)
        for last in (model.sampler.flow.outward, model.sampler.regression[-1]):
            torch.nn.init.normal_(last.weight, std=0.02)
    return model


@pytest.fixture(scope="session")
def builtin_data(tmp_path_factory):
    """A data folder with forty prepared and captioned built-in pictures of 32 px -> its path."""
    import caption_generation
    import dataset_preparation
    from oneseed.config.captioning import CaptionConfig
    from oneseed.config.preparation import PrepareConfig

    data = tmp_path_factory.mktemp("builtin") / "data"
    prepare = PrepareConfig(
        source="builtin",
        preset="small",
        image_size=32,
        max_samples=40,
        smallest=16,
        workers=1,
        data=str(data),
    )
    dataset_preparation.main(prepare)
    caption_generation.main(CaptionConfig(style="builtin", data=str(data)))
    return data


@pytest.fixture(scope="session")
def tiny_run(builtin_data, tmp_path_factory):
    """A finished training run of the tiny model on builtin_data -> its checkpoint folder."""
    import training_loop
    from oneseed.config.training import TrainConfig

    folder = tmp_path_factory.mktemp("run") / "checkpoints"
    train = TrainConfig(
        style="builtin",
        preset="small",
        num_epochs=2,
        epoch_pictures=1,
        batch_size=8,
        sampler_steps=40,
        checkpoint_every=1,
        data=str(builtin_data),
        checkpoints=str(folder),
        device="cpu",
        precision="fp32",
    )
    training_loop.main(tiny_config(vocab_size=0), train)
    return folder


@pytest.fixture(scope="session")
def sound_run(tmp_path_factory):
    """(data folder, checkpoint) of a tiny model of recordings."""
    pytest.importorskip("soundfile", reason="pip install soundfile scipy")
    from tests import recordings

    root = tmp_path_factory.mktemp("sounds")
    recordings.prepare(recordings.recordings(root / "recordings"), root / "data")
    return run_of_medium(root, recordings.STYLE)


@pytest.fixture(scope="session")
def clip_run(tmp_path_factory):
    """(data folder, checkpoint) of a tiny model of moving pictures."""
    from tests import moving_pictures

    root = tmp_path_factory.mktemp("clips")
    moving_pictures.prepare(moving_pictures.moving_pictures(root / "pictures"), root / "data")
    return run_of_medium(root, moving_pictures.STYLE)


def run_of_medium(root, style):
    """Captions and trains what was prepared in root / "data" -> (that, the checkpoint)."""
    import caption_generation
    import training_loop
    from oneseed.config.captioning import CaptionConfig
    from oneseed.config.training import TrainConfig

    data = root / "data"
    caption_generation.main(CaptionConfig(style=style, data=str(data)))
    train = TrainConfig(
        style=style,
        preset="small",
        num_epochs=1,
        epoch_pictures=1,
        batch_size=8,
        sampler_steps=5,
        data=str(data),
        checkpoints=str(root / "run"),
        device="cpu",
        precision="fp32",
    )
    training_loop.main(tiny_config(vocab_size=0), train)
    return data, root / "run/best_model.pt"
