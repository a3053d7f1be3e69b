"""Commands in messages can be typed as they stand."""

import shlex
import sys

import pytest

from oneseed.config import base_model
from oneseed.config.captioning import CaptionConfig
from oneseed.config.preparation import PrepareConfig
from oneseed.config.training import TrainConfig
from oneseed.console.flags import parse_configs
from oneseed.dataset import commands
from oneseed.synthetic.collections import DRAWN_STYLES


def test_blanks_in_styles_folders_and_checkpoints_are_quoted():
    caption = commands.caption_command("Art Nouveau", "my data", "--captioner names")
    words = shlex.split(caption)
    assert words[1] == "caption_generation.py"
    (config,) = parse_configs(CaptionConfig, description="", argv=words[2:])
    assert (config.style, config.data, config.captioner) == ("Art Nouveau", "my data", "names")
    train = shlex.split(commands.train_command("Art Nouveau", " --fresh", "my data"))
    (config,) = parse_configs(TrainConfig, description="", argv=train[2:])
    assert (config.style, config.data, config.fresh) == ("Art Nouveau", "my data", True)
    assert "--checkpoint 'my runs/best_model.pt'" in commands.draw_command("my runs/best_model.pt")
    assert "--source 'my prints'" in commands.prepare_command("prints", source="my prints")


@pytest.mark.parametrize("style", DRAWN_STYLES)
def test_a_drawn_collection_is_its_own_source(style):
    """--style sprites alone is refused: its pictures come from nowhere else."""
    words = shlex.split(commands.prepare_command(style, "my data"))
    (config,) = parse_configs(PrepareConfig, description="", argv=words[2:])
    assert (config.source, config.style, config.data) == (style, style, "my data")


def test_what_is_the_default_is_not_named():
    assert commands.page_command("checkpoints/best_model.pt", "data").endswith("gradio_demo.py")
    assert commands.page_command(data="elsewhere").endswith("gradio_demo.py --data elsewhere")
    assert commands.draw_command("checkpoints/best_model.pt").endswith("inference.py --seeds 0-9")


def test_the_base_model_is_named_by_its_word_and_a_file_of_that_name_by_its_path():
    for named in ("base", base_model.BASE_FILE):
        assert commands.page_command(named).endswith("gradio_demo.py --checkpoint base")
    for named in ("./base", base_model.Path("base")):
        assert commands.page_command(named).endswith("gradio_demo.py --checkpoint ./base")


@pytest.mark.parametrize(
    "size, preset, flags",
    [
        (512, "", ""),
        (256, "", "--preset medium"),
        (128, "", "--preset small"),
        (64, "", "--preset small --image-size 64"),
        (224, "", "--preset medium --image-size 224"),
        (1024, "", "--preset full --image-size 1024"),
        (256, "small", "--preset small --image-size 256"),
        (64, "full", "--image-size 64"),
    ],
)
def test_training_is_told_the_size_that_was_prepared(size, preset, flags):
    """The full preset on pictures of 64 px is refused, so a command without these flags fails."""
    assert commands.size_flags(size, preset) == flags.replace("--preset full ", "")


def test_commands_name_the_python_that_runs(monkeypatch, tmp_path):
    """make demo works in .venv, which nobody has activated: the shell's own python has no torch."""
    other = tmp_path / "python"
    other.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    commands.python_name.cache_clear()
    name = commands.python_name()
    monkeypatch.undo()
    commands.python_name.cache_clear()
    assert name != "python"
    assert name in sys.executable
    assert commands.python_name() == "python"
