"""The colour that a PNG says is not there becomes white, whatever its depth."""

import io
import struct
import zlib

import pytest
from PIL import Image

from oneseed.generation.pictures import open_picture
from oneseed.media import transparency
from oneseed.media.decoding import whole_picture
from oneseed.media.pixels_alone import MAX_JPEG_SEGMENTS, pixels_of_jpeg
from oneseed.media.png_parts import png_chunk, png_problem

WHITE = (255, 255, 255)
BLACK = (0, 0, 0)
GREY = 0
RGB = 2


def png(depth, colour_type, samples, stated=()):
    """A PNG of one row. samples: of all pixels, one after another; stated: what is not there."""
    bits = "".join(format(sample, f"0{depth}b") for sample in samples)
    bits += "0" * (-len(bits) % 8)
    row = bytes(int(bits[start : start + 8], 2) for start in range(0, len(bits), 8))
    width = len(samples) // (3 if colour_type == RGB else 1)
    chunks = [png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, 1, depth, colour_type, 0, 0, 0))]
    if stated:
        chunks.append(png_chunk(b"tRNS", struct.pack(f">{len(stated)}H", *stated)))
    chunks += [png_chunk(b"IDAT", zlib.compress(b"\0" + row)), png_chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def pixels(data):
    image = whole_picture(io.BytesIO(data))
    return [image.getpixel((x, 0)) for x in range(image.width)]


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("part", [0, 1, 0.4])
def test_a_stated_grey_becomes_white_and_no_other(depth, part):
    """Of 16 bits a ground of 0 stayed black and drowned the lines, since only the depth was looked
    at; of 2 and 4 bits Pillow compares with a number of another scale.
    """
    top = 2**depth - 1
    stated = int(part * top)
    samples = sorted({0, 1, top // 3, stated, min(top, stated + 1), top})
    expected = [WHITE if one == stated else (round(one * 255 / top),) * 3 for one in samples]
    if set(expected) == {WHITE} and len(samples) > 1:
        # white lines on a ground of nothing could not be seen on white
        expected = [BLACK if one == stated else WHITE for one in samples]
    assert pixels(png(depth, GREY, samples, [stated])) == expected


def test_a_stated_colour_of_16_bits_becomes_white_and_no_near_one():
    """Pillow keeps the upper byte of each sample, and compares it with all 16 bits."""
    colour = (0x1234, 0x5678, 0x9ABC)
    near = (0x1234, 0x5678, 0x9ABD)
    data = png(16, RGB, [*colour, *near, 0, 0, 0], colour)
    assert pixels(data) == [WHITE, (0x12, 0x56, 0x9A), (0, 0, 0)]
    assert pixels(png(16, RGB, [0, 0, 0, 65535, 0, 0], (0, 0, 0))) == [WHITE, (255, 0, 0)]


def test_of_a_huge_picture_the_upper_bytes_decide(monkeypatch):
    monkeypatch.setattr(transparency, "MAX_EXACT_PIXELS", 0)
    colour = (0x1234, 0x5678, 0x9ABC)
    assert pixels(png(16, RGB, [*colour, 0, 0, 0], colour)) == [WHITE, (0, 0, 0)]


def test_pictures_to_draw_from_are_laid_on_white_alike(tmp_path):
    path = tmp_path / "disc.png"
    path.write_bytes(png(16, GREY, [0, 30000], [0]))
    assert open_picture(path).tobytes() == bytes([*WHITE, 117, 117, 117])


def test_a_jpeg_with_thousands_of_notes_is_read_at_once():
    """Pillow takes time that grows with the square of their length: 3,000 of them took 76 s."""
    with io.BytesIO() as file:
        Image.effect_noise((80, 80), 50).save(file, "JPEG")
        jpeg = file.getvalue()
    note = b"\xff\xe1\0\x6c" + b"Exif\0\0" + bytes(100)
    many = jpeg[:2] + 5_000 * note + jpeg[2:]
    kept = pixels_of_jpeg(io.BytesIO(many)).read()
    assert kept == jpeg[:2] + MAX_JPEG_SEGMENTS * note + jpeg[2:]
    image = whole_picture(io.BytesIO(many))
    assert image.tobytes() == whole_picture(io.BytesIO(jpeg)).tobytes()
    few = jpeg[:2] + 10 * note + jpeg[2:]
    assert pixels_of_jpeg(io.BytesIO(few)).read() == few


@pytest.mark.parametrize("place", [3, 20, 40, -5])
def test_every_flipped_bit_of_a_png_is_found(place):
    data = bytearray(png(8, GREY, [1, 2, 3]))
    assert png_problem(bytes(data)) == ""
    assert png_problem(bytes(data[:-1])) == "cut off"
    assert png_problem(bytes(data) + b"x") == "damaged"
    data[place] ^= 4
    assert png_problem(bytes(data))
