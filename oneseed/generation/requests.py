"""What was asked for, as pairs with their facts: of seeds, around a picture, between two seeds."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from oneseed.config.base_model import checkpoint_name
from oneseed.config.inference import InferenceConfig
from oneseed.config.options import CODE_CAPTIONS, parse_seeds, words_of_seeds
from oneseed.console.command import UserError
from oneseed.file_names import safe_name
from oneseed.files import MAX_FILE_NAME_BYTES
from oneseed.generation import cards
from oneseed.generation.pictures import named_pictures, open_picture
from oneseed.media.kinds import PICTURE
from oneseed.media.words_shown import words_shown
from oneseed.model.caption_source import NONE
from oneseed.workers import chunks

if TYPE_CHECKING:
    from oneseed.generation.generator import MultimodalGenerator


# of the files of a pair, the longest
POSTCARD_SUFFIX = "_postcard.png"


@dataclass(frozen=True)
class Pair:
    """A picture, the caption that belongs to it, and how both were made."""

    name: str  # of its files: "000042"
    title: int | str  # on sheets and in the terminal: its seed, or words
    image: Image.Image  # RGB
    caption: str
    facts: dict[str, Any]  # of its card: plain values, None where a fact does not apply


def pairs_of_seeds(
    generator: "MultimodalGenerator",
    config: InferenceConfig,
    seeds: Sequence[int],
    prompts: Sequence[str] = (),
) -> list[Pair]:
    """One pair per seed, under the prompt, style, guidance and --best-of of the settings.

    Where the settings name a seed by a word, its pair does too.
    prompts: one per seed, in place of that of the settings.
    """
    if len(set(prompts)) > 1:
        return pairs_of_prompts(generator, config, seeds, prompts)
    if prompts:
        config = replace(config, prompt=prompts[0])
    words = words_of_seeds(config.seeds)
    conditions: dict[str, Any] = {
        "prompt": config.prompt,
        "style": config.style,
        "guidance": config.guidance,
    }
    facts = condition_facts(config)

    if config.best_of == 1:
        drawn = generator.generate_batch(seeds, **conditions)
        return [
            Pair(
                name=f"{seed:06d}",
                title=words.get(seed, seed),
                image=image,
                caption=caption,
                facts={"seed": seed, "word": words.get(seed), **facts},
            )
            for seed, (image, caption) in zip(seeds, drawn)
        ]

    pairs = []
    for first_seed in seeds:
        seed, (image, caption) = generator.best_of(first_seed, config.best_of, **conditions)
        choice = {"seed": seed, "best_of": config.best_of, "first_seed": first_seed}
        choice["word"] = words.get(first_seed)
        pairs.append(Pair(f"{seed:06d}", seed, image, caption, {**choice, **facts}))
    return pairs


def pairs_of_prompts(
    generator: "MultimodalGenerator",
    config: InferenceConfig,
    seeds: Sequence[int],
    prompts: Sequence[str],
) -> list[Pair]:
    """`pairs_of_seeds` for several prompts, which are decoded together."""
    requests = [replace(config, prompt=prompt) for prompt in prompts]
    if config.best_of > 1:
        found = [pairs_of_seeds(generator, one, [seed]) for one, seed in zip(requests, seeds)]
        return list(itertools.chain.from_iterable(found))
    drawn = generator.generate_batch(
        seeds, list(prompts), style=config.style, guidance=config.guidance
    )
    return [
        Pair(
            f"{seed:06d}",
            seed,
            image,
            caption,
            {"seed": seed, "word": None, **condition_facts(one)},
        )
        for seed, one, (image, caption) in zip(seeds, requests, drawn)
    ]


def named_by_word(pair: Pair, word: str) -> Pair:
    """The same pair, its seed named by this word; "" leaves it as it is."""
    return replace(pair, title=word, facts={**pair.facts, "word": word}) if word else pair


def condition_facts(config: InferenceConfig) -> dict[str, Any]:
    """What cards say of the prompt, style and guidance under which a seed was drawn."""
    facts: dict[str, Any] = {
        "prompt": config.prompt,
        "asked_style": config.style,
        "guidance": config.guidance if config.prompt else None,
    }
    if config.style:
        facts["style"] = config.style
    return facts


def source_facts(
    pictures: Sequence[Image.Image], name: str, *, read: bool = False
) -> dict[str, Any]:
    """Pictures that somebody brings, RGB, and their names -> what cards say of them.

    read: also the words that they show.
    """
    facts = {"image": name, "image_sha256": cards.digest_of_pictures(pictures)}
    if read:
        words = itertools.chain.from_iterable(map(words_shown, pictures))
        facts["words_shown"] = "\n".join(words)
    return facts


def name_after(picture: Path, end: str) -> str:
    """What the files of a pair are called that is made from a picture: its name, and the end.

    One that is too long, or that not every system can write, is shortened to a similar one; a hash
    keeps it apart from others that begin so.
    """
    room = MAX_FILE_NAME_BYTES - len(f"{end}{POSTCARD_SUFFIX}".encode())
    return safe_name(picture.stem, room) + end


def requested_pairs(
    generator: "MultimodalGenerator", config: InferenceConfig
) -> tuple[int, Iterator[list[Pair]]]:
    """Settings -> how many pairs, and an iterator that makes them list by list."""
    seeds = parse_seeds(config.seeds)
    if config.image:
        names = named_pictures(config.image)
        pictures = [open_picture(name, generator.square) for name in names]
        if len(names) > 1 and (config.style or config.strength is not None):
            raise UserError(
                "several pictures are captioned together, and not varied or restyled; name one "
                f"of them: --image {names[0]}"
            )
        if config.style or config.strength is None:
            return 1, iter([[redrawn_picture(generator, config, names, pictures)]])
        return len(seeds), variations(generator, config, pictures[0], seeds)
    if config.interpolate:
        return (len(seeds) - 1) * config.interpolate, interpolations(generator, config, seeds)
    batches = chunks(seeds, config.batch_size)
    return len(seeds), (pairs_of_seeds(generator, config, batch) for batch in batches)


def redrawn_picture(
    generator: "MultimodalGenerator",
    config: InferenceConfig,
    names: Sequence[str],
    pictures: Sequence[Image.Image],
) -> Pair:
    """The model's own drawing and caption of --image: as it is, or in another style.

    Of several pictures their one caption, and the drawing of the first.
    """
    path = Path(names[0])
    named = ",".join(Path(name).as_posix() for name in names)
    facts = source_facts(pictures, named, read=config.read)
    if not config.style:
        ((image, caption),) = generator.decode_code(generator.encode_together(pictures))
        return Pair(name_after(path, "_drawn"), "drawn by the model", image, caption, facts)

    strength = 1.0 if config.strength is None else config.strength
    ((image, caption),) = generator.restyle(pictures, config.style, strength)
    facts |= {"style": config.style, "asked_style": config.style, "strength": strength}
    name = name_after(path, f"_{safe_name(config.style)}")
    return Pair(name, config.style, image, caption, facts)


def variations(
    generator: "MultimodalGenerator",
    config: InferenceConfig,
    picture: Image.Image,
    seeds: Sequence[int],
) -> Iterator[list[Pair]]:
    """Pairs around --image, one per seed, as far from it as --strength says."""
    assert config.strength is not None, "variations need a strength"
    path = Path(config.image or "")
    source = source_facts([picture], path.as_posix(), read=config.read)
    for batch in chunks(seeds, config.batch_size):
        varied = generator.vary(picture, batch, config.strength)
        yield [
            Pair(
                name=name_after(path, f"_{seed:06d}"),
                title=seed,
                image=image,
                caption=caption,
                facts={"seed": seed, **source, "strength": config.strength},
            )
            for seed, (image, caption) in zip(batch, varied)
        ]


def interpolations(
    generator: "MultimodalGenerator", config: InferenceConfig, seeds: Sequence[int]
) -> Iterator[list[Pair]]:
    """The pairs from each seed to the next, --interpolate of them with both ends."""
    steps = config.interpolate
    for first, last in itertools.pairwise(seeds):
        walk = enumerate(generator.walk(first, last, steps, at_once=config.batch_size))
        while batch := list(itertools.islice(walk, config.batch_size)):
            yield [
                Pair(
                    name=f"{first:06d}_{last:06d}_{step:02d}",
                    title=f"{first} to {last}, step {step}",
                    image=image,
                    caption=caption,
                    facts={"from": first, "to": last, "step": step, "steps": steps},
                )
                for step, (image, caption) in batch
            ]


def with_facts(generator: "MultimodalGenerator", pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs with all facts of their cards.

    Added are the caption, who wrote it, the model, the match score where there is a caption, and
    the training picture that a pair is too near to. What a pair's own facts say wins over what the
    generator says in general.
    """
    model_facts = {
        "caption_source": generator.caption_source,
        "caption_kind": CODE_CAPTIONS if generator.writes_code else None,
        "medium": None if generator.medium == PICTURE else generator.medium,
        "style": generator.style,
        "checkpoint": checkpoint_name(generator.checkpoint),
        "fingerprint": generator.fingerprint,
        "temperature": generator.temperature or None,
        "constrained": 1 if generator.is_constrained else None,
        "passes": generator.passes if generator.draws_in_passes else None,
    }
    scores: list[dict[str, Any]] = [{} for _ in pairs]
    if generator.caption_source != NONE:
        scores = generator.match([(pair.image, pair.caption) for pair in pairs])
    too_near = generator.near_training([pair.image for pair in pairs])
    described = []
    for pair, score, near in zip(pairs, scores, too_near):
        is_seed = generator.can_choose_finish and not {"from", "image"} & pair.facts.keys()
        facts = {
            "caption": pair.caption,
            **model_facts,
            # walks, and what is made from pictures, are always drawn
            "finish": generator.finish if is_seed else None,
            **pair.facts,
            **score,
            "near_training": near,
        }
        described.append(replace(pair, facts=facts))
    return described
