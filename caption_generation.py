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

import errno
import hashlib
import json
import os
import shlex
import time
import urllib.error
import urllib.request
from collections import Counter
from itertools import groupby, zip_longest
from pathlib import Path

from PIL import Image

from caption_quality import find_flags, quality, told, write_review
from cli import UserError, parse, progress, run, write_text
from endpoint import Endpoint
from records import Collection, each_row, pair_of, read_json, recover_jsonl, split_rows, write_jsonl
from settings import PRESETS, CaptionConfig, PrepareConfig
from wording import clean, prompt_of, worded

BLIP2 = "Salesforce/blip2-opt-2.7b"
SMALLER = "Salesforce/blip-image-captioning-base"
# known before the download; counted for all others
PARAMETERS = {BLIP2: 3.74e9, SMALLER: 0.22e9}
BEAMS = 5
QUESTION = "Describe it in one sentence that begins: {}"


# The captioner


def pick_device(name):
    """ "auto" -> the best there is, of several GPUs that of torchrun's LOCAL_RANK; UserError where the one asked for is not there."""
    import torch

    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    name = next(device for device in there if there[device]) if name == "auto" else name
    if not there[name]:
        raise UserError(f"--device {name} is not available here; use --device cpu or leave it out")
    return (
        f"cuda:{int(os.environ['LOCAL_RANK']) % torch.cuda.device_count()}"
        if name == "cuda" and "LOCAL_RANK" in os.environ
        else name
    )


def estimate(captioner, parameters, count, tokens):
    """Without a GPU: what to expect, and the smaller command. From the measured speed of a matrix product: a captioner reads some
    300 tokens of picture and prompt and tries BEAMS continuations, two operations per parameter each."""
    import torch

    matrix = torch.randn(1024, 1024)
    matrix @ matrix
    start = time.perf_counter()
    for _ in range(4):
        matrix @ matrix
    # operations per second
    speed = 4 * 2 * 1024**3 / (time.perf_counter() - start)
    seconds = count * 2 * parameters * (300 + BEAMS * tokens) / speed
    length = (
        f"{seconds / 3600:,.1f} hours"
        if seconds > 5400
        else f"{seconds / 60:,.0f} minutes"
        if seconds > 90
        else f"{seconds:.0f} seconds"
    )
    print(
        f"no GPU: {captioner} ({parameters / 1e9:.2g} billion parameters, {4 * parameters / 1e9:.2g} GB of memory) will take very roughly {length} "
        f"for {count:,} pictures here",
        flush=True,
    )
    if seconds > 600:
        smaller = [] if captioner == SMALLER else [f"--captioner {SMALLER}"]
        print(
            f"  smaller: python caption_generation.py {' or '.join([*smaller, '--max-samples 50'])}; Ctrl+C keeps what is done",
            flush=True,
        )


def is_here(captioner):
    """True for a folder or a downloaded checkpoint, False where the hub has it. UserError where the hub cannot be reached or does not
    know the name, after one request; transformers itself would try again for two minutes."""
    from huggingface_hub import hf_hub_url, try_to_load_from_cache

    ways = "name a checkpoint in a folder, python caption_generation.py --captioner PATH, or keep the captions there are, --captioner existing"
    try:
        if Path(captioner).expanduser().is_dir() or isinstance(
            try_to_load_from_cache(captioner, "config.json"), str
        ):
            return True
        with urllib.request.urlopen(
            urllib.request.Request(hf_hub_url(captioner, "config.json"), method="HEAD"), timeout=10
        ):
            return False
    except urllib.error.HTTPError as error:
        # the hub's own trouble: the download will report it
        if error.code not in (401, 403, 404):
            return False
        raise UserError(
            f"the captioner {captioner} is unknown to the Hugging Face hub or needs a login (hf auth login): check the name, or {ways}"
        ) from error
    except ValueError as error:
        raise UserError(
            f"the captioner {captioner} is neither a folder nor a name such as {BLIP2}: {ways}"
        ) from error
    except OSError as error:
        # URLError, timeouts
        raise UserError(
            f"the captioner {captioner} is not on this machine and the Hugging Face hub cannot be reached: connect and run the same "
            f"command again, {ways}"
        ) from error


