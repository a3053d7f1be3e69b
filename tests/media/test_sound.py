"""Sound files become squares of pixels, squares become sounds again, and no file does harm."""

import io
import os
import re
import struct
import threading
import time
import wave

import numpy as np
import pytest
from PIL import Image

from oneseed.media import mel, sound
from oneseed.media.decoding import UnusablePictureError, whole_picture
from oneseed.media.kinds import SOUND, kind_of, medium_of_file
from oneseed.media.sound import prepare_sound, read_samples, wav_bytes

soundfile = pytest.importorskip("soundfile", reason="pip install soundfile")


def tone(hertz, seconds=1.0, rate=16_000):
    """A sine of full loudness, float (N,)."""
    return np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)


def file_of(samples, rate=16_000, kind="WAV", **more):
    """Samples as an open file of a kind that soundfile writes."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, **more)
    file.seek(0)
    return file


def loudest_rows(square):
    """The row of the darkest pixel of each column that is not white."""
    return [column.argmin() for column in square.T if column.min() < 128]


def test_a_higher_tone_stands_higher_and_a_later_one_to_the_right():
    low, high = (mel.mel_square(np.pad(tone(f), (0, 16_768)), 128) for f in (300, 3000))
    assert np.median(loudest_rows(high)) < np.median(loudest_rows(low)) - 30
    late = mel.mel_square(np.pad(tone(300), (16_768, 0)), 128)
    assert low[:, :50].min() == 0 == late[:, -50:].min()
    assert late[:, :60].min() == 255 == low[:, -60:].min()


def test_a_square_becomes_a_sound_whose_square_is_the_same():
    """A tone, a chord that fades, and silence: back to within some of 255 tones on average."""
    chord = sum(tone(f, 2.048) for f in (220, 554, 1320)) * np.linspace(1, 0.05, 32_768)
    for side, samples in ((128, chord), (64, chord[:16_384])):
        square = mel.mel_square(samples, side)
        again = mel.mel_square(mel.waveform(square), side)
        loud = square < 100
        assert np.abs(square.astype(int) - again)[loud].mean() < 12
    silent = np.full((64, 64), 255, np.uint8)
    assert not mel.waveform(silent).any()
    assert (mel.mel_square(np.zeros(mel.sample_count(64)), 64) == 255).all()


@pytest.mark.parametrize("side", [32, 64, 128, 224, 256, 512])
def test_every_band_hears_something(side):
    """Narrow triangles fall between the frequencies: their rows would be white in every sound."""
    bands = mel.mel_bands(side)
    assert bands.shape == (side, mel.FREQUENCIES)
    # a frequency lies within half a step of each top
    assert bands.max(axis=1).min() > 0.495
    assert (np.diff(bands.argmax(axis=1)) >= 0).all()


def test_the_same_square_gives_the_same_bytes():
    """Phases from a generator without a seed would make another WAV file for the same card."""
    square = Image.fromarray(mel.mel_square(np.pad(tone(440), (0, 16_768)), 128))
    first = wav_bytes(square)
    assert first == wav_bytes(square.convert("RGB"))
    with wave.open(io.BytesIO(first)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (16_000, 1, 32_768)
        samples = np.frombuffer(file.readframes(32_768), "<i2")
    assert 0.85 * 2**15 < np.abs(samples).max() < 0.95 * 2**15


@pytest.mark.parametrize(
    "kind, rate, more",
    [
        ("WAV", 44_100, {}),
        ("WAV", 8_000, {"subtype": "ULAW"}),
        ("FLAC", 48_000, {}),
        ("OGG", 22_050, {}),
        ("OGG", 48_000, {"subtype": "OPUS"}),
        ("MP3", 44_100, {}),
        ("AIFF", 11_025, {}),
        ("WAV", 44_101, {}),
        ("WAV", 383_999, {}),
    ],
)
def test_every_kind_is_heard_at_any_rate(kind, rate, more):
    """The pitch stays where it is, whatever the file's rate is, in one channel or in two."""
    both = np.stack([tone(1000, 1.0, rate), np.zeros(rate)], axis=1)
    file = file_of(both, rate, kind, **more)
    assert kind_of(file.getvalue())
    heard = read_samples(file)
    assert abs(len(heard) - 16_000) < 2_500
    pitch = np.abs(np.fft.rfft(heard, 16_000)).argmax()
    assert abs(int(pitch) - 1000) < 5


def test_of_a_long_sound_the_loudest_part_is_learnt():
    quiet = 0.01 * tone(200, 5)
    file = file_of(np.concatenate([quiet, tone(2000, 1), quiet]))
    prepared = prepare_sound(file, 128)
    assert prepared.seconds == pytest.approx(11, abs=0.01)
    expected = np.median(loudest_rows(mel.mel_square(np.pad(tone(2000), (0, 16_768)), 128)))
    rows = loudest_rows(np.asarray(prepared.image))
    assert sum(abs(row - expected) < 2 for row in rows) > 60


