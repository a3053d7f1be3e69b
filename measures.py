"""What evaluation.py measures: small arithmetic first, then one function per family of numbers.

Every number is a dict of title, value, floor (what chance or shuffling gives), ceiling (what real pairs give) and wanted.
"""

import re
import time
from collections import Counter

import numpy as np
from PIL import Image

import scenes
from cli import progress
from judge import CLEAN, draw_all
from realism import distances, memorised, thumbnails, tones
from records import read_json
from scenes import LEVELS

# seed of the renders made here; neither collection nor judge has them
FIRST_RENDER = 3_000_000
WANTED_SPREAD = 0.85
WANTED_DISTANCE = 0.10
# shuffled floors are means over so many ways to pair wrongly
SHIFTS = 10
# pairs on the page
EXAMPLES = 12


# ---------------------------------------------------------------- arithmetic


def agreement(truths, claims, names):
    """Two lists of N facts -> {"strict": share equal in all `names`, "mean": mean share over names, name: share, ...}.
    None, an attribute that could not be read, equals nothing."""
    # (N, names)
    equal = np.array(
        [
            [a[name] is not None and a[name] == b[name] for name in names]
            for a, b in zip(truths, claims)
        ]
    )
    return {
        "strict": float(equal.all(1).mean()),
        "mean": float(equal.mean()),
        **{name: float(share) for name, share in zip(names, equal.mean(0))},
    }


def shuffled(truths, claims, names):
    """agreement when every claim goes to another pair: the mean over some cyclic shifts. N >= 2."""
    shifts = range(1, min(SHIFTS + 1, len(claims)))
    floors = [agreement(truths, claims[shift:] + claims[:shift], names) for shift in shifts]
    return {name: float(np.mean([floor[name] for floor in floors])) for name in floors[0]}


def total_variation(found, expected):
    """Two lists of values -> total-variation distance of their frequencies: 0 alike, 1 nothing in common."""
    p = Counter(found)
    q = Counter(expected)
    return sum(abs(p[value] / len(found) - q[value] / len(expected)) for value in p | q) / 2


def distinct(facts, names):
    """How many combinations of `names` occur; facts with an unread attribute do not count."""
    return len(
        {
            combination
            for one in facts
            if None not in (combination := tuple(one[name] for name in names))
        }
    )


def is_fallback(caption, ends=True):
    """Empty, under two words, or cut off at the length limit. ends: captions of this collection end in a full stop."""
    return len(caption.split()) < 2 or ends and not caption.rstrip().endswith(".")


def number(title, value, floor=None, ceiling=None, wanted=""):
    return {"title": title, "value": value, "floor": floor, "ceiling": ceiling, "wanted": wanted}


def hits(cosine, facts, names, best):
    """Retrieval: cosine (N, N) between queries and candidates, candidate i described by facts[i] -> share of queries among whose
    `best` nearest is one with the very facts of their own partner."""
    order = np.argsort(-np.asarray(cosine), axis=1, kind="stable")[:, :best]
    key = [tuple(one[name] for name in names) for one in facts]
    return float(np.mean([key[i] in {key[j] for j in row} for i, row in enumerate(order)]))


# ---------------------------------------------------------------- what is there


def grey(images):
    """List of PIL images of one size -> uint8 array (N, S, S)."""
    return np.stack([np.asarray(image.convert("L")) for image in images])


def generate(generator, seeds, batch=32):
    """-> (list of pairs, seconds per pair)."""
    pairs = []
    start = time.perf_counter()
    with progress(label="pairs", total=len(seeds), unit="pair") as bar:
        for i in range(0, len(seeds), batch):
            pairs += generator.generate_batch(seeds[i : i + batch])
            bar.update(len(seeds[i : i + batch]))
    return pairs, (time.perf_counter() - start) / len(seeds)


def training_rows(collection):
    """Rows of the training captions, [] where they are not on this machine."""
    return (
        collection.read_captions()[0]
        if collection.train.exists() and collection.val.exists()
        else []
    )


