"""Files of pictures for the benchmark of preparation, from real engravings or drawn ones."""

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image, ImageChops, ImageOps

from oneseed.console.command import UserError
from oneseed.console.output import progress
from oneseed.files import suffix_of
from oneseed.generation.pictures import open_picture
from oneseed.media.kinds import READ_SUFFIXES
from oneseed.synthetic.engravings import attributes, drawing
from oneseed.workers import chunks

# files that are worked on together
FILES_AT_ONCE = 64
LANCZOS = Image.Resampling.LANCZOS
INK = (40, 26, 13)
PAPER = (246, 236, 212)


def originals(folder, count):
    """`count` grey pictures: of the folder, or drawn."""
    if not folder:
        facts = attributes.collection(count)
        return [drawing.draw(one, seed, 512).convert("L") for seed, one in enumerate(facts)]
    files = Path(folder).expanduser().rglob("*")
    paths = sorted(path for path in files if suffix_of(path) in READ_SUFFIXES)
    if not paths:
        raise UserError(
            f"{folder} holds no pictures; "
            "name another: python -m benchmarks.preparation --pictures PATH"
        )
    random.Random(0).shuffle(paths)
    return [open_picture(path).convert("L") for path in paths[:count]]


def scaled(image, megapixels):
    """The picture at so many million pixels, with the grain of paper.

    Without the grain a large one would be smoother than any scan.
    """
    factor = (megapixels * 1e6 / (image.width * image.height)) ** 0.5
    size = (round(image.width * factor), round(image.height * factor))
    image = image.resize(size, LANCZOS)
    return ImageChops.add(image, Image.effect_noise(image.size, 4), offset=-128)


def make_files(folder, pictures, megapixels, mode):
    """Writes the pictures as JPEG files of so many million pixels -> their paths.

    mode: L or RGB.
    """
    folder.mkdir(parents=True)

    def make(number):
        image = scaled(pictures[number], megapixels)
        if mode == "RGB":
            image = ImageOps.colorize(image, INK, PAPER)
        image.save(folder / f"{number:03}.jpg", quality=90)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(make, range(len(pictures))))
    return sorted(folder.iterdir())


def make_rows(folder, pictures, count):
    """`count` different engravings of half a megapixel: parts of the pictures."""
    folder.mkdir(parents=True)

    def make(number):
        generator = random.Random(number)
        image = pictures[number % len(pictures)]
        width, height = (round(side * generator.uniform(0.6, 0.9)) for side in image.size)
        left = generator.randrange(image.width - width)
        top = generator.randrange(image.height - height)
        part = scaled(image.crop((left, top, left + width, top + height)), 0.5)
        part.save(folder / f"{number:06}.jpg", quality=90)

    with ThreadPoolExecutor(2) as threads, progress(label="making files", total=count) as bar:
        for numbers in chunks(range(count), FILES_AT_ONCE):
            bar.update(len(list(threads.map(make, numbers))))
