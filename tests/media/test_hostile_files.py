"""Pictures from strangers: hostile files cost neither the run nor time nor memory.

Files are cut, flipped, lying and overblown, and no good picture is lost. Every file is made here.
What a hostile one costs is measured in a process of its own, in seconds of its processor and growth
of its memory.
"""

import io
import json
import os
import random
import struct
import subprocess
import sys
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps, TiffImagePlugin

from oneseed.media.decoding import UnusablePictureError
from oneseed.media.picture import prepare_picture
from oneseed.media.png import encode_png
from tests.preparation.test_dataset_preparation import picture, run_main
from tests.sources.test_archives import make_zip

pytest.importorskip("resource", reason="memory is measured by Unix's means")
ROOT = Path(__file__).resolve().parents[2]
SIZE = 64
LONG = os.environ.get("LONG")
# of every kind of file; 22 kinds
FLIPS = 90 if LONG else 3
# each in a process of its own, or all in one
FORMATS = ("jpg", "png", "webp", "tif") if LONG else (("jpg", "png", "webp", "tif"),)
# that a rejected file may cost
SECONDS = 1
MEGABYTES = 100
LANCZOS = Image.Resampling.LANCZOS
NO_PICTURE = "unreadable (not a picture)"
SOURCE = picture(3, 96, 72)
GREY = SOURCE.convert("L")


def encoded(image, format_name, **options):
    file = io.BytesIO()
    image.save(file, format_name, **options)
    return file.getvalue()


def exif(orientation):
    data = Image.Exif()
    data[0x0112] = orientation
    data[0x010E] = "secret"
    return data


def kinds():
    """{name: bytes}: a good file of every kind."""
    two = dict(save_all=True, append_images=[SOURCE.transpose(Image.Transpose.ROTATE_180)])
    sixteen = Image.fromarray(np.asarray(GREY).astype(np.uint16) * 257)
    floats = Image.fromarray(np.asarray(GREY) / np.float32(255))
    return {
        "plain.jpg": encoded(SOURCE, "JPEG", quality=90),
        "progressive.jpg": encoded(SOURCE, "JPEG", quality=90, progressive=True),
        "grey.jpg": encoded(GREY, "JPEG", quality=90),
        "cmyk.jpg": encoded(SOURCE.convert("CMYK"), "JPEG", quality=90),
        "turned.jpg": encoded(SOURCE, "JPEG", exif=exif(6)),
        "plain.png": encoded(SOURCE, "PNG"),
        "palette.png": encoded(SOURCE.convert("P"), "PNG"),
        "sixteen.png": encoded(sixteen, "PNG"),
        "clear.png": encoded(SOURCE.convert("RGBA"), "PNG"),
        "moving.png": encoded(SOURCE, "PNG", **two),
        "turned.png": encoded(GREY, "PNG", exif=exif(6)),
        "plain.webp": encoded(SOURCE, "WEBP"),
        "exact.webp": encoded(GREY, "WEBP", lossless=True),
        "moving.webp": encoded(SOURCE, "WEBP", **two),
        "plain.tif": encoded(GREY, "TIFF"),
        "lzw.tif": encoded(GREY, "TIFF", compression="tiff_lzw"),
        "deflate.tif": encoded(GREY, "TIFF", compression="tiff_adobe_deflate"),
        "jpeg.tif": encoded(SOURCE, "TIFF", compression="jpeg"),
        "fax.tif": encoded(GREY.convert("1"), "TIFF", compression="group4"),
        "float.tif": encoded(floats, "TIFF"),
        "sixteen.tif": encoded(sixteen, "TIFF", compression="tiff_lzw"),
        "frames.tif": encoded(GREY, "TIFF", **two),
    }


