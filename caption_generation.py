"""Give every prepared picture a caption, and deal the pairs into training and validation.

Reads   data/metadata/<style>_metadata.json      made by dataset_preparation.py
        data/processed/<style>/resized/          only where captions are missing, and for --review
Writes  data/captions/<style>_{train,val}.jsonl  the pairs, 90/10; a picture once dealt never changes sides
        data/captions/<style>_quality.json       lengths, vocabulary, duplicates, captions that say little
        data/metadata/<style>_metadata.json      the captions, written back
        data/captions/<style>_generated.jsonl    what a captioner wrote, at once, so that a killed run goes on; _generated_2of4.jsonl of --shard 2/4

    python caption_generation.py                                    # 848 engravings: expect 763 and 85 pairs (5,141: 4,627 and 514)
    python caption_generation.py --style builtin                    # the built-in captions: seconds, no model; 5,400 and 600 pairs
    python caption_generation.py --captioner Salesforce/blip-image-captioning-base     # a small captioner, for machines without a GPU
    python caption_generation.py --captioner existing               # only pictures that came with a caption
    python caption_generation.py --captioner PATH --recaption       # a checkpoint in a folder; replaces the captions there are
    python caption_generation.py --captioner http://localhost:8000/v1 --batch-size 32      # a server: vLLM, llama.cpp; OPENAI_API_KEY if it wants a key
    python caption_generation.py --captioner http://localhost:11434/v1 --captioner-model llava     # Ollama
    python caption_generation.py --review outputs/captions.html     # pictures beside their captions, doubtful ones first
    python caption_generation.py --shard 1/4                        # a quarter; 2/4, 3/4 and 4/4 elsewhere, and all logs in one data/captions/: then without
    torchrun --nproc-per-node 4 caption_generation.py               # the same on the four GPUs of one machine; then without torchrun

Captions read "An engraving of …" (depicting, showing), "A drawing of …" and so on by style; those that do already stay as they are.
Others lose their own "a black and white drawing of", white space is collapsed, control characters go. Nothing is added at the end.
"""

import json
from collections import Counter
from itertools import zip_longest

from oneseed.captioning.captions import (
    gathering,
    generate_captions,
    in_share,
    preset_of,
    read_logs,
    share_of,
    stored_splits,
)
from oneseed.captioning.endpoint import Endpoint
from oneseed.captioning.huggingface import BLIP2, SMALLER
from oneseed.captioning.quality import find_flags, quality, quality_lines, write_review
from oneseed.config.captioning import CaptionConfig
from oneseed.config.model import PRESETS
from oneseed.console.command import UserError, run
from oneseed.console.flags import parse_configs
from oneseed.dataset.collection import Collection, pair_of, split_rows
from oneseed.dataset.jsonl import each_row, read_json, write_jsonl
from oneseed.dataset.wording import worded
from oneseed.files import write_text

__all__ = ["main"]


def main(config):
    collection = Collection(config.style, config.data)
    share = share_of(config)
    server = None
    if share and (config.captioner == "existing" or config.review):
        raise UserError(
            "a share of the pictures is work for a captioner alone: leave --captioner existing and --review to a run without --shard and torchrun"
        )
    rows = collection.read_metadata()
    taken = rows
    # an id is a hash, so this is a fair sample
    if config.max_samples:
        chosen = set(sorted(row["id"] for row in rows)[: config.max_samples])
        taken = [row for row in rows if row["id"] in chosen]
    marked = sum(bool(row.get("left_out")) for row in taken)
    taken = [row for row in taken if not row.get("left_out")]
    for row in taken:
        caption = worded(row.get("caption") or "", row["style"])
        # what stays needs no second string in memory
        if caption != row.get("caption"):
            row["caption"] = caption
    lacking = [row for row in taken if config.recaption or not row["caption"]]
    captioner = config.captioner or (BLIP2 if lacking else "existing")
    written = read_logs(collection)
    part = f"{config.style}, shard {share[0]}/{share[1]}" if share else config.style
    if captioner != "existing" and lacking:
        if config.address:
            server = Endpoint(config.address, config.captioner_model, config.batch_size)
            # who wrote it, wherever it ran
            captioner = server.model
        mine = [row for row in lacking if not share or in_share(row["id"], *share)]
        known = sum((captioner, row["id"]) in written for row in mine)
        print(
            f"{part}: {len(mine):,} of {len(taken):,} pictures to be captioned by {captioner}"
            + (f", {known:,} of them are already" if known else ""),
            flush=True,
        )
        captions = generate_captions(mine, written, collection, captioner, server, config, share)
        for row in mine:
            caption = worded(captions.get(row["id"], ""), row["style"])
            if caption:
                row |= {"caption": caption, "captioner": captioner}
    if share:
        print(
            f"{part} is done; when all {share[1]} are, this gathers them: {gathering(config, server)}",
            flush=True,
        )
        return

    captioned = [row for row in taken if row["caption"]]
    if not captioned:
        if captioner == "existing":
            raise UserError(
                f"none of the {len(taken):,} pictures of {config.style} has a caption; let a model write them: "
                f"python caption_generation.py --style {config.style} --captioner {BLIP2} (or {SMALLER} without a GPU)"
            )
        raise UserError(
            f"{captioner} wrote no usable caption for any of {len(taken):,} pictures; try another: "
            f"python caption_generation.py --style {config.style} --captioner {SMALLER}",
            code=1,
        )
    splits = split_rows(captioned, stored_splits(rows, collection))
    for row in captioned:
        row["split"] = splits[row["id"]]
    collection.write_metadata(rows)

    # one after another: of 100,000 each list would be 30 MB
    def pairs(split):
        return (pair_of(row) for row in captioned if row["split"] == split)

    for path, split in ((collection.train, "train"), (collection.val, "val")):
        if not path.exists() or any(
            stored != pair for stored, pair in zip_longest(each_row(path), pairs(split))
        ):
            write_jsonl(path, pairs(split))

    found = [
        logged for row in captioned if (logged := written.get((row.get("captioner"), row["id"])))
    ]
    flags = find_flags(captioned, {row["id"] for row in found if row.get("cut")})
    numbers = quality(captioned, flags, {row["id"] for row in found if "cut" in row})
    path = collection.train.with_name(f"{config.style}_quality.json")
    if not path.exists() or read_json(path) != numbers:
        write_text(path, json.dumps(numbers, ensure_ascii=False, indent=1) + "\n")
    if config.review:
        write_review(config.review, captioned, flags, numbers, collection.resized)

    counts = Counter(splits.values())
    own = sum("captioner" not in row for row in captioned)
    print(
        f"{config.style}: {len(captioned):,} pairs, {counts['train']:,} to train and {counts['val']:,} to validate"
    )
    print(f"  captions: {own:,} of the collection's own, {len(captioned) - own:,} by a model")
    for line in quality_lines(numbers):
        print(f"  {line}")
    if marked:
        print(
            f"  left out because they are marked so: {marked:,}; the page's tab Collection takes them back"
        )
    if len(captioned) < len(taken):
        print(
            f"  left out for want of a caption: {len(taken) - len(captioned):,} of {len(taken):,}"
        )
    for row in captioned[:: max(1, len(captioned) // 3)][:3]:
        print(f"    {row['filename']}  {row['caption']}")
    if config.review:
        print(f"review: {config.review}")
    data = f" --data {config.data}" if config.data != "data" else ""
    print(f"next: python training_loop.py --style {config.style}{preset_of(collection)}{data}")


if __name__ == "__main__":
    run(main, *parse_configs(CaptionConfig, description=__doc__, presets=PRESETS))
