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
    # those of drawn collections: seconds, no model; of builtin 13,500 and 1,500 pairs
    python caption_generation.py --style builtin
    python caption_generation.py --style sprites
    # a small captioner, for machines without a GPU
    python caption_generation.py --captioner Salesforce/blip-image-captioning-base
    # only pictures that came with a caption, or that were given one by hand on the page
    python caption_generation.py --captioner existing
    # the file names: red_fox-03.jpg shows "red fox"; IMG_1234.jpg says nothing
    python caption_generation.py --captioner names
    # the name of the folder that a picture lies in
    python caption_generation.py --captioner folders
    # a table that lies anywhere, matched by the pictures' names; of code, such as HTML
    python caption_generation.py --captions ~/prints/captions.csv
    python caption_generation.py --captions ~/forms/html.jsonl --caption-kind code
    # no captions at all: a model of pictures alone, without words
    python caption_generation.py --captioner none
    # a checkpoint in a folder; replaces the captions there are
    python caption_generation.py --captioner PATH --recaption
    # one that caption_finetuning.py has taught: asked what it was taught with
    python caption_generation.py --captioner checkpoints/captioner --recaption
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
is collapsed, control characters go. Nothing is added at the end. Captions that are code (HTML, SQL,
Python) stay letter by letter: say so with --caption-kind code, here or when preparing.
"""

if __name__ == "__main__":
    from oneseed.console.command import begin

    begin()
    from oneseed.config.captioning import CaptionConfig
    from oneseed.config.model import PRESETS
    from oneseed.console.flags import parse_configs

    CONFIGS = parse_configs(CaptionConfig, description=__doc__, presets=PRESETS)

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oneseed.captioning.captions import Captioner, CaptionLog, generate_captions, settle_kinds
from oneseed.captioning.endpoint import Endpoint
from oneseed.captioning.huggingface import NoCaptionerError
from oneseed.captioning.quality import find_flags, quality_lines, quality_numbers
from oneseed.captioning.review import write_review
from oneseed.captioning.shares import caption_notes, gathering_command, share_of
from oneseed.captioning.taught import read_notes, settle_answers
from oneseed.config.captioning import (
    BLIP2,
    EXISTING,
    FOLDERS,
    NAMES,
    NONE,
    WITHOUT_MODEL,
    CaptionConfig,
)
from oneseed.config.shards import Shard
from oneseed.console.command import UserError, run
from oneseed.console.output import code_lines
from oneseed.dataset.caption_ways import (
    refuse_all_but_pictures,
    ways_lines,
    ways_sentence,
    words_of_row,
)
from oneseed.dataset.code_texts import is_code, kept_caption
from oneseed.dataset.collection import Collection
from oneseed.dataset.dealing import split_lines
from oneseed.dataset.in_use import locked_collection, locked_share
from oneseed.dataset.jsonl import Row
from oneseed.dataset.next_run import next_training
from oneseed.dataset.pairs import deal_pairs
from oneseed.dataset.shard_notes import done_sentence
from oneseed.files import sweep_partials, write_changed
from oneseed.synthetic.collections import DRAWN_STYLES
from oneseed.training.expected_cut import expected_cut

__all__ = ["main"]

# pairs that the last lines show
EXAMPLES = 3


def main(config: CaptionConfig) -> None:
    """All of the collection's captions, or those of a share."""
    collection = Collection(config.style, config.data)
    share = share_of(config)
    notes = caption_notes(collection, config)
    if share:
        with locked_share(collection, share), notes.at_work(share):
            caption_collection(collection, share, config)
        return
    with locked_collection(collection, may_only_read=True):
        notes.require_all()
        caption_collection(collection, share, config)
        notes.settle()


def caption_collection(collection: Collection, share: Shard | None, config: CaptionConfig) -> None:
    """Captions that exist, those that are missing, the split, and the numbers of all."""
    rows = collection.read_metadata()
    chosen = choose_rows(rows, config.max_samples)
    kept = [row for row in chosen if not row.get("left_out")]
    if config.captioner == NONE:
        deal_pictures_alone(rows, kept, collection)
        return
    settle_kinds(kept, config)
    from_table = take_from_table(kept, config)

    log = CaptionLog(collection, share)
    missing = [
        row
        for row in kept
        if row["id"] not in from_table and (config.recaption or not row["caption"])
    ]
    captioner = write_missing(kept, missing, log, share, collection=collection, config=config)
    if share:
        server_model = captioner.name if captioner.server else ""
        command = gathering_command(config, server_model)
        print(done_sentence(config.style, share, command), flush=True)
        return

    captioned = require_captions(kept, captioner, config)
    changed = deal_pairs(rows, captioned, collection)
    numbers = report_quality(captioned, log, collection, review=config.review)
    print_summary(captioned, numbers, config)
    print_left_out(kept, marked=len(chosen) - len(kept), config=config)
    print_examples(captioned)
    if config.review:
        sweep_partials(Path(config.review).parent, of=Path(config.review).name)
        print(f"review: {config.review}")
    cut = expected_cut(captioned, collection)
    if cut.sentence:
        print(f"  {cut.sentence}")
    print_next(captioned, collection, changed=changed, options=cut.options)