def training_pixels(collection, size, rows, most=None):
    """uint8 array (N, size, size) or (N, size, size, 3) of the training pictures, or None where they are not on this machine.
    most: so many of them, evenly spaced."""
    if not (rows and collection.pixels(size).exists() and collection.pixels_ids(size).exists()):
        return None
    place = {id: i for i, id in enumerate(read_json(collection.pixels_ids(size))["ids"])}
    chosen = [place[row["id"]] for row in rows if row["id"] in place]
    if most and len(chosen) > most:
        chosen = [chosen[i] for i in np.linspace(0, len(chosen) - 1, most).astype(int)]
    return np.load(collection.pixels(size), mmap_mode="r")[np.sort(chosen)] if chosen else None


def grey_array(pixels):
    """uint8 (N, S, S) or (N, S, S, 3) -> (N, S, S), grey as Pillow makes it."""
    return (
        np.asarray(pixels) if pixels.ndim == 3 else grey([Image.fromarray(one) for one in pixels])
    )


def level_of(captions):
    """Training captions -> the highest level whose attributes most of them tell; 5 without captions."""
    sample = [scenes.parse(caption) for caption in captions[:200]]
    told = [
        level
        for level, names in LEVELS.items()
        if sum(all(facts[name] is not None for name in names) for facts in sample) > len(sample) / 2
    ]
    return max(told, default=5)


def fresh_facts(count, level):
    """Facts for renders that training has not seen: held-out combinations at level 5; lower levels hold none out."""
    return (
        scenes.held_out_facts(count, FIRST_RENDER)
        if level == 5
        else scenes.collection(count, level, FIRST_RENDER)
    )


def trained_facts(rows, level):
    """The facts of the training captions; without captions, of a collection drawn anew."""
    names = LEVELS[level]
    read = [scenes.parse(row["caption"]) for row in rows]
    told = [
        {**scenes.CONSTANT, **{name: one[name] for name in names}}
        for one in read
        if all(one[name] is not None for name in names)
    ]
    return told or scenes.collection(6000, level)


