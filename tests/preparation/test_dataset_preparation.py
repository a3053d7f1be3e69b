"""Promises of dataset_preparation.py: every readable picture comes out right.

Every other one is counted, and nothing is done twice.
"""

import os
import signal
import subprocess
import sys
import time
import tracemalloc
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import dataset_preparation
from oneseed.config.preparation import PrepareConfig
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import read_json
from oneseed.media.picture import prepare_picture
from oneseed.preparation import duplicates, examine, journal
from oneseed.sources import kaggle
from oneseed.synthetic.engravings import attributes

ROOT = Path(__file__).resolve().parents[2]
SIZE = 32


def picture(seed, width=80, height=80, mode="RGB"):
    """A smooth picture that is no other's look-alike."""
    noise = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC).convert(mode)


@pytest.fixture
def folder(tmp_path):
    """Six pictures at several depths, of several formats, three with captions."""
    folder = tmp_path / "prints"
    (folder / "deep" / "deeper").mkdir(parents=True)
    for number, name in enumerate(
        ["a.png", "b.JPG", "c.webp", "deep/d.tiff", "deep/e.bmp", "deep/deeper/f.gif"]
    ):
        picture(number).save(folder / name)
    (folder / "metadata.jsonl").write_text(
        '{"file_name": "a.png", "caption": "A castle"}\n'
        '{"file_name": "deep/d.tiff", "title": "A ship"}\n',
        "utf-8",
    )
    (folder / "b.txt").write_text("A tree\n by the sea\n", "utf-8")
    return folder


def run_main(source, tmp_path, **flags):
    config = PrepareConfig(
        **{
            "source": str(source),
            "style": "engraving",
            "image_size": SIZE,
            "workers": 1,
            "data": str(tmp_path / "data"),
            **flags,
        }
    )
    assert not dataset_preparation.main(config)
    collection = Collection(config.style, config.data)
    return collection, collection.read_metadata(), read_json(collection.report)


def snapshot(data, but=()):
    return {
        path: (path.lstat().st_mtime_ns, path.lstat().st_ino)
        for path in Path(data).rglob("*")
        if path.is_file() and path.name not in but
    }


def contents(data):
    return {
        path.relative_to(data): path.read_bytes()
        for path in Path(data).rglob("*")
        if path.is_file() and path.name != "prepared.jsonl"
    }


# What comes out


def test_a_folder_becomes_records_pictures_and_pixels(folder, tmp_path):
    collection, rows, report = run_main(folder, tmp_path)
    assert [row["original"] for row in rows] == [
        "a.png",
        "b.JPG",
        "c.webp",
        "deep/d.tiff",
        "deep/deeper/f.gif",
        "deep/e.bmp",
    ]
    assert [row["caption"] for row in rows] == [
        "A castle",
        "A tree by the sea",
        "",
        "A ship",
        "",
        "",
    ]
    assert all(
        row["id"] == row["sha256"][:16]
        and row["filename"] == row["id"] + ".png"
        and row["style"] == "engraving"
        for row in rows
    )
    assert sorted(os.listdir(collection.resized)) == sorted(row["filename"] for row in rows)
    pixels = np.load(collection.pixels(SIZE))
    ids = read_json(collection.pixels_ids(SIZE))
    assert ids.pop("checksums") == [zlib.crc32(pixels)]
    assert ids == {"size": SIZE, "ids": [row["id"] for row in rows]}
    assert pixels.shape == (
        6,
        SIZE,
        SIZE,
        3,
    )
    for row, stored in zip(rows, pixels):
        assert (
            np.asarray(Image.open(collection.resized / row["filename"]).convert("RGB")) == stored
        ).all()
    assert (
        report["found"],
        report["prepared"],
        report["rejected"],
        report["duplicates"],
        report["with_caption"],
    ) == (6, 6, 0, 0, 3)
    assert all(
        (collection.raw / (row["id"] + Path(row["original"]).suffix.lower())).read_bytes()
        == (folder / row["original"]).read_bytes()
        for row in rows
    )


def opened(image, tmp_path, name, smallest=8, **options):
    image.save(tmp_path / name, **options)
    with open(tmp_path / name, "rb") as file:
        return prepare_picture(file, SIZE, smallest).image


