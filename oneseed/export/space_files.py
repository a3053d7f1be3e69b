"""What a Gradio Space needs: the page's own modules, the libraries, and the file that starts it."""

import importlib.metadata
import itertools
import platform
import sys
from modulefinder import ModuleFinder
from pathlib import Path
from typing import NamedTuple

from oneseed.config.base_model import checkpoint_name
from oneseed.hub_models import HUB_NAME, HUB_PREFIX, is_on_hub

PROGRAM = Path(__file__).resolve().parents[2]
SCRIPT = "gradio_demo.py"
# suffixes of what the page shows, beside its modules
ASSET_SUFFIXES = (".css", ".js")
APP_FILE = "app.py"
REQUIREMENTS_FILE = "requirements.txt"
MODEL_FOLDER = "model"
# what Spaces answer on, and where their pages are shown
SPACE_PORT = 7860
HUB_ORIGIN = "https://huggingface.co"
# in sdk_version of README.md; the others come along
WITH_GRADIO = {"gradio", "fastapi", "starlette", "uvicorn", "h11", "huggingface_hub"}
# of training and preparing; the page only speaks of them
NOT_ON_THE_PAGE = {"sklearn", "tensorboard", "pillow_heif", "transformers"}
# where the build of torch without CUDA lies, which is much smaller
CPU_INDEX = "https://download.pytorch.org/whl/cpu"

APP = f'''"""Serves the page of this Space on the port that the Hub asks."""

import os
from pathlib import Path

from gradio_demo import main
from oneseed.config.demo import DemoConfig
from oneseed.console.command import run

# the Hub shows the page within one of its own, and under a name that it says here; elsewhere this
# machine alone reaches it
CONFIG = DemoConfig(
    checkpoint=str(Path(__file__).resolve().with_name("{MODEL_FOLDER}")),
    host="0.0.0.0" if "SPACE_ID" in os.environ or "SPACE_HOST" in os.environ else "127.0.0.1",
    port=int(os.environ.get("PORT", "{SPACE_PORT}")),
    allow_host=os.environ.get("SPACE_HOST", ""),
    allow_frame="{HUB_ORIGIN}",
    device="cpu",
)

if __name__ == "__main__":
    run(main, CONFIG)
'''


class Needed(NamedTuple):
    """What a script imports, and what its imports import."""

    # names of own files within PROGRAM, sorted
    files: list[str]
    # names of modules of other people
    libraries: set[str]


def needed_files() -> Needed:
    """What the page needs, imports within functions included."""
    finder = ModuleFinder(path=[str(PROGRAM)])
    finder.run_script(str(PROGRAM / SCRIPT))
    found = [getattr(module, "__file__", None) for module in finder.modules.values()]
    modules = [Path(file) for file in found if file]
    folders = {module.parent for module in modules} - {PROGRAM}
    beside = itertools.chain.from_iterable(map(Path.iterdir, folders))
    assets = [file for file in beside if file.suffix in ASSET_SUFFIXES]
    files = [
        file.relative_to(PROGRAM).as_posix() for file in (*modules, *assets, PROGRAM / "LICENSE")
    ]
    missing = {name.partition(".")[0] for name in finder.badmodules}
    return Needed(sorted(files), missing - sys.stdlib_module_names - {"oneseed"})


def requirements(libraries: set[str]) -> str:
    """The text of requirements.txt: what is needed, in the versions that are installed here."""
    distributions = importlib.metadata.packages_distributions()
    names = {
        distributions[library][0]
        for library in libraries - WITH_GRADIO - NOT_ON_THE_PAGE
        if library in distributions
    }
    lines = [f"{name}=={public_version(name)}" for name in sorted(names, key=str.lower)]
    return "\n".join([f"--extra-index-url {CPU_INDEX}", *lines, ""])


def public_version(distribution: str) -> str:
    """The version of an installed library, without the build that it is: "2.14.1+cpu" has one."""
    return importlib.metadata.version(distribution).partition("+")[0]


def head_of_gradio(checkpoint: str) -> dict[str, object]:
    """What the head of README.md says of a Gradio Space: this Python, this Gradio, this model."""
    name = checkpoint_name(checkpoint) if is_on_hub(checkpoint) else ""
    found = HUB_NAME.fullmatch(name.removeprefix(HUB_PREFIX))
    return {
        "sdk": "gradio",
        "sdk_version": public_version("gradio"),
        "python_version": ".".join(platform.python_version_tuple()[:2]),
        "app_file": APP_FILE,
        "models": [found["model"]] if found else None,
        "suggested_hardware": "cpu-basic",
    }
