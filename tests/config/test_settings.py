"""Bare commands mean what the documentation says, and nonsense is refused in one sentence."""

import subprocess
import sys
from pathlib import Path

import pytest

from oneseed.config.captioning import CaptionConfig
from oneseed.config.demo import DemoConfig
from oneseed.config.inference import InferenceConfig
from oneseed.config.model import PRESETS, ModelConfig, base_and_doublings
from oneseed.config.options import parse_seeds
from oneseed.config.preparation import PrepareConfig
from oneseed.config.training import TrainConfig
from oneseed.console import flags
from oneseed.seeds import seed_of_word

ROOT = Path(__file__).resolve().parents[2]
CONFIG_FILES = sorted((ROOT / "oneseed" / "config").glob("[!_]*.py"))


def parsed(kinds, *argv):
    return flags.parse_configs(
        *kinds, description="title\n\nexamples", presets=PRESETS, argv=list(argv)
    )


def flags_alone(kind, *argv):
    """Parsed as dataset_preparation.py does it, whose settings know the presets themselves."""
    return flags.parse_configs(kind, description="title\n\nexamples", argv=list(argv))


def test_bare_commands_have_the_documented_defaults():
    (prepare,) = flags_alone(PrepareConfig)
    assert (prepare.style, prepare.source, prepare.preset, prepare.image_size) == (
        "engraving",
        "kaggle",
        "full",
        512,
    )
    model, train = parsed([ModelConfig, TrainConfig])
    assert (
        model.preset,
        model.image_size,
        model.channels,
        model.latent_dim,
        model.vocab_size,
        model.max_caption_length,
    ) == ("full", 512, 3, 1024, 8000, 100)
    assert (model.text_width, model.text_layers, model.text_heads) == (512, 3, 8)
    assert (
        train.style,
        train.num_epochs,
        train.max_grad_norm,
        train.patience,
        train.checkpoint_every,
        train.checkpoints,
    ) == ("engraving", 50, 1.0, 10, 5, "checkpoints")
    assert (
        train.reconstruction_weight,
        train.caption_weight,
        train.contrastive_weight,
        train.temperature,
    ) == (1.0, 2.0, 0.5, 0.07)
    (caption,) = parsed([CaptionConfig])
    # "": BLIP-2 where captions are missing
    assert (caption.style, caption.captioner) == ("engraving", "")
    (inference,) = parsed([InferenceConfig])
    assert (inference.checkpoint, parse_seeds(inference.seeds)) == (
        "checkpoints/best_model.pt",
        list(range(10)),
    )
    (demo,) = parsed([DemoConfig])
    assert (demo.host, demo.port, demo.share) == ("127.0.0.1", 7860, False)


def test_a_flag_wins_over_the_preset_and_the_preset_over_the_default():
    model, _train = parsed([ModelConfig, TrainConfig], "--preset", "small", "--latent-dim", "512")
    assert (model.image_size, model.latent_dim, model.channels) == (128, 512, 0)
    (model,) = parsed([ModelConfig], "--preset", "small", "--image-size", "sd")
    assert model.image_size == 512


def test_the_built_in_collection_never_goes_into_another_style():
    assert PrepareConfig(source="builtin").style == "builtin"
    with pytest.raises(ValueError, match="writes style builtin"):
        PrepareConfig(source="builtin", style="painting")
    with pytest.raises(ValueError, match="writes style builtin"):
        PrepareConfig(source="builtin", style="sprites")


@pytest.mark.parametrize(
    "given, settled",
    [
        ("", ("full", 512)),
        ("--preset small", ("small", 128)),
        ("--preset small --image-size 64", ("small", 64)),
        ("--source builtin", ("full", 512)),
        ("--source builtin --preset small", ("small", 128)),
        ("--source sprites", ("small", 64)),
        ("--source sprites --preset medium", ("medium", 64)),
        ("--source sprites --preset small --image-size 128", ("small", 128)),
    ],
)
def test_a_collection_s_own_size_wins_over_the_preset_and_a_flag_over_both(given, settled):
    (config,) = flags_alone(PrepareConfig, *given.split())
    assert (config.preset, config.image_size) == settled


