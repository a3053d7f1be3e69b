"""Promises of --check: it tells what a source is before anything is prepared.

Names and captions of strangers take no effect on the way.
"""

import html.parser
import json
import os
import re

import numpy as np
import pytest
from PIL import Image, ImageFilter

import dataset_preparation
from oneseed.config.preparation import PrepareConfig
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import read_json, write_jsonl
from oneseed.preparation import check as check_module
from oneseed.preparation import check_page, examine, journal
from oneseed.preparation.check_measures import measure_picture
from tests.preparation.test_dataset_preparation import SIZE, picture, run_main, snapshot

HOSTILE = (
    "<script>document.title='owned'</script><img src=//x.org onerror=alert(1)>"
    "\x1b[31m\u202etxet\u202c"
)


def lines(seed, width=120, height=80):
    """A picture of thin lines, sharp and no other's look-alike."""
    noise = (
        np.random.default_rng(seed).integers(0, 2, (height // 8, width // 8), dtype=np.uint8) * 255
    )
    return Image.fromarray(noise).resize((width, height), Image.Resampling.NEAREST)


def check(source, tmp_path, **flags):
    """-> (collection, report, page)."""
    config = PrepareConfig(
        **{
            "source": str(source),
            "style": "engraving",
            "image_size": SIZE,
            "workers": 1,
            "check": True,
            "data": str(tmp_path / "data"),
            **flags,
        }
    )
    collection = Collection(config.style, config.data)
    assert not dataset_preparation.main(config)
    return (
        collection,
        read_json(collection.check),
        collection.check.with_suffix(".html").read_text("utf-8"),
    )


@pytest.fixture
def trouble(tmp_path):
    """Two trees with ten sound pictures, copies of some, and one of every kind of trouble."""
    one = tmp_path / "set" / "one" / "prints"
    two = tmp_path / "set" / "two" / "prints"
    for tree in (one, two):
        tree.mkdir(parents=True)
    rows = []
    for seed in range(8):
        lines(seed).save(one / f"{seed}.png")
        rows.append(
            {
                "file_name": f"one/prints/{seed}.png",
                "caption": "The same plate" if seed < 2 else f"Plate {seed} of a book",
            }
        )
    (two / "copy.png").write_bytes((one / "0.png").read_bytes())
    Image.open(one / "1.png").save(one / "again.bmp")
    lines(2).resize((100, 66)).save(two / "smaller.png")
    lines(9).filter(ImageFilter.GaussianBlur(6)).save(two / "blurred.png")
    Image.new("L", (100, 80), 4).save(two / "black.png")
    Image.new("RGB", (100, 80), (255, 253, 250)).save(two / "white.png")
    lines(10, 300, 20).save(two / "strip.png")
    (two / "cut.png").write_bytes((one / "3.png").read_bytes()[:60])
    (tmp_path / "set" / "metadata.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in rows)
        + '{"file_name": "one/gone.png", "caption": "x"}\nno JSON\n',
        "utf-8",
    )
    return tmp_path / "set"


# The numbers


def test_a_check_tells_what_a_source_holds(trouble, tmp_path, capsys):
    collection, found, _ = check(trouble, tmp_path)
    assert [found[key] for key in ("found", "rejected", "valid", "distinct")] == [
        17,
        3,
        14,
        12,
    ]
    assert found["found"] == found["rejected"] + found["valid"]
    assert found["exact_duplicates"] == {
        "count": 2,
        "where": {"within a folder": 1, "across folders": 1},
        "across_styles": 0,
        "folders": [["one/prints", "two/prints", 1]],
    }
    assert {row["path"]: row["same_as"] for row in found["duplicate_files"]} == {
        "two/prints/copy.png": "one/prints/0.png",
        "one/prints/again.bmp": "one/prints/1.png",
    }
    assert found["look_alike_files"] == [["one/prints/2.png", "two/prints/smaller.png"]]
    assert found["near_duplicates"]["where"] == {"across folders": 1}
    assert found["luminance"]["nearly_black_files"] == ["two/prints/black.png"]
    assert found["luminance"]["nearly_white_files"] == ["two/prints/white.png"]
    assert found["sharpness"]["blurriest"][0][0] == "two/prints/blurred.png"
    assert len(found["sharpness"]["blurriest"]) == 5
    captions = found["captions"]
    # the same plate of a book 2 … 7
    assert (captions["count"], captions["missing"], captions["vocabulary"]) == (8, 4, 12)
    assert (captions["repeated"], captions["repeated_on"], captions["most_repeated"]) == (
        1,
        2,
        [["The same plate", 2]],
    )
    assert (captions["words"]["least"], captions["words"]["median"], captions["words"]["most"]) == (
        3,
        5,
        5,
    )
    assert found["sizes"]["histogram"] == [["64 to 128", 12]]
    assert found["aspect_ratio"]["median"] == 1.5
    printed = capsys.readouterr().out
    for sentence in (
        "metadata.jsonl, line 9: image not found: one/gone.png",
        "metadata.jsonl, line 10: no JSON",
        "two/prints/strip.png: smaller than 64 px",
        "two/prints/cut.png: unreadable",
    ):
        assert sentence in printed
    assert str(collection.check) in printed
    assert found["collection"] is None


def test_the_first_rejected_are_printed_and_all_are_reported(trouble, tmp_path, capsys):
    with open(trouble / "metadata.jsonl", "a", encoding="utf-8") as file:
        file.writelines(f'{{"file_name": "{number}.png"}}\n' for number in range(40))
    collection, found, page = check(trouble, tmp_path)
    # the line that is no JSON is named, and costs no picture
    assert (len(found["rejected_files"]), found["rejected"]) == (44, 43)
    assert sum(found["rejected_by_reason"].values()) == 43
    printed = capsys.readouterr().out
    named, _, rest = printed.partition("\nrejected\n")[2].partition("\n  … and ")
    assert len(named.splitlines()) == 25
    assert rest.startswith(f"19 more in {collection.check}\n")
    assert page.count("<li>") == 25


def test_duplicates_across_sources_and_styles_are_told_apart(tmp_path):
    for place in ("a/engraving", "b/drawings"):
        (tmp_path / place).mkdir(parents=True)
        lines(1).save(tmp_path / place / "x.png")
        lines(2).resize((120, 80) if place[0] == "a" else (240, 160)).save(
            tmp_path / place / "y.png"
        )
    _, found, _ = check(f"{tmp_path / 'a'},{tmp_path / 'b'}", tmp_path, style="all")
    for kind in ("exact_duplicates", "near_duplicates"):
        assert (found[kind]["count"], found[kind]["where"], found[kind]["across_styles"]) == (
            1,
            {"across sources": 1},
            1,
        )


def test_margins_count_neither_as_light_nor_as_sharp(tmp_path):
    """A wide dark plate, letter-boxed on white, would pass for a bright one with sharp edges."""
    (tmp_path / "set").mkdir()
    Image.new("L", (400, 100), 60).save(tmp_path / "set" / "wide.png")
    Image.new("L", (100, 100), 60).save(tmp_path / "set" / "square.png")
    _, found, _ = check(tmp_path / "set", tmp_path)
    assert (
        found["luminance"]["least"]
        == found["luminance"]["most"]
        == pytest.approx(60 / 255, abs=0.001)
    )
    assert found["sharpness"]["most"] == 0


def test_sharpness_is_the_variance_of_the_laplacian():
    """In columns of 0 and 255 in turn every inner value differs from both neighbours: +-510."""
    stripes = Image.fromarray(np.tile(np.array([0, 255], np.uint8), (40, 20)))
    sharp = measure_picture(stripes)["sharp"]
    assert 0.9 * 510**2 < sharp < 510**2
    blurred = stripes.filter(ImageFilter.GaussianBlur(2))
    assert sharp > 100 * measure_picture(blurred)["sharp"]
    assert measure_picture(Image.new("L", (1, 1), 7)) == {
        "light": round(7 / 255, 4),
        "low": 7,
        "high": 7,
        "sharp": 0,
    }


# Beside a collection


def contents(data):
    return snapshot(
        data, but={f"engraving_check{suffix}" for suffix in (".json", ".jsonl", ".html")}
    )


def test_a_check_leaves_the_prepared_collection_as_it_is(trouble, tmp_path):
    check(trouble, tmp_path)
    assert {path.parent.name for path in (tmp_path / "data").rglob("*") if path.is_file()} == {
        "metadata"
    }, "nothing was prepared"
    run_main(trouble, tmp_path)
    before = contents(tmp_path / "data")
    (tmp_path / "other").mkdir()
    lines(70).save(tmp_path / "other" / "x.png")
    for source, size in ((trouble, SIZE), (trouble, 48), (tmp_path / "other", SIZE)):
        check(source, tmp_path, image_size=size)
        assert contents(tmp_path / "data") == before


def test_look_alikes_in_both_splits_are_a_leak(trouble, tmp_path, capsys):
    """A picture that comes later may look like one in training and like another in validation."""
    collection, rows, _ = run_main(trouble, tmp_path)
    alike = [
        row for row in rows if row["original"] in ("one/prints/2.png", "two/prints/smaller.png")
    ]
    others = [row for row in rows if row not in alike]
    write_jsonl(collection.train, [*others[1:], alike[0]])
    write_jsonl(collection.val, [others[0], alike[1]])
    (tmp_path / "more").mkdir()
    lines(2).save(tmp_path / "more" / "known.png", optimize=True)
    lines(3).resize((240, 160)).save(tmp_path / "more" / "larger.png")
    lines(71).save(tmp_path / "more" / "new.png")
    (tmp_path / "more" / "same.png").write_bytes((trouble / "one/prints/4.png").read_bytes())
    capsys.readouterr()
    _, found, page = check(tmp_path / "more", tmp_path)
    beside = found["collection"]
    assert (beside["pictures"], beside["in_it"], beside["look_alikes"], beside["new"]) == (
        12,
        1,
        2,
        1,
    )
    assert beside["in_it_by_split"] == {"train": 1}
    assert {row["path"]: row["like"] for row in beside["look_alike_files"]} == {
        "known.png": "one/prints/2.png",
        "larger.png": "one/prints/3.png",
    }
    assert [{row["original"]: row["split"] for row in group} for group in beside["leaks"]] == [
        {row["original"]: split for row, split in zip(alike, ("train", "val"))}
    ]
    printed = capsys.readouterr().out
    assert re.search(r"in both splits +1 ", printed), "none is said too"
    assert re.search(r"near duplicates +0$", printed, re.M), "none is said too"
    assert "two/prints/smaller.png (val)" in re.sub("<[^>]*>", "", page)


# Nothing usable


@pytest.mark.parametrize(
    "name, content, flags, sentence",
    [
        ("x.jpg", b"", {}, "the files are empty.*fetch them again"),
        ("x.jpg", b"version https://git-lfs.github.com/spec/v1\n", {}, "git lfs pull"),
        ("x.jpg", b"<!DOCTYPE html><title>Sign in</title>", {}, "web pages.*another way"),
        ("x.jpg", b"\0\0\0\x18ftypheic", {}, "convert them to JPEG or PNG"),
        ("x.jpg", b"\xff\xd8 and no more", {}, "damaged.*fetch them again"),
        ("small.png", None, {"smallest": 200}, "smaller than 200 px.*--smallest 100"),
        ("x.heic", b"ftyp", {}, "1 unreadable .not a picture.*damaged or no pictures; fetch"),
        ("x.svg", b"<svg>", {}, "1 SVG is not read: save it as PNG.*convert them to PNG"),
        (
            "metadata.jsonl",
            b'{"file_name": "gone.png"}',
            {},
            "image not found.*do not lie where they say.*put the pictures there",
        ),
        (
            "x.jsonl",
            b'{"image": "https://x.org/1.png", "caption": "a"}',
            {},
            "web address.*download the pictures first",
        ),
        ("painting/x.png", None, {}, "is of style engraving.*1 painting.*--style painting"),
    ],
)
def test_nothing_usable_ends_with_code_1_the_likely_cause_and_the_remedy(
    tmp_path, name, content, flags, sentence
):
    path = tmp_path / "set" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(content or b"")
    if content is None:
        lines(1).save(path)
    with pytest.raises(UserError, match=sentence) as caught:
        check(tmp_path / "set", tmp_path, **flags)
    assert caught.value.code == 1
    assert "\n" not in str(caught.value)
    assert read_json(tmp_path / "data/metadata/engraving_check.json")["distinct"] == 0, (
        "the report is there all the same"
    )


def test_flags_that_do_not_go_together(tmp_path):
    with pytest.raises(ValueError, match="--check goes without"):
        PrepareConfig(check=True, template="llava")


# The page and the terminal


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags = set()
        self.attributes = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes |= {
            (
                tag,
                name,
                value.split(",")[0]
                if name == "src"
                else value
                if name in ("href", "action")
                else "",
            )
            for name, value in attributes
        }

    def handle_data(self, data):
        self.text += data


def test_hostile_names_and_captions_are_harmless(trouble, tmp_path, capsys):
    names = (
        [
            "<b onclick=alert(1)>.png",
            "'\"><script>alert(2)<.png",
            "\u202egnp.exe.png",
            "=cmd|' calc'!A0.png",
        ]
        if os.name != "nt"
        else ["a.png"]
    )
    for seed, name in enumerate(names):
        lines(20 + seed).save(trouble / name)
    (trouble / "captions.jsonl").write_text(
        "".join(
            json.dumps({"image": name, "caption": HOSTILE}) + "\n"
            for name in [*names, "<script>gone\x1b[0m.png"]
        ),
        "utf-8",
    )
    _, found, page = check(trouble, tmp_path)
    parsed = Page(page)
    assert not parsed.tags & {"script", "b", "iframe", "link", "object", "svg", "a", "form"}
    assert {(tag, value) for tag, name, value in parsed.attributes if name == "src"} == {
        ("img", "data:image/jpeg;base64")
    }
    assert not [name for _, name, _ in parsed.attributes if name.startswith("on")]
    assert "default-src 'none'" in page
    assert "<script>document.title='owned'</script>" in parsed.text
    printed = capsys.readouterr().out
    assert not re.search("[\x1b\u202e]", parsed.text + printed)
    assert "\\x1b" in printed
    kept = HOSTILE.replace("\x1b", "")
    assert [kept, len(names)] in found["captions"]["most_repeated"] or len(names) == 1, (
        "the report keeps captions letter by letter, but for control characters"
    )


def test_the_page_of_many_pictures_stays_small_and_two_processes_make_the_same(tmp_path):
    (tmp_path / "set").mkdir()
    for seed in range(check_page.MAX_PLATES + 10):
        picture(seed).save(tmp_path / "set" / f"{seed}.png")
    pages = {
        workers: check(tmp_path / "set", tmp_path / str(workers), workers=workers)[1:]
        for workers in (1, 2)
    }
    assert pages[1] == pages[2]
    assert pages[1][1].count("<img") == check_page.MAX_PLATES + 5
    assert len(pages[1][1]) < 10**6


# Again, and after interruptions


def test_an_interrupted_check_goes_on_and_ends_the_same(trouble, tmp_path, monkeypatch):
    uninterrupted = check(trouble, tmp_path / "whole")[1:]
    calls = []
    real = examine.examine_picture

    def interrupted(path, *rest):
        if len(calls) == 5:
            raise KeyboardInterrupt
        calls.append(path)
        return real(path, *rest)

    monkeypatch.setattr(journal, "EXAMINED_PER_TASK", 1)
    monkeypatch.setattr(check_module, "examine_picture", interrupted)
    with pytest.raises(KeyboardInterrupt):
        check(trouble, tmp_path)
    monkeypatch.setattr(
        check_module,
        "examine_picture",
        lambda path, size, *rest: (size == SIZE and calls.append(path)) or real(path, size, *rest),
    )
    assert check(trouble, tmp_path)[1:] == uninterrupted
    assert len(calls) == len(set(calls)) == 16
    check(trouble, tmp_path)
    assert len(calls) == 16