def load_captioner(captioner, device):
    """Checkpoint name or folder -> (processor, model in eval mode). What is on this machine already is loaded without network."""
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor
    from transformers.utils import logging

    logging.set_verbosity_error()
    local = Path(captioner).expanduser()
    name = str(local) if local.is_dir() else captioner
    dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
    # a download may have been cut off
    for offline in (
        (True, False) if is_here(captioner) and not local.is_dir() else (local.is_dir(),)
    ):
        try:
            processor = AutoProcessor.from_pretrained(
                name, local_files_only=offline, trust_remote_code=False
            )
            model = AutoModelForImageTextToText.from_pretrained(
                name, dtype=dtype, local_files_only=offline, trust_remote_code=False
            )
            if not hasattr(processor, "tokenizer"):
                raise ValueError("it has no tokenizer")
            return processor, model.to(device).eval()
        except Exception as error:
            # transformers raises nearly anything on a broken or foreign checkpoint
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            if local.is_dir() or not offline:
                why = clean(str(error))[:160]
                raise UserError(
                    f"the captioner {captioner} cannot be loaded ({type(error).__name__}: {why}): name another image-text-to-text checkpoint, "
                    f"python caption_generation.py --captioner {SMALLER}, or keep the captions there are, --captioner existing"
                ) from error


def caption_pictures(pictures, prompts, processor, model, max_new_tokens):
    """B pictures and prompts -> B raw captions without their prompts, each with whether it was cut off. Deterministic; a row does not
    depend on the others (with BLIP-1 only where all prompts are equal)."""
    import torch

    family = model.config.model_type
    # the new words follow the prompt at once
    processor.tokenizer.padding_side = "left"
    if processor.tokenizer.pad_token is None:
        processor.tokenizer.pad_token = processor.tokenizer.eos_token
    # plain captioners tend to repeat themselves
    search = dict(num_beams=BEAMS, repetition_penalty=1.2)
    if getattr(processor, "chat_template", None):
        asked = [
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "image", "image": picture},
                        {"type": "text", "text": QUESTION.format(prompt)},
                    ],
                }
            ]
            for picture, prompt in zip(pictures, prompts)
        ]
        inputs = processor.apply_chat_template(
            asked,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs=dict(padding=True),
        )
        # chat models do not, and a penalty would weigh against the words that the question asks
        # for
        search = dict(num_beams=1)
    else:
        text = ["<CAPTION>"] * len(prompts) if family == "florence2" else prompts
        inputs = processor(images=pictures, text=text, padding=True, return_tensors="pt")
    # casts the float tensors only
    inputs = inputs.to(model.device, model.dtype)
    with torch.inference_mode():
        # (B, T)
        tokens = model.generate(**inputs, max_new_tokens=max_new_tokens, do_sample=False, **search)
    decoder_only = (
        model.config.use_decoder_only_language_model
        if family == "blip-2"
        else not model.config.is_encoder_decoder and family != "blip"
    )
    if decoder_only:
        # the answer starts with the question
        tokens = tokens[:, inputs["input_ids"].shape[1] :]
    captions = [
        caption.strip() for caption in processor.batch_decode(tokens, skip_special_tokens=True)
    ]
    # starts with the prompt too, but one token off: strip the text
    if family == "blip":
        captions = [
            caption[len(prompt) :].strip()
            if caption.lower().startswith(prompt.lower())
            else caption
            for caption, prompt in zip(captions, prompts)
        ]
    # whoever had finished ends in an end mark or in padding
    ends = set(processor.tokenizer.all_special_ids)
    return [(caption, row[-1] not in ends) for caption, row in zip(captions, tokens.tolist())]


def by_checkpoint(todo, collection, captioner, config):
    """-> iterator of (row, raw caption, whether it was cut off), batch by batch; the captioner is loaded at once."""
    if captioner not in PARAMETERS:
        # a wrong name should not wait for torch
        is_here(captioner)
    device = pick_device(config.device)
    if device == "cpu" and captioner in PARAMETERS:
        estimate(captioner, PARAMETERS[captioner], len(todo), config.max_new_tokens)
    processor, model = load_captioner(captioner, device)
    if device == "cpu" and captioner not in PARAMETERS:
        estimate(
            captioner,
            sum(weight.numel() for weight in model.parameters()),
            len(todo),
            config.max_new_tokens,
        )

    def batches():
        # BLIP-1 knows no padding of prompts
        for prompt, alike in groupby(sorted(todo, key=prompt_of), key=prompt_of):
            alike = list(alike)
            for start in range(0, len(alike), config.batch_size):
                batch = alike[start : start + config.batch_size]
                pictures = [
                    Image.open(collection.resized / row["filename"]).convert("RGB") for row in batch
                ]
                for row, (caption, cut) in zip(
                    batch,
                    caption_pictures(
                        pictures, [prompt] * len(batch), processor, model, config.max_new_tokens
                    ),
                ):
                    yield row, caption, cut

    return batches()


def generate(rows, written, collection, captioner, server, config, share):
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
                    (row, collection.resized / row["filename"], QUESTION.format(prompt_of(row)))
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
                    "caption": clean(caption),
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


# Shares of the work


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


# The files


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
        captions = generate(mine, written, collection, captioner, server, config, share)
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
    for line in told(numbers):
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
    run(main, *parse(CaptionConfig, description=__doc__, presets=PRESETS))
