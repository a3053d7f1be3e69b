"""Captions that exist, shares of the work, and journals of what was written."""

import hashlib
import json
import os
import shlex

from oneseed.captioning.huggingface import CAPTION_QUESTION, by_checkpoint
from oneseed.config.captioning import CaptionConfig
from oneseed.config.model import PRESETS
from oneseed.config.preparation import PrepareConfig
from oneseed.console.command import UserError
from oneseed.console.output import progress
from oneseed.dataset.jsonl import each_row, recover_jsonl
from oneseed.dataset.wording import clean_caption, prompt_of


def generate_captions(rows, written, collection, captioner, server, config, share):
    """Rows -> {id: raw caption} by the captioner. Each caption is appended to the log at once, and one that stands in `written`, whichever run
    or shard wrote it, is not made again; except that --recaption writes a cut-off one anew where there is more room now."""

    def is_done(row):
        found = written.get((captioner, row["id"]))
        return found and not (config.recaption and 0 < found.get("cut", 0) < config.max_new_tokens)

    todo = [row for row in rows if not is_done(row)]
    if todo:
        absent = next(
            (
                row["filename"]
                for row in todo
                if not (collection.resized / row["filename"]).exists()
            ),
            None,
        )
        if absent:
            raise UserError(
                f"{collection.resized / absent} is missing; prepare the pictures again: python dataset_preparation.py --style {collection.style} --source …"
            )
        if server:
            made = server.captions(
                [
                    (
                        row,
                        collection.resized / row["filename"],
                        CAPTION_QUESTION.format(prompt_of(row)),
                    )
                    for row in todo
                ],
                config.max_new_tokens,
            )
        else:
            made = by_checkpoint(todo, collection, captioner, config)
        path = log_of(collection, share)
        # a kill may have torn its last line
        recover_jsonl(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            open(path, "a", encoding="utf-8") as log,
            progress(label="captioning", total=len(rows), initial=len(rows) - len(todo)) as bar,
        ):
            for row, caption, cut in made:
                new = {
                    "id": row["id"],
                    "captioner": captioner,
                    "caption": clean_caption(caption),
                    "cut": config.max_new_tokens if cut else 0,
                }
                log.write(json.dumps(new, ensure_ascii=False) + "\n")
                log.flush()
                written[captioner, row["id"]] = new
                bar.update()
    return {
        row["id"]: written[captioner, row["id"]]["caption"]
        for row in rows
        if (captioner, row["id"]) in written
    }


def share_of(config):
    """(i, n) where this run captions share i of n alone, by --shard or as one of torchrun's ranks; None where it does all and gathers."""
    ranks = int(os.environ.get("WORLD_SIZE") or 1)
    if config.shard and ranks > 1:
        raise UserError("torchrun shares the pictures out itself: leave --shard out")
    return (
        (int(os.environ["RANK"]) + 1, ranks)
        if ranks > 1
        else tuple(map(int, config.shard.split("/")))
        if config.shard
        else None
    )


def in_share(id, i, n):
    """True for one i of 1 … n, whatever pictures come or go."""
    return int.from_bytes(hashlib.sha256(f"shard {id}".encode()).digest()[:8], "big") % n == i - 1


def log_of(collection, share):
    return collection.train.with_name(
        f"{collection.style}_generated{'_{}of{}'.format(*share) if share else ''}.jsonl"
    )


def read_logs(collection):
    """{(captioner, id): row} of all that was ever written, by this run's log and by those of other shards, which may be growing."""
    written = {}
    for path in sorted(collection.train.parent.glob(f"{collection.style}_generated*.jsonl")):
        for row in each_row(path, torn=True):
            key = row.get("captioner"), row.get("id")
            # one that was cut off gives way to a later one
            if key not in written or written[key].get("cut"):
                written[key] = row
    return written


def stored_splits(rows, collection):
    """{id: split} of all earlier runs. The caption files decide; the metadata remembers rows that a run with --max-samples left out."""
    if not collection.train.exists() and not collection.val.exists():
        return {}
    stored = {row["id"]: row["split"] for row in rows if "split" in row}
    for path, split in ((collection.train, "train"), (collection.val, "val")):
        if path.exists():
            stored |= {row["id"]: split for row in each_row(path)}
    return stored


def preset_of(collection):
    """The flag of the preset whose size is prepared, for the next command."""
    prepared = next(
        (int(path.stem.split("_")[1]) for path in collection.processed.glob("pixels_*.npy")), None
    )
    sizes = {
        name: values.get("image_size", PrepareConfig.image_size) for name, values in PRESETS.items()
    }
    preset = next((name for name, size in sizes.items() if size == prepared), "full")
    return "" if preset == "full" else f" --preset {preset}"


def gathering(config, server):
    """The command that makes pairs of what all shards wrote; it names the server's model, so that it need not ask."""
    values = {
        "style": config.style,
        "captioner": config.captioner,
        "captioner-model": server.model if server else config.captioner_model,
        "max-new-tokens": config.max_new_tokens,
        "max-samples": config.max_samples,
        "data": config.data,
    }
    usual = {
        "captioner-model": "",
        "max-new-tokens": CaptionConfig.max_new_tokens,
        "max-samples": 0,
        "captioner": "",
        "data": "data",
    }
    flags = [
        f"--{name} {shlex.quote(str(value))}"
        for name, value in values.items()
        if value != usual.get(name)
    ]
    return " ".join(
        ["python caption_generation.py", *flags, *(["--recaption"] if config.recaption else [])]
    )
