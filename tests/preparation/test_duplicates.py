"""What looks alike is found, and a picture of little is no look-alike of all others."""

import colorsys
import io
import random
import time
from collections import Counter

import numpy as np
import pytest
from PIL import Image, ImageDraw

from oneseed.media.fingerprint import CONTENT_BYTES, HASH_DIGITS, fingerprint
from oneseed.media.picture import prepare_picture
from oneseed.preparation.duplicates import look_alikes


def look_of(image, **options):
    """The fingerprint of a picture that was stored in a file. options: of Image.save."""
    file = io.BytesIO()
    image.save(file, **(options or {"format": "PNG"}))
    return fingerprint(*prepare_picture(file, 128, 1))


def largest_group(images):
    return max(Counter(look_alikes([look_of(image) for image in images])).values())


def sprite(number, ground=255, ink=0):
    """A square, a circle or a triangle somewhere on an empty ground."""
    chance = random.Random(number)
    image = Image.new("L", (96, 96), ground)
    side, x, y = chance.randrange(12, 26), chance.randrange(4, 66), chance.randrange(4, 66)
    draw = ImageDraw.Draw(image)
    box = (x, y, x + side, y + side)
    corners = [(x, y + side), (x + side // 2, y), (x + side, y + side)]
    kinds = (
        lambda: draw.ellipse(box, fill=ink),
        lambda: draw.rectangle(box, fill=ink),
        lambda: draw.polygon(corners, fill=ink),
    )
    kinds[number % 3]()
    return image


def heart(hue):
    colour = tuple(round(255 * part) for part in colorsys.hsv_to_rgb(hue, 1, 1))
    image = Image.new("RGB", (64, 64), "white")
    draw = ImageDraw.Draw(image)
    draw.ellipse((12, 12, 34, 34), fill=colour)
    draw.ellipse((30, 12, 52, 34), fill=colour)
    draw.polygon([(13, 28), (51, 28), (32, 54)], fill=colour)
    return image


def drawing(number):
    """A line of a few corners on white."""
    chance = random.Random(number)
    image = Image.new("L", (256, 256), 255)
    corners = [(chance.randrange(20, 236), chance.randrange(20, 236)) for _ in range(6)]
    ImageDraw.Draw(image).line(corners, fill=0, width=3)
    return image


def engraved(number):
    """A picture without an empty ground."""
    chance = np.random.default_rng(number)
    cells = chance.integers(0, 256, (12, 12), dtype=np.uint8)
    return Image.fromarray(cells).resize((160, 160), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("ground, ink", [(255, 0), (0, 255)])
def test_different_sprites_do_not_look_alike(ground, ink):
    """All sprites on white were one group: their hashes look at the white."""
    assert largest_group([sprite(number, ground, ink) for number in range(150)]) <= 3


def test_equal_shapes_in_different_colours_do_not_look_alike():
    assert largest_group([heart(number / 25) for number in range(25)]) <= 2


def test_different_line_drawings_and_plain_colours_do_not_look_alike():
    assert largest_group([drawing(number) for number in range(40)]) == 1
    plain = [Image.new("RGB", (32, 32), (40 * number, 90, 90)) for number in range(6)]
    assert largest_group(plain) == 1


@pytest.mark.parametrize("make", [sprite, drawing, engraved])
def test_the_same_picture_stored_otherwise_looks_alike(make):
    for number in range(20):
        image = make(number)
        again = look_of(image, format="JPEG", quality=75)
        assert look_alikes([look_of(image), again]) == [0, 0], number


def test_states_of_a_plate_and_frames_of_a_film_look_alike():
    frames = []
    for number in range(20):
        frame = engraved(1)
        ImageDraw.Draw(frame).rectangle((120, 120, 122 + number // 4, 124), fill=0)
        frames.append(frame)
    assert largest_group(frames) == 20
    moved = []
    for number in range(20):
        frame = Image.new("L", (160, 90), 230)
        left = 20 + number // 2
        ImageDraw.Draw(frame).ellipse((left, 30, left + 24, 54), fill=20)
        moved.append(frame)
    assert largest_group(moved) == 20


def test_only_a_picture_of_little_takes_more_digits():
    assert len(look_of(engraved(3))) == HASH_DIGITS
    assert len(look_of(sprite(3))) == HASH_DIGITS + 2 * CONTENT_BYTES


def test_sparse_pictures_join_no_others_by_a_hash_of_an_older_preparation():
    looks = [look_of(sprite(number)) for number in range(3)]
    assert look_alikes([*looks, "00" * 32]) == [0, 1, 2, 3]


def test_many_equal_sprites_are_compared_quickly():
    """All pairs of them, picture by picture, took minutes."""
    start = time.perf_counter()
    assert look_alikes([look_of(sprite(1))] * 3000) == [0] * 3000
    assert time.perf_counter() - start < 20
