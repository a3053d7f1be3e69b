"""A few notes on one instrument, and what sounds around them.

wave = play({"instrument": "bell", "count": 4, "register": "high", "direction": "rising",
             "tempo": "fast", "loudness": "even", "surroundings": "hall"}, seed=7)
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from oneseed.media.mel import HIGHEST_HERTZ, SAMPLE_RATE, mel_square, sample_count
from oneseed.seeds import numpy_generator

# side of the square that a sound is made for, in pixels
SOUND_SIDE = 128
# seconds from one note to the next, and before the first
PACE = {"slow": 0.30, "fast": 0.15}
EARLIEST, LATEST = 0.02, 0.12
# hertz of the middle of each register, and by how many semitones a seed may move it
MIDDLE_PITCH = {"low": 175.0, "middle": 494.0, "high": 1397.0}
PITCH_SPREAD = 1.0
# semitones from one note to the next
STEP = 2.0
# share of the time until the next note that a held one sounds, and seconds of its end
HELD_SHARE = 0.55
RELEASE = 0.02
# loudness of the softest note that swells or fades, of the loudest; below it an echo hides notes
SOFTEST = 0.12
# share of the loudest note
AROUND = 0.12
# seconds in which a hall's echo falls to a thousandth, and how loud it is
ECHO_SECONDS = 1.6
ECHO = 0.4
# drops of rain a second
DROPS = 70


@dataclass(frozen=True)
class Timbre:
    """How an instrument sounds.

    partials: (multiple of the pitch, loudness). attack: seconds until a note is loud. decay:
    seconds in which it falls to a third; 0: it stays loud until the next. vibrato: semitones.
    breath: loudness of the noise in it.
    """

    partials: tuple[tuple[float, float], ...]
    attack: float = 0.01
    decay: float = 0.0
    vibrato: float = 0.0
    breath: float = 0.0


def harmonics(*loudness: float) -> tuple[tuple[float, float], ...]:
    """Loudness of the pitch and of its multiples, in order -> partials."""
    return tuple((number, part) for number, part in enumerate(loudness, 1) if part)


TIMBRES = {
    "flute": Timbre(harmonics(1, 0.12, 0.04), attack=0.05, breath=0.05),
    "violin": Timbre(
        harmonics(*(1 / number for number in range(1, 11))), attack=0.06, vibrato=0.45
    ),
    "trumpet": Timbre(harmonics(0.5, 0.8, 1, 0.9, 0.7, 0.5, 0.35, 0.25), attack=0.02),
    "clarinet": Timbre(harmonics(1, 0, 0.6, 0, 0.4, 0, 0.25, 0, 0.15), attack=0.03),
    "organ": Timbre(((0.5, 0.6), (1, 1), (2, 0.8), (4, 0.6), (8, 0.4)), attack=0.01),
    "bell": Timbre(
        ((0.56, 0.5), (0.92, 0.6), (1.19, 0.7), (1.71, 0.6), (2, 1), (2.74, 0.5), (3.76, 0.4)),
        attack=0.002,
        decay=0.5,
    ),
    "harp": Timbre(harmonics(1, 0.6, 0.35, 0.25, 0.15, 0.1), attack=0.002, decay=0.12),
    "marimba": Timbre(((1, 1), (3.93, 0.5), (9.2, 0.15)), attack=0.001, decay=0.035),
}


def pitch_steps(direction: str, count: int) -> np.ndarray:
    """Steps of each note from the middle of the register, float (count,)."""
    places = np.arange(count)
    steps = {
        "rising": places,
        "falling": places[::-1],
        "level": np.zeros(count),
        "arch": np.minimum(places, count - 1 - places) * 2,
    }[direction]
    return steps - steps.mean()


def note_loudness(loudness: str, count: int) -> np.ndarray:
    """Loudness of each note, float (count,), at most 1."""
    rise = np.geomspace(SOFTEST, 1, count)
    return {"swelling": rise, "fading": rise[::-1], "even": np.ones(count)}[loudness]


def note(timbre: Timbre, pitch: float, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """One note, float64 (N,). seconds: how long it is held; what decays may sound longer."""
    length = seconds + (3 * timbre.decay if timbre.decay else RELEASE)
    time = np.arange(int(length * SAMPLE_RATE)) / SAMPLE_RATE
    bend = timbre.vibrato * np.sin(2 * np.pi * (6 * time + rng.uniform()))
    phase = 2 * np.pi * np.cumsum(pitch * 2 ** (bend / 12)) / SAMPLE_RATE
    wave = np.zeros(len(time))
    for multiple, part in timbre.partials:
        if multiple * pitch < HIGHEST_HERTZ:
            # higher partials of what decays are gone sooner
            fall = np.exp(-time * multiple**0.5 / timbre.decay) if timbre.decay else 1.0
            wave += part * fall * np.sin(multiple * phase + rng.uniform(0, 2 * np.pi))
    wave += timbre.breath * rng.standard_normal(len(time))
    # what is held ends softly
    rise = np.minimum(time / timbre.attack, 1)
    end = 1.0 if timbre.decay else np.clip((length - time) / RELEASE, 0, 1)
    return wave * rise * end / sum(part for _, part in timbre.partials)


def notes_of(facts: dict[str, Any], length: int, rng: np.random.Generator) -> np.ndarray:
    """The notes of a sound alone, float64 (length,)."""
    count = facts["count"]
    timbre = TIMBRES[facts["instrument"]]
    pace = PACE[facts["tempo"]]
    semitones = STEP * pitch_steps(facts["direction"], count)
    semitones = semitones + rng.uniform(-PITCH_SPREAD, PITCH_SPREAD)
    pitches = MIDDLE_PITCH[facts["register"]] * 2 ** (semitones / 12)
    start = rng.uniform(EARLIEST, LATEST)
    wave = np.zeros(length)
    for number, part in enumerate(note_loudness(facts["loudness"], count)):
        sounding = note(timbre, pitches[number], HELD_SHARE * pace, rng)
        place = int((start + number * pace) * SAMPLE_RATE)
        sounding = sounding[: max(0, length - place)]
        wave[place : place + len(sounding)] += part * sounding
    return wave / np.abs(wave).max()


def filtered(noise: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Noise (N,) with each frequency at its weight (N // 2 + 1,), its largest sample 1."""
    shaped = np.fft.irfft(np.fft.rfft(noise) * weights, len(noise))
    return shaped / np.abs(shaped).max()


