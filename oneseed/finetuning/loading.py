"""The captioner that is to be taught: whole in memory, in four bits, or without its weights."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oneseed.captioning.adapters import is_adapter
from oneseed.captioning.asking import LoadedCaptioner
from oneseed.captioning.huggingface import (
    is_here,
    load_captioner,
    load_pretrained,
)
from oneseed.config.finetuning import CONNECTOR, EXAMPLE_CAPTIONER, VISION, FinetuningConfig
from oneseed.console.command import UserError
from oneseed.files import expanded
from oneseed.finetuning.parts import require_known_parts, topmost_modules

if TYPE_CHECKING:
    import torch

INSTALL_BITS = "pip install 'bitsandbytes>=0.50'"
# bits of a frozen weight of the language model with --bits 4
FOUR_BITS = 4


def load_base(config: FinetuningConfig, device: "torch.device") -> LoadedCaptioner:
    """The captioner of --model on its device, nothing of it taught yet.

    UserError where it cannot be had, or its parts cannot be told.
    """
    require_model(config)
    silence_bars()
    load = load_in_few_bits if config.bits == FOUR_BITS else None
    captioner = load_captioner(config.model, device, flag="--model", load=load)
    require_known_parts(captioner.model, config.model)
    return captioner


def load_outline(config: FinetuningConfig) -> LoadedCaptioner:
    """The captioner of --model without its weights: shapes alone, on the meta device."""
    require_model(config)
    captioner = load_captioner(config.model, "meta", flag="--model", load=load_shapes)
    require_known_parts(captioner.model, config.model)
    return captioner


def silence_bars() -> None:
    """transformers draws no bars: a checkpoint is read and written several times in a run."""
    from transformers.utils import logging

    logging.disable_progress_bar()


def require_model(config: FinetuningConfig) -> None:
    """UserError where --model names none, or an adapter instead of a checkpoint."""
    if not config.model:
        raise UserError(
            "which captioner is to be taught? Name its folder or its hub name: --model "
            f"{EXAMPLE_CAPTIONER}"
        )
    if is_adapter(config.model):
        raise UserError(
            f"{config.model} is an adapter, which lies beside its merged checkpoint: teach that one"
        )
    written = Path(config.checkpoints).resolve()
    if expanded(config.model).resolve().is_relative_to(written):
        raise UserError(
            f"--model {config.model} lies in the folder that this run writes to: choose another "
            "one with --checkpoints DIR"
        )
    is_here(config.model, "--model")


def load_shapes(name: str, device: str, *, is_offline: bool) -> LoadedCaptioner:
    """Processor and model of a checkpoint, of the weights only their shapes."""
    import torch
    from transformers import (
        AutoConfig,
        AutoModelForImageTextToText,
        AutoProcessor,
        GenerationConfig,
    )
    from transformers.utils import logging

    logging.set_verbosity_error()
    found: dict[str, Any] = {"local_files_only": is_offline, "trust_remote_code": False}
    processor = AutoProcessor.from_pretrained(name, **found)
    config = AutoConfig.from_pretrained(name, **found)
    with torch.device(device):
        model = AutoModelForImageTextToText.from_config(config, trust_remote_code=False)
    if not hasattr(processor, "tokenizer"):
        raise ValueError("it has no tokenizer")
    # an old checkpoint has none of its own
    with contextlib.suppress(OSError):
        model.generation_config = GenerationConfig.from_pretrained(
            name, local_files_only=is_offline
        )
    return LoadedCaptioner(processor, model.eval())


def load_in_few_bits(name: str, device: "torch.device", *, is_offline: bool) -> LoadedCaptioner:
    """Like load_pretrained, the matrices of the language model in four bits (nf4, twice quantised).

    What sees, and what leads to the words, stays as it is. UserError without bitsandbytes.
    """
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor, BitsAndBytesConfig

    try:
        import bitsandbytes  # noqa: F401  # ty: ignore[import-not-found]  # an extra
    except ImportError as error:
        raise UserError(
            f"--bits 4 needs the library bitsandbytes: {INSTALL_BITS}, then run the same command "
            "again"
        ) from error
    shapes = load_shapes(name, "meta", is_offline=is_offline).model
    spared = [*topmost_modules(shapes, VISION), *topmost_modules(shapes, CONNECTOR)]
    words = shapes.get_output_embeddings()
    spared += [path for path, module in shapes.named_modules() if module is words]
    dtype = torch.bfloat16 if torch.device(device).type == "cuda" else torch.float32
    bits = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
        llm_int8_skip_modules=spared,
    )
    found: dict[str, Any] = {"local_files_only": is_offline, "trust_remote_code": False}
    model = AutoModelForImageTextToText.from_pretrained(
        name, dtype=dtype, quantization_config=bits, device_map={"": str(device)}, **found
    )
    processor = AutoProcessor.from_pretrained(name, **found)
    return LoadedCaptioner(processor, model.eval())


def load_unquantised(name: str, device: "torch.device") -> LoadedCaptioner:
    """A checkpoint as it is, whatever bits it was taught in: what an adapter is merged into."""
    return load_captioner(name, device, flag="--model", load=load_pretrained)
