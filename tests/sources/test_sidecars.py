"""Files of captions beside one picture each, whatever their suffixes, capitals and folders."""

import json
import unicodedata

import pytest

from tests.sources.made import captions_of, describe_made, further_captions, reasons_of


@pytest.mark.parametrize(
    "picture, file",
    [
        ("1.png", "1.txt"),
        ("1.png", "1.caption"),
        ("1.png", "1.captions"),
        ("1.PNG", "1.TXT"),
        ("1.png", "1.Caption"),
        ("1.png", "1.png.txt"),
        ("1.JPG", "1.jpg.caption"),
        ("IMG_1.JPG", "img_1.txt"),
        ("a/1.png", "a/1.txt"),
        ("images/1.png", "captions/1.txt"),
        ("images/train/1.png", "captions/train/1.txt"),
        ("set/images/1.png", "set/labels/1.caption"),
        ("images/1.png", "1.txt"),
        (unicodedata.normalize("NFD", "château.png"), "château.txt"),
        ("0001.input.png", "0001.outputs.txt"),
        ("shard/0001.png", "shard/0001.caption.txt"),
    ],
)
def test_a_text_finds_its_picture(tmp_path, picture, file):
    described = describe_made(tmp_path, {file: "a castle\n"}, [picture, "other.png"])
    # the end of the last line belongs to the file
    assert captions_of(described) == {picture: "a castle"}
    assert not described.lost


@pytest.mark.parametrize(
    "value",
    [
        {"caption": "a castle", "width": 3},
        {"Caption": ["a castle", "a keep"]},
        {"conversations": [{"from": "human", "value": "?"}, {"from": "gpt", "value": "a castle"}]},
        "a castle",
        ["a castle"],
    ],
)
def test_a_json_beside_a_picture_says_its_caption(tmp_path, value):
    described = describe_made(tmp_path, {"1.json": json.dumps(value)})
    assert captions_of(described) == {"1.png": "a castle"}


def test_utf_16_is_read_beside_a_picture_too(tmp_path):
    files = {
        "1.txt": "Schloß".encode("utf-16"),
        "2.json": json.dumps({"caption": "Fluß"}, ensure_ascii=False).encode("utf-16"),
    }
    assert captions_of(describe_made(tmp_path, files)) == {"1.png": "Schloß", "2.png": "Fluß"}


@pytest.mark.parametrize(
    "content, reason",
    [
        ("Schloß".encode("cp1252"), "is not UTF-8"),
        ("山の城".encode("iso2022_jp"), "is not UTF-8 text: it holds control characters"),
        (b"a castle\0on a hill", "is not UTF-8 text: it holds control characters"),
        ("Schlo\ufffd".encode(), "text with letters that were lost (U+FFFD)"),
        (b"", "holds no caption"),
    ],
)
def test_a_text_that_says_nothing_readable_is_named_and_costs_its_caption_alone(
    tmp_path, content, reason
):
    """U+FFFD stood in the caption, and nothing on the screen."""
    described = describe_made(tmp_path, {"1.txt": content, "2.txt": "two ships"})
    assert captions_of(described) == {"2.png": "two ships"}
    assert reasons_of(described) == {"1.txt": reason}
    assert [(row["path"], row["loses"]) for row in described.lost] in (
        [("1.png", "caption")],
        [("1.txt", "caption")],
    )


def test_of_several_files_the_first_kind_that_speaks_is_used_and_the_others_are_counted(tmp_path):
    files = {
        "1.txt": "a castle",
        "1.caption": "a keep",
        "2.txt": " ",
        "2.caption": "two ships",
        "2.json": {"caption": "boats", "style": "engraving"},
    }
    described = describe_made(tmp_path, files)
    assert captions_of(described) == {"1.png": "a castle", "2.png": "two ships"}
    assert described.rows["2.png"]["style"] == "engraving"
    assert further_captions(described) == 1


def test_a_table_wins_over_the_texts_beside_pictures_and_says_so(tmp_path):
    files = {"x.csv": "image,caption\n1.png,a castle\n", "1.txt": "a keep", "2.txt": "two ships"}
    described = describe_made(tmp_path, files)
    assert captions_of(described) == {"1.png": "a castle", "2.png": "two ships"}
    assert further_captions(described) == 1


def test_files_without_a_caption_are_named_as_one_with_what_they_hold(tmp_path):
    described = describe_made(tmp_path, {"1.json": {"width": 3}, "2.json": {"width": 3}})
    assert reasons_of(described) == {"1.json": "2 files beside pictures hold no caption but width"}


@pytest.mark.parametrize("folders", [("", ""), ("images/", "labels/")])
def test_boxes_of_a_detector_are_no_captions(tmp_path, folders):
    """Each picture of a YOLO set had the caption "0 0.5 0.5 0.2 0.3"."""
    pictures, labels = folders
    files = {
        f"{labels}1.txt": "0 0.5 0.5 0.2 0.3\n12 0.1 1e-05 .2 0.3 0.98\n",
        f"{labels}2.txt": "3 0 1 0.25 0.5",
        f"{labels}3.txt": "7",
        f"{labels}4.txt": "4 towers, 2 gates and 16 windows",
    }
    described = describe_made(tmp_path, files, [f"{pictures}{n}.png" for n in range(1, 5)])
    assert captions_of(described) == {
        # of a set of digits
        f"{pictures}3.png": "7",
        f"{pictures}4.png": "4 towers, 2 gates and 16 windows",
    }
    assert reasons_of(described) == {
        f"{labels}1.txt": "2 files beside pictures hold no caption but numbers alone"
    }


def test_a_text_that_fits_two_pictures_is_refused_and_named(tmp_path):
    described = describe_made(tmp_path, {"captions/1.txt": "a castle"}, ["a/1.png", "b/1.png"])
    assert not captions_of(described)
    assert "fits several pictures" in reasons_of(described)["captions/1.txt"]


def test_of_two_texts_of_a_key_that_counts_which_says_that_it_holds_the_caption(tmp_path):
    files = {
        "1.caption.txt": "a castle",
        "1.tags.txt": "castle, hill",
        "2.en.txt": "a",
        "2.de.txt": "b",
    }
    described = describe_made(tmp_path, files, ["1.jpg", "2.jpg"])
    assert captions_of(described) == {"1.jpg": "a castle"}, "which of 2.en and 2.de is not guessed"
    assert set(reasons_of(described)) == {"1.tags.txt", "2.en.txt", "2.de.txt"}


def test_two_pictures_of_one_stem_share_their_text(tmp_path):
    described = describe_made(tmp_path, {"1.txt": "a castle"}, ["1.png", "1.jpg"])
    assert captions_of(described) == {"1.png": "a castle", "1.jpg": "a castle"}


def test_a_preview_among_the_texts_costs_no_caption(tmp_path):
    """Every text of captions/ "lay beside no picture" as soon as one picture lay there, too."""
    files = {"captions/1.txt": "a castle", "captions/2.txt": "two ships"}
    pictures = ("images/1.png", "images/2.png", "captions/preview.png")
    described = describe_made(tmp_path, files, pictures)
    assert captions_of(described) == {"images/1.png": "a castle", "images/2.png": "two ships"}
    assert not described.lost
