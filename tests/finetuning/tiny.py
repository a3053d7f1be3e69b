"""Tiny captioners and collections that they are taught on; what several tests use."""

import json

import torch

import caption_finetuning
from oneseed.config.finetuning import FinetuningConfig
from oneseed.finetuning.setup import prepare_captioner
from tests.captioning.families import tiny_qwen
from tests.captioning.prepared import prepared, run_main

# as Qwen's own: the end of a turn is a token of its own
TURNS = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% for part in message.content %}{% if part.type == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part.text }}{% endif %}{% endfor %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# for a run of a few seconds
QUICK = dict(
    num_epochs=1,
    batch_size=4,
    held_out=2,
    rank=4,
    max_new_tokens=6,
    learning_rate=1e-2,
    device="cpu",
)


def saved(build, folder, *, template="", ends=2, spread=None):
    """Saves the captioner that build() makes -> its folder, as --model takes it.

    template: a chat template other than the family's own. ends: token of an end, by number or text.
    spread: standard deviation of its weights; small ones make it answer the same to everything.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        processor, model = build()
    if template:
        processor.chat_template = template
    if isinstance(ends, str):
        ends = processor.tokenizer.convert_tokens_to_ids(ends)
    model.generation_config.pad_token_id = 0
    model.generation_config.eos_token_id = ends
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return str(folder)


def saved_qwen(folder):
    """The tiny Qwen2-VL with the turns of a real one -> its folder."""
    return saved(tiny_qwen, folder, template=TURNS, ends="<|im_end|>")


def tiny_collection(data, count=20, caption="An engraving of castle {}", **more):
    """A collection of noise whose pairs are dealt -> it. more: keys of its rows."""
    collection = prepared(data, count, caption=caption, pictures=True)
    rows = collection.read_metadata()
    for row in rows:
        row |= more
    collection.write_metadata(rows)
    run_main(data, captioner="existing")
    return collection


def config_of(model, data, folder, **changes):
    """The settings of a quick run."""
    values = {**QUICK, "model": str(model), "data": str(data), "checkpoints": str(folder)}
    return FinetuningConfig(**{**values, **changes})


def teach(model, data, folder, **changes):
    """A whole run -> its exit status."""
    return caption_finetuning.main(config_of(model, data, folder, **changes))


def figures(folder):
    """metrics.json without the place of the run."""
    return json.loads((folder / "metrics.json").read_text())


def trainer_of(base, data, folder, **changes):
    """A run before its first step."""
    config = config_of(base, data, folder, **changes)
    captioner, fitted, end = prepare_captioner(config, torch.device("cpu"))
    return caption_finetuning.CaptionerTrainer(captioner, fitted, config, end)
