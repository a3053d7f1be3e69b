"""What is lost when a sound becomes a square and the square a sound again.

    pip install -r benchmarks/requirements.txt
    python -m benchmarks.sound_round_trip --side 256      # speech needs espeak-ng

Speech of espeak-ng and notes of the drawn sounds. STOI is how much of speech is understood, 1 for
all (Taal et al. 2011); it is told of speech alone. The distance is that of the spectra in dB, over
the loudest 50 dB of each column, after both sounds were made equally strong.
"""

from dataclasses import dataclass

from oneseed.console.flags import BaseConfig, option, parse_configs


@dataclass(frozen=True)
class RoundTripConfig(BaseConfig):
    """How long the sounds are, and how many."""

    side: int = option(
        256, "pixels of a square's side: 128 hold 2.0 s, 256 hold 4.1 s", at_least=32
    )
    sounds: int = option(24, "drawn sounds", at_least=1)


if __name__ == "__main__":
    CONFIGS = parse_configs(RoundTripConfig, description=__doc__)

import io
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import fmean

import numpy as np

from oneseed.console.command import UserError, run
from oneseed.media.mel import SAMPLE_RATE, sample_count, spectrum
from oneseed.media.sound import loudest_part, prepare_sound, read_samples, wav_bytes
from oneseed.synthetic.sounds.collection import SOUNDS
from oneseed.synthetic.sounds.playing import play

SENTENCES = (
    "The old castle stands above the river, and nobody lives there.",
    "Two ships came into the harbour before the storm began.",
    "She printed the plate in black ink on white paper.",
    "Where does this road go, and who has made it?",
    "Thirteen windmills turn slowly in the evening wind.",
    "A horse drinks from the fountain in front of the church.",
    "He paid four hundred and twenty for a small engraving.",
    "Please close the window, for it will rain tonight.",
    "The elephant stood under the tree and did not move.",
    "Every seed gives one picture and one sentence.",
)
# dB below the loudest of a column that still count
COUNTED_DB = 50


def spoken(side: int) -> list[np.ndarray]:
    """The loudest part of each sentence, float32 (samples,). UserError without espeak-ng."""
    program = shutil.which("espeak-ng")
    if program is None:
        raise UserError("espeak-ng is missing: apt-get install espeak-ng")
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for sentence in SENTENCES:
            path = Path(folder) / "voice.wav"
            subprocess.run([program, "-w", str(path), sentence], check=True)
            with path.open("rb") as file:
                found.append(loudest_part(read_samples(file, path.name), sample_count(side)))
    return found


def played(side: int, count: int) -> list[np.ndarray]:
    """Drawn sounds, float32 (samples,)."""
    every = enumerate(SOUNDS.collection(count))
    return [play(facts, seed, side) for seed, facts in every]


def round_trip(samples: np.ndarray, side: int) -> np.ndarray:
    """A sound through its square, by the functions of preparing and of writing."""
    square = prepare_sound(io.BytesIO(wav_of(samples)), side).image
    return read_samples(io.BytesIO(wav_bytes(square)))


def wav_of(samples: np.ndarray) -> bytes:
    """Samples -> a WAV file of floats."""
    import soundfile

    written = io.BytesIO()
    soundfile.write(written, samples, SAMPLE_RATE, format="WAV", subtype="FLOAT")
    return written.getvalue()


def spectral_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Root mean square of the difference in dB of two sounds, a mean over columns."""
    levels = []
    for samples in (first, second):
        strength = np.sqrt(np.mean(np.square(samples, dtype=np.float64)))
        levels.append(20 * np.log10(np.abs(spectrum(samples / strength)) + 1e-10))
    a, b = levels
    loudest = a.max(1, keepdims=True)
    counts = (a > loudest - COUNTED_DB) & (loudest > a.max() - COUNTED_DB)
    columns = counts.any(1)
    squares = np.where(counts, np.square(a - b), 0).sum(1)[columns] / counts.sum(1)[columns]
    return float(np.sqrt(squares).mean())


def main(config: RoundTripConfig) -> int:
    """A line for speech and one for notes."""
    try:
        from pystoi import stoi
    except ImportError as error:
        raise UserError(f"{error}: python -m pip install -r benchmarks/requirements.txt") from error
    for name, sounds in (
        ("speech", spoken(config.side)),
        ("notes", played(config.side, config.sounds)),
    ):
        begin = time.process_time()
        again = [round_trip(samples, config.side) for samples in sounds]
        seconds = (time.process_time() - begin) / len(sounds)
        distances = [spectral_distance(a, b) for a, b in zip(sounds, again)]
        line = f"{name}: {len(sounds)} sounds of {sample_count(config.side) / SAMPLE_RATE:.1f} s, "
        line += f"distance {fmean(distances):.2f} dB, {seconds:.2f} s of a core each"
        if name == "speech":
            understood = [stoi(a, b, SAMPLE_RATE) for a, b in zip(sounds, again)]
            line += f", STOI {fmean(understood):.3f}, the worst {min(understood):.3f}"
        print(line)
    return 0


if __name__ == "__main__":
    run(main, *CONFIGS)
