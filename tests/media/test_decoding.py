"""One reader of pictures: of every depth, kind and turn, the same pixels for every purpose."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageOps

from oneseed.media import decoding
from oneseed.media.decoding import UnusablePictureError, whole_picture
from oneseed.media.picture import prepare_picture

BLOBS = Image.fromarray(np.random.default_rng(5).integers(0, 256, (8, 8), dtype=np.uint8))
GREY = BLOBS.resize((120, 90), Image.Resampling.BICUBIC)
COLOUR = Image.merge("RGB", [GREY, ImageOps.mirror(GREY), ImageOps.flip(GREY)])
VALUES = np.asarray(GREY)
SIXTEEN = VALUES.astype(np.uint16) * 257
TWELVE = (VALUES.astype(int) * 4095 // 255).astype(np.uint16)
SIZE = 48


def encoded(image, format_name, **options):
    file = io.BytesIO()
    image.save(file, format_name, **options)
    return file.getvalue()


def twelve_bits():
    """A TIFF whose samples have 12 bits, two of them in three bytes."""
    pairs = TWELVE.reshape(-1, 2)
    one, other = pairs[:, 0], pairs[:, 1]
    packed = np.stack([one >> 4, (one & 15) << 4 | other >> 8, other & 255], axis=1)
    data = packed.astype(np.uint8).tobytes()
    width, height = GREY.size
    # width, height, bits, compression, black is zero, offset, samples, rows, bytes
    tags = {256: width, 257: height, 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: height}
    tags[279] = len(data)
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory


DEEP = {
    "16 bits": encoded(Image.fromarray(SIXTEEN), "PNG"),
    "16 bits, TIFF": encoded(Image.fromarray(SIXTEEN), "TIFF"),
    "16 bits, packed TIFF": encoded(Image.fromarray(SIXTEEN), "TIFF", compression="tiff_lzw"),
    "16 bits, big-endian": encoded(
        Image.frombytes("I;16B", GREY.size, SIXTEEN.astype(">u2").tobytes()), "TIFF"
    ),
    "16 bits, JPEG 2000": encoded(Image.fromarray(SIXTEEN), "JPEG2000"),
    "16 bits, PGM": encoded(Image.fromarray(SIXTEEN.astype(np.int32)), "PPM"),
    # Pillow inverts only those of 8 bits
    "16 bits, white is zero": encoded(Image.fromarray(65535 - SIXTEEN), "TIFF", tiffinfo={262: 0}),
    "12 bits": twelve_bits(),
    "32 bits": encoded(Image.fromarray(SIXTEEN.astype(np.int32)), "TIFF"),
    "floats": encoded(Image.fromarray(VALUES / np.float32(255)), "TIFF"),
}


def pixels(data, name=""):
    return np.asarray(whole_picture(io.BytesIO(data), name)).astype(int)


def apart(one, other):
    return np.abs(np.asarray(one).astype(int) - np.asarray(other).astype(int)).mean()


@pytest.mark.parametrize("kind", DEEP)
def test_a_deep_picture_is_its_plain_twin(kind):
    """A scan of 16 bits was all white for --image and --find, where preparing saw a castle."""
    assert apart(pixels(DEEP[kind]), GREY.convert("RGB")) <= 1


MODES = {
    "L": GREY,
    "RGB": COLOUR,
    "1": GREY.convert("1"),
    "LA": Image.merge("LA", [GREY, ImageOps.mirror(GREY)]),
    "P": COLOUR.convert("P"),
    "RGBA": Image.merge("RGBA", [*COLOUR.split(), ImageOps.flip(GREY)]),
}
KINDS = {
    "jpeg": encoded(COLOUR, "JPEG", quality=95, subsampling=0),
    "cmyk": encoded(COLOUR.convert("CMYK"), "JPEG", quality=95, subsampling=0),
    "cmyk tiff": encoded(COLOUR.convert("CMYK"), "TIFF"),
    "gif": encoded(GREY.convert("P"), "GIF"),
    "see-through gif": encoded(GREY.convert("P"), "GIF", transparency=9),
    "pages": encoded(COLOUR, "TIFF", save_all=True, append_images=[ImageOps.invert(COLOUR)]),
    "bmp": encoded(COLOUR, "BMP"),
    "webp": encoded(MODES["RGBA"], "WEBP", lossless=True),
    "avif": encoded(COLOUR, "AVIF", quality=95),
    "see-through avif": encoded(MODES["RGBA"], "AVIF", quality=95),
    "jpeg 2000": encoded(COLOUR, "JPEG2000"),
    "ppm": encoded(COLOUR, "PPM"),
    "tga": encoded(MODES["RGBA"], "TGA", compression="tga_rle"),
    **{f"png {mode}": encoded(image, "PNG") for mode, image in MODES.items()},
    **{f"tiff {mode}": encoded(image, "TIFF") for mode, image in MODES.items() if mode != "LA"},
    **DEEP,
}


@pytest.mark.parametrize("kind", KINDS)
def test_both_ways_to_read_a_picture_show_the_same(kind):
    """Whole, for --image and the page; as a square, for preparing and searching."""
    whole = whole_picture(io.BytesIO(KINDS[kind]), "picture.tga")
    square = prepare_picture(io.BytesIO(KINDS[kind]), SIZE, 1, "picture.tga").image
    assert whole.mode == "RGB"
    assert whole.size == GREY.size
    expected = ImageOps.pad(whole, (SIZE, SIZE), Image.Resampling.LANCZOS, color="white")
    assert apart(expected, square.convert("RGB")) <= 1.5


@pytest.mark.parametrize("kind", ["png RGBA", "webp", "tga", "see-through avif", "tiff RGBA"])
def test_what_is_transparent_lies_on_white(kind):
    image = MODES["RGBA"]
    paper = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    most = 4 if kind == "see-through avif" else 1
    assert apart(pixels(KINDS[kind], "picture.tga"), paper) <= most


def white_icon(mode, place, shade=255):
    """A white square on nothing, at one place of four."""
    alpha = Image.new("L", (48, 48))
    alpha.paste(255, (8 * place, 8 * place, 8 * place + 16, 8 * place + 16))
    return Image.merge(mode, [Image.new("L", alpha.size, shade)] * (len(mode) - 1) + [alpha])


@pytest.mark.parametrize("mode, shade", [("RGBA", 255), ("LA", 255), ("RGBA", 250)])
def test_white_icons_on_nothing_stay_different_pictures(mode, shade):
    """Six icons of white shapes became one blank picture, and five of them its duplicates."""
    squares = set()
    for place in range(4):
        data = encoded(white_icon(mode, place, shade), "PNG")
        whole = pixels(data)
        assert whole.min() == 0, "nothing is black"
        assert whole.max() == shade, "the icon is as white as it was"
        square = prepare_picture(io.BytesIO(data), SIZE, 1).image
        assert square.getextrema()[0] < 50
        squares.add(square.tobytes())
    assert len(squares) == 4


def test_what_is_nowhere_to_be_seen_stays_white():
    """An empty picture on black would be a black one."""
    empty = Image.new("RGBA", (48, 48), (255, 255, 255, 0))
    assert pixels(encoded(empty, "PNG")).min() == 255


def test_the_first_page_counts():
    assert apart(pixels(KINDS["pages"]), COLOUR) == 0


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_a_picture_that_was_taken_lying_stands_upright(format_name):
    """A telephone stores what its sensor saw, and beside it how it was held."""
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(COLOUR.transpose(Image.Transpose.ROTATE_90), format_name, exif=exif, quality=95)
    assert whole_picture(io.BytesIO(data)).size == COLOUR.size
    assert apart(pixels(data), COLOUR) < 5


@pytest.mark.parametrize(
    "data, reason",
    [
        (b"", "unreadable (empty)"),
        (b"<html>404</html>", "unreadable (not a picture)"),
        (KINDS["png RGB"][:400], "unreadable (cut off)"),
        (KINDS["jpeg"][:400], "unreadable (cut off)"),
        (KINDS["bmp"][:400], "unreadable (cut off)"),
        (KINDS["avif"][:400], "unreadable (damaged or unusual)"),
        (b"8BPS\0\1" + bytes(99), "Photoshop is not read: save it as PNG"),
    ],
)
def test_what_cannot_be_read_says_why(data, reason):
    with pytest.raises(UnusablePictureError) as caught:
        whole_picture(io.BytesIO(data))
    assert str(caught.value) == reason


def test_more_pixels_than_are_wanted_are_refused_before_they_are_decoded():
    data = encoded(Image.new("1", (3000, 2000)), "PNG")
    with pytest.raises(UnusablePictureError, match="^more than 5,000,000 pixels$"):
        whole_picture(io.BytesIO(data), most_pixels=5_000_000)
    assert whole_picture(io.BytesIO(data), most_pixels=6_000_000).size == (3000, 2000)


@pytest.mark.parametrize("kind", ["AVIF", "JPEG2000", "TGA", "PPM"])
def test_a_small_file_that_promises_a_huge_picture_is_refused(kind):
    """Of each kind that decodes by other means than those of the usual files."""
    data = {
        "AVIF": encoded(Image.new("L", (3000, 3000)), "AVIF", speed=10),
        "JPEG2000": encoded(Image.new("L", (4000, 4000)), "JPEG2000"),
        "TGA": encoded(Image.new("RGB", (8, 8)), "TGA"),
        "PPM": b"P6 9000 9000 255\n" + bytes(1000),
    }[kind]
    if kind == "TGA":
        data = data[:12] + b"\x28\x23\x28\x23" + data[16:]
    with pytest.raises(UnusablePictureError, match="1,000 times its length"):
        whole_picture(io.BytesIO(data), "a.tga")


def icon(picture, side=0):
    """An ICO file of one picture, a PNG or a bitmap; it says to be `side` (0: 256) pixels wide."""
    entry = struct.pack("<BBBBHHII", side, side, 0, 0, 1, 32, len(picture), 22)
    return struct.pack("<HHH", 0, 1, 1) + entry + picture


def test_the_largest_picture_of_an_icon_counts():
    sizes = [(16, 16), (48, 48), (90, 90)]
    image = MODES["RGBA"].crop((0, 0, 90, 90))
    for more in ({}, {"bitmap_format": "bmp"}):
        data = encoded(image, "ICO", sizes=sizes, **more)
        paper = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        assert apart(pixels(data), paper.convert("RGB")) <= 1


def test_an_icon_that_hides_a_huge_picture_is_refused():
    """Its header says 256 pixels at most; what lies inside is decoded as the file is opened."""
    png = encoded(Image.new("L", (8, 8)), "PNG")
    png = png[:16] + struct.pack(">II", 9000, 9000) + png[24:]
    bitmap = struct.pack("<IiiHHIIiiII", 40, 9000, 18000, 1, 32, 0, 0, 0, 0, 0, 0) + bytes(99)
    for data in (icon(png), icon(bitmap)):
        with pytest.raises(UnusablePictureError, match="^an icon of more than 1,024 px$"):
            whole_picture(io.BytesIO(data))
    for data in (icon(b"short"), icon(png)[:30], icon(b"")):
        with pytest.raises(UnusablePictureError, match="^unreadable|^an icon"):
            whole_picture(io.BytesIO(data))


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(500)


def test_a_heic_without_its_reader_names_the_extra(monkeypatch):
    """A folder from a telephone: the reason is the way to read it."""
    monkeypatch.setattr(decoding, "heic_can_be_read", lambda: False)
    with pytest.raises(UnusablePictureError) as caught:
        whole_picture(io.BytesIO(HEIC))
    assert str(caught.value) == "HEIC needs the extra heic: pip install pillow-heif"


def test_a_pillow_without_a_library_says_so(monkeypatch):
    monkeypatch.setattr(decoding.features, "check", lambda name: name != "avif")
    with pytest.raises(UnusablePictureError, match="^AVIF needs another Pillow: pip install"):
        whole_picture(io.BytesIO(KINDS["avif"]))


def test_a_heic_is_read_where_its_reader_is_installed():
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    exif = Image.Exif()
    exif[0x0112] = 6
    plain = encoded(COLOUR, "HEIF", quality=95)
    turned = encoded(
        COLOUR.transpose(Image.Transpose.ROTATE_90), "HEIF", quality=95, exif=exif.tobytes()
    )
    for data in (plain, turned):
        assert whole_picture(io.BytesIO(data)).size == COLOUR.size
        assert apart(pixels(data), COLOUR) < 5
    with pytest.raises(UnusablePictureError, match="^unreadable"):
        whole_picture(io.BytesIO(HEIC))
