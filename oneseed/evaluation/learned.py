"""What can be asked of a collection that nobody drew by rule."""

import re

import numpy as np
from PIL import Image

from oneseed import seeds
from oneseed.dataset.pixels import training_pixels
from oneseed.evaluation.exact import measure_distances
from oneseed.evaluation.metrics import grey_array, grey_pixels, is_fallback, number, tones
from oneseed.generation.memorisation import memorised, thumbnail_features


def measure_captions(pairs, real, builtin, numbers):
    """What captions say about themselves. real: the training captions, perhaps none."""
    captions = [caption for _, caption in pairs]
    count = len(pairs)
    ends = builtin or sum(caption.rstrip().endswith(".") for caption in real) > len(real) / 2
    sample = (
        [
            real[i]
            for i in seeds.numpy_generator(0, "evaluation captions").choice(
                len(real), count, replace=count > len(real)
            )
        ]
        if real
        else []
    )

    def rate(captions):
        return (
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
    samples = grey_pixels([image for image, _ in pairs])
    captions = [caption for _, caption in pairs]
    size = pairs[0][0].width
    train, val = collection.read_captions()
    known, unseen = (grey_array(training_pixels(collection, size, rows)) for rows in (train, val))
    rebuilt = grey_pixels(generator.reconstruct([Image.fromarray(one) for one in unseen]))
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

        def judged(part):
            return judges.style_shares(unseen[part])[name] if part.any() else None

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
    copied = memorised(thumbnail_features, samples, rebuilt, known, [row["id"] for row in train])
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

    def named(captions):
        return sum(
            bool(
                re.search(
                    r"\b(engraving|drawing|painting|sculpture|icon|etching|woodcut|lithograph|mezzotint)s?\b",
                    caption.lower(),
                )
            )
            for caption in captions
        ) / len(captions)

    numbers["style_in_captions"] = number(
        "captions that name a technique or style",
        named(captions),
        None,
        named([row["caption"] for row in train]),
        "at least 0.99",
    )
    return rebuilt, unseen
