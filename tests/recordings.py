"""A folder of short recordings, and how it is prepared."""

import shutil
import subprocess
import wave

import numpy as np

import dataset_preparation
from oneseed.config.preparation import PrepareConfig

STYLE = "voices"
# of a square, in pixels
SIDE = 32
# one of them in capitals and with a mark that wording would take away
SAYS = ["a dog barks", "Rain: on a roof", "two bells", "A picture of silence is not one"]


def record(path, hertz, seconds=0.6, rate=22_050):
    """Writes a tone as WAV."""
    tone = np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((tone * 30_000).astype("<i2").tobytes())


def recordings(folder, count=24):
    """A folder of tones and, where espeak-ng is there, a voice; metadata.csv has the captions."""
    folder.mkdir()
    lines = ["file_name,caption,medium"]
    for number in range(count):
        record(folder / f"{number}.wav", 200 * 1.15**number)
        lines.append(f'{number}.wav,"{SAYS[number % len(SAYS)]}",oil on canvas')
    if shutil.which("espeak-ng"):
        subprocess.run(["espeak-ng", "-w", str(folder / "voice.wav"), "hello"], check=True)
        lines.append("voice.wav,a voice says hello,voice")
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")
    return folder


def prepare(source, data, **flags):
    settings = {"preset": "small", "image_size": SIDE, "workers": 1, "style": STYLE}
    config = PrepareConfig(source=str(source), data=str(data), **{**settings, **flags})
    dataset_preparation.main(config)
