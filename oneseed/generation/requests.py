"""What was asked for becomes pairs with their facts."""

import itertools
from pathlib import Path

from oneseed.config.options import parse_seeds
from oneseed.generation import cards
from oneseed.generation.cards import open_picture


def pairs_of_seeds(generator, config, seeds):
    """Seeds -> list of (file name, title, facts, (image, caption)), as prompt, style and --best-of want them."""
    wish = {"prompt": config.prompt, "style": config.style, "guidance": config.guidance}
    facts = {
        "prompt": config.prompt,
        "asked_style": config.style,
        "guidance": config.guidance if config.prompt else None,
    }
    if config.style:
        facts["style"] = config.style
    if config.best_of == 1:
        return [
            (f"{seed:06d}", seed, {"seed": seed, **facts}, pair)
            for seed, pair in zip(seeds, generator.generate_batch(seeds, **wish))
        ]
    found = [(first, *generator.best_of(first, config.best_of, **wish)) for first in seeds]
    return [
        (
            f"{seed:06d}",
            seed,
            {"seed": seed, "best_of": config.best_of, "first_seed": first, **facts},
            pair,
        )
        for first, seed, pair in found
    ]


def made_from(picture, name):
    """PIL RGB image that somebody brings, and its name -> the facts of a card that is made from it."""
    return {"image": name, "image_sha256": cards.digest_of_pixels(picture)}


def requested_pairs(generator, config):
    """InferenceConfig -> how many pairs, and an iterator of lists of (file name, title, further facts, (image, caption))."""
    seeds = parse_seeds(config.seeds)
    parts = [
        seeds[start : start + config.batch_size]
        for start in range(0, len(seeds), config.batch_size)
    ]
    if config.image:
        picture = open_picture(config.image)
        stem = Path(config.image).stem
        source = made_from(picture, Path(config.image).as_posix())
        if config.style:
            strength = 1.0 if config.strength is None else config.strength
            return 1, iter(
                [
                    [
                        (
                            f"{stem}_{config.style}",
                            config.style,
                            {
                                **source,
                                "style": config.style,
                                "asked_style": config.style,
                                "strength": strength,
                            },
                            pair,
                        )
                        for pair in generator.restyle([picture], config.style, strength)
                    ]
                ]
            )
        if config.strength is None:
            return 1, iter(
                [
                    [
                        (f"{stem}_drawn", "drawn by the model", source, pair)
                        for pair in generator.decode(generator.encode([picture]))
                    ]
                ]
            )
        return len(seeds), (
            [
                (
                    f"{stem}_{seed:06d}",
                    seed,
                    {"seed": seed, **source, "strength": config.strength},
                    pair,
                )
                for seed, pair in zip(part, generator.vary(picture, part, config.strength))
            ]
            for part in parts
        )
    if config.interpolate:
        ways = list(itertools.pairwise(seeds))
        steps = config.interpolate
        return len(ways) * steps, (
            [
                (
                    f"{first:06d}_{last:06d}_{step:02d}",
                    f"{first} to {last}, step {step}",
                    {"from": first, "to": last, "step": step, "steps": steps},
                    pair,
                )
                for step, pair in enumerate(generator.interpolate(first, last, steps))
            ]
            for first, last in ways
        )
    return len(seeds), (pairs_of_seeds(generator, config, part) for part in parts)


def with_facts(generator, made):
    """What was made, as asked_for lists it -> the same with all facts of the cards: the model, the match score, and what a pair is too near to."""
    pairs = [pair for *_, pair in made]
    model = {
        "style": generator.style,
        "checkpoint": generator.checkpoint.as_posix(),
        "fingerprint": generator.fingerprint,
        "temperature": generator.temperature or None,
    }
    return [
        (name, title, {"caption": pair[1], **model, **facts, **score, "near_training": near}, pair)
        for (name, title, facts, pair), score, near in zip(
            made, generator.match(pairs), generator.marks([image for image, _ in pairs])
        )
    ]