@pytest.mark.parametrize(
    "name, image, mean",
    [
        # convert("L") would give 255
        ("sixteen.png", Image.fromarray(np.full((40, 40), 32896, np.uint16)), 128),
        ("dark16.tif", Image.fromarray(np.full((40, 40), 2570, np.uint16)), 10),
        ("integer.tif", Image.fromarray(np.full((40, 40), 32896, np.int32)), 128),
        # convert("L") would give 0
        ("float.tif", Image.fromarray(np.full((40, 40), 0.5, np.float32)), 128),
        ("float255.tif", Image.fromarray(np.full((40, 40), 100, np.float32)), 100),
        (
            "stretched.tif",
            Image.fromarray(np.linspace(-3, 5, 1600, dtype=np.float32).reshape(40, 40)),
            127.5,
        ),
        ("bit.png", Image.fromarray(np.full((40, 40), 255, np.uint8)).convert("1"), 255),
        ("cmyk.jpg", Image.new("CMYK", (40, 40), (0, 0, 0, 127)), 128),
    ],
)
def test_every_depth_keeps_its_brightness(tmp_path, name, image, mean):
    assert abs(np.asarray(opened(image, tmp_path, name)).mean() - mean) < 1.5


def test_line_art_on_transparency_stays_black_on_white(tmp_path):
    """Dropping alpha makes black lines on nothing all black, silently."""
    art = np.zeros((40, 40, 4), np.uint8)
    # a black square, a quarter of the area
    art[10:30, 10:30, 3] = 255
    rgba = Image.fromarray(art)
    palette = Image.new("P", (40, 40), 1)
    palette.putpalette([0, 0, 0, 0, 0, 0])
    palette.paste(0, (10, 10, 30, 30))
    for image, name, options in (
        (rgba, "rgba.png", {}),
        (rgba.convert("LA"), "la.png", {}),
        (rgba, "art.webp", {"lossless": True}),
        (palette, "palette.png", {"transparency": 1}),
        (palette, "art.gif", {"transparency": 1}),
    ):
        result = opened(image, tmp_path, name, **options)
        assert result.mode == "L", (
            name,
            result.mode,
            np.asarray(result).mean(),
        )
        assert abs(np.asarray(result).mean() - 191) < 3, (
            name,
            result.mode,
            np.asarray(result).mean(),
        )


def test_the_whole_picture_is_kept_on_white(tmp_path):
    result = np.asarray(opened(Image.new("L", (80, 40), 0), tmp_path, "wide.png"))
    assert (result[:8] == 255).all()
    assert (result[-8:] == 255).all()
    assert (result[8:-8] == 0).all()
    assert np.asarray(opened(Image.new("L", (2000, 16), 0), tmp_path, "strip.png")).min() == 0


def test_photographs_lying_on_their_side_are_turned_up(tmp_path):
    # black above white
    half = Image.fromarray(np.repeat(np.array([[0], [255]], np.uint8), 40, 0).repeat(80, 1))
    exif = Image.Exif()
    # upside down
    exif[0x0112] = 3
    result = np.asarray(opened(half, tmp_path, "turned.jpg", exif=exif, quality=95))
    assert result[4].mean() > 240
    assert result[-5].mean() < 15


