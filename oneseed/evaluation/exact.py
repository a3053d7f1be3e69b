"""What can be counted where pictures were drawn by rule.

What evaluation.py measures: small arithmetic first, then one function per family of numbers.

Every number is a dict of title, value, floor (what chance or shuffling gives), ceiling (what real pairs give) and wanted.
"""

from collections import Counter

import numpy as np
from PIL import Image

from oneseed import seeds
from oneseed.dataset.pixels import training_pixels
from oneseed.evaluation.attribute_judge import CLEAN, draw_all
from oneseed.evaluation.metrics import (
    EXAMPLES,
    agreement,
    distinct,
    feature_distances,
    grey_array,
    grey_pixels,
    hits,
    number,
    shuffled,
    total_variation,
)
from oneseed.generation.memorisation import memorised, thumbnail_features
from oneseed.synthetic.engravings import attributes
from oneseed.synthetic.engravings.attributes import LEVELS

# seed of the renders made here; neither collection nor judge has them
FIRST_RENDER = 3_000_000
WANTED_SPREAD = 0.85
WANTED_DISTANCE = 0.10


def level_of(captions):
    """Training captions -> the highest level whose attributes most of them tell; 5 without captions."""
    sample = [attributes.parse(caption) for caption in captions[:200]]
    told = [
        level
        for level, names in LEVELS.items()
        if sum(all(facts[name] is not None for name in names) for facts in sample) > len(sample) / 2
    ]
    return max(told, default=5)


def fresh_facts(count, level):
    """Facts for renders that training has not seen: held-out combinations at level 5; lower levels hold none out."""
    return (
        attributes.held_out_facts(count, FIRST_RENDER)
        if level == 5
        else attributes.collection(count, level, FIRST_RENDER)
    )


def trained_facts(rows, level):
    """The facts of the training captions; without captions, of a collection drawn anew."""
    names = LEVELS[level]
    read = [attributes.parse(row["caption"]) for row in rows]
    told = [
        {**attributes.CONSTANT, **{name: one[name] for name in names}}
        for one in read
        if all(one[name] is not None for name in names)
    ]
    return told or attributes.collection(6000, level)


