"""A folder of short moving pictures, and how it is prepared."""

import io

from PIL import Image, ImageDraw

import dataset_preparation
from oneseed.config.preparation import PrepareConfig

STYLE = "motions"
# of a sheet, in pixels
SIDE = 32
# one of them in capitals and with a mark that wording would take away
SAYS = ["a box goes right", "Boxes: to the left", "a box that stops", "A picture of haste"]
KINDS = ("GIF", "WEBP", "PNG")


def frames(count=20, size=(64, 64), mode="L"):
    """A black square that goes from left to right, 2 pixels a frame."""
    shown = []
    for number in range(count):
        frame = Image.new("L", size, 255)
        ImageDraw.Draw(frame).rectangle((2 * number, 8, 2 * number + 11, 19), fill=0)
        shown.append(frame.convert(mode))
    return shown


def moving(shown, kind="GIF", **more):
    """Frames as an open file."""
    file = io.BytesIO()
    options = {"lossless": True} if kind == "WEBP" else {}
    settings = {"duration": 100, "loop": 0, **options, **more}
    shown[0].save(file, kind, save_all=True, append_images=shown[1:], **settings)
    file.seek(0)
    return file


def moving_pictures(folder, count=24):
    """A folder of boxes that move, of each kind; metadata.csv has the captions."""
    folder.mkdir()
    lines = ["file_name,caption"]
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        shown = frames(20, (64 + number, 64))
        if number % 2:
            shown.reverse()
        name = f"{number}.{kind.lower()}"
        (folder / name).write_bytes(moving(shown, kind).getvalue())
        lines.append(f'{name},"{SAYS[number % len(SAYS)]}"')
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")
    return folder


def prepare(source, data, **flags):
    settings = {"preset": "small", "image_size": SIDE, "workers": 1, "style": STYLE}
    config = PrepareConfig(source=str(source), data=str(data), **{**settings, **flags})
    dataset_preparation.main(config)
