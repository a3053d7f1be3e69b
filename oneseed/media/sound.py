"""Any sound file as one square of pixels, and a square as a WAV file.

Files may come from strangers. What one costs is bounded before it is decoded, and what its decoder
says of it stays away from the terminal.
"""

import contextlib
import io
import os
import sys
import threading
import wave as wav
from collections.abc import Generator
from fractions import Fraction
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from oneseed.media.decoding import EMPTY_PICTURE, DamagedPictureError, UnusablePictureError
from oneseed.media.kinds import HEAD_BYTES, SOUND_KINDS, UNREAD_SOUNDS, kind_of
from oneseed.media.mel import HOP, SAMPLE_RATE, mel_square, sample_count, waveform

# seconds that are read of a file, whatever it says of its length
HEARD_SECONDS = 60
# samples a second that a file may have
LOWEST_RATE = 1_000
HIGHEST_RATE = 384_000
MOST_CHANNELS = 16
# samples of all channels that are read of a file: 100 MB
HEARD_VALUES = 25_000_000
# of a ratio of rates: an odd one is met within a millionth
MAX_DIVISOR = 1000
# a sound whose loudest sample is below this is silence, of the largest that a file can hold
SILENCE = 1e-4
# of a written WAV file, in bytes
WRITTEN_SAMPLE_BYTES = 2
# who silences stderr
STDERR_LOCK = threading.Lock()


class PreparedSound(NamedTuple):
    """image: "L", size x size. seconds: of the file, as far as it was read."""

    image: Image.Image
    seconds: float


def prepare_sound(file: BinaryIO, size: int, name: str = "") -> PreparedSound:
    """Open sound file -> its loudest part as a square of size x size pixels, see mel.

    A shorter one is followed by silence, which is white. name: of the file, see kinds.kind_of.
    UnusablePictureError where the file is broken, hostile, silent, or not read here.
    """
    samples = read_samples(file, name)
    if np.abs(samples).max(initial=0) < SILENCE:
        raise UnusablePictureError("silent")
    part = loudest_part(samples, sample_count(size))
    return PreparedSound(Image.fromarray(mel_square(part, size)), len(samples) / SAMPLE_RATE)


def read_samples(file: BinaryIO, name: str = "") -> np.ndarray:
    """Open sound file -> its first HEARD_SECONDS, float32 (N,) at SAMPLE_RATE, channels averaged.

    UnusablePictureError as of prepare_sound.
    """
    refuse_kind(file, name)
    soundfile = sound_library()
    file.seek(0)
    try:
        with quiet_decoders(), soundfile.SoundFile(file) as sound:
            rate, channels = sound.samplerate, sound.channels
            if not LOWEST_RATE <= rate <= HIGHEST_RATE:
                raise UnusablePictureError(f"{rate:,} samples a second")
            if channels > MOST_CHANNELS:
                raise UnusablePictureError(f"{channels:,} channels")
            most = min(HEARD_SECONDS * rate, HEARD_VALUES // channels)
            samples = sound.read(most, dtype="float32", always_2d=True)
    except UnusablePictureError:
        raise
    except Exception as error:
        # a decoder raises nearly anything on damaged bytes
        raise DamagedPictureError("unreadable (damaged or unusual)") from error
    if not len(samples):
        raise UnusablePictureError("a sound without samples")
    mean = np.nan_to_num(samples.mean(1), posinf=0.0, neginf=0.0)
    return at_sample_rate(mean, rate)


def at_sample_rate(samples: np.ndarray, rate: int) -> np.ndarray:
    """Samples (N,) at any rate -> float32 at SAMPLE_RATE."""
    if rate == SAMPLE_RATE:
        return samples.astype(np.float32)
    from scipy.signal import resample_poly

    ratio = Fraction(SAMPLE_RATE, rate).limit_denominator(MAX_DIVISOR)
    return resample_poly(samples, ratio.numerator, ratio.denominator).astype(np.float32)


def loudest_part(samples: np.ndarray, length: int) -> np.ndarray:
    """The `length` samples together that hold most energy; a shorter sound, then silence."""
    if len(samples) <= length:
        return np.pad(samples, (0, length - len(samples)))
    energy = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    # parts begin where columns of the whole sound would
    starts = np.arange(0, len(samples) - length + 1, HOP)
    start = starts[np.argmax(energy[starts + length] - energy[starts])]
    return samples[start : start + length]


def refuse_kind(file: BinaryIO, name: str) -> None:
    """UnusablePictureError where an open file is no sound, or one that is not read here."""
    file.seek(0)
    head = file.read(HEAD_BYTES)
    if not head:
        raise UnusablePictureError(EMPTY_PICTURE)
    kind = kind_of(head, name)
    if kind in UNREAD_SOUNDS:
        raise UnusablePictureError(f"{kind} is not read: save it as WAV or FLAC")
    if kind not in SOUND_KINDS:
        raise UnusablePictureError("unreadable (not a sound)")


def sound_library() -> Any:
    """soundfile, imported late. UnusablePictureError where it is not installed."""
    try:
        import soundfile
    except (ImportError, OSError):
        raise UnusablePictureError("sounds need: pip install soundfile scipy") from None
    return soundfile


@contextlib.contextmanager
def quiet_decoders() -> Generator[None]:
    """Within the block nothing reaches stderr: the decoder of MP3 writes there past Python.

    One thread at a time: of two, the second would keep the silence of the first, and restore that.
    """
    with STDERR_LOCK:
        try:
            sys.stderr.flush()
            kept = os.dup(2)
        except (OSError, ValueError, AttributeError):
            yield
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(nowhere)


def wav_bytes(square: Image.Image) -> bytes:
    """A square as the picture networks draw it -> the sound that it shows, a WAV file.

    The same bytes for the same pixels: 16 bits, one channel, SAMPLE_RATE.
    """
    samples = waveform(np.asarray(square.convert("L")))
    whole = np.rint(samples * (2**15 - 1)).astype("<i2")
    written = io.BytesIO()
    with wav.open(written, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(WRITTEN_SAMPLE_BYTES)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(whole.tobytes())
    return written.getvalue()
