"""A sound as a square of pixels, and such a square as a sound again.

    square = mel_square(wave, 128)      # uint8 (128, 128): time to the right, pitch upwards
    wave = waveform(square)             # float32 (32768,), 2.0 s at 16 kHz

Black is loud and white is silent, over 80 dB: so padding and silence are one thing. The loudest
place of a square is black; loudness within a sound stays. What a square does not hold is phase,
which the fast Griffin-Lim algorithm finds again (Perraudin, Balazs and Søndergaard 2013).
"""

import functools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# samples a second, of all sounds that are learnt and written
SAMPLE_RATE = 16_000
# samples from one column of a square to the next
HOP = 256
# samples that a column hears
HEARD_SAMPLES = 1024
# that a column tells apart
FREQUENCIES = HEARD_SAMPLES // 2 + 1
# from white to black
RANGE_DB = 80.0
# the pitch of the lowest band's lower edge and of the highest band's upper edge, in hertz
LOWEST_HERTZ = 0.0
HIGHEST_HERTZ = SAMPLE_RATE / 2
# the scale of Slaney's Auditory Toolbox (1998): linear below 1,000 Hz, logarithmic above
HERTZ_PER_MEL = 200 / 3
FIRST_LOG_HERTZ = 1000.0
FIRST_LOG_MEL = FIRST_LOG_HERTZ / HERTZ_PER_MEL
LOG_STEP = np.log(6.4) / 27
# how often phases are improved, how far each step goes on in its direction, and how often the
# magnitudes behind the bands are
PHASE_ROUNDS = 32
MOMENTUM = 0.99
MAGNITUDE_ROUNDS = 60
# peak of a sound that is written, of the largest that a file can hold
WRITTEN_PEAK = 0.9
NEARLY_NOTHING = 1e-10


def sample_count(side: int) -> int:
    """Samples of a sound whose square has so many columns."""
    return side * HOP


def sound_seconds(side: int) -> float:
    """Seconds of such a sound."""
    return sample_count(side) / SAMPLE_RATE


def mel_of(hertz: np.ndarray) -> np.ndarray:
    """Pitch in hertz -> in mel."""
    above = FIRST_LOG_MEL + np.log(np.maximum(hertz, FIRST_LOG_HERTZ) / FIRST_LOG_HERTZ) / LOG_STEP
    return np.where(hertz < FIRST_LOG_HERTZ, hertz / HERTZ_PER_MEL, above)


def hertz_of(mel: np.ndarray) -> np.ndarray:
    """Pitch in mel -> in hertz."""
    above = FIRST_LOG_HERTZ * np.exp(LOG_STEP * (mel - FIRST_LOG_MEL))
    return np.where(mel < FIRST_LOG_MEL, mel * HERTZ_PER_MEL, above)


@functools.cache
def mel_bands(count: int) -> np.ndarray:
    """How much of each frequency each band hears, float64 (count, FREQUENCIES), lowest first.

    Triangles whose tops are even in mel. None is narrower than the frequencies lie apart, so that
    many low bands hear something, too.
    """
    edges = np.linspace(
        mel_of(np.array(LOWEST_HERTZ)).item(), mel_of(np.array(HIGHEST_HERTZ)).item(), count + 2
    )
    corners = hertz_of(edges)
    frequencies = np.fft.rfftfreq(HEARD_SAMPLES, 1 / SAMPLE_RATE)
    apart = SAMPLE_RATE / HEARD_SAMPLES
    tops = corners[1:-1, None]
    rise = np.maximum(tops - corners[:-2, None], apart)
    fall = np.maximum(corners[2:, None] - tops, apart)
    triangles = np.minimum(1 - (tops - frequencies) / rise, 1 - (frequencies - tops) / fall)
    return np.clip(triangles, 0, None)


@functools.cache
def sparse_bands(count: int) -> "csr_array":
    """mel_bands(count) without its zeros.

    A dense product would start as many threads as there are cores in each of as many processes.
    """
    from scipy.sparse import csr_array

    return csr_array(mel_bands(count))


