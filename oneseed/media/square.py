"""A square of pixels that stands for a file: its spectrum, its frames, or the picture itself.

sounds = Square(SOUND, 128)             # what a model has learnt, see PictureReader.square
square_of_file(file, sounds, "a.wav")   # the square; None of a picture, which is one itself
BESIDE[SOUND].encode(square)            # the file that lies beside the card of a square
"""

from collections.abc import Callable
from typing import BinaryIO, NamedTuple

from PIL import Image

from oneseed.media.clip import gif_bytes, prepare_clip
from oneseed.media.kinds import CLIP, PICTURE, SOUND
from oneseed.media.moving import medium_of_open
from oneseed.media.sound import prepare_sound, wav_bytes


class Square(NamedTuple):
    """What files are read as. medium: one of MEDIA; side: in pixels, 0 where pictures keep theirs.

    Of sounds and clips a picture is such a square already.
    """

    medium: str = PICTURE
    side: int = 0

    @property
    def words(self) -> str:
        """What can be read so, for a sentence: "a sound or picture"."""
        return "a picture" if self.medium == PICTURE else f"a {self.medium} or picture"

    @property
    def kinds(self) -> str:
        """Kinds of such files that anybody can make."""
        return {PICTURE: "PNG or JPEG", SOUND: "WAV or PNG", CLIP: "GIF or PNG"}[self.medium]


class FileBeside(NamedTuple):
    """The file that a square stands for. encode: square -> its bytes, the same each time."""

    suffix: str
    content_type: str
    encode: Callable[[Image.Image], bytes]


# pictures with their sizes
AS_PICTURES = Square()
BESIDE = {
    SOUND: FileBeside(".wav", "audio/wav", wav_bytes),
    CLIP: FileBeside(".gif", "image/gif", gif_bytes),
}


def square_of_file(file: BinaryIO, wanted: Square, name: str = "") -> Image.Image | None:
    """The square of an open sound or clip, where one is wanted; None where it is to be a picture.

    name: of the file, see kinds.kind_of. UnusablePictureError where it cannot be read.
    """
    if wanted.medium == PICTURE or medium_of_open(file, name) != wanted.medium:
        return None
    prepare = {SOUND: prepare_sound, CLIP: prepare_clip}[wanted.medium]
    return prepare(file, wanted.side, name).image
