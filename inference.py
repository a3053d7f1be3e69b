"""A seed in, a picture and the caption that belongs to it out; and all that can be done with the latent between them.

Reads   checkpoints/best_model.pt
Writes  outputs/   000042.png (a card: how it was made inside as PNG text, cards.py), 000042.json, sheet.png, pairs.json
        checkpoints/best_model.seeds.npz, best_model.training.npz      with --index (index.py)

    python inference.py                                                 # seeds 0 to 9
    python inference.py --seeds 1,5,100-119 --out outputs/more
    python inference.py --prompt "two small ships under a stormy sky" --seeds 7
    python inference.py --style stipple --seeds 0-4                     # a wrong name lists the model's styles
    python inference.py --interpolate 8 --seeds 3,9                     # from pair 3 to pair 9 in eight steps
    python inference.py --image plate.png                               # its caption, and the model's own drawing of it
    python inference.py --image plate.png --strength .3 --seeds 0-4     # variations
    python inference.py --image plate.png --style stipple               # the same scene in another style
    python inference.py --find data/processed/builtin/resized --prompt "an elephant in the forest"
    python inference.py --find data/captions/builtin_val.jsonl --image plate.png
    python inference.py --best-of 16 --seeds 0-9                        # of 16 candidates a seed, the one whose picture and caption match best
    python inference.py --verify outputs/000007.png                     # made again: is the card true?
    python inference.py --index 10000                                   # once; then --find seeds and --find training know where to look
    python inference.py --find seeds --prompt "an elephant at night"
    python inference.py --find training --image plate.png               # the nearest training pictures
    python inference.py --count 100000 --out pairs --format parquet     # safe to interrupt; --shard 1/4 … 4/4 on four machines
    python inference.py --interactive                                   # asks for seeds and prompts

The same seed gives the same pair, alone or among others, here, on the page and in Python:

    from inference import MultimodalGenerator
    image, caption = MultimodalGenerator()(7)
"""

if __name__ == "__main__":
    from oneseed.config.inference import InferenceConfig
    from oneseed.console.flags import parse_configs

    CONFIGS = parse_configs(InferenceConfig, description=__doc__)

import contextlib
import itertools
import json
import re
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

from oneseed.config.options import parse_seeds, parse_shard
from oneseed.console.command import UserError, run
from oneseed.console.output import printable, progress
from oneseed.files import write_text
from oneseed.generation import bulk, cards, index
from oneseed.generation.cards import open_picture
from oneseed.generation.generator import MultimodalGenerator, check_prompt, get_random_seed
from oneseed.generation.rendering import contact_sheet, save_pair, save_sheet, save_visualization
from oneseed.generation.requests import pairs_of_seeds, requested_pairs, with_facts
from oneseed.model import latent_check
from oneseed.seeds import LAST_SEED

__all__ = [
    "MultimodalGenerator",
    "contact_sheet",
    "get_random_seed",
    "main",
    "open_picture",
    "save_visualization",
]


def find(generator, config):
    """--find: prints what fits best, and writes the pictures found as one sheet."""
    if config.find in ("seeds", "training"):
        return find_indexed(generator, config, config.image and open_picture(config.image))
    where = Path(config.find)
    if config.image:
        try:
            captions = sorted(
                {
                    json.loads(line)["caption"]
                    for line in where.read_text("utf-8").splitlines()
                    if line.strip()
                }
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{where} is no file of captions, one JSON object a line ({type(error).__name__}); try data/captions/builtin_val.jsonl"
            ) from error
        cosine = generator.similarity([open_picture(config.image)], captions)[0]
        for i in cosine.argsort(descending=True, stable=True)[:10].tolist():
            print(f"{cosine[i]:6.3f}  {captions[i]}")
        return None
    check_prompt(config.prompt)
    files = sorted(
        path
        for path in where.glob("*")
        if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp")
    )
    if not files:
        raise UserError(
            f"{where} holds no pictures; name a folder such as data/processed/builtin/resized"
        )
    cosine = torch.cat(
        [
            generator.similarity(
                [open_picture(path) for path in files[i : i + 32]], [config.prompt]
            )[:, 0]
            for i in progress(range(0, len(files), 32), label="looking", unit="batch")
        ]
    )
    best = cosine.argsort(descending=True, stable=True)[:10].tolist()
    for i in best:
        print(f"{cosine[i]:6.3f}  {files[i].as_posix()}")
    save_sheet(
        Path(config.out) / "found.png",
        [(open_picture(files[i]), files[i].name) for i in best],
        [f"{cosine[i]:.3f}" for i in best],
    )
    print(f"the best as one picture: {(Path(config.out) / 'found.png').as_posix()}")
    return None


