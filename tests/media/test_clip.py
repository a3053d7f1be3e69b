"""Moving pictures become sheets of frames, sheets become moving pictures, and no file does harm."""

import io
import re
import struct
import sys
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from oneseed.media import clip
from oneseed.media.clip import frames_of_sheet, gif_bytes, prepare_clip
from oneseed.media.decoding import UnusablePictureError, whole_picture
from oneseed.media.kinds import CLIP, PICTURE, kind_of, medium_of_file
from oneseed.media.moving import MAX_PARTS, medium_of_open
from tests.moving_pictures import KINDS, frames, moving
from tests.stopwatch import within


def places(sheet):
    """Where the black square begins in each frame, as a share of the frame's side."""
    found = []
    for frame in frames_of_sheet(sheet.convert("L")):
        dark = np.asarray(frame).min(axis=0) < 128
        found.append(float(dark.argmax()) / frame.width)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_sixteen_frames_of_two_seconds_stand_on_the_sheet_in_their_order(kind):
    """The first is at the top left; frames 8 a second are taken of 10."""
    prepared = prepare_clip(moving(frames(), kind), 128)
    assert prepared.image.size == (128, 128)
    assert prepared.image.mode == "L"
    assert prepared.seconds == pytest.approx(2.0)
    expected = [2 * int(1.25 * number) / 64 for number in range(16)]
    assert places(prepared.image) == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_longer_clip_the_beginning_is_learnt_and_of_a_shorter_one_all(kind):
    """A clip of one second filled half a sheet, and the end of a long one was all that was seen."""
    long = prepare_clip(moving(frames(60, (140, 64)), kind), 128)
    assert clip.LEARNT_SECONDS <= long.seconds < 2.2
    short = prepare_clip(moving(frames(8), kind), 128)
    assert short.seconds == pytest.approx(0.8)
    expected = [2 * (number // 2) / 64 for number in range(16)]
    assert places(short.image) == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize(("count", "duration"), [(21, 100), (41, 50), (51, 40), (30, 100)])
def test_a_clip_that_goes_on_after_what_is_learnt_says_so(count, duration):
    """Frames that end at two seconds sharp hid what came behind: no clip was ever counted."""
    long = prepare_clip(moving(frames(count), duration=duration), 64)
    assert long.seconds > clip.LEARNT_SECONDS + 0.01
    fitting = prepare_clip(moving(frames(2000 // duration), duration=duration), 64)
    assert fitting.seconds == pytest.approx(clip.LEARNT_SECONDS)


def test_slides_are_no_clip_and_it_is_said_why():
    """They were told to have one frame."""
    with pytest.raises(UnusablePictureError, match="nothing moves in its first 2 seconds"):
        prepare_clip(moving(frames(3), duration=2500), 64)


def test_frames_that_say_no_time_last_as_browsers_have_it():
    """A GIF of delay 0 was no time at all: the sheet showed its last frame 16 times."""
    prepared = prepare_clip(moving(frames(20), duration=0), 128)
    assert prepared.seconds == pytest.approx(2.0)
    assert len(set(places(prepared.image))) > 10


def test_a_frame_is_kept_up_to_its_border_on_white():
    wide = [Image.new("RGB", (120, 60), (10 * number, 0, 90)) for number in range(16)]
    sheet = prepare_clip(moving(wide), 128).image
    first = np.asarray(frames_of_sheet(sheet)[0])
    assert sheet.mode == "RGB"
    assert (first[:7] == 255).all() and (first[-7:] == 255).all()
    assert (first[9:-9] < 200).any(axis=2).all()


@pytest.mark.parametrize("size", [32, 80, 128, 224, 512])
def test_a_sheet_is_written_and_read_as_it_was(size):
    """Grey to the last pixel; the same bytes each time, whatever the mode."""
    rng = np.random.default_rng(size)
    sheet = Image.fromarray(rng.integers(0, 256, (size, size), np.uint8))
    written = gif_bytes(sheet)
    assert written == gif_bytes(sheet.convert("RGB"))
    again = prepare_clip(io.BytesIO(written), size)
    assert np.array_equal(np.asarray(again.image), np.asarray(sheet))
    assert again.seconds == pytest.approx(clip.LEARNT_SECONDS)
    with Image.open(io.BytesIO(written)) as file:
        assert (file.size, file.n_frames) == ((size // 4, size // 4), 16)
        assert file.info["loop"] == 0


def test_colours_of_a_clip_stay_near():
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
    sheet = small.resize((128, 128), Image.Resampling.BICUBIC)
    again = prepare_clip(io.BytesIO(gif_bytes(sheet)), 128).image
    assert np.abs(np.asarray(again).astype(int) - np.asarray(sheet)).mean() < 12


def test_what_moves_is_told_from_what_stands_still(tmp_path):
    """By the file's parts: a still GIF, WebP or PNG is a picture as ever."""
    for kind in KINDS:
        assert medium_of_open(moving(frames(3), kind)) == CLIP
        assert medium_of_open(moving(frames(1), kind)) == PICTURE
        # as a picture its first frame is read
        assert whole_picture(moving(frames(3, mode="RGB"), kind)).size == (64, 64)
    (tmp_path / "a.mov").write_bytes(b"damaged")
    assert medium_of_file(tmp_path / "a.mov") == CLIP
    with pytest.raises(UnusablePictureError, match="a clip, where a picture is wanted"):
        whole_picture(io.BytesIO(MP4))


def test_a_sound_in_the_container_of_a_video_stays_a_sound():
    """Recorders write .m4a files whose brand is that of any MP4."""
    assert kind_of(MP4, "voice.m4a") == "AAC"
    assert kind_of(MP4, "voice") == "MP4"


def test_a_picture_for_those_who_see_no_motion_is_no_frame():
    still = Image.new("L", (64, 64), 0)
    shown = frames(8)
    file = io.BytesIO()
    still.save(file, "PNG", save_all=True, append_images=shown, default_image=True, duration=100)
    assert places(prepare_clip(file, 128).image)[-1] == pytest.approx(14 / 64, abs=0.05)


# ---- hostile files -------------------------------------------------------------------------------


MP4 = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(200)
NOISE = np.random.default_rng(0).bytes(5000)


# the picture of 10 x 10 pixels that each explanation of GIF shows
GIF_DATA = bytes.fromhex("02168c2d99872a1cdc33a00275ec95faa8de608c04914c0100")


def gif_of(parts, side=10):
    """A GIF file of any parts. side: that its header says."""
    head = b"GIF89a" + struct.pack("<HH", side, side) + b"\x81\0\0" + bytes(9) + b"\xff" * 3
    return head + b"".join(parts) + b";"


def gif_frame(side=10, data=GIF_DATA):
    """A picture within a GIF, of any size."""
    return b"," + struct.pack("<HHHHB", 0, 0, side, side, 0) + data


def apng(shown, **changes):
    """An APNG with other numbers in its part acTL."""
    data = bytearray(moving(shown, "PNG").getvalue())
    place = data.index(b"acTL")
    data[place + 4 : place + 8] = struct.pack(">I", changes["says"])
    data[place + 12 : place + 16] = struct.pack(">I", zlib.crc32(data[place : place + 12]))
    return bytes(data)


def bomb(kind):
    """Frames of nothing: some kilobytes that are 128 million pixels."""
    return moving([Image.new("L", (4000, 4000), tone) for tone in (255, 0) * 4], kind).getvalue()


def hostile():
    """{what: its bytes}."""
    gif, webp, png = (moving(frames(), kind).getvalue() for kind in KINDS)
    comment = b"!\xfe" + (b"\xff" + bytes(255)) * 20_000 + b"\0"
    return {
        "nothing": b"",
        "noise": NOISE,
        "a header alone": b"GIF89a",
        "a cut GIF": gif[: len(gif) // 2],
        "a cut WebP": webp[: len(webp) // 2],
        "a cut APNG": png[: len(png) // 2],
        "noise in a GIF": gif[:900] + NOISE,
        "noise in a WebP": webp[:300] + NOISE,
        "noise in an APNG": png[:200] + NOISE,
        "a single frame": moving(frames(1)).getvalue(),
        "frames without end": gif_of([gif_frame()] * 100_000),
        "frames that say to be huge": gif_of([gif_frame(), gif_frame(65_535)]),
        "a screen that says to be huge": gif_of([gif_frame()] * 3, side=65_535),
        "megabytes of remarks between frames": gif_of([gif_frame(), comment, gif_frame()]),
        "blocks of one byte": gif_of([gif_frame(), b"!\xfe" + b"\1a" * 10**6, gif_frame()]),
        "a bomb of GIF": bomb("GIF"),
        "a bomb of WebP": bomb("WEBP"),
        "a bomb of PNG": bomb("PNG"),
        "an APNG that promises frames": apng(frames(3), says=2**31 - 1),
        "an APNG that says one": apng(frames(3), says=1),
        "an MP4 of nothing": MP4,
        "a WebM of noise": b"\x1a\x45\xdf\xa3" + NOISE,
        "a list of files": b"ffconcat version 1.0\nfile /etc/passwd\n",
        "a picture": moving(frames(1), "PNG").getvalue(),
    }


HOSTILE = hostile()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_or_read_and_nothing_is_said(name, capfd):
    prepare_clip(moving(frames(3)), 64)
    with within(1):
        medium = medium_of_open(io.BytesIO(HOSTILE[name]))
        assert medium in (PICTURE, CLIP)
        try:
            assert prepare_clip(io.BytesIO(HOSTILE[name]), 64).image.size == (64, 64)
        except UnusablePictureError as error:
            assert re.fullmatch(r"[^\n/]{3,80}", str(error))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", KINDS)
def test_a_clip_of_too_many_pixels_is_refused_before_they_are_decoded(kind, monkeypatch):
    """Two seconds of it may be decoded to gigabytes, each frame within what a picture may have."""
    monkeypatch.setattr(clip, "MOST_PIXELS", 10 * 64 * 64)
    with pytest.raises(UnusablePictureError, match="too many pixels in its first seconds"):
        prepare_clip(moving(frames(), kind), 64)
    assert prepare_clip(moving(frames(9), kind), 64)


def test_one_frame_alone_may_not_fill_the_memory(monkeypatch):
    """A small file may hold one frame of 16,000 x 16,000, and each copy of it takes a gigabyte."""
    monkeypatch.setattr(clip, "MOST_FRAME_PIXELS", 63 * 64)
    with pytest.raises(UnusablePictureError, match="too many pixels"):
        prepare_clip(moving(frames(8)), 64)


def test_no_frame_after_the_second_second_is_decoded(monkeypatch):
    seen = []
    real = clip.fitted_frame
    monkeypatch.setattr(clip, "fitted_frame", lambda *given: seen.append(1) or real(*given))
    prepare_clip(moving(frames(60, (140, 64))), 64)
    assert len(seen) == 20


def test_a_huge_first_frame_is_not_walked_through():
    """What lies below a folder is only listed: megabytes of one picture would take seconds each."""
    parts = gif_of([gif_frame(data=b"\2" + b"\1a" * (2 * MAX_PARTS) + b"\0"), gif_frame()])
    assert medium_of_open(io.BytesIO(parts)) == PICTURE


# ---- videos --------------------------------------------------------------------------------------


def test_a_video_without_its_library_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UnusablePictureError, match=r"pip install -r requirements-clips\.txt"):
        prepare_clip(io.BytesIO(MP4), 64)


def video(shown, kind="mp4", codec="mpeg4", rate=10):
    """Frames as an open video."""
    av = pytest.importorskip("av", reason="pip install -r requirements-clips.txt")
    file = io.BytesIO()
    with av.open(file, "w", format=kind) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height = shown[0].size
        stream.pix_fmt = "yuv420p"
        for frame in shown:
            for packet in stream.encode(av.VideoFrame.from_image(frame.convert("RGB"))):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    file.seek(0)
    return file


@pytest.mark.parametrize("kind, codec", [("mp4", "mpeg4"), ("webm", "libvpx-vp9")])
def test_a_video_is_read_like_a_moving_picture(kind, codec):
    prepared = prepare_clip(video(frames(30, (128, 64)), kind, codec), 128)
    assert prepared.seconds == pytest.approx(2.0, abs=0.11)
    found = places(prepared.image)
    assert found == sorted(found)
    assert found[-1] - found[0] == pytest.approx(36 / 128, abs=0.06)


@pytest.mark.parametrize("kind, codec", [("mp4", "mpeg4"), ("webm", "libvpx-vp9")])
@pytest.mark.parametrize("kept", [40, 300, 0.5, 0.9])
def test_a_cut_video_is_refused_or_read_and_nothing_is_said(kind, codec, kept, capfd):
    data = video(frames(30), kind, codec).getvalue()
    data = data[: kept if kept > 1 else int(kept * len(data))]
    begin = time.process_time()
    try:
        prepare_clip(io.BytesIO(data), 64)
    except UnusablePictureError as error:
        assert re.fullmatch(r"[^\n/]{3,80}", str(error))
    assert time.process_time() - begin < 1
    assert capfd.readouterr() == ("", "")