def measure_pairs(generator, judge, pairs, rows, collection, numbers, notes, warnings):
    """All that the two judges can tell about pairs of the built-in collection, added to numbers, notes and warnings -> examples."""
    captions = [caption for _, caption in pairs]
    count = len(pairs)
    size = pairs[0][0].width
    level = level_of([row["caption"] for row in rows])
    names = LEVELS[level]
    trained = trained_facts(rows, level)
    told = [attributes.parse(caption) for caption in captions]
    seen = judge.see(grey_pixels([image for image, _ in pairs]))
    notes.append(
        f"Level {level}: {', '.join(names)}. A pair agrees strictly when each is told, seen and equal."
    )

    facts = fresh_facts(count, level)
    renders = draw_all(facts, FIRST_RENDER, "held-out renders", size).numpy()
    images = [Image.fromarray(render) for render in renders]
    rebuilt = grey_pixels(generator.reconstruct(images))
    own = [
        attributes.parse(attributes.tell(one, FIRST_RENDER + i, level))
        for i, one in enumerate(facts)
    ]

    joint = agreement(seen, told, names)
    floor = shuffled(seen, told, names)
    real_seen = judge.see(renders)
    rebuilt_seen = judge.see(rebuilt)
    real = agreement(real_seen, own, names)
    rebuild = agreement(rebuilt_seen, facts, names)
    ceiling = {name: {"reconstructions": rebuild[name], "real pairs": real[name]} for name in real}
    for name, title in {
        "strict": "picture and caption agree, strict",
        "mean": "the same, mean of single attributes",
        **{name: f"the same, {name}" for name in names},
    }.items():
        numbers[f"joint_{name}"] = number(title, joint[name], floor[name], ceiling[name])
    if real["strict"] < CLEAN - 0.02:
        warnings.append(
            f"WARNING: the judge reads only {real['strict']:.3f} of real renders at {size} px; the figures below are too low. It was taught at 128 px; "
            "if the drawings have changed, remove its file and run again."
        )

    # a small training set would repeat itself
    pool = trained if len(trained) >= count else attributes.collection(6000, level)
    sample = [
        pool[i]
        for i in seeds.numpy_generator(0, "evaluation").choice(
            len(pool), count, replace=count > len(pool)
        )
    ]
    most = distinct(sample, names)
    for kind, found in (("pictures", seen), ("captions", told)):
        ratio = distinct(found, names) / most
        numbers[f"distinct_{kind}"] = number(
            f"distinct combinations in {kind}, over those of as many real pairs ({most})",
            ratio,
            1 / most,
            1.0,
            f"at least {WANTED_SPREAD}",
        )
        if ratio < WANTED_SPREAD:
            warnings.append(
                f"WARNING: SMALL SPREAD: the {kind} of {count} seeds show {distinct(found, names)} distinct combinations, as many real pairs {most}; "
                "the agreement above says little."
            )
        uneven = []
        for name in names:

            def values(facts):
                return [one[name] for one in facts]

            distance = total_variation(values(found), values(trained))
            typical = total_variation(values(sample), values(trained))
            least = 1 - max(Counter(values(trained)).values()) / len(trained)
            numbers[f"distance_{kind}_{name}"] = number(
                f"distance of {kind} to the training distribution, {name}",
                distance,
                least,
                typical,
                f"at most {WANTED_DISTANCE:.2f}",
            )
            # few seeds are uneven by chance
            if distance > max(WANTED_DISTANCE, 1.5 * typical):
                ((value, times),) = Counter(values(found)).most_common(1)
                uneven.append(
                    f"{name} {distance:.2f}, most often {'unread' if value is None else value} ({times} of {count})"
                )
        if uneven:
            warnings.append(
                f"WARNING: UNEVEN: {kind} are far from the training distribution in {'; '.join(uneven)}."
            )

    pixels = training_pixels(collection, size, rows)
    if pixels is None:
        notes.append(
            f"Memorisation was not measured: {collection.pixels(size).as_posix()} is not here."
        )
    else:
        # trained combinations, drawn afresh: held-out ones lie farther from training, and every honest picture would look copied
        known = [
            trained[i] for i in seeds.numpy_generator(0, "memorisation").choice(len(trained), count)
        ]
        fresh = draw_all(known, FIRST_RENDER + 1_000_000, "fresh renders", size).numpy()
        rebuilt_fresh = grey_pixels(generator.reconstruct([Image.fromarray(one) for one in fresh]))
        samples = grey_pixels([image for image, _ in pairs])
        ids = [row["id"] for row in rows]
        copied = memorised(thumbnail_features, samples, rebuilt_fresh, pixels, ids)
        honest = memorised(thumbnail_features, fresh, rebuilt_fresh, pixels, ids)
        numbers["memorised"] = number(
            "pictures nearer to a training picture than the nearest hundredth of fresh renders, reconstructed, as thumbnails of 16 x 16",
            copied["share"],
            None,
            {"reconstructions": 0.01, "real pairs": honest["share"]},
            "at most 0.02",
        )
        notes += [
            f"Nearer to training picture {id} than that: pair {place} (distance {distance:.2f})."
            for place, id, distance in copied["nearest"][: round(copied["share"] * count)]
        ]
        measure_distances(
            judge.features,
            samples,
            rebuilt_fresh,
            grey_array(pixels),
            fresh,
            "the picture judge",
            numbers,
        )
    return [
        {"caption": caption, "verdict": [(name, seen_one[name], told_one[name]) for name in names]}
        for caption, seen_one, told_one in zip(captions[:EXAMPLES], seen, told)
    ]


def measure_distances(features_of, samples, rebuilt, real, more_real, network, numbers):
    found = feature_distances(features_of, samples, rebuilt, real, more_real, network)
    for kind, title in (("frechet", "Fréchet distance"), ("kernel", "kernel distance")):
        numbers[kind] = number(
            f"{title} of {found['pictures']} pictures to as many real ones, in the features of {found['network']}",
            found[kind]["samples"],
            None,
            {
                "reconstructions": found[kind]["reconstructions"],
                "real pictures": found[kind]["real"],
            },
        )