# Captions that exist


def choose_rows(rows: Sequence[Row], max_samples: int) -> list[Row]:
    """A fair sample of so many rows, since an id is a hash; 0: all rows."""
    if not max_samples:
        return list(rows)
    chosen_ids = set(sorted(row["id"] for row in rows)[:max_samples])
    return [row for row in rows if row["id"] in chosen_ids]


def take_from_table(rows: Sequence[Row], config: CaptionConfig) -> set[str]:
    """Puts the captions of --captions into the rows that have none -> the ids that it has one for.

    With --recaption it replaces the captions that are there.
    """
    if not config.captions:
        return set()
    # the readers of strangers' files, which only a table needs
    from oneseed.sources.caption_table import take_captions

    return take_captions(rows, config)


# Captions that are missing


def write_missing(
    rows: Sequence[Row],
    missing: Sequence[Row],
    log: CaptionLog,
    share: Shard | None,
    *,
    collection: Collection,
    config: CaptionConfig,
) -> Captioner:
    """Lets the captioner write what is missing into the rows of this share -> the captioner."""
    captioner = choose_captioner(config, has_missing=bool(missing))
    if not missing or captioner.name == EXISTING:
        return captioner
    if captioner.name in (NAMES, FOLDERS):
        write_from_names(missing, captioner.name)
        return captioner
    refuse_all_but_pictures(rows, missing, config.style, config.data)
    own = [row for row in missing if not share or share.takes(row["id"])]
    config = settle_answers(own, captioner.notes, config)
    known = sum(1 for row in own if log.find_own(captioner, row))
    already = f", {known:,} of them are already" if known else ""
    print(
        f"{name_of_part(config, share)}: {len(own):,} of {len(rows):,} pictures to be captioned "
        f"by {captioner.name}{already}",
        flush=True,
    )
    try:
        captions = generate_captions(
            own,
            captioner,
            log,
            collection=collection,
            config=config,
            is_required=not any(row["caption"] for row in rows),
        )
    except NoCaptionerError as error:
        ways = ways_sentence(rows, config.style, config.data, model=False)
        raise UserError(f"{error}, or get captions another way: {ways}") from error
    for row in own:
        set_caption(row, captions.get(row["id"], ""), captioner.name)
    return captioner


def write_from_names(rows: Sequence[Row], way: str) -> None:
    """Gives each row what its file name (NAMES) or its folder (FOLDERS) says."""
    silent = []
    for row in rows:
        caption = words_of_row(row, way)
        set_caption(row, caption, way)
        if not caption:
            silent.append(row.get("member") or row.get("original") or row["filename"])
    if silent:
        what = "file names" if way == NAMES else "folders"
        print(
            f"  {what} that say nothing: {len(silent):,} of {len(rows):,}, such as "
            f"{', '.join(silent[:EXAMPLES])}"
        )


def set_caption(row: Row, caption: str, captioner: str) -> None:
    """Puts a new caption, worded or as code, into the row, where it says something."""
    caption = kept_caption(row, caption)
    if caption:
        row["caption"] = caption
        row["captioner"] = captioner


def choose_captioner(config: CaptionConfig, *, has_missing: bool) -> Captioner:
    """The captioner of --captioner.

    Without the flag it is BLIP-2 where captions are missing, and none where a table has them.
    """
    if config.address and has_missing:
        server = Endpoint(config.address, config.captioner_model, config.batch_size)
        # Who wrote a caption is the model, wherever it ran.
        return Captioner(server.model, server)
    default = BLIP2 if has_missing and not config.captions else EXISTING
    name = config.captioner or default
    return Captioner(name, notes=read_notes(name))


def name_of_part(config: CaptionConfig, share: Shard | None) -> str:
    """What this run captions: "engraving", or "engraving, shard 1/4"."""
    return f"{config.style}, shard {share}" if share else config.style