@pytest.mark.parametrize(
    "text, seeds",
    [
        ("7", [7]),
        ("0-9", list(range(10))),
        ("1,5", [1, 5]),
        ("1,3-4", [1, 3, 4]),
        ("4294967295", [2**32 - 1]),
        ("Anna,7,Berta", [3209678038, 7, seed_of_word("Berta")]),
        ("Anna-Maria, 0-1", [seed_of_word("Anna-Maria"), 0, 1]),
    ],
)
def test_seed_lists_are_read(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    "text",
    ["", "7th", "3.7", "-1", "9-0", "4294967296", "1,,2", "0-99999999", "²", "a\tb", "x" * 101],
)
def test_what_is_no_seed_is_refused_with_a_sentence(text, capsys):
    with pytest.raises(SystemExit) as end:
        parsed([InferenceConfig], f"--seeds={text}")
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert len(error.strip().splitlines()) == 1
    assert "seed" in error


def test_the_decoder_s_depth_follows_from_the_size():
    assert base_and_doublings(128) == (8, 4)
    assert base_and_doublings(512) == (8, 6)
    assert base_and_doublings(224) == (7, 5)
    assert base_and_doublings(1024) == (8, 7)
    with pytest.raises(ValueError, match="--image-size"):
        base_and_doublings(130)


@pytest.mark.parametrize(
    "argv",
    [
        ["--batch-size", "1"],
        ["--learning-rate", "0"],
        ["--num-epochs", "-3"],
        ["--image-size", "100"],
        ["--preset", "huge"],
        ["--latent-dim", "x"],
    ],
)
def test_nonsense_is_refused_before_any_work(argv, capsys):
    with pytest.raises(SystemExit) as end:
        parsed([ModelConfig, TrainConfig], *argv)
    assert end.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "config, values, sentence",
    [
        (ModelConfig, {"vit_layers": 0}, "--vit-layers goes from 1 to 200, got 0"),
        (ModelConfig, {"blocks": 0}, "--blocks goes from 1 to 200, got 0"),
        (InferenceConfig, {"passes": 65}, "--passes goes from 1 to 64, got 65"),
        (ModelConfig, {"latent_dim": 7}, "--latent-dim goes from 8 to 65536, got 7"),
        (TrainConfig, {"temperature": 0.0}, "--temperature must be above 0, got 0.0"),
        (TrainConfig, {"weight_decay": float("nan")}, "--weight-decay must be 0 or more, got nan"),
        (
            TrainConfig,
            {"batch_size": 1},
            "--batch-size must be at least 2 (contrast needs a wrong answer), got 1",
        ),
        (InferenceConfig, {"guidance": 5.5}, "--guidance goes from 0 to 5, got 5.5"),
        (InferenceConfig, {"best_of": 0}, "--best-of goes from 1 to 1000, got 0"),
        (DemoConfig, {"port": 65536}, "--port goes from 1 to 65535, got 65536"),
        # it left out as many pictures as it said, without a word
        (CaptionConfig, {"max_samples": -1}, "--max-samples must be 0 or more, got -1"),
        (PrepareConfig, {"smallest": -1}, "--smallest must be 0 or more, got -1"),
    ],
)
def test_a_value_out_of_bounds_is_named_with_its_flag_and_the_bounds(config, values, sentence):
    with pytest.raises(ValueError, match="^--") as caught:
        config(**values)
    assert str(caught.value) == sentence


def test_values_at_their_bounds_are_taken():
    assert InferenceConfig(guidance=0.0, temperature=5.0, best_of=1000).best_of == 1000
    assert DemoConfig(port=65535).port == 65535
    assert ModelConfig(latent_dim=8, code_noise=0.0).latent_dim == 8
    assert [InferenceConfig(passes=passes).passes for passes in (1, 64)] == [1, 64]


def test_settings_load_nothing_heavy():
    """--help answers at once: no torch, no numpy."""
    modules = ", ".join(f"oneseed.config.{path.stem}" for path in CONFIG_FILES)
    code = f"import sys, {modules}; print(*{{'torch', 'numpy', 'yaml'}} & {{*sys.modules}})"
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == ""
