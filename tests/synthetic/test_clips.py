"""Drawn clips are what their captions say: every attribute shows in the frames."""

import hashlib

import numpy as np
import pytest

from oneseed.media.clip import frames_of_sheet
from oneseed.media.kinds import CLIP
from oneseed.synthetic.clips.collection import CLIPS
from oneseed.synthetic.clips.drawing import INK, draw

FACTS = {
    "subject": "ball",
    "count": 1,
    "direction": "right",
    "speed": "fast",
    "manner": "steady",
    "ground": "plain",
    "sky": "clear",
}


def sheet(seed=5, size=128, **changes):
    return draw({**FACTS, **changes}, seed, size)


def inked(seed=5, **changes):
    """Where each frame is as dark as what moves: bool (16, 32, 32)."""
    shown = frames_of_sheet(sheet(seed, **changes))
    return np.stack([np.asarray(frame) for frame in shown]) < INK + 40


def middles(**changes):
    """The middle of what moves in each frame, (16, 2) of x and y, as shares of the side."""
    return np.array([np.argwhere(frame)[:, ::-1].mean(axis=0) / 32 for frame in inked(**changes)])


def sizes(**changes):
    """How many pixels are inked in each frame, (16,)."""
    return inked(**changes).sum(axis=(1, 2))


def test_it_is_the_collection_that_was_agreed():
    """Figures of other clips or wordings would be compared with these: they are a clips-2."""
    assert (CLIPS.version, CLIPS.medium) == ("clips-1", CLIP)
    assert len(CLIPS.combinations(5)) == 2592
    words = hashlib.sha256()
    for level in CLIPS.levels:
        for seed, facts in enumerate(CLIPS.collection(20, level)):
            words.update(CLIPS.tell(facts, seed, level).encode())
    assert words.hexdigest()[:16] == "ef7a330bdbfcb932"


def test_six_thousand_captions_parse_back():
    for seed, facts in enumerate(CLIPS.collection(6000)):
        assert CLIPS.parse(CLIPS.tell(facts, seed, 5)) == facts


@pytest.mark.parametrize("subject", CLIPS.attributes["subject"])
@pytest.mark.parametrize("speed", ["slow", "fast"])
def test_all_go_the_way_that_the_caption_says_and_as_far(subject, speed):
    """A fast one comes twice as far as a slow one, whoever moves."""
    most = {"slow": (0.2, 0.35), "fast": (0.45, 0.75)}[speed]
    for direction, axis, sign in (("right", 0, 1), ("left", 0, -1), ("down", 1, 1), ("up", 1, -1)):
        found = middles(subject=subject, direction=direction, speed=speed)[:, axis]
        assert most[0] < sign * (found[-1] - found[0]) < most[1]
    for direction, sign in (("nearer", 1), ("away", -1)):
        first, *_, last = sizes(subject="ship", direction=direction, speed=speed)
        grown = (last / first) ** sign
        assert (grown > 6) if speed == "fast" else (2 < grown < 4.5)


def test_what_halts_stands_still_half_way_and_what_bobs_swings():
    for direction, axis in (("right", 0), ("up", 1)):
        for speed in ("slow", "fast"):
            halting = middles(subject="ship", direction=direction, manner="halting", speed=speed)
            assert np.ptp(halting[5:11, axis]) < 0.01 < np.ptp(halting[:5, axis])
            steady = middles(subject="ship", direction=direction, speed=speed)
            assert np.ptp(steady[5:11, axis]) > 0.06
            bobbing = middles(subject="ship", direction=direction, manner="bobbing", speed=speed)
            assert np.ptp(bobbing[:, 1 - axis]) > 0.15 > 0.03 > np.ptp(steady[:, 1 - axis])


def test_two_are_apart():
    """Of two columns or rows of ink there is white between."""
    for direction, axis in (("right", 2), ("up", 1), ("nearer", 1)):
        inks = inked(subject="elephant", count=2, direction=direction)[4].any(axis=axis - 1)
        assert np.count_nonzero(np.diff(np.pad(inks.astype(int), 1)) == 1) == 2


def test_subjects_are_told_apart_in_every_frame():
    """Any two differ by a fifth of their ink or more, one over the other."""
    names = CLIPS.attributes["subject"]
    shown = {name: inked(subject=name, direction="up", speed="slow") for name in names}
    for place, first in enumerate(names):
        for second in names[place + 1 :]:
            differs = (shown[first] ^ shown[second]).sum(axis=(1, 2))
            inked_by_both = (shown[first] | shown[second]).sum(axis=(1, 2))
            assert (differs / inked_by_both).mean() > 0.3, (first, second)


def test_what_has_legs_or_wings_moves_them():
    for subject in ("horse", "elephant", "bird", "ball"):
        facts = {"subject": subject, "direction": "nearer", "speed": "slow"}
        shown = inked(**facts)
        assert (shown[7] ^ shown[9]).sum() > 8, subject


def test_ground_and_sky_stand_still_behind_and_are_told_apart():
    skies = {
        sky: np.asarray(sheet(sky=sky))[:8, :32].astype(int) for sky in ("clear", "clouds", "night")
    }
    assert skies["clear"].min() > 240
    assert 150 < skies["clouds"].min() < 220 and skies["clouds"].mean() > 200
    assert skies["night"].mean() < 150
    for sky in ("clear", "night"):
        plain, hills = (
            np.asarray(frames_of_sheet(sheet(sky=sky, ground=ground, direction="up"))[-1]).astype(
                int
            )
            for ground in ("plain", "hills")
        )
        edges = [np.abs(np.diff(one[18:], axis=0)).argmax(axis=0) for one in (plain, hills)]
        assert np.ptp(edges[0]) <= 1 < 4 <= np.ptp(edges[1])


def test_a_clip_is_the_same_at_any_size():
    small, large = sheet(size=128), sheet(size=256)
    assert large.size == (256, 256)
    near = np.asarray(large.reduce(2)).astype(int) - np.asarray(small)
    assert np.abs(near).mean() < 4