@functools.cache
def hearing_window() -> np.ndarray:
    """Hann's window, periodic, float64 (HEARD_SAMPLES,)."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(HEARD_SAMPLES) / HEARD_SAMPLES)


def spectrum(wave: np.ndarray) -> np.ndarray:
    """Samples (T * HOP,) -> complex (T, FREQUENCIES), a row for each column of the square."""
    margin = (HEARD_SAMPLES - HOP) // 2
    padded = np.pad(np.asarray(wave, np.float64), margin)
    heard = np.lib.stride_tricks.sliding_window_view(padded, HEARD_SAMPLES)[::HOP]
    return np.fft.rfft(heard * hearing_window(), axis=1)


def from_spectrum(rows: np.ndarray) -> np.ndarray:
    """The samples whose spectrum is nearest to these rows: (T, FREQUENCIES) -> (T * HOP,)."""
    margin = (HEARD_SAMPLES - HOP) // 2
    count = len(rows) * HOP
    window = hearing_window()
    pieces = np.fft.irfft(rows, HEARD_SAMPLES, axis=1) * window
    wave = np.zeros(count + 2 * margin)
    weight = np.zeros_like(wave)
    for number, piece in enumerate(pieces):
        place = slice(number * HOP, number * HOP + HEARD_SAMPLES)
        wave[place] += piece
        weight[place] += window**2
    inner = slice(margin, margin + count)
    return wave[inner] / np.maximum(weight[inner], NEARLY_NOTHING)


def mel_square(wave: np.ndarray, side: int) -> np.ndarray:
    """Samples (side * HOP,) -> uint8 (side, side), the highest band in the first row.

    A silent sound is white.
    """
    loudness = (sparse_bands(side) @ np.abs(spectrum(wave)).T).T  # (side, side), a row a column
    loudest = loudness.max()
    if loudest <= NEARLY_NOTHING:
        return np.full((side, side), 255, np.uint8)
    decibels = 20 * np.log10(np.maximum(loudness / loudest, NEARLY_NOTHING))
    darkness = np.clip(1 + decibels / RANGE_DB, 0, 1)
    return np.rint(255 * (1 - darkness)).astype(np.uint8).T[::-1].copy()


def waveform(square: np.ndarray) -> np.ndarray:
    """uint8 (side, side) -> float32 (side * HOP,), from -WRITTEN_PEAK to WRITTEN_PEAK.

    The same samples each time: phases begin from fixed numbers.
    """
    darkness = 1 - square[::-1].T.astype(np.float64) / 255  # (side, side), a row a column
    decibels = RANGE_DB * (darkness - 1)
    loudness = np.where(darkness > 0, 10 ** (decibels / 20), 0.0)
    wave = with_phases(magnitudes_behind(loudness))
    peak = np.abs(wave).max()
    if peak <= NEARLY_NOTHING:
        return np.zeros(len(wave), np.float32)
    return (WRITTEN_PEAK * wave / peak).astype(np.float32)


def magnitudes_behind(loudness: np.ndarray) -> np.ndarray:
    """Loudness of bands (T, bands) -> magnitudes (T, FREQUENCIES), none below 0.

    Multiplicative steps towards the least squares (Lee and Seung 2000).
    """
    bands = mel_bands(loudness.shape[1])
    # each frequency begins with the mean of the bands that hear it
    shares = bands / np.maximum(bands.sum(1, keepdims=True), NEARLY_NOTHING)
    magnitudes = loudness @ shares + NEARLY_NOTHING
    wanted = loudness @ bands
    heard = bands.T @ bands
    for _ in range(MAGNITUDE_ROUNDS):
        magnitudes *= wanted / np.maximum(magnitudes @ heard, NEARLY_NOTHING)
    return magnitudes


def with_phases(magnitudes: np.ndarray) -> np.ndarray:
    """Magnitudes (T, FREQUENCIES) -> samples (T * HOP,) whose spectrum is near to them."""
    turns = np.random.default_rng(0).random(magnitudes.shape)
    phases = np.exp(2j * np.pi * turns)
    before = np.zeros_like(phases)
    for _ in range(PHASE_ROUNDS):
        possible = spectrum(from_spectrum(magnitudes * phases))
        moved = possible + MOMENTUM * (possible - before)
        phases = moved / np.maximum(np.abs(moved), NEARLY_NOTHING)
        before = possible
    return from_spectrum(magnitudes * phases)