def require_captions(rows: Sequence[Row], captioner: Captioner, config: CaptionConfig) -> list[Row]:
    """The rows with a caption, at least one. UserError names the ways that do better."""
    captioned = [row for row in rows if row["caption"]]
    if captioned:
        return captioned
    ways = ways_sentence(rows, config.style, config.data)
    pictures = f"the {len(rows):,} pictures of {config.style}"
    if captioner.name in WITHOUT_MODEL:
        reason = {
            NAMES: f"no file name of {pictures} says what is shown",
            FOLDERS: f"no folder of {pictures} says what is shown",
        }.get(captioner.name, f"none of {pictures} has a caption")
        raise UserError(f"{reason}; ways to captions: {ways}")
    raise UserError(
        f"{captioner.name} wrote no usable caption for any of {len(rows):,} pictures; other ways: "
        f"{ways}",
        code=1,
    )


# The split


def deal_pictures_alone(rows: list[Row], kept: Sequence[Row], collection: Collection) -> None:
    """--captioner none: deals all pictures without words; captions stay in the metadata."""
    changed = deal_pairs(rows, kept, collection, wordless=True)
    collection.quality.unlink(missing_ok=True)
    counts = Counter(row["split"] for row in kept)
    print(
        f"{collection.style}: {len(kept):,} pictures without captions, {counts['train']:,} to "
        f"train and {counts['val']:,} to validate"
    )
    print("  a model of pictures alone: it writes no captions and takes no prompts")
    if captioned := sum(1 for row in kept if row.get("caption")):
        print(f"  captions that are kept, but not used: {captioned:,}; --captioner existing does")
    print_next(kept, collection, wordless=True, changed=changed)


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
    if collection.style in DRAWN_STYLES and not any("captioner" in row for row in captioned):
        # these tell exactly what was drawn: no captioner could do better
        numbers["warnings"] = []
    write_changed(collection.quality, json.dumps(numbers, ensure_ascii=False, indent=1) + "\n")
    if review:
        write_review(review, captioned, flags, numbers=numbers, resized=collection.resized)
    return numbers


def print_summary(captioned: Sequence[Row], numbers: dict[str, Any], config: CaptionConfig) -> None:
    """Prints how many pairs there are, whose the captions are, and how good."""
    counts = Counter(row["split"] for row in captioned)
    authors = Counter(row.get("captioner", EXISTING) for row in captioned)
    by_model = sum(count for name, count in authors.items() if name not in WITHOUT_MODEL)
    parts = [f"{authors[EXISTING]:,} of the collection's own", f"{by_model:,} by a model"]
    if authors[NAMES]:
        parts.append(f"{authors[NAMES]:,} from file names")
    if authors[FOLDERS]:
        parts.append(f"{authors[FOLDERS]:,} from folders' names")
    print(
        f"{config.style}: {len(captioned):,} pairs, {counts['train']:,} to train and "
        f"{counts['val']:,} to validate"
    )
    print(f"  captions: {', '.join(parts)}")
    for line in quality_lines(numbers):
        print(f"  {line}")


def print_left_out(rows: Sequence[Row], *, marked: int, config: CaptionConfig) -> None:
    """Prints how many pictures are in no pair: marked by hand, or without a caption.

    rows: those that are not marked.
    """
    if marked:
        print(
            f"  left out because they are marked so: {marked:,}; the page's tab Collection takes "
            "them back"
        )
    missing = [row for row in rows if not row["caption"]]
    if missing:
        print(f"  left out for want of a caption: {len(missing):,} of {len(rows):,}")
        for line in ways_lines(missing, config.style, config.data):
            print(f"    {line}")


def print_examples(captioned: Sequence[Row]) -> None:
    """Prints some pairs from the whole length of the collection."""
    step = max(1, len(captioned) // EXAMPLES)
    for row in captioned[::step][:EXAMPLES]:
        if is_code(row):
            print(f"    {row['filename']}", *code_lines(row["caption"], indent=6), sep="\n")
        else:
            print(f"    {row['filename']}  {row['caption']}")


def print_next(dealt: Sequence[Row], collection: Collection, **settings: Any) -> None:
    """Prints what look-alikes mean for the split, and the command that trains or brings more.

    settings: of next_training.
    """
    for line in split_lines(dealt):
        print(line)
    counts = Counter(row["split"] for row in dealt)
    command = next_training(collection, counts["train"], **settings)
    if counts["train"] < 2 or not counts["val"]:
        command = f"prepare more pictures, {collection.prepare_again(more=True)}"
    print(f"next: {command}")


if __name__ == "__main__":
    run(main, *CONFIGS)