KINDS = kinds()
CHILD = """
import json, os, resource, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from PIL import Image, ImageOps, TiffImagePlugin
from oneseed.preparation.examine import prepare_file
Image.init()
folder, resized = Path(sys.argv[2]), Path(sys.argv[3])
unit = 2**20 if sys.platform == "darwin" else 2**10
def most():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit
prepare_file(folder / "good", resized, int(sys.argv[4]), 8, "picture")
for name in sorted(os.listdir(folder)):
    before, start = most(), time.process_time()
    found = prepare_file(folder / name, resized, int(sys.argv[4]), 8, "picture")
    print(json.dumps([name, found, time.process_time() - start, most() - before]), flush=True)
"""


def judged(files, room, *, all_cheap=False):
    """{name: bytes} -> {name: what prepare_file found}, after a look at what it cost.

    Nothing but results may be written or said. all_cheap: those that are used may cost no more
    than those that are rejected.
    """
    folder = room / "hostile"
    resized = room / "resized"
    folder.mkdir(parents=True)
    resized.mkdir()
    for name, data in {**files, "good": KINDS["plain.png"]}.items():
        (folder / name).write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(ROOT), str(folder), str(resized), str(SIZE)],
        capture_output=True,
        text=True,
        cwd=room,
    )
    assert done.returncode == 0, (
        f"a crash: {done.returncode}, {done.stderr[-500:]}, after {done.stdout[-100:]}"
    )
    assert not done.stderr, done.stderr[:300]
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == len(files) + 1, "one answer for each file"
    for name, found, seconds, grown in rows:
        assert "reason" in found or found["pixels"], name
        if "reason" in found:
            assert found["reason"]
            assert len(found["reason"]) < 60
            assert found["reason"].isprintable(), (name, found)
        if "reason" in found or all_cheap:
            assert seconds <= SECONDS
            assert grown <= MEGABYTES, (name, found, seconds, grown)
    assert {path.name for path in room.rglob("*")} == {"hostile", "resized", *files, "good"} | {
        found["sha256"][:16] + ".png" for _, found, _, _ in rows if "sha256" in found
    }
    return {name: found for name, found, _, _ in rows}


def shown(data, size=SIZE):
    image = prepare_picture(io.BytesIO(data), size, 8).image
    return np.asarray(image.convert("RGB")).astype(int)


def apart(one, other):
    return np.abs(one - other).mean()


