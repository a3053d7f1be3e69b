"""Settings of `python -m oneseed.export`."""

from dataclasses import dataclass

from oneseed.config.inference import MAX_PASSES, PASSES
from oneseed.config.options import checkpoint_option
from oneseed.console.flags import BaseConfig, option

EXPORT_FOLDER = "outputs/export"
WEB_FOLDER = "outputs/web"


@dataclass(frozen=True)
class OnnxConfig(BaseConfig):
    """What `python -m oneseed.export onnx` is asked for."""

    checkpoint: str = checkpoint_option()
    out: str = option(EXPORT_FOLDER, "folder of the files")
    passes: int = option(
        PASSES,
        "in which the check and the web page draw; the files themselves take any number",
        at_least=1,
        at_most=MAX_PASSES,
    )
    check: int = option(200, "seeds whose pairs are compared with those of PyTorch", at_least=1)


@dataclass(frozen=True)
class WebConfig(BaseConfig):
    """What `python -m oneseed.export web` is asked for."""

    model: str = option(EXPORT_FOLDER, "folder that `python -m oneseed.export onnx` wrote")
    out: str = option(WEB_FOLDER, "folder of the page; what is there is replaced")
    runtime: str | None = option(
        None,
        "an unpacked npm package onnxruntime-web; default: version 1.30.0 from the npm registry, "
        "kept in ~/.cache/one-seed",
    )
