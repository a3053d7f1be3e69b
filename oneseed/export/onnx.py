"""Writes a checkpoint as ONNX files, which other languages and browsers run without torch.

Reads   checkpoints/best_model.pt
Writes  outputs/export/   pair.onnx, prompt.onnx       a seed, and a prompt, to picture and caption
                          pair_small.onnx, …           the same in about half of the room
                          config.json, tokenizer.json  what a program needs beside them

    python -m oneseed.export onnx
    python -m oneseed.export onnx --checkpoint base --passes 4

Every file is compared with PyTorch on the same seeds. Exit code 1: a caption of pair.onnx or
prompt.onnx differs, or a pixel by more than 1 of 255.
"""

import importlib.util
from collections.abc import Sequence

from oneseed.config.export import OnnxConfig
from oneseed.console.command import UserError, run
from oneseed.console.flags import parse_configs
from oneseed.dataset.commands import python_name

EXPORT_LIBRARIES = ("onnx", "onnxscript", "onnxruntime")


def main(argv: Sequence[str]) -> None:
    """The words of the command line; ends the process."""
    (config,) = parse_configs(OnnxConfig, description=__doc__ or "", argv=argv)
    run(export_onnx, config)


def export_onnx(config: OnnxConfig) -> int:
    """Writes and compares the files -> exit status. UserError where a library is missing."""
    missing = [name for name in EXPORT_LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"an export needs {', '.join(missing)}; install with: "
            f"{python_name()} -m pip install -r requirements-export.txt"
        )
    # heavy
    from oneseed.export.model_files import write_model_files

    return write_model_files(config)