def measure_pairs(generator, judge, pairs, rows, collection, numbers, notes, warnings):
    """All that the two judges can tell about pairs of the built-in collection, added to numbers, notes and warnings -> examples."""
    captions = [caption for _, caption in pairs]
    count = len(pairs)
    size = pairs[0][0].width
    level = level_of([row["caption"] for row in rows])
    names = LEVELS[level]
    trained = trained_facts(rows, level)
    told = [scenes.parse(caption) for caption in captions]
    seen = judge.see(grey([image for image, _ in pairs]))
    notes.append(
        f"Level {level}: {', '.join(names)}. A pair agrees strictly when each is told, seen and equal."
    )

    facts = fresh_facts(count, level)
    renders = draw_all(facts, FIRST_RENDER, "held-out renders", size).numpy()
    images = [Image.fromarray(render) for render in renders]
    rebuilt = grey(generator.reconstruct(images))
    own = [scenes.parse(scenes.tell(one, FIRST_RENDER + i, level)) for i, one in enumerate(facts)]

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
    pool = trained if len(trained) >= count else scenes.collection(6000, level)
    sample = [
        pool[i]
        for i in scenes.stream(0, "evaluation").choice(len(pool), count, replace=count > len(pool))
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
            values = lambda facts: [one[name] for one in facts]
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
        known = [trained[i] for i in scenes.stream(0, "memorisation").choice(len(trained), count)]
        fresh = draw_all(known, FIRST_RENDER + 1_000_000, "fresh renders", size).numpy()
        rebuilt_fresh = grey(generator.reconstruct([Image.fromarray(one) for one in fresh]))
        samples = grey([image for image, _ in pairs])
        ids = [row["id"] for row in rows]
        copied = memorised(thumbnails, samples, rebuilt_fresh, pixels, ids)
        honest = memorised(thumbnails, fresh, rebuilt_fresh, pixels, ids)
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
    found = distances(features_of, samples, rebuilt, real, more_real, network)
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
        "seen": [trained[i] for i in scenes.stream(0, "conditions").choice(len(trained), count)]
    }
    if level == 5:
        kinds["unseen"] = scenes.held_out_facts(count, FIRST_RENDER)
    for kind, facts in kinds.items():
        renders = [
            Image.fromarray(render)
            for render in draw_all(
                facts, FIRST_RENDER, f"renders of {kind} combinations", size
            ).numpy()
        ]
        captions = [scenes.tell(one, FIRST_RENDER + i, level) for i, one in enumerate(facts)]
        real_seen = judge.see(grey(renders))
        answers = [
            pair
            for i in range(0, count, 32)
            for pair in generator.generate_batch(
                range(i, min(i + 32, count)), prompt=captions[i : i + 32]
            )
        ]
        seen = judge.see(grey([image for image, _ in answers]))
        told = [scenes.parse(caption) for _, caption in answers]
        written = [scenes.parse(caption) for caption in generator.caption(renders)]
        both = lambda seen, told: [
            one if one == other else dict.fromkeys(one) for one, other in zip(seen, told)
        ]
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
            short = [scenes.tell(one, FIRST_RENDER + i, 3) for i, one in enumerate(facts)]
            answers = [
                pair
                for i in range(0, count, 32)
                for pair in generator.generate_batch(
                    range(i, min(i + 32, count)), prompt=short[i : i + 32]
                )
            ]
            seen = judge.see(grey([image for image, _ in answers]))
            told = [scenes.parse(caption) for _, caption in answers]
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
    share = lambda facts: float(
        np.mean([one["technique"] == style for one, style in zip(facts, wanted)])
    )
    seen = judge.see(grey([image for image, _ in pairs]))
    told = [scenes.parse(caption) for _, caption in pairs]
    numbers["style_drawn"] = number(
        "style: the requested technique is drawn", share(seen), 1 / len(styles), 1.0
    )
    numbers["style_named"] = number(
        "style: the requested technique is named", share(told), 1 / len(styles), 1.0
    )
    facts = [trained[i] for i in scenes.stream(0, "styles").choice(len(trained), count)]
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
    seen = judge.see(grey([image for image, _ in pairs]))
    told = [scenes.parse(caption) for _, caption in pairs]
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
        agreement(facts, judge.see(grey(generator.reconstruct(renders))), others)["strict"],
    )


def measure_walks(generator, judge, level, trained, numbers, size, walks=30, steps=8, count=60):
    """Interpolations: do picture and caption agree on the way? Variations: how much of a picture is left?"""
    names = LEVELS[level]
    pairs = [
        pair
        for walk in range(walks)
        for pair in generator.interpolate(FIRST_RENDER + walk, FIRST_RENDER + walk + 1, steps)[1:-1]
    ]
    seen = judge.see(grey([image for image, _ in pairs]))
    told = [scenes.parse(caption) for _, caption in pairs]
    for name in ("strict", "mean"):
        numbers[f"interpolation_{name}"] = number(
            f"interpolation: picture and caption agree between two seeds, {'strict' if name == 'strict' else 'mean of attributes'}",
            agreement(seen, told, names)[name],
            shuffled(seen, told, names)[name],
            1.0,
        )
    facts = [trained[i] for i in scenes.stream(0, "variations").choice(len(trained), count)]
    renders = [
        Image.fromarray(render)
        for render in draw_all(facts, FIRST_RENDER + 3_000_000, "renders to vary", size).numpy()
    ]
    for strength in (0.3, 0.6):
        pairs = [generator.vary(render, [i], strength)[0] for i, render in enumerate(renders)]
        seen = judge.see(grey([image for image, _ in pairs]))
        told = [scenes.parse(caption) for _, caption in pairs]
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