# Broken ones


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_cut_file_is_whole_or_rejected(tmp_path, suffix):
    """A download that broke off must never become a picture with a grey lower half."""
    whole = {name: data for name, data in KINDS.items() if name.endswith(suffix)}
    ends = {
        name: range(0, len(data), 37) if LONG else (37, len(data) // 2, len(data) - 30)
        for name, data in whole.items()
    }
    cuts = {f"{name}.{end:06}": data[:end] for name, data in whole.items() for end in ends[name]}
    found = judged(cuts | whole, tmp_path)
    for cut in cuts:
        name = cut.rpartition(".")[0]
        assert "reason" in found[cut] or found[cut]["pixels"] == found[name]["pixels"], cut
    assert all("reason" not in found[name] for name in whole)
    assert sum("reason" in found[cut] for cut in cuts) > len(cuts) / 2


@pytest.mark.parametrize("suffix", FORMATS)
def test_flipped_bytes_cost_at_most_their_own_picture(tmp_path, suffix):
    """Half of the flips hit the first 200 bytes, where sizes, counts and offsets stand.

    libtiff used to fill the terminal with its own complaints.
    """
    files = {}
    dice = random.Random(str(suffix))
    for name, data in KINDS.items():
        for number in range(FLIPS if name.endswith(suffix) else 0):
            flipped = bytearray(data)
            for _ in range(1 + number % 3):
                flipped[dice.randrange(200 if number % 2 else len(data))] ^= 1 << dice.randrange(8)
            files[f"{name}.{number:06}"] = bytes(flipped)
    found = judged(files, tmp_path)
    rejected = Counter("reason" in row for row in found.values())
    assert rejected[True]
    assert rejected[False], rejected


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "tiff", "bmp", "gif"])
def test_a_file_is_what_it_holds_whatever_its_name_says(tmp_path, suffix):
    folder = tmp_path / "prints"
    folder.mkdir()
    for number, (format_name, options) in enumerate(
        [
            *(("JPEG", {}), ("PNG", {}), ("WEBP", {}), ("TIFF", {}), ("BMP", {}), ("GIF", {})),
            *(("PPM", {}), ("JPEG2000", {}), ("AVIF", {"quality": 90}), ("ICO", {})),
        ]
    ):
        picture(number).save(folder / f"{format_name}.{suffix}", format_name, **options)
    foreign = {
        "EPS": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 80 80\n", NO_PICTURE),
        "page": (b"<html>404</html>", NO_PICTURE),
        "zip": (b"PK\3\4", NO_PICTURE),
        "nothing": (b"", "unreadable (empty)"),
        "TGA": (encoded(SOURCE, "TGA"), NO_PICTURE),
        "PCX": (encoded(SOURCE, "PCX"), NO_PICTURE),
        "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG is not read: save it as PNG"),
    }
    for name, (data, _) in foreign.items():
        (folder / f"{name}.{suffix}").write_bytes(data)
    _, rows, report = run_main(folder, tmp_path)
    assert {row["original"].split(".")[0] for row in rows} == {
        *("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "AVIF", "ICO")
    }
    assert {row["path"].split(".")[0]: row["reason"] for row in report["rejected_files"]} == {
        name: reason for name, (_, reason) in foreign.items()
    }


# Overblown ones


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def raw_png(side, kind, data, extra=b"", bits=8, interlaced=0):
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, bits, kind, 0, 0, interlaced))
        + extra
        + chunk(b"IDAT", data)
        + chunk(b"IEND", b"")
    )


def resized_jpeg(data, side):
    data = bytearray(data)
    for marker in (b"\xff\xc0", b"\xff\xc2"):
        if (start := data.find(marker)) > 0:
            data[start + 5 : start + 9] = struct.pack(">HH", side, side)
    return bytes(data)


def changed_tiff(data, changes):
    """changes: {tag: (type, count, value)}."""
    data = bytearray(data)
    (start,) = struct.unpack("<I", data[4:8])
    for entry in range(
        start + 2, start + 2 + 12 * struct.unpack("<H", data[start : start + 2])[0], 12
    ):
        (tag,) = struct.unpack("<H", data[entry : entry + 2])
        if tag in changes:
            data[entry + 2 : entry + 12] = struct.pack("<HII", *changes[tag])
    return bytes(data)


def bombs(side=9000):
    """{name: bytes}: small files that promise 81 million pixels, or take forever.

    None of them is a picture that anyone misses.
    """
    files = {}
    for kind, bits in ((0, 8), (0, 16), (2, 8), (6, 8)):
        files[f"png {kind} {bits}"] = raw_png(side, kind, zlib.compress(bytes(1000)), bits=bits)
    files["png cut"] = raw_png(5000, 2, zlib.compress(bytes(15001 * 5000))[:-300])
    files["png interlaced"] = raw_png(side, 6, zlib.compress(bytes(1000)), interlaced=1)
    for name in ("plain.jpg", "progressive.jpg", "cmyk.jpg"):
        files[f"{name} side"] = resized_jpeg(KINDS[name], side)
    often = encoded(Image.new("L", (4096, 4096), 99), "JPEG", progressive=True)
    last = often.rindex(b"\xff\xda")
    files["scans.jpg"] = often[:-2] + often[last:-2] * 2000 + often[-2:]
    exact, lossy, moving = map(
        bytearray, (KINDS["exact.webp"], KINDS["plain.webp"], KINDS["moving.webp"])
    )
    exact[21:25] = struct.pack(
        "<I", struct.unpack("<I", exact[21:25])[0] >> 28 << 28 | side - 1 << 14 | side - 1
    )
    start = lossy.index(b"\x9d\x01\x2a") + 3
    lossy[start : start + 4] = struct.pack("<HH", side, side)
    moving[24:30] = 2 * (side - 1).to_bytes(3, "little")
    files |= {
        "exact.webp side": bytes(exact),
        "lossy.webp side": bytes(lossy),
        "moving.webp side": bytes(moving),
    }
    for name in (
        "plain.tif",
        "lzw.tif",
        "deflate.tif",
        "jpeg.tif",
        "fax.tif",
        "float.tif",
        "sixteen.tif",
    ):
        for rows in (1, side):
            files[f"{name} side {rows}"] = changed_tiff(
                KINDS[name], {256: (4, 1, side), 257: (4, 1, side), 278: (4, 1, rows)}
            )
    files["strips.tif"] = changed_tiff(KINDS["plain.tif"], {273: (4, 2**28, 8)})
    files["bits.tif"] = changed_tiff(KINDS["plain.tif"], {258: (3, 2**30, 8)})
    for number, size in (("pixels", 10_000), ("many pixels", 65_000)):
        files[f"{number}.png"] = raw_png(size, 0, zlib.compress(bytes(1000)))
    return files