def test_grey_stays_grey_and_sepia_stays_coloured(tmp_path):
    grey = np.asarray(picture(1, mode="L"))
    assert (
        opened(
            Image.fromarray(np.stack([grey, grey, grey // 2 * 2], -1)), tmp_path, "nearly.png"
        ).mode
        == "L"
    )
    assert opened(Image.new("RGB", (40, 40), (200, 190, 160)), tmp_path, "sepia.png").mode == "RGB"


def test_metadata_of_the_original_is_left_behind(folder, tmp_path):
    picture(9).save(folder / "a.png", icc_profile=b"profile", dpi=(300, 300))
    picture(9, mode="P").save(folder / "p.gif", comment=b"secret", transparency=3)
    collection, rows, _ = run_main(folder, tmp_path)
    assert all(not Image.open(collection.resized / row["filename"]).info for row in rows)


def test_grey_collections_get_a_grey_cache(tmp_path):
    (tmp_path / "grey").mkdir()
    for seed in range(3):
        picture(seed, mode="L").convert("RGB").save(tmp_path / "grey" / f"{seed}.png")
    collection, _rows, report = run_main(tmp_path / "grey", tmp_path)
    assert np.load(collection.pixels(SIZE)).shape == (3, SIZE, SIZE)
    assert report["grey"] == 3


# What does not come out


def test_unreadable_pictures_are_counted_not_fatal(folder, tmp_path):
    """One bad file of thousands must neither stop the run nor vanish."""
    whole = (folder / "b.JPG").read_bytes()
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "page.jpg").write_text("<html>404</html>")
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "cut.png").write_bytes((folder / "a.png").read_bytes()[:-200])
    picture(20, 80, 20).save(folder / "strip.png")
    Image.new("1", (10_000, 10_000)).save(folder / "bomb.png")
    (folder / ".hidden.jpg").write_bytes(b"not counted")
    (folder / "notes.pdf").write_bytes(b"not counted")
    with open(folder / "metadata.jsonl", "a", encoding="utf-8") as file:
        file.write('{"file_name": "gone.png", "caption": "Nothing"}\n')
    _, rows, report = run_main(folder, tmp_path)
    reasons = {row["path"]: row["reason"] for row in report["rejected_files"]}
    assert reasons.pop("notes.pdf") == "neither pictures nor captions: 1 .pdf"
    assert report["passed_over"] == 1, "named, and no picture is lost"
    assert reasons.keys() == {
        "empty.jpg",
        "page.jpg",
        "cut.jpg",
        "cut.png",
        "strip.png",
        "bomb.png",
        "gone.png",
    }
    assert all(
        reasons[name].startswith("unreadable")
        for name in ("empty.jpg", "page.jpg", "cut.jpg", "cut.png")
    )
    assert reasons["strip.png"] == "smaller than 64 px"
    assert "pixels" in reasons["bomb.png"]
    assert reasons["gone.png"] == "image not found"
    assert len(rows) == 6
    assert report["rejected"] == 7 == sum(report["rejected_by_reason"].values())
    assert (
        report["found"]
        == report["prepared"] + report["rejected"] + report["duplicates"] + report["other_style"]
        == 13
    )


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_file_whose_name_is_no_text_is_named_and_stops_nothing(folder, tmp_path):
    """Of one such name among thousands, from an old CD, no report could be written."""
    with open(os.path.join(bytes(folder), b"caf\xe9.png"), "wb") as file:
        picture(21).save(file, "PNG")
    _, rows, report = run_main(folder, tmp_path)
    assert len(rows) == 6
    assert [(row["path"], row["reason"]) for row in report["rejected_files"]] == [
        ("caf\\udce9.png", "a name that is no UTF-8")
    ]


def test_duplicates_are_merged_and_keep_the_caption(folder, tmp_path):
    (folder / "z").mkdir()
    (folder / "z" / "copy of c.webp").write_bytes((folder / "c.webp").read_bytes())
    (folder / "z" / "copy of c.txt").write_text("A tower")
    # other bytes, equal pixels
    Image.open(folder / "a.png").save(folder / "z" / "a.bmp")
    collection, rows, report = run_main(folder, tmp_path)
    assert report["duplicates"] == 2
    assert len(rows) == 6 == len(os.listdir(collection.resized))
    assert {row["original"]: row["caption"] for row in rows}["c.webp"] == "A tower"
    assert {row["path"]: row["same_as"] for row in report["duplicate_files"]} == {
        "z/copy of c.webp": "c.webp",
        "z/a.bmp": "a.png",
    }


def test_a_picture_whose_twin_is_taken_away_comes_back(folder, tmp_path):
    Image.open(folder / "a.png").save(folder / "zz.bmp")
    collection, _, _ = run_main(folder, tmp_path)
    (folder / "a.png").unlink()
    collection, rows, report = run_main(folder, tmp_path)
    assert "zz.bmp" in {row["original"] for row in rows}
    assert sorted(os.listdir(collection.resized)) == sorted(row["filename"] for row in rows)
    assert {row["reason"] for row in report["rejected_files"]} == {"image not found"}


def test_look_alikes_share_a_group(folder, tmp_path):
    """The same plate in training and, smaller, in validation would flatter every figure."""
    big = picture(0, 400, 200)
    big.resize((200, 100), Image.Resampling.LANCZOS).save(folder / "a.png")
    big.save(folder / "again.jpg", quality=75)
    _, rows, report = run_main(folder, tmp_path)
    group = {row["original"]: row["group"] for row in rows}
    assert group["a.png"] == group["again.jpg"]
    assert len(set(group.values())) == len(rows) - 1
    assert report["look_alikes"] == 1


def test_drawings_that_look_alike_on_purpose_are_no_look_alikes(tmp_path):
    """Of 30,000 screens 26,850 stood in 303 groups: whole layouts were never trained on."""
    flags = {"image_size": 128, "max_samples": 200}
    _, rows, report = run_main("screens", tmp_path, style="screens", **flags)
    assert report["look_alikes"] == 0
    assert all(row["group"] == row["id"] for row in rows)
    # the same pictures as a folder of one's own
    folder = tmp_path / "data/raw/screens"
    _, _, report = run_main(folder, tmp_path / "own", **flags)
    assert report["look_alikes"] > 0


def test_chains_of_look_alikes_become_one_group():
    # 10 bits between neighbours
    steps = np.packbits(
        np.tril(np.ones((4, 4), np.uint8), -1).repeat(10, 1), axis=1, bitorder="little"
    )
    looks = [row.tobytes().ljust(32, b"\0").hex() for row in steps]
    far = "ff" * 32
    assert duplicates.look_alikes(looks) == [0, 0, 0, 0]
    assert duplicates.look_alikes([far, looks[0], looks[3], looks[1], looks[2], far]) == [
        0,
        1,
        1,
        1,
        1,
        0,
    ]
    assert duplicates.look_alikes([looks[0], looks[2]]) == [0, 1]


def test_look_alikes_of_many_pictures_take_little_memory():
    """All pairs at once would be 3 GB here, and 80 GB of a hundred thousand pictures.

    A blank page that was scanned a thousand times took minutes.
    """
    looks = [
        row.tobytes().hex()
        for row in np.random.default_rng(0).integers(0, 256, (10_000, 32), dtype=np.uint8)
    ]
    looks[::10] = ["00" * 32] * 1000
    tracemalloc.start()
    first = duplicates.look_alikes(looks)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert first == [number if number % 10 else 0 for number in range(10_000)], most
    assert most < 20 * 2**20, most


def test_only_pictures_of_the_style_are_taken(folder, tmp_path):
    (folder / "metadata.jsonl").write_text(
        '{"file_name": "a.png", "style": "Engraving"}\n'
        '{"file_name": "b.JPG", "style": "painting"}\n',
        "utf-8",
    )
    (folder / "Drawings").mkdir()
    picture(30).save(folder / "Drawings" / "d.png")
    _, rows, report = run_main(folder, tmp_path)
    assert len(rows) == 5
    assert report["other_styles"] == {"painting": 1, "drawings": 1}
    assert report["found"] == 7
    _, rows, _ = run_main(folder, tmp_path, style="all")
    assert {row["original"]: row["style"] for row in rows}["Drawings/d.png"] == "drawings"
    assert len(rows) == 7


def test_all_styles_together_keep_their_own(tmp_path):
    """Rows give it in one folder, names of folders in the other; else it is the collection's."""
    art = tmp_path / "art"
    more = tmp_path / "more"
    for number, path in enumerate(
        (
            art / "a.png",
            art / "b.png",
            art / "c.png",
            more / "Paintings" / "d.png",
            more / "engraving" / "e.png",
            more / "f.png",
        )
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(number).save(path)
    (art / "metadata.jsonl").write_text(
        "".join(
            f'{{"file_name": "{name}.png", "style": "{style}", "caption": "a castle"}}\n'
            for name, style in (("a", "engraving"), ("b", "Sculpture"), ("c", "watercolour"))
        )
    )
    collection, rows, report = run_main(f"{art},{more}", tmp_path, style="all")
    assert {row["original"]: row["style"] for row in rows} == {
        "art/a.png": "engraving",
        "art/b.png": "sculpture",
        "art/c.png": "watercolour",
        "more/Paintings/d.png": "painting",
        "more/engraving/e.png": "engraving",
        "more/f.png": "all",
    }
    assert collection.metadata.name == "all_metadata.json"
    assert len(os.listdir(collection.resized)) == 6
    assert not report["other_style"]


# Several folders


def test_several_folders_become_one_collection_without_duplicates(folder, tmp_path, capsys):
    more = tmp_path / "more"
    more.mkdir()
    # another picture of the same name
    picture(60).save(more / "a.png")
    (more / "copy.webp").write_bytes((folder / "c.webp").read_bytes())
    (more / "metadata.jsonl").write_text(
        '{"file_name": "a.png", "caption": "A bridge"}\n'
        '{"file_name": "copy.webp", "caption": "A mill"}\n'
    )
    collection, alone, _ = run_main(folder, tmp_path)
    _, rows, report = run_main(f"{folder}, {more}", tmp_path)
    assert (len(rows), report["found"], report["duplicates"]) == (7, 8, 1)
    assert report["duplicate_files"][0]["path"] == "more/copy.webp"
    assert {
        row["original"]: row["caption"]
        for row in rows
        if row["original"].split("/")[-1] in ("a.png", "c.webp")
    } == {"prints/a.png": "A castle", "more/a.png": "A bridge", "prints/c.webp": "A mill"}
    assert {row["id"] for row in alone} < {row["id"] for row in rows}
    assert {row["source"] for row in rows} == {folder.as_posix(), more.as_posix()}
    assert report["source"] == f"{folder.as_posix()}, {more.as_posix()}"
    assert all(
        (collection.raw / (row["id"] + Path(row["original"]).suffix.lower())).read_bytes()
        == (tmp_path / row["original"]).read_bytes()
        for row in rows
    )
    assert "is replaced" not in capsys.readouterr().out
    before = snapshot(tmp_path / "data")
    run_main(f"{folder},{more}", tmp_path)
    assert snapshot(tmp_path / "data") == before


def test_a_folder_and_a_part_of_it_are_no_two_collections(folder, tmp_path):
    for _ in range(2):
        _, rows, report = run_main(f"{folder},{folder / 'deep'}", tmp_path)
        assert (len(rows), report["found"], report["duplicates"], report["rejected"]) == (
            6,
            9,
            3,
            0,
        )


def test_overlapping_folders_prepare_nothing_twice(folder, tmp_path):
    """The twin in the first folder alone was prepared in every run, and then removed as stale."""
    Image.open(folder / "deep" / "d.tiff").save(folder / "zz.bmp")
    run_main(f"{folder},{folder / 'deep'}", tmp_path)
    before = snapshot(tmp_path / "data")
    run_main(f"{folder},{folder / 'deep'}", tmp_path)
    assert snapshot(tmp_path / "data") == before


def test_a_comma_in_a_folder_s_name_is_no_separator(folder, tmp_path):
    folder.rename(tmp_path / "prints, old and new")
    _, rows, report = run_main(tmp_path / "prints, old and new", tmp_path)
    assert len(rows) == 6
    assert report["source"] == (tmp_path / "prints, old and new").as_posix()


def test_originals_that_lie_in_raw_stay_when_another_folder_joins(folder, tmp_path):
    collection, _, _ = run_main(folder, tmp_path)
    there = sorted(os.listdir(collection.raw))
    (tmp_path / "more").mkdir()
    picture(61).save(tmp_path / "more" / "x.png")
    for _ in range(2):
        _, rows, _ = run_main(f"{collection.raw},{tmp_path / 'more'}", tmp_path)
        assert len(rows) == 7
        assert sorted(os.listdir(collection.raw)) == there


def test_max_samples_takes_a_sample_that_only_grows(folder, tmp_path):
    collection, few, report = run_main(folder, tmp_path, max_samples=2)
    assert "--max-samples 2" in collection.prepare_again()
    _, more, _ = run_main(folder, tmp_path, max_samples=4)
    assert len(few) == 2
    assert len(more) == 4
    assert report["beyond_max_samples"] == 4
    assert {row["id"] for row in few} <= {row["id"] for row in more}


# Again, and after interruptions


def test_a_second_run_redoes_nothing(folder, tmp_path):
    (folder / "bad.jpg").write_bytes(b"bad")
    run_main(folder, tmp_path)
    before = snapshot(tmp_path / "data")
    run_main(folder, tmp_path)
    assert snapshot(tmp_path / "data") == before


def test_captions_and_splits_survive_preparing_again(folder, tmp_path):
    collection, rows, _ = run_main(folder, tmp_path)
    for number, row in enumerate(rows):
        row |= {"caption": f"An engraving of number {number}", "split": "train"}
    collection.write_metadata(rows)
    picture(40).save(folder / "0 new.png")
    for size in (SIZE, 48):
        _, again, _ = run_main(folder, tmp_path, image_size=size)
        assert {
            row["id"]: (row["caption"], row.get("split"))
            for row in again
            if row["original"] != "0 new.png"
        } == {row["id"]: (row["caption"], "train") for row in rows}


def test_a_caption_corrected_at_its_source_is_taken_over(folder, tmp_path):
    run_main(folder, tmp_path)
    (folder / "b.txt").write_text("An oak")
    _, rows, _ = run_main(folder, tmp_path)
    assert {row["original"]: row["caption"] for row in rows}["b.JPG"] == "An oak"


def test_another_size_prepares_again_and_leaves_nothing_old(folder, tmp_path):
    run_main(folder, tmp_path)
    collection, rows, report = run_main(folder, tmp_path, image_size=48)
    assert {Image.open(collection.resized / row["filename"]).size for row in rows} == {(48, 48)}
    assert report["size"] == 48
    assert not collection.pixels(SIZE).exists()
    assert not collection.pixels_ids(SIZE).exists()
    assert collection.pixels(48).exists()


def test_another_source_replaces_the_collection_and_says_so(folder, tmp_path, capsys):
    run_main(folder, tmp_path)
    (tmp_path / "other").mkdir()
    picture(50).save(tmp_path / "other" / "x.png")
    capsys.readouterr()
    collection, rows, _ = run_main(tmp_path / "other", tmp_path)
    assert os.listdir(collection.resized) == [rows[0]["filename"]]
    assert len(os.listdir(collection.raw)) == 1
    assert (
        f"came from {folder.as_posix()} before (6 pictures) and is replaced"
        in capsys.readouterr().out
    )
    assert len(list(folder.rglob("*.*"))) == 8, "the user's folder is only read"


def test_an_interrupted_run_goes_on_and_ends_the_same(folder, tmp_path, monkeypatch):
    """Ctrl+C after two pictures, then a torn line as a kill leaves it: the rest is prepared."""
    run_main(folder, tmp_path / "whole")
    calls = []
    real = examine.prepare_file

    def interrupted(path, *rest):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(path)
        return real(path, *rest)

    monkeypatch.setattr(journal, "EXAMINED_PER_TASK", 1)
    monkeypatch.setattr(examine, "prepare_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_main(folder, tmp_path)
    collection = Collection("engraving", tmp_path / "data")
    assert not collection.metadata.exists()
    assert len(os.listdir(collection.resized)) == 2
    with open(collection.processed / "prepared.jsonl", "a") as file:
        file.write('{"path": "c.we')
    monkeypatch.setattr(
        examine,
        "prepare_file",
        lambda *arguments: calls.append(arguments[0]) or real(*arguments),
    )
    run_main(folder, tmp_path)
    assert len(calls) == len(set(calls)) == 6
    assert contents(tmp_path / "data") == contents(tmp_path / "whole" / "data")


def test_prepared_pictures_that_were_removed_come_back(folder, tmp_path):
    collection, rows, _ = run_main(folder, tmp_path)
    before = contents(tmp_path / "data")
    (collection.resized / rows[2]["filename"]).unlink()
    (collection.resized / f"{'0' * 16}.png").write_bytes(b"of an earlier source")
    collection.pixels_ids(SIZE).write_text("{")
    run_main(folder, tmp_path)
    assert contents(tmp_path / "data") == before


def test_a_picture_that_went_bad_unnoticed_is_rejected_once_it_is_needed_again(folder, tmp_path):
    """By length and time of change it is the one prepared before; what was known must go."""
    collection, rows, _ = run_main(folder, tmp_path)
    path = folder / "a.png"
    state = (folder / "a.png").stat()
    path.write_bytes(bytes(state.st_size))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    (
        collection.resized / next(row["filename"] for row in rows if row["original"] == "a.png")
    ).unlink()
    for _ in range(2):
        _, rows, report = run_main(folder, tmp_path)
        assert len(rows) == 5
        assert [(row["path"], row["reason"]) for row in report["rejected_files"]] == [
            ("a.png", "unreadable (not a picture)")
        ]


def test_worker_processes_give_what_one_process_gives(tmp_path):
    (tmp_path / "many").mkdir()
    for seed in range(40):
        picture(seed).save(tmp_path / "many" / f"{seed}.png")
    run_main(tmp_path / "many", tmp_path / "one")
    run_main(tmp_path / "many", tmp_path / "two", workers=2)
    assert contents(tmp_path / "one" / "data") == contents(tmp_path / "two" / "data")


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_ends_workers_too_and_in_one_sentence(tmp_path):
    (tmp_path / "many").mkdir()
    for seed in range(80):
        picture(seed, 100, 100).save(tmp_path / "many" / f"{seed}.png")
    command = [
        sys.executable,
        str(ROOT / "dataset_preparation.py"),
        "--source",
        str(tmp_path / "many"),
        "--image-size",
        "512",
        "--workers",
        "2",
        "--data",
        str(tmp_path / "data"),
    ]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    journal = tmp_path / "data/processed/engraving/prepared.jsonl"
    end = time.monotonic() + 30
    while (
        not (journal.exists() and len(journal.read_bytes().splitlines()) > 8)
        and time.monotonic() < end
    ):
        time.sleep(0.02)
    # what a terminal does: every process of the group
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert "interrupted" in errors, errors
    assert "Traceback" not in errors, errors
    # no worker is left behind
    with pytest.raises(ProcessLookupError):
        for _ in range(100):
            os.killpg(process.pid, 0)
            time.sleep(0.05)
    done = len(journal.read_bytes().splitlines()) - 1
    assert 0 < done < 80, done
    before = snapshot(tmp_path / "data/processed/engraving/resized")
    assert subprocess.run(command, capture_output=True).returncode == 0
    after = snapshot(tmp_path / "data/processed/engraving/resized")
    assert len(after) == 80
    assert sum(after[path] == before[path] for path in before) >= done


# The user's mistakes


@pytest.mark.parametrize(
    "source, sentence",
    [
        ("nowhere", "is no folder"),
        ("empty", "holds no pictures"),
        ("empty,nowhere", "is no folder"),
    ],
)
def test_missing_and_empty_folders_are_named(tmp_path, source, sentence):
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        UserError,
        match=f"{source.split(',')[-1]}.*{sentence}.*python dataset_preparation.py --source PATH",
    ) as caught:
        run_main(tmp_path / source, tmp_path)
    assert caught.value.code == 2
    assert not (tmp_path / "data").exists()


def test_without_the_library_of_the_hub_the_command_that_brings_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(
        UserError,
        match="hf:owner/name needs the library datasets: pip install 'datasets>=4', "
        "then run the same command again",
    ):
        run_main("hf:owner/name", tmp_path)


def test_nothing_usable_ends_with_code_1_and_the_reasons(tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.jpg").write_bytes(b"bad")
    with pytest.raises(UserError, match="none of the 1 pictures.*1 unreadable") as caught:
        run_main(tmp_path / "bad", tmp_path)
    assert caught.value.code == 1
    assert not Collection("engraving", tmp_path / "data").metadata.exists()


def test_another_style_is_suggested_where_none_fits(tmp_path):
    (tmp_path / "art" / "painting").mkdir(parents=True)
    picture(1).save(tmp_path / "art" / "painting" / "x.png")
    with pytest.raises(UserError, match="is of style sculpture.*--style painting"):
        run_main(tmp_path / "art", tmp_path, style="sculpture")


# Kaggle and the built-in collection


def test_kaggle_without_network_fails_in_one_sentence_with_two_ways_on(tmp_path):
    """The real clients, sent to a closed port."""
    began = time.monotonic()
    closed = {
        "KAGGLE_API_ENVIRONMENT": "TEST",
        "KAGGLEHUB_CACHE": str(tmp_path / "cache"),
        "HOME": str(tmp_path),
        "KAGGLE_CONFIG_DIR": str(tmp_path),
    }
    result = subprocess.run(
        [sys.executable, str(ROOT / "dataset_preparation.py"), "--data", str(tmp_path / "data")],
        text=True,
        capture_output=True,
        env=os.environ | closed,
    )
    assert result.returncode == 2
    assert time.monotonic() - began < 20
    (error,) = [line for line in result.stderr.splitlines() if line]
    assert error.startswith("error: ")
    assert "no network" in error
    assert "KAGGLE_API_TOKEN" in error
    assert "--source PATH" in error
    assert "--source builtin" in error
    assert not (tmp_path / "data").exists()


def test_kaggle_that_refuses_and_finds_no_credentials_says_so(tmp_path, monkeypatch):
    import kagglehub

    def refuse(handle):
        raise ValueError("403")

    def ends_the_process(folder):
        raise SystemExit(1)

    monkeypatch.setattr(kagglehub, "dataset_download", refuse)
    monkeypatch.setattr(kaggle, "from_kaggle", ends_the_process)
    with pytest.raises(
        UserError, match="no credentials.*KAGGLE_API_TOKEN.*--source builtin"
    ) as caught:
        run_main("kaggle", tmp_path)
    assert caught.value.code == 2


def test_both_trees_of_kaggle_are_searched_and_merged(tmp_path, monkeypatch):
    import kagglehub

    for number, place in enumerate(
        (
            "dataset/dataset_updated/training_set/engraving",
            "dataset/dataset_updated/validation_set/engraving",
            "musemart/dataset_updated/training_set/engraving",
            "musemart/dataset_updated/training_set/drawings",
        )
    ):
        (tmp_path / "cache" / place).mkdir(parents=True)
        picture(number).save(tmp_path / "cache" / place / "i - 1.jpeg")
        picture(7).save(tmp_path / "cache" / place / "everywhere.jpg")
    monkeypatch.setattr(
        kagglehub,
        "dataset_download",
        lambda handle: str(tmp_path / "cache") if handle.endswith("/versions/2") else 1 / 0,
    )
    _, rows, report = run_main("kaggle", tmp_path)
    assert (len(rows), report["found"], report["other_style"], report["duplicates"]) == (4, 8, 2, 2)
    assert {row["source"] for row in rows} == {f"kaggle {kaggle.KAGGLE}"}


def test_the_builtin_collection_never_writes_into_another_style(tmp_path):
    config = PrepareConfig(
        source="builtin", image_size=SIZE, max_samples=6, workers=1, smallest=8, data=str(tmp_path)
    )
    assert config.style == "builtin"
    dataset_preparation.main(config)
    assert not [path for path in tmp_path.rglob("*") if "engraving" in path.name]
    with pytest.raises(ValueError, match="builtin"):
        PrepareConfig(source="builtin", style="painting")
    with pytest.raises(ValueError, match="builtin"):
        PrepareConfig(source="somewhere", style="builtin")


def test_the_builtin_collection_is_drawn_once_per_level_and_size(tmp_path):

    flags = dict(max_samples=6, smallest=8, style="builtin")
    collection, rows, report = run_main("builtin", tmp_path, **flags)
    assert report["source"] == f"{attributes.COLLECTION} level 5"
    assert len(rows) == 6
    assert report["grey"] == 6
    assert [row["caption"] for row in rows] == [
        attributes.tell(facts, seed, 5) for seed, facts in enumerate(attributes.collection(6, 5, 0))
    ]
    before = snapshot(tmp_path / "data")
    run_main("builtin", tmp_path, **flags)
    assert snapshot(tmp_path / "data") == before
    lost = next(collection.raw.glob("*.png"))
    lost.unlink()
    run_main("builtin", tmp_path, **flags)
    after = snapshot(tmp_path / "data", but={"prepared.jsonl"})
    assert after.keys() == snapshot(tmp_path / "data", but={"prepared.jsonl"}).keys()
    assert all(after[path] == before[path] for path in collection.raw.glob("*.png") if path != lost)
    _, easier, _ = run_main("builtin", tmp_path, level=1, **flags)
    assert len(list(collection.raw.glob("*.png"))) == 6 == len(os.listdir(collection.resized))
    assert not {row["id"] for row in easier} & {row["id"] for row in rows}


@pytest.mark.skipif(
    "ENGRAVINGS" not in os.environ, reason="set ENGRAVINGS to the folder of real pictures"
)
def test_real_engravings_give_the_true_counts(tmp_path):
    collection, rows, report = run_main(os.environ["ENGRAVINGS"], tmp_path, workers=2)
    assert (
        report["found"],
        report["other_style"],
        report["rejected"],
        report["duplicates"],
        len(rows),
    ) == (1034, 186, 0, 0, 848)
    assert len(os.listdir(collection.resized)) == 848
    assert all(row["caption"] for row in rows)
    # 161 within the plates, and white around them
    assert 150 < np.load(collection.pixels(SIZE)).mean() < 215


@pytest.mark.skipif(
    "ENGRAVINGS" not in os.environ, reason="set ENGRAVINGS to the folder of real pictures"
)
def test_real_pictures_of_all_styles_keep_theirs(tmp_path):
    _, rows, report = run_main(os.environ["ENGRAVINGS"], tmp_path, style="all", workers=2)
    assert Counter(row["style"] for row in rows) == {
        "engraving": 848,
        "drawings": 72,
        "sculpture": 61,
        "painting": 53,
    }
    assert not report["other_style"]