def measure_captions(pairs, real, builtin, numbers):
    """What captions say about themselves. real: the training captions, perhaps none."""
    captions = [caption for _, caption in pairs]
    count = len(pairs)
    ends = builtin or sum(caption.rstrip().endswith(".") for caption in real) > len(real) / 2
    sample = (
        [
            real[i]
            for i in scenes.stream(0, "evaluation captions").choice(
                len(real), count, replace=count > len(real)
            )
        ]
        if real
        else []
    )
    rate = lambda captions: (
        sum(is_fallback(caption, ends) for caption in captions) / len(captions)
        if captions
        else None
    )
    numbers["fallback"] = number(
        "fallback captions: empty, under two words" + ", or cut off" * ends,
        rate(captions),
        None,
        rate(sample),
        "0",
    )
    numbers["distinct_caption_texts"] = number(
        "distinct captions, word for word",
        len(set(captions)) / count,
        1 / count,
        len(set(sample)) / count if sample else None,
    )
    numbers["distinct_pairs"] = number(
        "distinct pairs, to the pixel",
        len({(image.tobytes(), caption) for image, caption in pairs}) / count,
        1 / count,
        1.0,
    )


def measure_real(generator, judges, pairs, collection, numbers, notes):
    """What can be asked of a collection that nobody drew by rule. judges: realism.Realism, taught on this very collection -> the
    rebuilt held-out pictures and the real ones, uint8 (N, S, S)."""
    samples = grey([image for image, _ in pairs])
    captions = [caption for _, caption in pairs]
    size = pairs[0][0].width
    train, val = collection.read_captions()
    known, unseen = (grey_array(training_pixels(collection, size, rows)) for rows in (train, val))
    rebuilt = grey(generator.reconstruct([Image.fromarray(one) for one in unseen]))
    for name, found in tones(samples, known).items():
        numbers[f"tone_{name}"] = number(
            f"{name} of the pictures, median",
            found["median"],
            None,
            dict(zip(("lower quartile", "upper quartile"), found["quartiles"])),
            "between",
        )
        numbers[f"tone_{name}_spread"] = number(
            f"{name}: the pictures' 10-90 range over the real one",
            found["spread"],
            0.0,
            1.0,
            "at least 0.6",
        )
    strange = grey_array(
        training_pixels(
            collection, size, [row for row in train + val if row["id"] in judges.unseen]
        )
    )
    measure_distances(
        judges.features, samples, rebuilt, strange[::2], strange[1::2], judges.network, numbers
    )
    notes.append(
        "Distances grow as pictures become fewer: all are taken from as many, and the real ones are such as the judge was not taught."
    )
    for name, share in judges.style_shares(samples).items():
        mine, others = (
            np.array([(row["style"] == name) == own for row in val]) for own in (True, False)
        )
        judged = lambda part: judges.style_shares(unseen[part])[name] if part.any() else None
        numbers[f"judged_{name}"] = number(
            f"pictures judged {name}", share, judged(others), {"held-out real ones": judged(mine)}
        )
    found = judges.retrieval(samples, captions)
    if found["measurable"]:
        numbers["pair_retrieval"] = number(
            "own caption or picture found among 16 by a dual encoder that knows nothing of the model",
            found["recall"],
            found["chance"],
            {"held-out real pairs": found["held_out"]},
            f"at least {(found['chance'] + found['held_out']) / 2:.3f}",
        )
    else:
        notes.append(
            f"Caption-picture retrieval is not measurable here: held-out real pairs reach {found['held_out']:.3f}, under twice chance ({found['chance']:.3f})."
        )
    copied = memorised(thumbnails, samples, rebuilt, known, [row["id"] for row in train])
    numbers["memorised"] = number(
        "pictures nearer to a training picture than the nearest hundredth of reconstructions of unseen ones, as thumbnails of 16 x 16",
        copied["share"],
        None,
        {"reconstructions": 0.01},
        "at most 0.02",
    )
    notes += [
        f"Nearer to training picture {id} than that: pair {place} (distance {distance:.2f})."
        for place, id, distance in copied["nearest"][: round(copied["share"] * len(samples))]
    ]
    named = lambda captions: (
        sum(
            bool(
                re.search(
                    r"\b(engraving|drawing|painting|sculpture|icon|etching|woodcut|lithograph|mezzotint)s?\b",
                    caption.lower(),
                )
            )
            for caption in captions
        )
        / len(captions)
    )
    numbers["style_in_captions"] = number(
        "captions that name a technique or style",
        named(captions),
        None,
        named([row["caption"] for row in train]),
        "at least 0.99",
    )
    return rebuilt, unseen
