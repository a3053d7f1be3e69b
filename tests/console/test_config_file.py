"""One file says what is trained: every flag by its name, nothing misread, nothing executed."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import jsonschema
import pytest
import yaml

from oneseed.config import spec
from oneseed.config.model import PRESETS, ModelConfig, SpecsConfig
from oneseed.config.training import UNSAVED_FIELDS, TrainConfig
from oneseed.console import flags
from oneseed.console.flags import option_fields
from oneseed.model.multimodal import MultimodalModel
from tests.conftest import tiny_config

ROOT = Path(__file__).resolve().parents[2]

FILE = (ModelConfig, TrainConfig)


def parsed(*argv, kinds=FILE):
    return flags.parse_configs(
        *kinds,
        description="title\n\nexamples",
        presets=PRESETS,
        argv=list(map(str, argv)),
        file=FILE,
    )


def written(folder, text):
    path = folder / "model.yaml"
    path.write_text(text if isinstance(text, str) else yaml.safe_dump(text), "utf-8")
    return path


def test_a_flag_wins_over_the_file_and_the_file_over_the_preset(tmp_path):
    path = written(tmp_path, "preset: small\nwidth: 24\nbatch_size: 16\nlearning_rate: 2.5e-4\n")
    model, train = parsed("--config", path, "--batch-size", "8")
    assert (model.preset, model.image_size, model.width, model.max_width) == ("small", 128, 24, 160)
    assert (train.batch_size, train.learning_rate, train.num_epochs) == (
        8,
        2.5e-4,
        PRESETS["small"]["num_epochs"],
    )
    model, train = parsed("--config", path, "--preset", "full", "--max-width", "256")
    assert (model.preset, model.image_size, model.width, model.max_width) == ("full", 512, 24, 256)
    assert (train.batch_size, train.num_epochs) == (16, TrainConfig.num_epochs)


def test_every_setting_can_stand_in_the_file(tmp_path):
    """Each field of both dataclasses under another value than its default, by its own name."""
    other = {
        int: lambda value: value + 1,
        float: lambda value: value * 1.5,
        str: lambda value: value + "x",
        bool: lambda value: not value,
    }
    fitting = {
        "preset": "medium",
        "image_size": 224,
        "channels": 1,
        "encoder": "vit",
        "vit_width": 64,
        "compile": "off",
        "patch": 2,
        "truncation": 0.5,
        "text_width": 480,
        "text_heads": 4,
        "device": "cpu",
        "precision": "bf16",
        "medium": "sound",
        # the folder of a language model; any is one, as far as the settings go
        "text_decoder": "tests",
    }
    values = {
        field.name: fitting.get(field.name, other[field.type](field.default))
        for field in option_fields(FILE).values()
    }
    assert all(values[name] != field.default for name, field in option_fields(FILE).items())
    model, train = parsed("--config", written(tmp_path, values))
    assert values.items() <= (asdict(train) | asdict(model)).items()
    # JSON is YAML too
    model, train = parsed("--config", written(tmp_path, json.dumps(values)))
    assert values.items() <= (asdict(train) | asdict(model)).items()


def test_values_are_read_as_flags_read_them(tmp_path):
    """To YAML 1e-3 is no number, 0123 is octal, 1:30 is ninety and no is false."""
    model, train = parsed(
        "--config",
        written(
            tmp_path,
            "learning_rate: 1e-3\nseed: 0123\nstyle: no\nimage_size: clip\nparameters: 1.5M\n"
            "fresh: yes\ncheck: False\n",
        ),
    )
    assert (
        train.learning_rate,
        train.seed,
        train.style,
        model.image_size,
        train.parameters,
        train.fresh,
        train.check,
    ) == (1e-3, 123, "no", 224, 1_500_000, True, False)


WRONG = [
    ("widht: 3", "line 1: unknown setting 'widht'; did you mean width?"),
    ("# sizes\n\nbatch-size: 8", "line 3: unknown setting 'batch-size'; did you mean batch_size?"),
    ("model:\n  width: 3", "unknown setting 'model'"),
    ("write_specs: true", "unknown setting 'write_specs'"),
    ("batch_size: many", "line 1: argument --batch-size: invalid int value: 'many'"),
    ("batch_size: true", "invalid int value"),
    ("preset: huge", "invalid choice: 'huge'"),
    ("channels: 2", "invalid choice: 2"),
    ("fresh: 3", "fresh is true or false"),
    ("width: [8, 16]", "width needs one value"),
    ("width:", "width needs one value"),
    ("width: ~", "width needs one value"),
    ("width: 8\nwidth: 16", "line 2: width stands there twice"),
    ("batch_size: 1", "--batch-size must be at least 2"),
    ("width: 0", "--width goes from 1 to 65536"),
    ("text_heads: 0", "--text-heads goes from 1 to 65536"),
    ("vit_width: 40", "--vit-width must be a multiple of 32"),
    ("encoder: cnn2", "--encoder is cnn, vit, or the folder"),
    ("parameters: .5M", "invalid parameter_count"),
    ("parameters: 900B", "invalid parameter_count"),
    ("- width: 3", "no list of settings"),
    ("", "no list of settings"),
    ("width: 'a", "no YAML"),
    ("width: 3\n--- \nwidth: 4", "no YAML"),
    ("\0", "no YAML"),
    ("[" * 1500, "no YAML"),
    ("? [a]\n: 3", "unknown setting"),
]


@pytest.mark.parametrize("text, sentence", WRONG, ids=[text[:20] for text, _ in WRONG])
def test_a_wrong_file_ends_in_one_sentence_that_says_where(text, sentence, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        parsed("--config", written(tmp_path, text))
    error = capsys.readouterr().err
    assert end.value.code == 2
    assert sentence in error
    assert "model.yaml" in error
    assert len(error.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "path, sentence",
    [("nowhere.yaml", "No such file"), (".", "Is a directory"), ("latin.yaml", "no YAML")],
)
def test_a_file_that_cannot_be_read_is_named(path, sentence, tmp_path, capsys):
    (tmp_path / "latin.yaml").write_bytes("style: gravüre".encode("latin-1"))
    with pytest.raises(SystemExit) as end:
        parsed("--config", tmp_path / path)
    error = capsys.readouterr().err
    assert end.value.code == 2
    assert sentence in error
    assert str(tmp_path / path) in error
    assert len(error.strip().splitlines()) == 1


@pytest.mark.parametrize("words", [["--config", ""], ["--config="]])
def test_a_file_without_a_name_is_missing(words, capsys):
    """`--config "$SPEC"` with a variable that was not set trained the defaults."""
    with pytest.raises(SystemExit) as end:
        parsed(*words)
    assert end.value.code == 2
    assert "'': No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        "style: !!python/object/apply:pathlib.Path.touch [{0}]",
        "!!python/object/apply:pathlib.Path.touch [{0}]",
        "style: !!python/name:os.getcwd ''",
    ],
)
def test_a_hostile_file_executes_nothing(text, tmp_path, monkeypatch):
    owned = tmp_path / "owned"
    try:
        train = parsed("--config", written(tmp_path, text.format(owned)))[1]
        # a tag is no more than an ornament of its text
        assert train.style == ""
    except SystemExit as end:
        assert end.code == 2
    assert not owned.exists()


def test_the_schema_and_the_reader_agree(tmp_path, capsys):
    """An editor that knows the schema underlines what the command refuses, and nothing else."""
    schema = flags.schema(FILE)
    jsonschema.Draft202012Validator.check_schema(schema)
    valid = jsonschema.Draft202012Validator(schema).is_valid
    assert schema["properties"].keys() == option_fields(FILE).keys()
    good = [
        {},
        {"preset": "small"},
        {"image_size": "sd_xl", "learning_rate": 1, "parameters": "20M"},
        {"image_size": 256, "parameters": 20_000_000, "style": "all", "fresh": True},
        {name: about["default"] for name, about in schema["properties"].items()},
    ]
    bad = [
        {"widht": 3},
        {"width": "wide"},
        {"width": [3]},
        {"width": None},
        {"preset": "huge"},
        {"channels": 2},
        {"fresh": "perhaps"},
        {"batch_size": 1.5},
    ]
    for values in good:
        assert valid(values), values
        assert not values or parsed("--config", written(tmp_path, values)), values
    for values in bad:
        assert not valid(values)
        with pytest.raises(SystemExit):
            parsed("--config", written(tmp_path, values))


def test_the_model_s_script_reads_the_same_file(tmp_path, capsys):
    """It has no use for a batch size, and yet refuses a wrong one."""
    model, specs = parsed(
        "--config",
        written(tmp_path, "preset: medium\nbatch_size: 4\nwidth: 56\nparameters: 30M\n"),
        kinds=(ModelConfig, SpecsConfig),
    )
    assert (model.image_size, model.width, specs.parameters, specs.write_specs) == (
        256,
        56,
        30_000_000,
        False,
    )
    with pytest.raises(SystemExit):
        parsed("--config", written(tmp_path, "batch_size: 1"), kinds=(ModelConfig, SpecsConfig))


@pytest.mark.parametrize("script", ["training_loop", "model_architecture"])
def test_both_scripts_print_the_schema_before_any_heavy_import(script):
    shown = subprocess.run(
        [sys.executable, "-X", "importtime", f"{script}.py", "--schema"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert shown.returncode == 0
    assert json.loads(shown.stdout) == json.loads(json.dumps(flags.schema(FILE, spec)))
    assert not {"torch", "yaml"} & {
        line.rpartition("|")[2].strip() for line in shown.stderr.splitlines()
    }


def test_a_checkpoint_gives_back_the_file_of_its_run(tiny_run, tmp_path):
    """Model and training configuration travel as plain JSON, which is such a file.

    Where the run lay does not travel.
    """

    model = MultimodalModel.from_checkpoint(tiny_run / "best_model.pt")
    assert str(tiny_run) not in json.dumps(model.meta)
    assert not set(UNSAVED_FIELDS) & model.meta["training"].keys()
    again, train = parsed(
        "--config",
        written(tmp_path, json.dumps({**model.config.settings(), **model.meta["training"]})),
    )
    assert again == model.config == tiny_config(vocab_size=model.config.vocab_size)
    assert (
        train.style,
        train.num_epochs,
        train.batch_size,
        train.sampler_steps,
        train.checkpoint_every,
        train.precision,
    ) == ("builtin", 2, 8, 40, 1, "fp32")
