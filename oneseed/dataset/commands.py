"""The commands that make what is missing, as sentences for the user name them.

    caption_command("engraving", "my data", "--captioner names")
    # python caption_generation.py --style engraving --captioner names --data 'my data'

One place for all of them, so that a command can be typed as it stands: with the Python that runs
now, names that hold blanks in quotes, and every folder that is not the default one.
"""

import functools
import os
import shlex
import shutil
import sys
from pathlib import Path

from oneseed.config.base_model import checkpoint_name
from oneseed.config.finetuning import EXAMPLE_CAPTIONER
from oneseed.config.model import PRESETS, ModelConfig
from oneseed.config.preset_sizes import preset_size, smallest_preset
from oneseed.synthetic.collections import DRAWN_STYLES

DEFAULT_DATA = "data"
DEFAULT_CHECKPOINTS = "checkpoints"
BEST_MODEL = "best_model.pt"
DEFAULT_CHECKPOINT = f"{DEFAULT_CHECKPOINTS}/{BEST_MODEL}"


@functools.cache
def python_name() -> str:
    """What starts this Python: "python" where the shell finds it by that name, else its path.

    After `make demo` nobody has activated .venv, and the shell's own python lacks torch.
    """
    own = sys.executable
    if not own or is_same_python(shutil.which("python"), own):
        return "python"
    path = Path(own)
    if path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return shlex.quote(path.as_posix())


def is_same_python(found: str | None, own: str) -> bool:
    """Whether a Python of the PATH is the one that runs; the one of another .venv is not.

    Both may be links to the same file, so the folders decide.
    """
    return bool(found) and os.path.dirname(os.path.abspath(found)) == os.path.dirname(own)


def script_command(script: str, *options: str) -> str:
    """A command that runs one of the scripts. options: each as it is typed, "" for none."""
    return " ".join([python_name(), script, *filter(None, options)])


def flag(name: str, value: str | Path, default: str = "") -> str:
    """ "--name value", quoted where the shell needs it; "" where the value is the default."""
    text = value.as_posix() if isinstance(value, Path) else value
    return "" if text == default else f"--{name} {shlex.quote(text)}"


def data_flag(data: str | Path) -> str:
    """The flag --data, "" for the default folder."""
    return flag("data", data, DEFAULT_DATA)


def prepare_command(
    style: str = "", data: str | Path = DEFAULT_DATA, options: str = "", *, source: str = ""
) -> str:
    """Prepares the pictures of the collection; without a style, those of another source.

    source: where they are; "" is a PATH that the user fills in.
    """
    where = style if style in DRAWN_STYLES else source or "PATH"
    named = "" if style in ("", *DRAWN_STYLES) else flag("style", style)
    return script_command(
        "dataset_preparation.py", named, flag("source", where), options.strip(), data_flag(data)
    )


def caption_command(style: str, data: str | Path = DEFAULT_DATA, options: str = "") -> str:
    """Writes the captions of the collection and deals the pairs. data: the folder of --data."""
    return script_command(
        "caption_generation.py", flag("style", style), options.strip(), data_flag(data)
    )


def train_command(style: str, options: str = "", data: str | Path = DEFAULT_DATA) -> str:
    """Trains on the collection. options: further ones, such as "--preset small"."""
    return script_command(
        "training_loop.py", flag("style", style), options.strip(), data_flag(data)
    )


def teach_command(style: str, options: str = "", data: str | Path = DEFAULT_DATA) -> str:
    """Teaches an example of a captioner on the collection."""
    return script_command(
        "caption_finetuning.py",
        flag("model", EXAMPLE_CAPTIONER),
        flag("style", style),
        options.strip(),
        data_flag(data),
    )


def draw_command(
    checkpoint: str | Path, options: str = "--seeds 0-9", data: str | Path = DEFAULT_DATA
) -> str:
    """Draws with a checkpoint, or does what the options ask for."""
    return script_command(
        "inference.py", checkpoint_flag(checkpoint), options.strip(), data_flag(data)
    )


def page_command(checkpoint: str | Path = "", data: str | Path = DEFAULT_DATA) -> str:
    """Opens the page."""
    return script_command("gradio_demo.py", checkpoint_flag(checkpoint), data_flag(data))


def checkpoint_flag(checkpoint: str | Path) -> str:
    """The flag --checkpoint, "" for the default file, or for none."""
    name = checkpoint_name(checkpoint) if checkpoint else DEFAULT_CHECKPOINT
    return flag("checkpoint", name, DEFAULT_CHECKPOINT)


def size_flags(size: int, preset: str = "") -> str:
    """The flags that train on pictures of `size` px; "" for the full preset and its own size.

    preset: that they were prepared with; "" for the smallest one with room for the size.
    """
    if preset not in PRESETS:
        preset = smallest_preset(size)
    named = flag("preset", preset, ModelConfig.preset)
    own_size = "" if size == preset_size(preset) else f"--image-size {size}"
    return " ".join(filter(None, [named, own_size]))
