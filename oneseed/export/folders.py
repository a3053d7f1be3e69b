"""Whose a folder is that something is exported to: what somebody else has put there stays.

require_export_folder(Path("outputs/export"))    # before ONNX files are written there
require_model_folder(Path("outputs/hub"))        # before a model is
"""

import json
from collections.abc import Set
from pathlib import Path

from oneseed.console.command import UserError
from oneseed.hub_models import CONFIG_FILE, TOKENIZER_FILE, WEIGHTS_FILE

# kind of graph -> its files, exact and small
GRAPH_FILES = {
    "pair": ("pair.onnx", "pair_small.onnx"),
    "prompt": ("prompt.onnx", "prompt_small.onnx"),
}
# keys of config.json beside ONNX files, and beside the weights of a model
EXPORT_KEYS = {"format", "files"}
MODEL_KEYS = {"format", "config", "meta"}


def config_has(folder: Path, keys: Set[str]) -> bool:
    """Whether the config.json of a folder is a table of JSON with these keys."""
    try:
        facts = json.loads((folder / CONFIG_FILE).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(facts, dict) and keys <= facts.keys()


def takes_export(folder: Path) -> bool:
    """Whether ONNX files in a folder replace nothing of somebody else's.

    An export that was killed leaves graphs without config.json.
    """
    if folder.exists() and not folder.is_dir():
        return False
    if (folder / CONFIG_FILE).exists():
        return config_has(folder, EXPORT_KEYS)
    graphs = [folder / name for names in GRAPH_FILES.values() for name in names]
    return not (folder / TOKENIZER_FILE).exists() or any(path.exists() for path in graphs)


def require_export_folder(folder: Path) -> None:
    """UserError where ONNX files would replace what they did not write."""
    if not takes_export(folder):
        raise UserError(
            f"{folder.as_posix()} holds something else than ONNX files of this program, which "
            "they would replace; name another folder with --out"
        )


def require_model_folder(folder: Path) -> None:
    """UserError where a model would replace what another program wrote, or ONNX files' config."""
    has_config = (folder / CONFIG_FILE).exists()
    is_own = config_has(folder, MODEL_KEYS) if has_config else not (folder / WEIGHTS_FILE).exists()
    if not is_own:
        raise UserError(
            f"{folder.as_posix()} holds something else than a model of this program, which a "
            "model would replace; name another folder with --out"
        )
