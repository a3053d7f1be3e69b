"""Does a batch pay? A tiny untrained BLIP-2 captions pictures one at a time and eight at a time.

# in turn, in one run; wanted: at least 3 times; less ends with code 1
python -m benchmarks.captioning
"""

from dataclasses import dataclass

from oneseed.console.flags import BaseConfig, option, parse_configs


@dataclass(frozen=True)
class CaptioningConfig(BaseConfig):
    """How many captions are timed."""

    pictures: int = option(32, "pictures, in each of three rounds")
    batch_size: int = option(8, "pictures of a batch")
    max_new_tokens: int = option(40, "tokens of a caption")


# --help answers before torch loads.
if __name__ == "__main__":
    CONFIGS = parse_configs(CaptioningConfig, description=__doc__)

import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from oneseed.captioning.asking import LoadedCaptioner
from oneseed.captioning.huggingface import caption_pictures, load_captioner
from oneseed.console.command import run
from oneseed.workers import chunks

if TYPE_CHECKING:
    from transformers import Blip2Config, PreTrainedTokenizerFast

# times that a batch should be faster
WANTED = 3
ROUNDS = 3

# each with whether it was cut off
Captions = list[tuple[str, bool]]


def tiny_tokenizer() -> "PreTrainedTokenizerFast":
    """A byte-level tokenizer of a few words, padded with token 0, ended by token 2."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.BPE(unk_token=None))
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    words.train_from_iterator(
        ["an engraving of a castle on a hill", "a drawing of two ships"] * 4,
        trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=["<pad>", "<s>", "</s>"],
            show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", bos_token="<s>", eos_token="</s>"
    )


def tiny_blip2_config(vocab_size: int, image_token: int) -> "Blip2Config":
    """Sizes of a BLIP-2 of 82 thousand parameters. image_token: stands for a part of a picture."""
    from transformers import Blip2Config

    shape = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4)
    return Blip2Config(
        vision_config=dict(**shape, intermediate_size=64, image_size=32, patch_size=8),
        qformer_config=dict(
            **shape, intermediate_size=64, encoder_hidden_size=32, vocab_size=vocab_size
        ),
        text_config=dict(
            **shape,
            model_type="opt",
            vocab_size=vocab_size,
            ffn_dim=64,
            word_embed_proj_dim=32,
            max_position_embeddings=256,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
        ),
        num_query_tokens=4,
        image_token_index=image_token,
    )


def tiny_blip2(path: str | Path) -> str:
    """Saves an untrained BLIP-2 and its processor there, without network -> the folder."""
    from transformers import Blip2ForConditionalGeneration, Blip2Processor, BlipImageProcessor

    image_processor = BlipImageProcessor(size={"height": 32, "width": 32})
    processor = Blip2Processor(image_processor, tiny_tokenizer(), num_query_tokens=4)
    image_token = processor.tokenizer.convert_tokens_to_ids("<image>")
    config = tiny_blip2_config(len(processor.tokenizer), image_token)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Blip2ForConditionalGeneration(config)
    model.generation_config.pad_token_id = 0
    model.generation_config.eos_token_id = 2
    model.save_pretrained(path)
    processor.save_pretrained(path)
    return str(path)


def timed_captions(
    pictures: list[Image.Image],
    captioner: LoadedCaptioner,
    *,
    batch_size: int,
    max_new_tokens: int,
) -> tuple[float, Captions]:
    """Captions all pictures -> seconds, and the captions."""
    begin = time.perf_counter()
    captions = []
    for batch in chunks(pictures, batch_size):
        prompts = ["an engraving of"] * len(batch)
        captions += caption_pictures(batch, prompts, captioner, max_new_tokens=max_new_tokens)
    return time.perf_counter() - begin, captions


def noise_picture(seed: int) -> Image.Image:
    """An RGB picture of noise, 32 x 32."""
    pixels = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def main(config: CaptioningConfig) -> bool:
    """Prints both speeds -> whether a batch pays less than wanted."""
    with tempfile.TemporaryDirectory() as folder:
        captioner = load_captioner(tiny_blip2(folder), "cpu")
    pictures = [noise_picture(seed) for seed in range(config.pictures)]

    def timed(batch_size: int) -> tuple[float, Captions]:
        return timed_captions(
            pictures, captioner, batch_size=batch_size, max_new_tokens=config.max_new_tokens
        )

    # The first call is slower.
    timed(config.batch_size)
    single_seconds = []
    batch_seconds = []
    for _ in range(ROUNDS):
        seconds, single_captions = timed(1)
        single_seconds.append(seconds)
        seconds, batch_captions = timed(config.batch_size)
        batch_seconds.append(seconds)
        assert single_captions == batch_captions, "a batch gave other captions"
    single = median(single_seconds)
    together = median(batch_seconds)
    ratio = single / together
    print(
        f"{config.pictures} pictures, {config.max_new_tokens} tokens, "
        f"{torch.get_num_threads()} threads: {config.pictures / single:.1f} pictures/s one at a "
        f"time, {config.pictures / together:.1f} in batches of {config.batch_size}: "
        f"{ratio:.2f} times (wanted: {WANTED}); the captions are equal"
    )
    return ratio < WANTED


if __name__ == "__main__":
    run(main, *CONFIGS)
