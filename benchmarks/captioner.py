"""What does teaching give? A tiny captioner, made here, is taught on a drawn collection.

# minutes; wanted: more similar answers than before; less ends with code 1
python -m benchmarks.captioner
python -m benchmarks.captioner --style screens --kinds table,query --side 128 --whole-steps 6000
python -m benchmarks.captioner --style screens --kinds table --side 128 --pictures 1000 --ocr

No checkpoint of a real family comes with the program. So a Qwen2-VL of about one million parameters
is made, and all of it is taught on half of the pairs, until it writes what looks like a caption.
What caption_finetuning.py then gives, with low-rank matrices and all pairs, is what is measured.
"""

from dataclasses import dataclass

from oneseed.console.flags import BaseConfig, option, parse_configs


@dataclass(frozen=True)
class CaptionerConfig(BaseConfig):
    """How much is taught."""

    style: str = option("sprites", "a drawn collection")
    kinds: str = option("", "kinds of screens; default: all")
    ocr: bool = option(False, "the words that a picture shows stand behind its question")
    side: int = option(64, "pixels of a picture's side", at_least=32)
    pictures: int = option(1200, "pictures in all", at_least=40)
    whole_steps: int = option(600, "steps in which all of the captioner is taught", at_least=1)
    batch_size: int = option(8, "pairs of a step", at_least=1)
    num_epochs: int = option(3, "of caption_finetuning.py", at_least=1)
    held_out: int = option(64, "held-out pictures that are asked", at_least=1)
    folder: str = option("outputs/captioner_benchmark", "where everything is written")


# --help answers before torch loads.
if __name__ == "__main__":
    CONFIGS = parse_configs(CaptionerConfig, description=__doc__)

import json
import math
import time
from pathlib import Path
from typing import Any

import torch

import caption_finetuning
import caption_generation
import dataset_preparation
from oneseed.captioning.asking import LoadedCaptioner
from oneseed.config.captioning import CaptionConfig
from oneseed.config.finetuning import FinetuningConfig
from oneseed.config.preparation import PrepareConfig
from oneseed.console.command import run
from oneseed.console.output import progress
from oneseed.dataset.collection import Collection
from oneseed.finetuning.examples import (
    TaughtExample,
    answer_logits,
    answer_loss,
    make_batch,
    read_examples,
)
from oneseed.seeds import torch_generator