def test_bombs_are_refused_before_they_are_decoded(tmp_path):
    """A JPEG of 300 kB that is drawn over 2,000 times took minutes.

    An animated WebP of 4 kB took 1.2 GB, and a lying JPEG became a grey picture.
    """
    files = bombs()
    found = judged(files, tmp_path)
    assert {name for name, row in found.items() if "reason" not in row} == {"good"}
    assert found["scans.jpg"]["reason"].startswith("a JPEG of 2,0")
    assert (
        sum(
            row.get("reason") == "decodes to more than 1,000 times its length"
            for row in found.values()
        )
        > 20
    )


def crammed():
    """{name: bytes}: the same picture, with megabytes written into it that are no pixels."""
    shrunk = zlib.compress(bytes(2**24))
    beside = {
        "text": chunk(b"zTXt", b"a\0\0" + shrunk),
        "long text": chunk(b"tEXt", b"a\0" + b"x" * 2**23),
        "texts": chunk(b"zTXt", b"a\0\0" + zlib.compress(b"x" * 2**20)) * 70,
        "text of any script": chunk(b"iTXt", b"a\0\1\0\0\0" + shrunk),
        "xmp": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + shrunk),
        "profile": chunk(b"iCCP", b"a\0\0" + shrunk),
        "text that is cut": chunk(b"zTXt", b"a\0\0" + shrunk[:100]),
        "text packed otherwise": chunk(b"zTXt", b"a\0\7abc"),
        "text with a wrong sum": chunk(b"zTXt", b"a\0\0abc")[:-1] + b"?",
        "no gamma": chunk(b"gAMA", b""),
        "own chunk": chunk(b"prVt", bytes(2**20)),
        "many texts": chunk(b"tEXt", b"a\0x") * 50_000,
    }
    png = encoded(SOURCE, "PNG")
    start, end = png.index(b"IDAT") - 4, png.index(b"IEND") - 4
    files = {}
    for name, data in beside.items():
        files[f"png {name} before"] = png[:start] + data + png[start:]
        files[f"png {name} after"] = png[:end] + data + png[end:]
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[65000], tags.tagtype[65000] = bytes(2**23), 7
    tags[65001] = "text"
    tags[65002] = tuple(range(1000))
    hidden = dict(icc_profile=bytes(2**21), xmp=bytes(2**21))
    files["tiff"] = encoded(SOURCE, "TIFF", tiffinfo=tags, icc_profile=hidden["icc_profile"])
    files["webp"] = encoded(SOURCE, "WEBP", lossless=True, **hidden)
    return files


