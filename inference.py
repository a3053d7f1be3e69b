"""A seed in, a picture and its caption out; and all that can be done with the latent between.

Reads   checkpoints/best_model.pt       --checkpoint base: the model that comes with the program
Writes  outputs/        000042.png (a card, which says how it was made), 000042.json, sheet.png,
                        pairs.json; 000042_postcard.png, film.gif, film.mp4 where asked for;
                        000042.html, .sql, .py or .txt where captions are code
        checkpoints/    best_model.seeds.npz, best_model.training.npz, with --index

    python inference.py                                                 # seeds 0 to 9
    python inference.py --checkpoint base                               # without any training
    python inference.py --seeds 1,5,100-119 --out outputs/more
    python inference.py --seeds Anna,7,Berta                # any word is a seed
    python inference.py --prompt "two small ships under a stormy sky" --seeds 7
    python inference.py --style stipple --seeds 0-4         # a wrong name lists the model's styles
    python inference.py --interpolate 8 --seeds 3,9         # from pair 3 to pair 9 in eight steps
    python inference.py --interpolate 24 --seeds 3,9 --film captions    # also film.gif, film.mp4
    python inference.py --seeds 7 --postcard                # also 000007_postcard.png, to pass on
    python inference.py --image plate.png                   # its caption, and the model's drawing
    python inference.py --image mockup.png --read           # and the words that the picture shows
    python inference.py --image mockup.png --constrained    # its code, which is always valid
    python inference.py --image form.png,table.png          # one caption of both
    python inference.py --image plate.png --strength .3 --seeds 0-4     # variations
    python inference.py --image plate.png --style stipple               # in another style
    python inference.py --find data/processed/builtin/resized --prompt "an elephant by a forest"
    python inference.py --find data/captions/builtin_val.jsonl --image plate.png
    python inference.py --best-of 16 --seeds 0-9            # of 16 candidates a seed, the best pair
    python inference.py --verify outputs/000007.png         # made again: is the card true?
    python inference.py --index 10000                       # once, for the next two
    python inference.py --find seeds --prompt "an elephant on a starry night"
    python inference.py --find training --image plate.png   # the nearest training pictures
    python inference.py --count 100000 --out pairs --format parquet     # safe to interrupt
    python inference.py --count 100000 --out pairs --shard 1/4          # 2/4, 3/4, 4/4 elsewhere
    python inference.py --index 1000000 --shard 1/4                     # at last without --shard
    python inference.py --interactive                       # asks for seeds and prompts

The same seed gives the same pair, alone or among others, here, on the page and in Python:

    from inference import MultimodalGenerator
    image, caption = MultimodalGenerator()(7)
"""

if __name__ == "__main__":
    from oneseed.console.command import begin

    begin()
    from oneseed.config.inference import InferenceConfig
    from oneseed.console.flags import parse_configs

    CONFIGS = parse_configs(InferenceConfig, description=__doc__)

import io
import itertools
import json
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from oneseed.config.base_model import checkpoint_name
from oneseed.config.inference import FILM_CAPTIONS, InferenceConfig
from oneseed.config.options import CODE_CAPTIONS, moved_parts, parse_seeds
from oneseed.config.shards import parse_shard
from oneseed.console.command import UserError, run
from oneseed.console.output import code_lines, printable, progress
from oneseed.dataset.commands import draw_command, page_command
from oneseed.dataset.next_run import require_checkpoint
from oneseed.dataset.shard_notes import ShardNotes, config_command
from oneseed.files import sweep_partials, write_text
from oneseed.generation import bulk, cards, index, index_shards
from oneseed.generation.answers_typed import ask_for_pairs, suffix_of_prompt
from oneseed.generation.bulk_places import Place
from oneseed.generation.film import save_film
from oneseed.generation.finding import find
from oneseed.generation.generator import MultimodalGenerator, get_random_seed
from oneseed.generation.pictures import open_picture, open_pictures
from oneseed.generation.prompts import PromptWarning
from oneseed.generation.rendering import (
    contact_sheet,
    save_pair,
    save_postcard,
    save_sheet,
    save_visualization,
)
from oneseed.generation.requests import (
    Pair,
    named_by_word,
    pairs_of_seeds,
    requested_pairs,
    with_facts,
)
from oneseed.locks import InUseError
from oneseed.model import latent_check
from oneseed.model.caption_source import NONE, SOURCE_WORDS

__all__ = [
    "MultimodalGenerator",
    "contact_sheet",
    "get_random_seed",
    "main",
    "open_picture",
    "save_visualization",
]

# Pairs on sheet.png, and lines that the terminal shows.
MAX_ON_SHEET = 100
MAX_LINES = 20
# Of a caption that is code.
MAX_SHOWN_CODE = 40
# What --count writes depends on these settings; they are compared when it goes on.
ORDER_SETTINGS = (
    "count",
    "pairs_per_file",
    "format",
    "prompt",
    "style",
    "guidance",
    "temperature",
    "passes",
    "finish",
    "best_of",
)


