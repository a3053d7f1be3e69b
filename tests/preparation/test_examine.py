"""What preparing finds of one file is what every later program can read."""

import numpy as np
import pytest

from oneseed.preparation.examine import examine_picture, is_finding


def test_a_sound_of_a_moment_leaves_its_collection_readable(tmp_path):
    """It was 0.00 seconds long, and no program read a collection with such a row."""
    soundfile = pytest.importorskip("soundfile", reason="pip install soundfile")
    path = tmp_path / "click.wav"
    soundfile.write(path, np.sin(np.arange(60)), 16_000)
    _, finding = examine_picture(path, 128, 32, "sound")
    assert finding["seconds"] == 0.01
    assert is_finding(finding)
    assert not is_finding(finding | {"seconds": 0.0}), "an earlier version's is examined anew"