def lying_wav():
    """Its header says two gigabytes."""
    content = bytearray(file_of(tone(300, 0.1)).getvalue())
    content[40:44] = struct.pack("<I", 2**31 - 1)
    return bytes(content)


def wav_header(channels=1, rate=16_000, bits=16):
    """A WAV file of a few samples with any header."""
    block = channels * bits // 8
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * block % 2**32, block % 2**16, bits)
    data = bytes(range(200)) * 4
    chunks = b"fmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks


NOISE = np.random.default_rng(0).bytes(5000)
HOSTILE = {
    "nothing": b"",
    "noise": NOISE,
    "a header alone": b"RIFF\x24\0\0\0WAVE",
    "noise after a header": b"RIFF\x24\0\0\0WAVE" + NOISE,
    "a lying length": lying_wav(),
    "1,024 channels": wav_header(channels=1024),
    "no channel": wav_header(channels=0),
    "2,147,483,647 samples a second": wav_header(rate=2**31 - 1),
    "one sample a second": wav_header(rate=1),
    "no sample a second": wav_header(rate=0),
    "a cut FLAC": file_of(tone(300), kind="FLAC").getvalue()[:300],
    "noise in a FLAC": file_of(tone(300), kind="FLAC").getvalue()[:200] + NOISE,
    "a cut MP3": file_of(tone(300), kind="MP3").getvalue()[:400],
    "noise in an MP3": file_of(tone(300), kind="MP3").getvalue()[:400] + NOISE,
    "a cut Ogg": file_of(tone(300), kind="OGG").getvalue()[:2000],
    "a playlist": b"#EXTM3U\n/etc/passwd\n",
    "a list of files": b"ffconcat version 1.0\nfile /etc/passwd\n",
    "an AAC": b"\0\0\0\x20ftypM4A " + NOISE,
    "a picture": b"\x89PNG\r\n\x1a\n" + NOISE,
    "silence": file_of(np.zeros(8000)).getvalue(),
    "not a number": file_of(np.full(8000, np.nan), subtype="FLOAT").getvalue(),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_or_read_and_nothing_is_said(name, capfd):
    """The decoder of MP3 writes to stderr past Python: thousands of lines for a damaged folder."""
    prepare_sound(file_of(tone(300, 0.1)), 64)
    begin = time.perf_counter()
    try:
        prepared = prepare_sound(io.BytesIO(HOSTILE[name]), 64)
        assert prepared.image.size == (64, 64)
        assert prepared.seconds <= sound.HEARD_SECONDS
    except UnusablePictureError as error:
        assert re.fullmatch(r"[^\n/]{3,80}", str(error))
    assert time.perf_counter() - begin < 1
    assert capfd.readouterr() == ("", "")


def test_stderr_is_as_before_once_a_sound_is_read(capfd):
    read_samples(file_of(tone(300, 0.1)))
    os.write(2, b"still here\n")
    assert capfd.readouterr().err == "still here\n"


def test_two_sounds_at_once_leave_stderr_as_it_was(capfd):
    """The second reader kept the silence of the first, and restored that: logs were lost."""
    first_is_in, second_is_in, first_is_out = (threading.Event() for _ in range(3))

    def read_first():
        with sound.quiet_decoders():
            first_is_in.set()
            second_is_in.wait(0.3)
        first_is_out.set()

    def read_second():
        first_is_in.wait(1)
        with sound.quiet_decoders():
            second_is_in.set()
            first_is_out.wait(1)

    readers = [threading.Thread(target=read) for read in (read_first, read_second)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    os.write(2, b"still here")
    assert "still here" in capfd.readouterr().err


def test_no_more_than_a_minute_is_read():
    """A header may promise hours, and a FLAC of silence holds them in some kilobytes."""
    file = file_of(np.full(100 * 8_000, 0.5, np.float32), rate=8_000, kind="FLAC")
    assert len(read_samples(file)) == sound.HEARD_SECONDS * mel.SAMPLE_RATE


def test_a_sound_is_no_picture_and_a_picture_no_sound(tmp_path):
    """Either says what it is, where the other is wanted."""
    with pytest.raises(UnusablePictureError, match="a sound, where a picture is wanted"):
        whole_picture(file_of(tone(300, 0.1)))
    nameless = tmp_path / "recording"
    nameless.write_bytes(file_of(tone(300, 0.1)).getvalue())
    assert medium_of_file(nameless) == SOUND
    assert medium_of_file(tmp_path / "gone") == ""