MARKS = (
    *("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>"),
    "<|video_pad|>",
)
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% for part in message.content %}{% if part.type == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part.text }}{% endif %}{% endfor %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WORDS = 700
# pixels of a patch; two by two of them make a token
PATCH = 8
WIDTH = 128
LEARNING_RATE = 2e-3


def prepared_examples(config: CaptionerConfig, data: Path) -> Any:
    """The pairs of the collection, made where they are not there yet."""
    collection = Collection(config.style, data)
    if not collection.train.exists():
        prepare = PrepareConfig(
            source=config.style,
            preset="small",
            image_size=config.side,
            kinds=config.kinds,
            max_samples=config.pictures,
            workers=1,
            data=str(data),
        )
        dataset_preparation.main(prepare)
        caption_generation.main(CaptionConfig(style=config.style, data=str(data)))
    return read_examples(collection, "", ocr=config.ocr)


def trained_tokenizer(texts: list[str]) -> Any:
    """Byte-level words of the texts, with Qwen's marks."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.BPE(unk_token=None))
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=WORDS,
        special_tokens=["<pad>", *MARKS],
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    words.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="<pad>",
        eos_token="<|im_end|>",
        additional_special_tokens=list(MARKS),
    )


def made_captioner(texts: list[str], side: int) -> LoadedCaptioner:
    """An untrained Qwen2-VL of about a million parameters that knows the words of the texts.

    side: of its pictures, in pixels.
    """
    from transformers import (
        Qwen2VLConfig,
        Qwen2VLForConditionalGeneration,
        Qwen2VLImageProcessor,
        Qwen2VLProcessor,
        Qwen2VLVideoProcessor,
    )

    tokenizer = trained_tokenizer(texts)
    _, end, start, stop, image, video = tokenizer.convert_tokens_to_ids(list(MARKS))
    pixels = {"shortest_edge": side * side, "longest_edge": side * side}
    patches = dict(patch_size=PATCH, merge_size=2, temporal_patch_size=2)
    processor = Qwen2VLProcessor(
        Qwen2VLImageProcessor(size=pixels, **patches),
        tokenizer,
        Qwen2VLVideoProcessor(**patches),
        chat_template=TEMPLATE,
    )
    rope = {"rope_type": "default", "mrope_section": [4, 6, 6], "rope_theta": 1e4}
    model_config = Qwen2VLConfig(
        vision_config=dict(
            depth=3,
            embed_dim=96,
            hidden_size=WIDTH,
            num_heads=4,
            mlp_ratio=2,
            patch_size=PATCH,
            spatial_merge_size=2,
            temporal_patch_size=2,
        ),
        text_config=dict(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=2 * WIDTH,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=512,
            pad_token_id=0,
            bos_token_id=None,
            eos_token_id=end,
            rope_parameters=rope,
        ),
        image_token_id=image,
        video_token_id=video,
        vision_start_token_id=start,
        vision_end_token_id=stop,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Qwen2VLForConditionalGeneration(model_config)
    model.generation_config.pad_token_id = 0
    model.generation_config.eos_token_id = end
    return LoadedCaptioner(processor, model)


def teach_whole(
    captioner: LoadedCaptioner, examples: list[TaughtExample], config: CaptionerConfig
) -> None:
    """All weights learn the answers."""
    end = captioner.model.generation_config.eos_token_id
    model = captioner.model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.01)
    order = torch_generator(0, "whole")
    with progress(label="all of it", total=config.whole_steps, unit="step") as bar:
        for step in range(config.whole_steps):
            rows = torch.randint(len(examples), (config.batch_size,), generator=order).tolist()
            batch = make_batch([examples[row] for row in rows], captioner, end)
            loss = answer_loss(answer_logits(model, batch), batch.labels) / batch.answer_tokens
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            rise = min(1.0, (step + 1) / 50)
            fall = (1 + math.cos(math.pi * step / config.whole_steps)) / 2
            optimizer.param_groups[0]["lr"] = LEARNING_RATE * rise * fall
            optimizer.step()
            bar.set_postfix_str(f"loss {loss.item():.3f}", refresh=False)
            bar.update()


def main(config: CaptionerConfig) -> int:
    """Make, teach whole, teach by low-rank matrices -> 1 where that gave nothing."""
    folder = Path(config.folder)
    examples = prepared_examples(config, folder / "data")
    half = examples.train[::2]
    base = folder / "base"
    begin = time.perf_counter()
    if not (base / "config.json").exists():
        texts = [text for example in half for text in (example.question, example.answer)]
        captioner = made_captioner(texts, config.side)
        count = sum(weight.numel() for weight in captioner.model.parameters())
        print(f"{count:,} parameters, {len(half):,} pairs", flush=True)
        teach_whole(captioner, half, config)
        captioner.model.eval().save_pretrained(base)
        captioner.processor.save_pretrained(base)
    whole = time.perf_counter()
    code = caption_finetuning.main(
        FinetuningConfig(
            model=str(base),
            style=config.style,
            data=str(folder / "data"),
            checkpoints=str(folder / "captioner"),
            dora=True,
            rslora=True,
            train="vision,connector,language",
            ocr=config.ocr,
            learning_rate=2e-3,
            batch_size=config.batch_size,
            num_epochs=config.num_epochs,
            held_out=config.held_out,
        )
    )
    taught = time.perf_counter()
    found = json.loads((folder / "captioner" / "metrics.json").read_text("utf-8"))
    before = found["looks"][0]
    after = found["after"]["figures"]
    print(f"minutes: all of it {(whole - begin) / 60:.1f}, taught {(taught - whole) / 60:.1f}")
    for name in ("exact", "valid", "similarity"):
        floor = found["after"]["floor"][name]
        print(f"  {name:<11} {before[name]:.3f} -> {after[name]:.3f}   floor {floor:.3f}, best 1")
    for kind, figures in after.get("kinds", {}).items():
        was = before["kinds"][kind]
        print(f"  {kind:<11} exact {was['exact']:.3f} -> {figures['exact']:.3f}", end="")
        print(f", valid {was['valid']:.3f} -> {figures['valid']:.3f}, {figures['asked']} asked")
    return code or int(after["similarity"] <= before["similarity"])


if __name__ == "__main__":
    run(main, *CONFIGS)
