"""A spec in sections becomes settings, with a warning for all that is done otherwise."""

import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from oneseed.config import spec
from oneseed.config.model import PRESETS, ModelConfig
from oneseed.config.training import TrainConfig
from oneseed.console.config_file import read_config
from oneseed.console.flags import parse_configs, schema

ROOT = Path(__file__).resolve().parents[2]
KINDS = (ModelConfig, TrainConfig)
# text of a file -> the settings that it means, and what the warnings say, in their order
MEANT = {
    "modality: {inputs: [text], outputs: [image, text]}": ({"medium": "picture"}, []),
    "modality: {inputs: [text], outputs: [audio, text]}": ({"medium": "sound"}, []),
    "modality: {outputs: audio}": ({"medium": "sound"}, []),
    "modality: {inputs: [image], outputs: [text]}": ({}, ["a picture comes along"]),
    "modality: {outputs: [image, audio, text]}": (
        {"medium": "picture"},
        ["one medium a model: picture is made, sound is not"],
    ),
    "modality: {outputs: [image, taste]}": ({"medium": "picture"}, ["taste is not made here"]),
    "modality: {inputs: [lidar], outputs: [image]}": ({"medium": "picture"}, ["lidar is not"]),
    "modality: {inputs: [audio, text], outputs: [image]}": (
        {"medium": "picture"},
        ["audio is not taken; prompts and pictures are"],
    ),
    "modality: {outputs: [image], num_channels: 1}": ({"medium": "picture", "channels": 1}, []),
    "modality: {num_channels: 3, outputs: [video]}": ({"medium": "clip", "channels": 3}, []),
    "modality: {outputs: [image], num_channels: 4}": (
        {"medium": "picture"},
        ["num_channels is 1 or 3 here"],
    ),
    "modality: {num_channels: 2, outputs: [audio]}": (
        {"medium": "sound"},
        ["num_channels is 1 here"],
    ),
    "modality: {outputs: [audio], sample_rate: 44100}": (
        {"medium": "sound"},
        ["sample_rate is 16,000 here"],
    ),
    "modality: {outputs: [audio], sample_rate: 16000, hop_length: 256}": ({"medium": "sound"}, []),
    "modality: {outputs: [audio], n_mels: 80}": ({"medium": "sound", "image_size": 80}, []),
    "modality: {outputs: [video, text], num_frames: 16, fps: 8}": ({"medium": "clip"}, []),
    "modality: {outputs: [video], num_frames: 24}": (
        {"medium": "clip"},
        ["num_frames is 16 here"],
    ),
    "constraints: {parameter_budget: 8M}": ({"parameters": 8_000_000}, []),
    "constraints: {parameter_budget: {max: 8M, min: 6M}}": ({"parameters": 8_000_000}, []),
    "constraints: {parameter_budget: {min: 9.5M}}": (
        {"parameters": 10_000_000},
        [],
    ),
    "constraints: {parameter_budget: {max: 8M, min: 7.9M}}": (
        {"parameters": 8_000_000},
        ["may be below min"],
    ),
    "constraints: {memory_budget: 4GB, device: cpu}": (
        {"memory_budget": 4_000_000_000, "device": "cpu"},
        [],
    ),
    "constraints: {image_size: imagenet, latency: 20ms}": (
        {"image_size": 224},
        ["speed is measured"],
    ),
    "constraints: {precision: fp16}": ({"precision": "bf16"}, ["fp16 is not trained in"]),
    "constraints: {precision: bfloat16, context_window: 64}": (
        {"precision": "bf16", "max_caption_length": 64},
        [],
    ),
    "architecture: {family: cnn}": ({"encoder": "cnn"}, []),
    "architecture: {family: hybrid, latent_dim: 512}": ({"encoder": "vit", "latent_dim": 512}, []),
    "architecture: {family: transformer}": ({"encoder": "vit"}, ["hybrid is the word"]),
    "architecture: {family: Diffusion}": ({"encoder": "vit"}, ["nearest of kin"]),
    "architecture: {family: gan, variant: large}": (
        {"encoder": "vit"},
        ["no such family", "no variants"],
    ),
    "architecture: {fusion: cross-attention}": ({}, ["no network here looks at both"]),
    "architecture: {fusion: contrastive, hidden_size: 64, num_layers: 1}": (
        {"text_width": 64, "text_layers": 1},
        [],
    ),
    "training: {objective: [reconstruction, autoregressive, contrastive]}": ({}, []),
    "training: {objective: captioning}": ({}, ["reconstruction and contrast are trained, too"]),
    "training: {objective: [masked, classification]}": (
        {},
        ["masked is not", "classification is not", "switches nothing off"],
    ),
    "training: {batch_size: 16, learning_rate: 1e-3, epochs: 3}": (
        {"batch_size": 16, "learning_rate": 1e-3, "num_epochs": 3},
        [],
    ),
    "training: {optimizer: adamw, data: {path: x}}": ({}, ["Muon", "flat settings"]),
    "reproducibility: {seed: 7, deterministic: true}": ({"seed": 7}, ["bit for bit"]),
    "preset: fast": ({"preset": "small"}, []),
    "intent: quality": ({"preset": "full"}, []),
    "metagen_version: '1.0'\nname: x\ntask: [a, b]\nbatch_size: 8": ({"batch_size": 8}, []),
    "batch_size: 8\ntraining: {seed_: 1}": "line 2: unknown key training.seed_",
    "architecture: {famly: cnn}": "unknown key architecture.famly; did you mean family?",
    "architecture: {family: hybird}": "unknown family 'hybird'; did you mean hybrid?",
    "modality: {outputs: [taste]}": "of taste nothing is left to make",
    "modality: [image]": "modality needs keys of its own",
    "modality: {outputs: {a: b}}": "modality.outputs needs a word or a list of words",
    "constraints: {parameter_budget: {max: 5M, min: 6M}}": "min 6,000,000 is above max 5,000,000",
    "constraints: {parameter_budget: {maximum: 5M}}": "did you mean max?",
    "constraints: {parameter_budget: many}": "invalid parameter_count value: 'many'",
    "constraints: {memory_budget: lots}": "an amount is written 2 GB",
    "constraints: {image_size: [1, 2]}": "image_size needs one value",
    "training: {batch_size: 8}\nbatch_size: 16": "line 1: batch_size stands there twice",
    "training: {batch_size: 1.5}": "line 1: argument --batch-size: invalid int value",
    "trainig: {batch_size: 8}": "unknown setting 'trainig'",
    "? [a]\n: b": "unknown setting",
    "architecture: {? [a] : b}": "a key of architecture is a word",
}