def measure_conditions(generator, judge, level, trained, count, numbers, size):
    """Prompts, pictures to captions, and retrieval, for attribute combinations that training has seen (drawn and told afresh) and,
    at level 5, for those held out."""
    names = LEVELS[level]
    kinds = {
        "seen": [
            trained[i] for i in seeds.numpy_generator(0, "conditions").choice(len(trained), count)
        ]
    }
    if level == 5:
        kinds["unseen"] = attributes.held_out_facts(count, FIRST_RENDER)
    for kind, facts in kinds.items():
        renders = [
            Image.fromarray(render)
            for render in draw_all(
                facts, FIRST_RENDER, f"renders of {kind} combinations", size
            ).numpy()
        ]
        captions = [attributes.tell(one, FIRST_RENDER + i, level) for i, one in enumerate(facts)]
        real_seen = judge.see(grey_pixels(renders))
        answers = [
            pair
            for i in range(0, count, 32)
            for pair in generator.generate_batch(
                range(i, min(i + 32, count)), prompt=captions[i : i + 32]
            )
        ]
        seen = judge.see(grey_pixels([image for image, _ in answers]))
        told = [attributes.parse(caption) for _, caption in answers]
        written = [attributes.parse(caption) for caption in generator.caption(renders)]

        def both(seen, told):
            return [one if one == other else dict.fromkeys(one) for one, other in zip(seen, told)]

        where = f"{kind} combinations"
        for name, title, claims, ceiling in (
            (
                "caption_to_picture",
                "caption to picture: the picture drawn for a prompt shows it",
                seen,
                real_seen,
            ),
            (
                "prompt_to_pair",
                "the same, and the caption drawn with it says it",
                both(seen, told),
                real_seen,
            ),
            (
                "picture_to_caption",
                "picture to caption: what is written for a new picture is true",
                written,
                facts,
            ),
        ):
            numbers[f"{name}_{kind}"] = number(
                f"{title}, strict, {where}",
                agreement(facts, claims, names)["strict"],
                shuffled(facts, claims, names)["strict"],
                agreement(facts, ceiling, names)["strict"],
            )
        # what people write: some of it
        if level == 5 and kind == "seen":
            short = [attributes.tell(one, FIRST_RENDER + i, 3) for i, one in enumerate(facts)]
            answers = [
                pair
                for i in range(0, count, 32)
                for pair in generator.generate_batch(
                    range(i, min(i + 32, count)), prompt=short[i : i + 32]
                )
            ]
            seen = judge.see(grey_pixels([image for image, _ in answers]))
            told = [attributes.parse(caption) for _, caption in answers]
            numbers["partial_prompt"] = number(
                "a prompt of subject, count, size and place alone: picture and caption say it, strict",
                agreement(facts, both(seen, told), LEVELS[3])["strict"],
                shuffled(facts, both(seen, told), LEVELS[3])["strict"],
                1.0,
            )
            open_names = [name for name in names if name not in LEVELS[3]]
            numbers["partial_prompt_spread"] = number(
                "… and how many of the 24 combinations of what it leaves open occur",
                distinct(seen, open_names) / 24,
                1 / 24,
                1.0,
            )
        cosine = generator.similarity(renders, captions).numpy()
        for way, scores in (
            ("picture among captions", cosine.T),
            ("caption among pictures", cosine),
        ):
            for best in (1, 5, 10):
                numbers[f"retrieval_{way.split()[0]}_{best}_{kind}"] = number(
                    f"retrieval: a {way.split()[0]} of the right facts among the first {best} of {count} for its {way.split()[-1][:-1]}, {where}",
                    hits(scores, facts, names, best),
                    hits(np.roll(scores, 1, 1), facts, names, best),
                    1.0,
                )