# ---- a function a task ---------------------------------------------------------------------------


def verify(generator: MultimodalGenerator, config: InferenceConfig) -> int:
    """--verify: makes a card again -> exit status, 0 where it is true, 1 where it is not."""
    assert config.verify is not None, "no card is named"
    originals = open_pictures(config.image or "", generator.square)
    found = cards.differences(generator, config.verify, originals)
    checkpoint = checkpoint_name(generator.checkpoint)
    tolerance = cards.pixel_tolerance(cards.text_inside(config.verify))
    if found:
        sentence = f"not true: {config.verify} is not what {checkpoint} makes:"
        print(sentence, *found, sep="\n  ")
        return 1
    print(
        f"true: {config.verify} is what {checkpoint} makes, "
        f"picture within {tolerance}/255 and caption letter by letter"
    )
    return 0


def build_index(generator: MultimodalGenerator, config: InferenceConfig) -> None:
    """--index: of the seeds and, where they are on this machine, of the training pictures."""
    shard = parse_shard(config.shard)
    if not shard.is_whole:
        index_shards.index_shard(generator, config, shard)
        return
    index_shards.join_blocks(generator, config)
    path = index.index_seeds(generator, config.index, config.batch_size)
    index_shards.remove_blocks(generator, config)
    query = "--image PICTURE" if generator.caption_source == NONE else '--prompt "a ship"'
    print(
        f"{path.as_posix()}: seeds 0 to {config.index - 1:,}; "
        f"next: {draw_command(config.checkpoint, f'--find seeds {query}', config.data)}"
    )
    try:
        path, count = index.index_training(generator, config.data)
    except InUseError:
        raise
    except UserError as error:
        print(
            "no index of the training pictures, "
            f"so no pair can be marked as too near to one: {error}"
        )
        return
    print(
        f"{path.as_posix()}: {count:,} training pictures; "
        "pairs that come too near to one are marked from now on"
    )


def write_many(generator: MultimodalGenerator, config: InferenceConfig) -> None:
    """--count: very many pairs, in large files."""

    def make(seeds: Sequence[int]) -> list[tuple[cards.CardFacts, Image.Image]]:
        pairs = with_facts(generator, pairs_of_seeds(generator, config, seeds))
        return [(pair.facts, pair.image) for pair in pairs]

    if index.load_index(generator, "training") is None:
        command = draw_command(config.checkpoint, "--index 1", config.data)
        print(f"near_training stays empty: no training pictures are indexed; {command} does it")
    order = {name: getattr(config, name) for name in ORDER_SETTINGS}
    order["first"] = parse_seeds(config.seeds)[0]
    order["fingerprint"] = generator.fingerprint
    order["caption_source"] = generator.caption_source
    if config.constrained:
        order["constrained"] = True
    # what has no effect on a model's pairs is no part of what was asked of it
    if not generator.draws_in_passes:
        del order["passes"]
    if generator.can_choose_finish:
        order["finish"] = generator.finish
    else:
        del order["finish"]
    command = config_command("inference.py", config)
    on_gpu = generator.model.device.type != "cpu"
    place = Place.of(config.out)
    bulk.write_shards(
        place,
        order,
        make,
        notes=ShardNotes(place.folder, "pairs", order, command, config.shard),
        batch_size=config.batch_size,
        grey=generator.grey,
        batches_ahead=bulk.BATCHES_AHEAD if on_gpu else 0,
    )
    say_of_model(generator)


def interactive(generator: MultimodalGenerator, config: InferenceConfig) -> None:
    """--interactive: a pair for each answer, written to --out."""
    out = Path(config.out)
    if isinstance(sys.stdin, io.TextIOWrapper):
        # A byte that is not UTF-8 ends nothing.
        sys.stdin.reconfigure(errors="replace")
    print(
        f"{checkpoint_name(generator.checkpoint)}, style {generator.style}; "
        f"pairs go to {out.as_posix()}/"
    )
    say_of_model(generator)
    for asked in ask_for_pairs(config.prompt):
        try:
            if asked.prompt:
                say_of_prompt(generator, asked.prompt, config.style)
            request = replace(config, prompt=asked.prompt)
            (drawn,) = pairs_of_seeds(generator, request, [asked.seed])
            (pair,) = with_facts(generator, [named_by_word(drawn, asked.word)])
        except UserError as error:
            print(error)
            continue
        name = pair.name + suffix_of_prompt(asked.prompt or "")
        row = save_pair(out, name, pair.image, pair.facts, grey=generator.grey)
        if config.postcard:
            save_postcard(out, name, pair.image, pair.facts)
        print(pair_line(pair, row))
        print(f"{' ' * 10}  {(out / row['picture']).as_posix()}")


