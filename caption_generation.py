"""Give every prepared picture a caption, and deal the pairs into training and validation.

Reads   data/metadata/<style>_metadata.json      made by dataset_preparation.py
        data/processed/<style>/resized/          only where captions are missing, and for --review
Writes  data/captions/<style>_{train,val}.jsonl  the pairs, 90/10; a picture once dealt never
                                                 changes sides
        data/captions/<style>_quality.json       lengths, vocabulary, duplicates, captions that
                                                 say little
        data/metadata/<style>_metadata.json      the captions, written back
        data/captions/<style>_generated.jsonl    what a captioner wrote, at once, so that a killed
                                                 run goes on; _generated_2of4.jsonl of --shard 2/4

    # 848 engravings: expect 763 and 85 pairs (5,141: 4,627 and 514)
    python caption_generation.py
    # the built-in captions: seconds, no model; 5,400 and 600 pairs
    python caption_generation.py --style builtin
    # a small captioner, for machines without a GPU
    python caption_generation.py --captioner Salesforce/blip-image-captioning-base
    # only pictures that came with a caption
    python caption_generation.py --captioner existing
    # a checkpoint in a folder; replaces the captions there are
    python caption_generation.py --captioner PATH --recaption
    # a server: vLLM, llama.cpp; OPENAI_API_KEY if it wants a key
    python caption_generation.py --captioner http://localhost:8000/v1 --batch-size 32
    # Ollama
    python caption_generation.py --captioner http://localhost:11434/v1 --captioner-model llava
    # pictures beside their captions, doubtful ones first
    python caption_generation.py --review outputs/captions.html
    # a quarter; 2/4, 3/4 and 4/4 elsewhere, and all logs in one data/captions/: then without
    python caption_generation.py --shard 1/4
    # the same on the four GPUs of one machine; then without torchrun
    torchrun --nproc-per-node 4 caption_generation.py

Captions read "An engraving of …" (depicting, showing), "A drawing of …" and so on by style; those
that do already stay as they are. Others lose their own "a black and white drawing of", white space
is collapsed, control characters go. Nothing is added at the end.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from oneseed.captioning.captions import Captioner, CaptionLog, generate_captions
from oneseed.captioning.endpoint import Endpoint
from oneseed.captioning.huggingface import BLIP2, SMALLER
from oneseed.captioning.quality import find_flags, quality_lines, quality_numbers
from oneseed.captioning.review import write_review
from oneseed.captioning.shares import Share, gathering_command, in_share, share_of
from oneseed.config.captioning import CaptionConfig
from oneseed.config.model import PRESETS
from oneseed.config.preparation import PrepareConfig
from oneseed.console.command import UserError, run
from oneseed.console.flags import parse_configs
from oneseed.dataset.collection import Collection, pair_of, split_rows
from oneseed.dataset.commands import train_command
from oneseed.dataset.jsonl import Row, each_row, to_json, write_lines
from oneseed.dataset.wording import worded
from oneseed.files import write_changed

__all__ = ["main"]

# the captioner that writes nothing
EXISTING = "existing"
# pairs that the last lines show
EXAMPLES = 3


def main(config: CaptionConfig) -> None:
    """Captions that exist, those that are missing, the split, and the numbers of all."""
    collection = Collection(config.style, config.data)
    share = share_of(config)
    if share and (config.captioner == EXISTING or config.review):
        raise UserError(
            "a share of the pictures is work for a captioner alone: leave --captioner existing "
            "and --review to a run without --shard and torchrun"
        )
    rows = collection.read_metadata()
    chosen = choose_rows(rows, config.max_samples)
    kept = [row for row in chosen if not row.get("left_out")]
    word_existing(kept)

    log = CaptionLog(collection, share)
    captioner = write_missing(kept, log, share, collection=collection, config=config)
    if share:
        server_model = captioner.name if captioner.server else ""
        print(
            f"{name_of_part(config, share)} is done; when all {share[1]} are, this gathers them: "
            f"{gathering_command(config, server_model)}",
            flush=True,
        )
        return

    captioned = require_captions(kept, captioner, config)
    deal_pairs(rows, captioned, collection)
    numbers = report_quality(captioned, log, collection, review=config.review)
    print_summary(captioned, numbers, config)
    print_left_out(marked=len(chosen) - len(kept), captioned=len(captioned), kept=len(kept))
    print_examples(captioned)
    if config.review:
        print(f"review: {config.review}")
    print(f"next: {train_command(config.style, preset_flag(collection), config.data)}")


# Captions that exist


def choose_rows(rows: Sequence[Row], max_samples: int) -> list[Row]:
    """A fair sample of so many rows, since an id is a hash; 0: all rows."""
    if not max_samples:
        return list(rows)
    chosen_ids = set(sorted(row["id"] for row in rows)[:max_samples])
    return [row for row in rows if row["id"] in chosen_ids]


def word_existing(rows: Sequence[Row]) -> None:
    """Brings the captions of the rows into the words of their style; "" where there is none."""
    for row in rows:
        caption = worded(row.get("caption") or "", row["style"])
        # What stays as it is needs no second string in memory.
        if caption != row.get("caption"):
            row["caption"] = caption


# Captions that are missing


def write_missing(
    rows: Sequence[Row],
    log: CaptionLog,
    share: Share | None,
    *,
    collection: Collection,
    config: CaptionConfig,
) -> Captioner:
    """Lets the captioner write what is missing into the rows of this share -> the captioner."""
    missing = [row for row in rows if config.recaption or not row["caption"]]
    captioner = choose_captioner(config, has_missing=bool(missing))
    if not missing or captioner.name == EXISTING:
        return captioner
    own = [row for row in missing if not share or in_share(row["id"], *share)]
    known = sum(1 for row in own if log.find(captioner.name, row["id"]))
    already = f", {known:,} of them are already" if known else ""
    print(
        f"{name_of_part(config, share)}: {len(own):,} of {len(rows):,} pictures to be captioned "
        f"by {captioner.name}{already}",
        flush=True,
    )
    captions = generate_captions(own, captioner, log, collection=collection, config=config)
    for row in own:
        caption = worded(captions.get(row["id"], ""), row["style"])
        if caption:
            row["caption"] = caption
            row["captioner"] = captioner.name
    return captioner


def choose_captioner(config: CaptionConfig, *, has_missing: bool) -> Captioner:
    """The captioner of --captioner; without the flag BLIP-2, where captions are missing."""
    if config.address and has_missing:
        server = Endpoint(config.address, config.captioner_model, config.batch_size)
        # Who wrote a caption is the model, wherever it ran.
        return Captioner(server.model, server)
    return Captioner(config.captioner or (BLIP2 if has_missing else EXISTING))


def name_of_part(config: CaptionConfig, share: Share | None) -> str:
    """What this run captions: "engraving", or "engraving, shard 1/4"."""
    return f"{config.style}, shard {share[0]}/{share[1]}" if share else config.style


def require_captions(rows: Sequence[Row], captioner: Captioner, config: CaptionConfig) -> list[Row]:
    """The rows with a caption, at least one. UserError names a captioner that may do better."""
    captioned = [row for row in rows if row["caption"]]
    if captioned:
        return captioned
    command = f"python caption_generation.py --style {config.style} --captioner"
    if captioner.name == EXISTING:
        raise UserError(
            f"none of the {len(rows):,} pictures of {config.style} has a caption; let a model "
            f"write them: {command} {BLIP2} (or {SMALLER} without a GPU)"
        )
    raise UserError(
        f"{captioner.name} wrote no usable caption for any of {len(rows):,} pictures; try another: "
        f"{command} {SMALLER}",
        code=1,
    )


# The split


def deal_pairs(rows: list[Row], captioned: Sequence[Row], collection: Collection) -> None:
    """Gives each captioned row its split, and writes metadata and caption files."""
    splits = split_rows(list(captioned), stored_splits(rows, collection))
    for row in captioned:
        row["split"] = splits[row["id"]]
    collection.write_metadata(rows)
    for path, split in split_files(collection).items():
        write_lines(path, pair_lines(captioned, split))


def split_files(collection: Collection) -> dict[Path, str]:
    """The two caption files, each with the split of its rows."""
    return {collection.train: "train", collection.val: "val"}


def stored_splits(rows: Sequence[Row], collection: Collection) -> dict[str, str]:
    """{id: split} of all earlier runs.

    The caption files decide; the metadata remembers rows that a run with --max-samples left out.
    """
    paths = {path: split for path, split in split_files(collection).items() if path.exists()}
    if not paths:
        return {}
    stored = {row["id"]: row["split"] for row in rows if "split" in row}
    for path, split in paths.items():
        stored |= {row["id"]: split for row in each_row(path)}
    return stored


def pair_lines(captioned: Sequence[Row], split: str) -> Callable[[], Iterator[str]]:
    """What gives the lines of one caption file: of 100,000 pairs a list would be 30 MB."""

    def lines() -> Iterator[str]:
        for row in captioned:
            if row["split"] == split:
                yield to_json(pair_of(row)) + "\n"

    return lines


# The numbers


def report_quality(
    captioned: Sequence[Row], log: CaptionLog, collection: Collection, *, review: str
) -> dict[str, Any]:
    """Writes the numbers of the captions and the page of --review -> the numbers."""
    logged = [log.find(row.get("captioner", ""), row["id"]) for row in captioned]
    logged = [found for found in logged if found]
    flags = find_flags(captioned, {found["id"] for found in logged if found.get("cut")})
    known_ids = {found["id"] for found in logged if "cut" in found}
    numbers = quality_numbers(captioned, flags, known_ids)
    path = collection.train.with_name(f"{collection.style}_quality.json")
    write_changed(path, json.dumps(numbers, ensure_ascii=False, indent=1) + "\n")
    if review:
        write_review(review, captioned, flags, numbers=numbers, resized=collection.resized)
    return numbers


def print_summary(captioned: Sequence[Row], numbers: dict[str, Any], config: CaptionConfig) -> None:
    """Prints how many pairs there are, whose the captions are, and how good."""
    counts = Counter(row["split"] for row in captioned)
    own = sum(1 for row in captioned if "captioner" not in row)
    print(
        f"{config.style}: {len(captioned):,} pairs, {counts['train']:,} to train and "
        f"{counts['val']:,} to validate"
    )
    print(f"  captions: {own:,} of the collection's own, {len(captioned) - own:,} by a model")
    for line in quality_lines(numbers):
        print(f"  {line}")


def print_left_out(*, marked: int, captioned: int, kept: int) -> None:
    """Prints how many pictures are in no pair: marked by hand, or kept without a caption."""
    if marked:
        print(
            f"  left out because they are marked so: {marked:,}; the page's tab Collection takes "
            "them back"
        )
    if captioned < kept:
        print(f"  left out for want of a caption: {kept - captioned:,} of {kept:,}")


def print_examples(captioned: Sequence[Row]) -> None:
    """Prints some pairs from the whole length of the collection."""
    step = max(1, len(captioned) // EXAMPLES)
    for row in captioned[::step][:EXAMPLES]:
        print(f"    {row['filename']}  {row['caption']}")


def preset_flag(collection: Collection) -> str:
    """The flag of the preset whose size is prepared, with a space before it; of full none."""
    arrays = collection.processed.glob("pixels_*.npy")
    prepared = next((int(path.stem.split("_")[1]) for path in arrays), None)
    for name, values in PRESETS.items():
        size = values.get("image_size", PrepareConfig.image_size)
        if size == prepared and name != "full":
            return f" --preset {name}"
    return ""


if __name__ == "__main__":
    run(main, *parse_configs(CaptionConfig, description=__doc__, presets=PRESETS))
