"""Any moving picture as one square of pixels, a sheet of its frames, and a sheet as a GIF.

    prepared = prepare_clip(file, 128)    # 16 frames of 32 pixels, in rows of four
    prepared.image                        # the first at the top left, the last at the bottom right
    gif_bytes(prepared.image)             # the same frames as a file that moves, 2.0 s

GIF, WebP and PNG are read by Pillow; MP4 and WebM by PyAV, an extra that brings FFmpeg. Files may
come from strangers. What one costs is bounded before it is decoded: of each no more is read than
its first two seconds.
"""

import io
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

from PIL import Image, ImageOps

from oneseed.media.decoding import (
    EMPTY_PICTURE,
    UnusablePictureError,
    decoder_errors,
    refuse_bomb,
    silence_decoders,
)
from oneseed.media.kinds import HEAD_BYTES, VIDEO_KINDS, kind_of
from oneseed.media.modes import lay_on, simplify_mode
from oneseed.media.picture import is_grey
from oneseed.media.pixels_alone import pixels_of_gif

FRAMES = 16
FRAMES_A_ROW = 4
FRAMES_A_SECOND = 8
# of each file, from its beginning
LEARNT_SECONDS = FRAMES / FRAMES_A_SECOND
# milliseconds that the frames of a written file last: the unit of GIF is a hundredth of a second
WRITTEN_MILLISECONDS = (120, 130) * (FRAMES // 2)
# a frame of a GIF that says to last no longer lasts so long, as browsers have it
SHORTEST_MILLISECONDS = 10
UNSAID_MILLISECONDS = 100
# frames of a file that are decoded
MOST_DECODED = 500
# pixels of all these frames together, for each byte of a moving picture or video …
PIXELS_A_BYTE = 100
VIDEO_PIXELS_A_BYTE = 1000
# … except so many, which any may have, and never more than these: 2 s of 4K
ALWAYS_PIXELS = 2**25
MOST_PIXELS = 2**29
# of one frame: 8K
MOST_FRAME_PIXELS = 2**25
# of a moving picture's file: its reader takes it into memory as a whole
MOST_MOVING_BYTES = 2**28
MOVING_KINDS = ("GIF", "WEBP", "PNG")
# the reader of FFmpeg that each kind is given to: one that may choose opens lists of other files
VIDEO_READERS = {"MP4": "mov", "WebM": "matroska"}
INSTALL_VIDEO = "pip install -r requirements-clips.txt"


class PreparedClip(NamedTuple):
    """image: "L" or "RGB", size x size. seconds: of the file, as far as it was read."""

    image: Image.Image
    seconds: float


class TimedFrame(NamedTuple):
    """A frame of a file, of any size. start, end: when it is shown, in seconds."""

    image: Image.Image
    start: float
    end: float


def prepare_clip(file: BinaryIO, size: int, name: str = "") -> PreparedClip:
    """Open file -> a sheet of FRAMES frames as a square of size x size pixels.

    They lie evenly within its first LEARNT_SECONDS, or within all of a shorter one. Each is kept up
    to its border, on white, as pictures are. name: of the file, see kinds.kind_of.
    UnusablePictureError where the file is broken, hostile, stands still, or is not read here.
    """
    silence_decoders()
    small: list[TimedFrame] = []
    seconds = 0.0
    with decoder_errors():
        kind = moving_kind(file, name)
        read = frames_of_video if kind in VIDEO_KINDS else frames_of_picture
        for frame in read(file, kind):
            seconds = frame.end
            # times are sums of rounded numbers
            if frame.start >= LEARNT_SECONDS - 1e-6 or len(small) == MOST_DECODED:
                break
            small.append(frame._replace(image=fitted_frame(frame.image, size // FRAMES_A_ROW)))
    if len(small) < 2:
        still = f"nothing moves in its first {LEARNT_SECONDS:g} seconds"
        raise UnusablePictureError(still if seconds > LEARNT_SECONDS else "a clip of one frame")
    sheet = sheet_of_frames(chosen_frames(small, min(seconds, LEARNT_SECONDS)), size)
    return PreparedClip(sheet.convert("L") if is_grey(sheet) else sheet, seconds)


def moving_kind(file: BinaryIO, name: str) -> str:
    """What an open file is; UnusablePictureError where it is nothing that moves."""
    file.seek(0)
    head = file.read(HEAD_BYTES)
    if not head:
        raise UnusablePictureError(EMPTY_PICTURE)
    kind = kind_of(head, name)
    if kind not in MOVING_KINDS and kind not in VIDEO_KINDS:
        raise UnusablePictureError("unreadable (not a clip)")
    return kind


def fitted_frame(image: Image.Image, side: int) -> Image.Image:
    """A frame of any mode and size -> "RGB", side x side, on white."""
    # all frames on one paper: another one for some would flash
    plain = lay_on(simplify_mode(image), "white").convert("RGB")
    plain.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return ImageOps.pad(plain, (side, side), Image.Resampling.LANCZOS, color="white")


def chosen_frames(frames: Sequence[TimedFrame], seconds: float) -> list[Image.Image]:
    """FRAMES frames at even times within so many seconds, the first at 0."""
    chosen = []
    place = 0
    for number in range(FRAMES):
        # a thousandth of a frame later: times are sums of rounded numbers
        time = (number + 1e-3) * seconds / FRAMES
        while place + 1 < len(frames) and frames[place + 1].start <= time:
            place += 1
        chosen.append(frames[place].image)
    return chosen


def frames_of_picture(file: BinaryIO, kind: str) -> Iterator[TimedFrame]:
    """The frames of an open GIF, WebP or PNG. kind: Pillow's name for it."""
    if file.seek(0, os.SEEK_END) > MOST_MOVING_BYTES:
        raise UnusablePictureError(
            f"a moving picture of more than {MOST_MOVING_BYTES / 2**20:.0f} MiB"
        )
    if kind == "GIF":
        file = pixels_of_gif(file, MOST_DECODED)
    left = pixels_of_length(file, PIXELS_A_BYTE)
    file.seek(0)
    start = 0.0
    with Image.open(file, formats=(kind,)) as image:
        refuse_bomb(image, file)
        # a PNG may begin with a picture for those who see no motion
        first = 1 if getattr(image, "default_image", False) else 0
        for number in itertools.count(first):
            try:
                image.seek(number)
            except EOFError:
                return
            left = less_pixels(left, image.width * image.height)
            image.load()
            end = start + shown_milliseconds(image.info.get("duration")) / 1000
            yield TimedFrame(image, start, end)
            start = end


def shown_milliseconds(said: Any) -> float:
    """How long a frame is shown. said: by its file, in milliseconds."""
    if not isinstance(said, int | float) or not said > SHORTEST_MILLISECONDS:
        return UNSAID_MILLISECONDS
    return min(said, 1000 * LEARNT_SECONDS)


def pixels_of_length(file: BinaryIO, each_byte: int) -> int:
    """How many pixels an open file may be decoded to."""
    length = file.seek(0, os.SEEK_END)
    return min(MOST_PIXELS, max(ALWAYS_PIXELS, each_byte * length))


def less_pixels(left: int, pixels: int) -> int:
    """What is left of the pixels that may be decoded. UnusablePictureError where nothing is.

    pixels: of one frame.
    """
    if pixels > min(left, MOST_FRAME_PIXELS):
        raise UnusablePictureError("too many pixels in its first seconds")
    return left - pixels


def frames_of_video(file: BinaryIO, kind: str) -> Iterator[TimedFrame]:
    """The frames of an open MP4 or WebM; each ends after a time that is usual in it."""
    av = video_library(kind)
    left = pixels_of_length(file, VIDEO_PIXELS_A_BYTE)
    file.seek(0)
    with av.open(file, mode="r", format=VIDEO_READERS[kind]) as video:
        if not video.streams.video:
            raise UnusablePictureError("a video without pictures")
        stream = video.streams.video[0]
        # workers are processes already
        stream.thread_type = "NONE"
        less_pixels(left, stream.codec_context.width * stream.codec_context.height)
        length = 1 / (float(stream.average_rate or 0) or FRAMES_A_SECOND)
        first = None
        for number, decoded in enumerate(video.decode(stream)):
            left = less_pixels(left, decoded.width * decoded.height)
            time = number * length if decoded.time is None else float(decoded.time)
            first = time if first is None else first
            yield TimedFrame(upright_frame(decoded), time - first, time - first + length)


def upright_frame(decoded: Any) -> Image.Image:
    """A frame of a video as its file says that it is to be turned."""
    return decoded.to_image().rotate(decoded.rotation, expand=True)


def video_library(kind: str) -> Any:
    """PyAV, imported late. UnusablePictureError where it is not installed."""
    try:
        import av  # ty: ignore[import-not-found]  # an extra
    except (ImportError, OSError):
        raise UnusablePictureError(f"{kind} needs PyAV: {INSTALL_VIDEO}") from None
    return av


# ---- a sheet -------------------------------------------------------------------------------------


def sheet_of_frames(frames: Iterable[Image.Image], size: int) -> Image.Image:
    """FRAMES frames -> one sheet of size x size, "RGB" or "L" as the first of them is."""
    frames = list(frames)
    sheet = Image.new(frames[0].mode, (size, size), "white")
    for frame, box in zip(frames, frame_boxes(size)):
        sheet.paste(frame, box)
    return sheet


def frames_of_sheet(sheet: Image.Image) -> list[Image.Image]:
    """The frames of a sheet, in their order."""
    return [sheet.crop(box) for box in frame_boxes(sheet.width)]


def frame_boxes(size: int) -> list[tuple[int, int, int, int]]:
    """Where the frames of a sheet lie: (left, top, right, bottom) of each, in pixels."""
    side = size // FRAMES_A_ROW
    places = [divmod(number, FRAMES_A_ROW) for number in range(FRAMES)]
    return [
        (column * side, row * side, (column + 1) * side, (row + 1) * side) for row, column in places
    ]


def gif_bytes(square: Image.Image) -> bytes:
    """A square as the picture networks draw it -> the clip that it shows, a GIF file without end.

    The same bytes for the same pixels. Grey ones stay as they are; of colours there are 256.
    """
    plain = square.convert("RGB")
    frames = frames_of_sheet(plain.convert("L") if is_grey(plain, 0) else plain.quantize(256))
    written = io.BytesIO()
    frames[0].save(
        written,
        "GIF",
        save_all=True,
        append_images=frames[1:],
        duration=list(WRITTEN_MILLISECONDS),
        loop=0,
    )
    return written.getvalue()