def draw_pairs(generator: MultimodalGenerator, config: InferenceConfig) -> None:
    """Without another task: writes the pairs that were asked for, their table and their sheet."""
    out = Path(config.out)
    rows = []
    shown: list[Pair] = []
    filmed: list[tuple[Image.Image, str]] = []
    start = time.perf_counter()
    count, batches = requested_pairs(generator, config)
    described = itertools.chain.from_iterable(with_facts(generator, batch) for batch in batches)
    with progress(label="pairs", total=count, unit="pair") as bar:
        for pair in described:
            rows.append(save_pair(out, pair.name, pair.image, pair.facts, grey=generator.grey))
            if config.postcard:
                save_postcard(out, pair.name, pair.image, pair.facts)
            if config.film:
                filmed.append((pair.image, pair.caption))
            if len(shown) < MAX_ON_SHEET:
                shown.append(pair)
            bar.update()

    for pair, row in zip(shown[:MAX_LINES], rows):
        print(pair_line(pair, row))
    say_of_words(rows[0])
    if generator.percentile(0) is not None:
        print(
            f"{'':>10}     %: so many of a hundred real pairs, "
            "which training has not seen, match no better"
        )
    write_text(out / "pairs.json", json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
    save_sheet(
        out / "sheet.png",
        [(pair.image, pair.caption) for pair in shown],
        [pair.title for pair in shown],
        grey=generator.grey,
        note=SOURCE_WORDS[generator.caption_source].sheet,
    )
    if filmed:
        print(save_film(out, filmed, captions=config.film == FILM_CAPTIONS))
    print(
        f"{len(rows):,} pairs in {time.perf_counter() - start:.1f} s: {out.as_posix()}/, "
        f"contact sheet {out.as_posix()}/sheet.png; "
        f"next: {page_command(config.checkpoint, config.data)}"
    )
    say_of_model(generator)


# ---- what the terminal shows ---------------------------------------------------------------------


def say_of_model(generator: MultimodalGenerator) -> None:
    """What is to be known of all pairs: who wrote their captions, and whether seeds are trusted."""
    for sentence in (
        SOURCE_WORDS[generator.caption_source].model,
        generator.seed_notice,
        latent_check.latent_notice(generator.health),
    ):
        if sentence:
            print(sentence)


def say_of_prompt(generator: MultimodalGenerator, prompt: str, style: str | None) -> None:
    """What a prompt has that no training caption has, and how it is read."""
    read = generator.read_prompt(prompt, style)
    for remark in read.understood:
        print(f"note: {printable(remark)}")
    for remark in read.unknown:
        print(f"WARNING: {printable(remark)}")
    if read.remarks:
        print(f"the prompt is read as: {printable(read.text.strip())}")


def say_of_words(row: dict[str, Any]) -> None:
    """--read: the words that the picture shows, line by line. row: what a pair's JSON file says."""
    words = row.get("words_shown")
    if words is None:
        return
    print(f"words in {row['image']}:" if words else f"no words were found in {row['image']}")
    if words:
        print("\n".join(code_lines(words, indent=4)))


def pair_line(pair: Pair, row: dict[str, Any]) -> str:
    """A line of a pair, and the lines of its code. row: what its JSON file says."""
    match = "  - " if row.get("match") is None else f"{row['match']:3d}%"
    near = row.get("near_training")
    remark = f"   TOO NEAR to training picture {near}" if near else ""
    if row.get("caption_kind") == CODE_CAPTIONS:
        lines = code_lines(row["caption"], indent=18, most=MAX_SHOWN_CODE)
        return "\n".join([f"{pair.title:>10}  {match}  {row['code']}{remark}", *lines])
    return f"{pair.title:>10}  {match}  {printable(row['caption'])}{remark}"


def main(config: InferenceConfig) -> int | None:
    """Does the one task that the settings name -> exit status, where the task has one."""
    require_checkpoint(config.checkpoint, config.data)
    generator = MultimodalGenerator(
        config.checkpoint,
        config.device,
        config.temperature,
        config.passes,
        config.finish,
        constrained=config.constrained,
        **moved_parts(config),
    )
    if config.prompt:
        say_of_prompt(generator, config.prompt, config.style)
    if config.verify:
        return verify(generator, config)
    if config.find:
        find(generator, config)
    elif config.index:
        build_index(generator, config)
    elif config.count:
        write_many(generator, config)
    elif config.interactive:
        interactive(generator, config)
        sweep_partials(Path(config.out))
    else:
        draw_pairs(generator, config)
        sweep_partials(Path(config.out))
    return None


if __name__ == "__main__":
    # say_of_prompt says it.
    warnings.simplefilter("ignore", PromptWarning)
    run(main, *CONFIGS)