def test_whatever_is_written_beside_the_pixels_loses_no_picture_and_costs_little(tmp_path):
    """Programs write their whole working plan into a picture, and Pillow refused it for that.

    Nobody may pay for it, either: of 16 MB that are packed into some kB nothing is unpacked twice.
    """
    files = crammed()
    found = judged(files | {"plain": encoded(SOURCE, "PNG")}, tmp_path, all_cheap=True)
    refused = {name: row["reason"] for name, row in found.items() if "reason" in row}
    assert not refused
    assert {found[name]["pixels"] for name in files} == {found["plain"]["pixels"]}


@pytest.mark.parametrize("kind", ["app", "exif", "profile", "photoshop", "comment"])
def test_a_jpeg_with_ten_megabytes_beside_its_pixels_is_read(kind, tmp_path):
    data = encoded(SOURCE, "JPEG", quality=90)
    mark, begin = {
        "app": (b"\xff\xe5", b""),
        "exif": (b"\xff\xe1", b"Exif\0\0"),
        "profile": (b"\xff\xe2", b"ICC_PROFILE\0\1\xa0"),
        "photoshop": (b"\xff\xed", b"Photoshop 3.0\0"),
        "comment": (b"\xff\xfe", b""),
    }[kind]
    segment = mark + struct.pack(">H", 2 + len(begin) + 65_000) + begin + bytes(65_000)
    files = {"plain": data, "crammed": data[:2] + segment * 160 + data[2:]}
    found = judged(files, tmp_path, all_cheap=True)
    assert found["crammed"]["pixels"] == found["plain"]["pixels"]


def test_a_gif_with_ten_megabytes_of_comments_is_read_at_once(tmp_path):
    """Pillow alone took 3 s for it, and four times as long for twice as many."""
    comments = [bytes(10_000_000), b"short"]
    files = {f"gif {len(text)}": encoded(GREY, "GIF", comment=text) for text in comments}
    found = judged(files | {"plain": encoded(GREY, "GIF")}, tmp_path, all_cheap=True)
    assert len({row["pixels"] for name, row in found.items() if name != "good"}) == 1


def test_a_cut_png_stays_refused_with_a_long_text_inside():
    """The second look, past the text, must not be less strict than the first."""
    png = encoded(SOURCE, "PNG")
    start = png.index(b"IDAT") - 4
    text = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**22)))
    with pytest.raises(UnusablePictureError, match="^unreadable"):
        shown((png[:start] + text + png[start:])[: start + len(text) + 3000])


@pytest.mark.parametrize(
    "format_name, options",
    [("JPEG", {"progressive": True, "quality": 60}), ("WEBP", {"quality": 60, "method": 0})],
)
def test_large_pictures_in_small_files_are_no_bombs(format_name, options):
    """The worst case there is: a smooth picture of 18 million pixels and low quality.

    JPEG's progressive scans are ten; of the film that a telephone puts behind its picture, some
    hundred bytes looked like as many more.
    """
    data = encoded(SOURCE.resize((4900, 3675), Image.Resampling.BICUBIC), format_name, **options)
    data += b"\xff\xda film" * 200 if format_name == "JPEG" else b""
    assert apart(shown(data), COLOUR) < 3


# Good ones


def placed(image):
    """The plain way to the same picture: Lanczos, and white around it."""
    return np.asarray(
        ImageOps.pad(image, (SIZE, SIZE), LANCZOS, color="white").convert("RGB")
    ).astype(int)


COLOUR = placed(SOURCE)
PLAIN = placed(GREY)
VALUES = np.asarray(GREY)
BIG = np.ascontiguousarray(VALUES.astype(">u2") * 257)