def find_indexed(generator, config, picture):
    """--find seeds and --find training."""
    sheet = Path(config.out) / "found.png"
    if config.find == "training":
        (found,) = generator.nearest_training([picture], 10)
        for one in found:
            print(
                f"{one['distance']:6.3f}  {one['id']}  {one['caption']}{'   TOO NEAR: nearer than held-out pictures come' if one['memorised'] else ''}"
            )
        folder = index.folder_of(generator, config.data)
        there = [one for one in found if (folder / one["filename"]).exists()]
        pairs = [(open_picture(folder / one["filename"]), one["caption"]) for one in there]
        titles = [f"{one['distance']:.3f}" for one in there]
    else:
        found = generator.find_seeds(config.prompt, picture)
        for one in found:
            print(f"{one['score']:6.3f}  seed {one['seed']:<10}  {one['caption']}")
        pairs = generator.generate_batch([one["seed"] for one in found])
        titles = [one["seed"] for one in found]
    if pairs:
        save_sheet(sheet, pairs, titles)
        print(
            f"the best as one picture: {sheet.as_posix()}"
            + (
                f"; a pair: python inference.py --seeds {found[0]['seed']}"
                if config.find == "seeds"
                else ""
            )
        )


def verify(generator, config):
    """--verify -> exit status."""
    found = cards.differences(generator, config.verify, config.image and open_picture(config.image))
    if not found:
        print(
            f"true: {config.verify} is what {generator.checkpoint.as_posix()} makes, picture within 1/255 and caption letter by letter"
        )
        return 0
    print(
        f"not true: {config.verify} is not what {generator.checkpoint.as_posix()} makes:",
        *found,
        sep="\n  ",
    )
    return 1


def answers(prompt=None):
    """Asks on the terminal -> (seed, prompt or None) until an empty line, quit or the end of the input. prompt: of all pairs, then it is not asked for."""
    with contextlib.suppress(EOFError):
        while (
            text := input(f"seed, 0 to {LAST_SEED}, or random (an empty line ends): ")
            .strip()
            .lower()
        ) not in ("", "quit"):
            if text != "random" and not (
                text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) <= LAST_SEED
            ):
                print(
                    f"a seed is an integer from 0 to {LAST_SEED}, or the word random; not {text[:40]!r}"
                )
                continue
            wish = prompt or input("prompt (an empty line for none): ").strip()
            if wish.lower() == "quit":
                return
            yield get_random_seed() if text == "random" else int(text), wish or None


def interactive(generator, config):
    """--interactive: a pair for each answer, written to --out."""
    if hasattr(sys.stdin, "reconfigure"):
        # a byte that is no UTF-8 ends nothing
        sys.stdin.reconfigure(errors="replace")
    print(
        f"{generator.checkpoint.as_posix()}, style {generator.style}; pairs go to {Path(config.out).as_posix()}/"
    )
    for seed, prompt in answers(config.prompt):
        try:
            if prompt:
                check_prompt(prompt)
                warn_of_words(generator, prompt)
            ((name, title, facts, (image, _)),) = with_facts(
                generator, pairs_of_seeds(generator, replace(config, prompt=prompt), [seed])
            )
            name += "".join(f"_{word}" for word in re.findall("[a-z0-9]+", (prompt or "").lower()))[
                :60
            ]
            row = save_pair(Path(config.out), name, image, facts, generator.grey)
            print(
                f"{pair_line(title, row)}\n{' ' * 10}  {(Path(config.out) / row['picture']).as_posix()}"
            )
        except UserError as error:
            print(error)


