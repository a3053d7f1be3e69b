"""A walk between seeds as a film that goes there and back: a GIF, and an MP4 where ffmpeg is there.

gif = film_gif(pairs)                  # bytes
if find_ffmpeg():
    film_mp4(Path("film.gif"), Path("film.mp4"))
"""

import importlib.util
import io
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from oneseed.console.command import UserError
from oneseed.files import whole_file
from oneseed.generation.postcard import enlarged
from oneseed.generation.typesetting import SetText, draw_text, set_text

# pixels of a picture's side: 128 px pictures are 3 times as large
FILM_PICTURE = 384
# heights of letters, in pixels, and of the room for a caption
FILM_SIZES = (20, 18, 16, 14, 12)
FILM_CAPTION = 112
FILM_MARGIN = 12
# seconds that a picture stays, and the first and the last one
STEP_SECONDS = 0.16
END_SECONDS = 0.8
# of a frame: levels of grey, and colours where there is one
FILM_GREYS = 32
FILM_COLOURS = 128
# of ffmpeg
MOST_SECONDS = 300
NO_FFMPEG = "no film.mp4: ffmpeg is not here; pip install imageio-ffmpeg brings it"


def save_film(
    folder: Path, pairs: Sequence[tuple[Image.Image, str]], *, captions: bool = True
) -> str:
    """Writes FOLDER/film.gif and, where ffmpeg is there, film.mp4; says so in a sentence."""
    gif = folder / "film.gif"
    with whole_file(gif) as partial:
        partial.write_bytes(film_gif(pairs, captions=captions))
    if find_ffmpeg() is None:
        return f"the walk there and back: {gif.as_posix()}; {NO_FFMPEG}"
    film_mp4(gif, folder / "film.mp4")
    return f"the walk there and back: {gif.as_posix()}, {folder.as_posix()}/film.mp4"


def film_gif(pairs: Sequence[tuple[Image.Image, str]], *, captions: bool = True) -> bytes:
    """Pairs (image, caption) of a walk -> a GIF file that goes there and back for ever.

    captions: below the pictures, all in letters of one size.
    """
    texts = set_captions([caption for _, caption in pairs]) if captions else {}
    is_grey = all(has_no_colour(image) for image, _ in pairs)
    frames = []
    for image, caption in pairs:
        frame = film_frame(image, texts.get(caption))
        frames.append(in_greys(frame) if is_grey else in_colours(frame))
    milliseconds = [round(1000 * STEP_SECONDS)] * len(frames)
    milliseconds[0] = milliseconds[-1] = round(1000 * END_SECONDS)
    file = io.BytesIO()
    frames[0].save(
        file,
        "GIF",
        save_all=True,
        append_images=[*frames[1:], *frames[-2:0:-1]],
        duration=[*milliseconds, *milliseconds[-2:0:-1]],
        loop=0,
    )
    return file.getvalue()


def set_captions(captions: Sequence[str]) -> dict[str, SetText]:
    """Captions of a walk -> their lines, in the largest letters in which all of them fit."""
    texts: dict[str, SetText] = {}
    sizes: Sequence[int] = FILM_SIZES
    for caption in dict.fromkeys(captions):
        text = set_text(caption, width=FILM_PICTURE, height=FILM_CAPTION, sizes=sizes)
        # the next ones need not try larger letters
        sizes = [size for size in FILM_SIZES if size <= text.size]
        texts[caption] = text
    for caption in texts:
        texts[caption] = set_text(
            caption, width=FILM_PICTURE, height=FILM_CAPTION, sizes=[sizes[0]]
        )
    return texts


def film_frame(image: Image.Image, caption: SetText | None) -> Image.Image:
    """One picture of a film -> RGB. caption: below it; None: the picture alone."""
    picture = enlarged(image, FILM_PICTURE)
    if caption is None:
        return picture
    margin = FILM_MARGIN
    width = FILM_PICTURE + 2 * margin
    height = FILM_PICTURE + FILM_CAPTION + 3 * margin
    paper = Image.new("RGB", (width, height), "white")
    paper.paste(picture, (margin, margin))
    place = (margin, FILM_PICTURE + 2 * margin)
    draw_text(ImageDraw.Draw(paper), place, caption, width=FILM_PICTURE, centred=True)
    return paper


def has_no_colour(image: Image.Image) -> bool:
    """Whether red, green and blue are the same everywhere."""
    red, green, blue = (band.tobytes() for band in image.convert("RGB").split())
    return red == green == blue


def in_greys(frame: Image.Image) -> Image.Image:
    """A frame -> its few levels of grey, the same for all frames of a film."""
    step = 255 / (FILM_GREYS - 1)
    levels = frame.convert("L").point([round(value / step) for value in range(256)])
    reduced = Image.frombytes("P", frame.size, levels.tobytes())
    greys = [round(level * step) for level in range(FILM_GREYS)]
    reduced.putpalette([value for grey in greys for value in (grey, grey, grey)])
    return reduced


def in_colours(frame: Image.Image) -> Image.Image:
    """A frame -> a palette of its own."""
    return frame.quantize(FILM_COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)


def find_ffmpeg() -> str | None:
    """The program ffmpeg: on the PATH, or that of the package imageio-ffmpeg; None for neither."""
    if found := shutil.which("ffmpeg"):
        return found
    if importlib.util.find_spec("imageio_ffmpeg") is None:
        return None
    import imageio_ffmpeg  # ty: ignore[import-not-found]  # an extra

    try:
        return imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError:
        # the package brings none for this system
        return None


def film_mp4(gif: Path, mp4: Path) -> None:
    """A GIF file -> the same film as MP4 (H.264), once there and back.

    UserError where ffmpeg is missing or cannot do it.
    """
    program = find_ffmpeg()
    if program is None:
        raise UserError(NO_FFMPEG)
    # every player needs this kind of pixels
    kind = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-movflags", "+faststart"]
    # one thread: others may be drawing
    encoding = [*kind, "-crf", "20", "-threads", "1"]
    with whole_file(mp4) as partial:
        command = [program, "-v", "error", "-y", "-f", "gif", "-i", str(gif), *encoding]
        try:
            done = subprocess.run(
                [*command, "-f", "mp4", str(partial)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=MOST_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UserError(f"ffmpeg made no MP4 ({type(error).__name__})") from error
        if done.returncode:
            reason = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise UserError(f"ffmpeg made no MP4: {reason[-1] if reason else done.returncode}")