@pytest.mark.parametrize(
    "name, data, expected, most",
    [
        ("16 bits", encoded(Image.fromarray(VALUES.astype(np.uint16) * 257), "PNG"), PLAIN, 1),
        (
            "16 bits, TIFF",
            encoded(
                Image.fromarray(VALUES.astype(np.uint16) * 257), "TIFF", compression="tiff_lzw"
            ),
            PLAIN,
            1,
        ),
        (
            "16 bits, big-endian",
            encoded(Image.frombytes("I;16B", (96, 72), BIG.tobytes()), "TIFF"),
            PLAIN,
            1,
        ),
        ("32 bits", encoded(Image.fromarray(VALUES.astype(np.int32) * 257), "TIFF"), PLAIN, 1),
        ("floats to 1", KINDS["float.tif"], PLAIN, 1),
        ("floats to 255", encoded(Image.fromarray(VALUES.astype(np.float32)), "TIFF"), PLAIN, 1),
        (
            "floats of any range",
            encoded(
                Image.fromarray(
                    (VALUES - np.float32(VALUES.min())) * 40 / np.float32(np.ptp(VALUES)) - 20
                ),
                "TIFF",
            ),
            None,
            1,
        ),
        ("CMYK", encoded(SOURCE.convert("CMYK"), "JPEG", quality=95, subsampling=0), COLOUR, 2),
        ("CMYK, TIFF", encoded(SOURCE.convert("CMYK"), "TIFF", compression="tiff_lzw"), COLOUR, 1),
        ("palette", encoded(GREY.convert("P"), "PNG"), PLAIN, 1),
        ("palette, GIF", encoded(GREY.convert("P"), "GIF"), PLAIN, 1),
        ("grey as RGB", encoded(GREY.convert("RGB"), "PNG"), PLAIN, 1),
        ("grey as RGB, JPEG", encoded(GREY.convert("RGB"), "JPEG", quality=95), PLAIN, 2),
        (
            "progressive",
            encoded(SOURCE, "JPEG", quality=95, progressive=True, subsampling=0),
            COLOUR,
            2,
        ),
        ("lossless WebP", encoded(SOURCE, "WEBP", lossless=True), COLOUR, 1),
        ("first frame, PNG", KINDS["moving.png"], COLOUR, 1),
        (
            "first frame, WebP",
            encoded(
                SOURCE, "WEBP", lossless=True, save_all=True, append_images=[SOURCE.rotate(180)]
            ),
            COLOUR,
            1,
        ),
        (
            "first frame, GIF",
            encoded(GREY, "GIF", save_all=True, append_images=[GREY.rotate(180)]),
            PLAIN,
            1,
        ),
        ("first frame, TIFF", KINDS["frames.tif"], PLAIN, 1),
        (
            "as many bits as one",
            encoded(GREY.convert("1"), "TIFF", compression="group4"),
            placed(GREY.convert("1").convert("L")),
            1,
        ),
    ],
)
def test_every_kind_of_picture_looks_as_its_source(name, data, expected, most):
    # a range of its own is stretched
    if expected is None:
        expected = placed(
            Image.fromarray(
                np.rint((VALUES - VALUES.min()) * (255.0 / np.ptp(VALUES))).astype(np.uint8)
            )
        )
    assert apart(shown(data), expected) <= most, name


