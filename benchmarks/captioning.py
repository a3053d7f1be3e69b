"""Does a batch pay? A tiny untrained BLIP-2 captions the same pictures one at a time and eight at a time, in turn, in one run.

python -m benchmarks.captioning                                # wanted: at least 3 times; less ends with code 1
"""

# --help answers before torch loads
if __name__ == "__main__":
    from dataclasses import dataclass

    from oneseed.console.flags import option, parse_configs

    @dataclass(frozen=True)
    class CaptioningConfig:
        pictures: int = option(32, "pictures, in each of three rounds")
        batch_size: int = option(8, "pictures of a batch")
        max_new_tokens: int = option(40, "tokens of a caption")

    CONFIGS = parse_configs(CaptioningConfig, description=__doc__)

import tempfile
import time
from statistics import median

import numpy as np
import torch
from PIL import Image

from oneseed.captioning.huggingface import caption_pictures, load_captioner
from oneseed.console.command import run

WANTED = 3


def tiny_blip2(path):
    """Saves an untrained BLIP-2 of 82 thousand parameters and its processor there, without network -> path."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import (
        Blip2Config,
        Blip2ForConditionalGeneration,
        Blip2Processor,
        BlipImageProcessor,
        PreTrainedTokenizerFast,
    )

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
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", bos_token="<s>", eos_token="</s>"
    )
    processor = Blip2Processor(
        BlipImageProcessor(size={"height": 32, "width": 32}), tokenizer, num_query_tokens=4
    )
    size = len(processor.tokenizer)
    shape = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4)
    config = Blip2Config(
        vision_config=dict(**shape, intermediate_size=64, image_size=32, patch_size=8),
        qformer_config=dict(**shape, intermediate_size=64, encoder_hidden_size=32, vocab_size=size),
        text_config=dict(
            **shape,
            model_type="opt",
            vocab_size=size,
            ffn_dim=64,
            word_embed_proj_dim=32,
            max_position_embeddings=256,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
        ),
        num_query_tokens=4,
        image_token_index=processor.tokenizer.convert_tokens_to_ids("<image>"),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Blip2ForConditionalGeneration(config)
    model.generation_config.pad_token_id = 0
    model.generation_config.eos_token_id = 2
    model.save_pretrained(path)
    processor.save_pretrained(path)
    return path


def main(config):
    with tempfile.TemporaryDirectory() as folder:
        processor, model = load_captioner(tiny_blip2(folder), "cpu")
    pictures = [
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (32, 32, 3), dtype=np.uint8))
        for number in range(config.pictures)
    ]

    def seconds(size):
        begin = time.perf_counter()
        captions = []
        for start in range(0, len(pictures), size):
            some = pictures[start : start + size]
            captions += caption_pictures(
                some, ["an engraving of"] * len(some), processor, model, config.max_new_tokens
            )
        return time.perf_counter() - begin, captions

    # the first call is slower
    seconds(config.batch_size)
    rounds = [(seconds(1), seconds(config.batch_size)) for _ in range(3)]
    assert all(alone == together for (_, alone), (_, together) in rounds), (
        "a batch gave other captions"
    )
    alone, together = (median(one[side][0] for one in rounds) for side in (0, 1))
    print(
        f"{config.pictures} pictures, {config.max_new_tokens} tokens, {torch.get_num_threads()} threads: {config.pictures / alone:.1f} pictures/s one at a time, "
        f"{config.pictures / together:.1f} in batches of {config.batch_size}: {alone / together:.2f} times (wanted: {WANTED}); the captions are equal"
    )
    return alone / together < WANTED


if __name__ == "__main__":
    run(main, *CONFIGS)