def write_many(generator, config):
    """--count."""

    def make(seeds):
        return [
            (facts, image)
            for _, _, facts, (image, _) in with_facts(
                generator, pairs_of_seeds(generator, config, seeds)
            )
        ]

    order = {
        name: getattr(config, name)
        for name in (
            "count",
            "pairs_per_file",
            "format",
            "prompt",
            "style",
            "guidance",
            "temperature",
            "best_of",
        )
    }
    return bulk.write_shards(
        Path(config.out),
        {**order, "first": parse_seeds(config.seeds)[0], "fingerprint": generator.fingerprint},
        make,
        parse_shard(config.shard),
        config.batch_size,
        generator.grey,
        bulk.BATCHES_AHEAD * (generator.model.device.type != "cpu"),
    )


def build_index(generator, config):
    """--index."""
    path = index.index_seeds(generator, config.index, config.batch_size)
    print(
        f'{path.as_posix()}: seeds 0 to {config.index - 1:,}; next: python inference.py --find seeds --prompt "a ship"'
    )
    try:
        path, count = index.index_training(generator, config.data)
        print(
            f"{path.as_posix()}: {count:,} training pictures; pairs that come too near to one are marked from now on"
        )
    except UserError as error:
        print(
            f"no index of the training pictures, so no pair can be marked as too near to one: {error}"
        )


def warn_of_words(generator, prompt):
    if unknown := generator.unknown_words(prompt):
        print(
            f"WARNING: no training caption had {'this word' if len(unknown) == 1 else 'these words'}, so the model cannot know what is meant: {printable(', '.join(unknown))}"
        )


def pair_line(title, facts):
    """What the terminal shows of a pair."""
    match = "  - " if facts.get("match") is None else f"{facts['match']:3d}%"
    return f"{title:>10}  {match}  {printable(facts['caption'])}" + (
        f"   TOO NEAR to training picture {facts['near_training']}"
        if facts.get("near_training")
        else ""
    )


def main(config):
    generator = MultimodalGenerator(config.checkpoint, config.device, config.temperature)
    if config.prompt:
        warn_of_words(generator, config.prompt)
    for task, wanted in (
        (verify, config.verify),
        (find, config.find),
        (build_index, config.index),
        (write_many, config.count),
        (interactive, config.interactive),
    ):
        if wanted:
            return task(generator, config)
    out = Path(config.out)
    rows = []
    shown = []
    titles = []
    begin = time.perf_counter()
    grey = generator.grey
    count, parts = requested_pairs(generator, config)
    with progress(label="pairs", total=count, unit="pair") as bar:
        for name, title, facts, pair in itertools.chain.from_iterable(
            with_facts(generator, part) for part in parts
        ):
            rows.append(save_pair(out, name, pair[0], facts, grey))
            if len(shown) < 100:
                shown.append(pair)
                titles.append(title)
            bar.update()
    for row, title in zip(rows[:20], titles):
        print(pair_line(title, row))
    if generator.percentile(0) is not None:
        print(
            f"{'':>10}     %: so many of a hundred real pairs, which training has not seen, match no better"
        )
    write_text(out / "pairs.json", json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
    save_sheet(out / "sheet.png", shown, titles, grey)
    print(
        f"{len(rows):,} pairs in {time.perf_counter() - begin:.1f} s: {out.as_posix()}/, contact sheet {out.as_posix()}/sheet.png; "
        f"next: python gradio_demo.py --checkpoint {config.checkpoint}"
    )
    if generator.health and not generator.health["passed"]:
        print(latent_check.describe_latent(generator.health))
    return None


if __name__ == "__main__":
    run(main, *CONFIGS)