def around(surroundings: str, length: int, rng: np.random.Generator) -> np.ndarray:
    """What sounds beside the notes, float64 (length,); nothing in a room or hall."""
    if surroundings not in ("rain", "wind"):
        return np.zeros(length)
    noise = rng.standard_normal(length)
    hertz = np.fft.rfftfreq(length, 1 / SAMPLE_RATE)
    if surroundings == "wind":
        gusts = 0.6 + 0.4 * np.sin(2 * np.pi * (rng.uniform(0.5, 1) * np.arange(length) / length))
        return AROUND * gusts * filtered(noise, 1 / (1 + (hertz / 250) ** 2))
    drops = np.zeros(length)
    for place in rng.integers(0, length, int(DROPS * length / SAMPLE_RATE)):
        burst = noise[place : place + SAMPLE_RATE // 100]
        drops[place : place + len(burst)] += rng.uniform(0.3, 1) * burst
    return AROUND * filtered(drops + 0.05 * noise, 1 / (1 + (3000 / np.maximum(hertz, 1)) ** 6))


def echoing(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Notes (N,) as they sound in a hall."""
    time = np.arange(int(ECHO_SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    answer = rng.standard_normal(len(time)) * np.exp(-6.9 * time / ECHO_SECONDS)
    count = len(wave) + len(answer)
    echo = np.fft.irfft(np.fft.rfft(wave, count) * np.fft.rfft(answer, count), count)[: len(wave)]
    return wave + ECHO * echo / np.abs(echo).max()


def play(facts: dict[str, Any], seed: int, size: int = SOUND_SIDE) -> np.ndarray:
    """Facts -> samples, float32 (size * HOP,), from -1 to 1.

    What the facts leave open comes from the seed (any int): the same samples each time.
    """
    rng = numpy_generator(seed, "sound")
    length = sample_count(size)
    wave = notes_of(facts, length, rng)
    if facts["surroundings"] == "hall":
        wave = echoing(wave, rng)
    wave = wave + around(facts["surroundings"], length, rng)
    return (wave / np.abs(wave).max()).astype(np.float32)


def draw(facts: dict[str, Any], seed: int, size: int = SOUND_SIDE) -> Image.Image:
    """Facts -> the spectrum of the sound, PIL image, mode "L", size x size."""
    return Image.fromarray(mel_square(play(facts, seed, size), size))