def measure_styles(generator, judge, level, trained, count, numbers, size):
    """The requested technique in seeds, and in pictures moved from one technique to another."""
    names = LEVELS[level]
    styles = generator.styles
    if len(styles) < 2:
        return
    wanted = [styles[i % len(styles)] for i in range(count)]
    pairs = [None] * count
    for style in styles:
        mine = [i for i in range(count) if wanted[i] == style]
        for i, pair in zip(
            mine,
            (
                pair
                for part in range(0, len(mine), 32)
                for pair in generator.generate_batch(mine[part : part + 32], style=style)
            ),
        ):
            pairs[i] = pair

    def share(facts):
        return float(np.mean([one["technique"] == style for one, style in zip(facts, wanted)]))

    seen = judge.see(grey_pixels([image for image, _ in pairs]))
    told = [attributes.parse(caption) for _, caption in pairs]
    numbers["style_drawn"] = number(
        "style: the requested technique is drawn", share(seen), 1 / len(styles), 1.0
    )
    numbers["style_named"] = number(
        "style: the requested technique is named", share(told), 1 / len(styles), 1.0
    )
    facts = [trained[i] for i in seeds.numpy_generator(0, "styles").choice(len(trained), count)]
    renders = [
        Image.fromarray(render)
        for render in draw_all(facts, FIRST_RENDER + 2_000_000, "renders to restyle", size).numpy()
    ]
    wanted = [
        styles[(styles.index(one["technique"]) + 1 + i % (len(styles) - 1)) % len(styles)]
        for i, one in enumerate(facts)
    ]
    for style in styles:
        mine = [i for i in range(count) if wanted[i] == style]
        for i, pair in zip(
            mine, generator.restyle([renders[i] for i in mine], style) if mine else []
        ):
            pairs[i] = pair
    seen = judge.see(grey_pixels([image for image, _ in pairs]))
    told = [attributes.parse(caption) for _, caption in pairs]
    others = [name for name in names if name != "technique"]
    numbers["transfer_drawn"] = number(
        "style transfer: a picture moved to another technique shows it", share(seen), 0.0, 1.0
    )
    numbers["transfer_named"] = number(
        "style transfer: its caption names it", share(told), 0.0, 1.0
    )
    numbers["transfer_kept"] = number(
        "style transfer: all other attributes of the picture kept",
        agreement(facts, seen, others)["strict"],
        shuffled(facts, seen, others)["strict"],
        agreement(facts, judge.see(grey_pixels(generator.reconstruct(renders))), others)["strict"],
    )


def measure_walks(generator, judge, level, trained, numbers, size, walks=30, steps=8, count=60):
    """Interpolations: do picture and caption agree on the way? Variations: how much of a picture is left?"""
    names = LEVELS[level]
    pairs = [
        pair
        for walk in range(walks)
        for pair in generator.interpolate(FIRST_RENDER + walk, FIRST_RENDER + walk + 1, steps)[1:-1]
    ]
    seen = judge.see(grey_pixels([image for image, _ in pairs]))
    told = [attributes.parse(caption) for _, caption in pairs]
    for name in ("strict", "mean"):
        numbers[f"interpolation_{name}"] = number(
            f"interpolation: picture and caption agree between two seeds, {'strict' if name == 'strict' else 'mean of attributes'}",
            agreement(seen, told, names)[name],
            shuffled(seen, told, names)[name],
            1.0,
        )
    facts = [trained[i] for i in seeds.numpy_generator(0, "variations").choice(len(trained), count)]
    renders = [
        Image.fromarray(render)
        for render in draw_all(facts, FIRST_RENDER + 3_000_000, "renders to vary", size).numpy()
    ]
    for strength in (0.3, 0.6):
        pairs = [generator.vary(render, [i], strength)[0] for i, render in enumerate(renders)]
        seen = judge.see(grey_pixels([image for image, _ in pairs]))
        told = [attributes.parse(caption) for _, caption in pairs]
        numbers[f"variation_kept_{strength:g}"] = number(
            f"variation at strength {strength:g}: attributes of the picture kept, mean",
            agreement(facts, seen, names)["mean"],
            shuffled(facts, seen, names)["mean"],
            1.0,
        )
        numbers[f"variation_agrees_{strength:g}"] = number(
            f"variation at strength {strength:g}: picture and caption agree, strict",
            agreement(seen, told, names)["strict"],
            shuffled(seen, told, names)["strict"],
            1.0,
        )