def read(text, tmp_path):
    path = tmp_path / "model.yaml"
    path.write_text(text + "\n")
    return read_config(path, KINDS, "training_loop.py", spec)


@pytest.mark.parametrize("text", MEANT)
def test_a_spec_is_settings_and_warnings_or_one_sentence(text, tmp_path, capsys):
    """Dropped keys were noticed hours later, in the pictures."""
    expected = MEANT[text]
    if isinstance(expected, str):
        with pytest.raises(SystemExit) as ended:
            read(text, tmp_path)
        assert ended.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert expected in line and str(tmp_path / "model.yaml") in line
        return
    settings, warnings = expected
    assert read(text, tmp_path) == settings
    told = capsys.readouterr().err.splitlines()
    assert len(told) == len(warnings)
    for line, warning in zip(told, warnings):
        assert warning in line
        assert ", line 1: " in line


def test_every_warning_names_its_line(tmp_path, capsys):
    read("name: x\n\narchitecture:\n  variant: big\n  fusion: early\n", tmp_path)
    first, second = capsys.readouterr().err.splitlines()
    assert "model.yaml, line 4: " in first
    assert "model.yaml, line 5: " in second


def test_a_flat_medium_and_a_flag_say_what_is_made(tmp_path, capsys):
    """Sections were read without the flat settings beside them: a file with `medium: sound` was
    told that audio is not taken."""
    text = "modality: {inputs: [audio], num_channels: 1}"
    assert read(f"medium: sound\n{text}", tmp_path) == {"medium": "sound"}
    assert capsys.readouterr().err == ""
    assert read(f"{text}\nmedium: sound", tmp_path) == {"medium": "sound"}
    assert capsys.readouterr().err == ""
    parse_configs(
        *KINDS,
        description="Trains.",
        presets=PRESETS,
        argv=["--config", str(tmp_path / "model.yaml"), "--medium", "clip"],
        file=KINDS,
        sections=spec,
    )
    assert "audio is not taken; prompts and clips are" in capsys.readouterr().err


def test_the_schema_knows_what_the_reader_reads():
    """An editor marked modality, constraints and intent as errors: the schema had flat settings
    alone, and allowed no other key."""
    found = schema(KINDS, spec)
    jsonschema.Draft202012Validator.check_schema(found)
    is_valid = jsonschema.Draft202012Validator(found).is_valid
    (shown,) = re.findall(
        r"```yaml\n(.*?)```", (ROOT / "docs" / "spec.md").read_text("utf-8"), re.DOTALL
    )
    for text, expected in MEANT.items():
        if not isinstance(expected, str):
            assert is_valid(yaml.safe_load(text)), text
    assert is_valid(yaml.safe_load(shown))
    for text in (
        "trainig: {batch_size: 8}",
        "architecture: {famly: cnn}",
        "modality: [image]",
        "preset: huge",
    ):
        assert not is_valid(yaml.safe_load(text)), text


def test_a_spec_becomes_the_configs_of_a_run(tmp_path):
    """The presets of the flat settings hold, and a flag wins over the file."""
    path = tmp_path / "model.yaml"
    path.write_text("intent: fast\ntraining: {batch_size: 16}\nreproducibility: {seed: 5}\n")
    model, train = parse_configs(
        *KINDS,
        description="Trains.",
        presets=PRESETS,
        argv=["--config", str(path), "--seed", "6"],
        file=KINDS,
        sections=spec,
    )
    assert (model.preset, model.image_size) == ("small", 128)
    assert (train.batch_size, train.seed) == (16, 6)


def test_no_section_hides_a_flat_setting():
    """preset is both; it takes what the flat one took, and words for what it is for."""
    flat = {name for kind in KINDS for name in kind.__dataclass_fields__}
    assert {name for name in flat if spec.is_section(name)} == {"preset"}


def test_a_spec_runs_no_code(tmp_path):
    """A tag of YAML may name a Python function and what it is called with."""
    made = tmp_path / "made"
    with pytest.raises(SystemExit):
        read(f"training: !!python/object/apply:os.mkdir ['{made}']", tmp_path)
    assert not made.exists()