@pytest.mark.parametrize(
    "format_name, options",
    [
        ("PNG", {}),
        ("WEBP", {"lossless": True, "exact": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
    ],
)
def test_transparent_pictures_lie_on_white(format_name, options):
    """With the colours that hide under full transparency, every outline got a coloured seam."""
    alpha = np.asarray(picture(8, 96, 72, "L"))
    # colours go on where nothing is to be seen
    hidden = np.dstack([np.asarray(SOURCE), np.where(alpha < 100, 0, alpha)])
    image = Image.fromarray(hidden)
    expected = placed(
        Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    )
    assert apart(shown(encoded(image, format_name, **options)), expected) <= 1
    if format_name == "PNG":
        greys = Image.fromarray(np.dstack([VALUES, alpha]))
        on_white = Image.fromarray(
            np.rint(VALUES * (alpha / 255.0) + (255.0 - alpha)).astype(np.uint8)
        )
        assert apart(shown(encoded(greys, format_name)), placed(on_white)) <= 1
        sixteen = Image.fromarray(np.full((72, 96), 30, np.uint8)).convert("P")
        assert (
            shown(encoded(sixteen, format_name, transparency=sixteen.getpixel((0, 0)))) == 255
        ).all()


@pytest.mark.parametrize(
    "format_name, options, most",
    [
        ("JPEG", {"quality": 95, "subsampling": 0}, 2),
        ("PNG", {}, 1),
        ("WEBP", {"lossless": True}, 1),
        ("TIFF", {}, 1),
    ],
)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_of_every_orientation_stand_upright(format_name, options, most, orientation):
    """Large enough for a JPEG to be decoded at a part of its size, which does not come out even."""
    turns = Image.Transpose
    back = {
        2: turns.FLIP_LEFT_RIGHT,
        3: turns.ROTATE_180,
        4: turns.FLIP_TOP_BOTTOM,
        5: turns.TRANSPOSE,
        6: turns.ROTATE_90,
        7: turns.TRANSVERSE,
        8: turns.ROTATE_270,
    }.get(orientation)
    upright = SOURCE.resize((415, 307), LANCZOS)
    data = encoded(
        upright.transpose(back) if back is not None else upright,
        format_name,
        exif=exif(orientation),
        **options,
    )
    assert apart(shown(data), placed(upright)) <= most
    assert prepare_picture(io.BytesIO(data), SIZE, 8)[1:] == (415, 307)


@pytest.mark.parametrize(
    "width, height",
    [(511, 380), (513, 700), (1300, 993), (1537, 2048), (2100, 90), (385, 165), (2987, 1796)],
)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_decoding_at_a_part_of_the_size_moves_nothing(mode, width, height):
    """A JPEG decoded at 1/2, 1/4 or 1/8 has a last row and column that are only partly picture.

    Stretched with the rest, and fitted to a page by their rounded sizes, they moved fine lines by
    up to a pixel: 5.4/255 in the mean of real engravings.
    """
    lines = np.random.default_rng(5).integers(
        0, 256, (height // 4 + 1, width // 4 + 1, 3), dtype=np.uint8
    )
    image = Image.fromarray(lines).resize((width, height), LANCZOS).convert(mode)
    data = encoded(image, "JPEG", quality=95, subsampling=0)
    with Image.open(io.BytesIO(data)) as whole:
        assert apart(shown(data), placed(whole)) <= 2


def test_broken_metadata_loses_no_picture():
    dice = random.Random(0)
    expected = shown(encoded(SOURCE, "PNG"))
    turned = exif(6).tobytes()
    for format_name, options in (
        ("JPEG", {"quality": 95, "subsampling": 0}),
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
    ):
        for number in range(40):
            data = bytearray(turned)
            for _ in range(1 + number % 4):
                data[dice.randrange(6, len(data))] = dice.randrange(256)
            garbage = (
                b"Exif\0\0" + dice.randbytes(60)
                if number % 2
                else bytes(data[: dice.randrange(7, len(data))])
            )
            found = shown(
                encoded(
                    SOURCE,
                    format_name,
                    exif=garbage,
                    icc_profile=dice.randbytes(200),
                    xmp=dice.randbytes(50),
                    **options,
                )
            )
            assert apart(found, expected) <= 2, (format_name, number)


def test_nothing_but_pixels_is_written(tmp_path):
    """Where a photograph was taken, by whom and with what is nobody's business.

    It is not in the collection, and not in what is trained from it.
    """
    folder = tmp_path / "prints"
    folder.mkdir()
    data = exif(1)
    data.get_ifd(0x8825)[2] = (48.0, 8.0, 6.0)
    hidden = dict(icc_profile=b"secret profile" * 9, xmp=b"<x>secret</x>")
    picture(1).save(folder / "a.jpg", exif=data, comment=b"secret", **hidden)
    picture(2).save(folder / "b.webp", exif=data, **hidden)
    picture(3).save(
        folder / "c.tif", exif=data, description="secret", icc_profile=hidden["icc_profile"]
    )
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_itxt("Comment", "secret")
    text.add_text("Software", "secret", zip=True)
    picture(4).save(folder / "d.png", exif=data, pnginfo=text, icc_profile=hidden["icc_profile"])
    collection, rows, _ = run_main(folder, tmp_path)
    assert len(rows) == 4
    for row in rows:
        written = (collection.resized / row["filename"]).read_bytes()
        found = []
        at = 8
        while at < len(written):
            (length,) = struct.unpack(">I", written[at : at + 4])
            found.append(written[at + 4 : at + 8])
            at += 12 + length
        assert set(found) == {b"IHDR", b"IDAT", b"IEND"}
        assert b"secret" not in written


@pytest.mark.parametrize(
    "mode, width, height",
    [("L", 7, 5), ("RGB", 5, 7), ("L", 1, 1), ("RGB", 1, 3), ("L", 300, 2), ("RGB", 64, 64)],
)
@pytest.mark.parametrize("library", ["isal.isal_zlib", "zlib"])
def test_our_png_is_read_back_exactly(mode, width, height, library):
    """By whichever library it was compressed; isal's wheels are not there for every machine."""
    compress = pytest.importorskip(library).compress
    values = np.random.default_rng(1).integers(
        0, 256, (height, width, 3)[: 3 if mode == "RGB" else 2], dtype=np.uint8
    )
    with Image.open(io.BytesIO(encode_png(Image.fromarray(values), compress))) as image:
        image.verify()
    with Image.open(io.BytesIO(encode_png(Image.fromarray(values), compress))) as image:
        assert image.mode == mode
        assert image.format == "PNG"
        assert (np.asarray(image) == values).all()


# All together


def test_a_folder_and_an_archive_of_everything_lose_no_good_picture(tmp_path):
    """The full command: every file is prepared, rejected with a reason, or a duplicate."""
    good = {f"good/{number}.png": encoded(picture(100 + number), "PNG") for number in range(5)}
    dice = random.Random(1)
    hostile = {}
    for number, (name, data) in enumerate(KINDS.items()):
        hostile[f"cut/{number}_{name}"] = data[: len(data) // 2]
        flipped = bytearray(data)
        flipped[dice.randrange(len(data))] ^= 255
        hostile[f"flipped/{number}_{name}"] = bytes(flipped)
    overblown = bombs()
    hostile |= {
        f"bombs/{name.replace(' ', '_')}.png": overblown[name]
        for name in ("png 0 8", "png interlaced", "cmyk.jpg side", "moving.webp side")
    }
    for name, data in {**good, **hostile}.items():
        (tmp_path / "prints" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "prints" / name).write_bytes(data)
    os.symlink(tmp_path / "prints" / "good", tmp_path / "prints" / "loop.png")
    (tmp_path / "prints" / "folder.png").mkdir()
    archive = make_zip(tmp_path / "set.zip", {**good, **hostile})
    for source in (tmp_path / "prints", archive):
        before = {path for path in tmp_path.rglob("*") if tmp_path / "data" not in path.parents}
        _, rows, report = run_main(source, tmp_path)
        assert {path for path in tmp_path.rglob("*") if tmp_path / "data" not in path.parents} - {
            tmp_path / "data"
        } == before - {tmp_path / "data"}
        assert (
            set(good) <= {row["original"] for row in rows} if source != archive else len(rows) >= 5
        )
        assert (
            report["found"]
            == report["prepared"] + report["rejected"] + report["duplicates"]
            >= len(good) + len(hostile)
        )
        assert all(row["reason"] for row in report["rejected_files"])
        assert report["rejected"] >= len(hostile) / 3
