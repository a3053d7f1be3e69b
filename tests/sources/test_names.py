"""A picture is found under every spelling of its name, where only one fits, and never guessed."""

import unicodedata

import pytest

from oneseed.sources.names import PictureFinder, name_key, name_spellings
from oneseed.sources.table_reader import find_picture


def found(pictures, name, table="captions.csv", base="/home/me/set"):
    """The path of the picture that the table means; where it should lie, if there is none."""
    return find_picture(name, PictureFinder(pictures), table, base).path


@pytest.mark.parametrize(
    "one, other",
    [
        (unicodedata.normalize("NFD", "château.png"), "château.png"),
        ("a\\b\\1.PNG", "a/b/1.png"),
        ("./a//1.png", "a/1.png"),
        ("a/../1.Jpg", "1.jpg"),
    ],
)
def test_two_spellings_of_a_name_have_one_key(one, other):
    assert name_key(one) == name_key(other)


def test_other_names_have_other_keys():
    assert len({name_key(name) for name in ("1.png", "1.jpg", "a/1.png", "A.png", "a.png")}) == 5


@pytest.mark.parametrize(
    "name, picture",
    [
        ("1.jpg", "1.JPG"),
        (".\\images\\1.jpg", "images/1.jpg"),
        ("images/1.jpg", "Images/1.JPG"),
        (unicodedata.normalize("NFC", "Brücke.png"), unicodedata.normalize("NFD", "Brücke.png")),
        ("my%20castle.png", "my castle.png"),
        ("100%.png", "100%.png"),
        ("a%20b.png", "a%20b.png"),
        ("file://my%20castle.png", "my castle.png"),
        ("file:///home/me/set/my%20castle.png", "my castle.png"),
        ("file://localhost/home/me/set/1.png", "1.png"),
        ("file:///C:/set/1.png", "1.png"),
        ("/home/me/set/a/1.png", "a/1.png"),
        ("/home/other/set/images/1.png", "images/1.png"),
        ("C:\\Users\\me\\images\\1.png", "images/1.png"),
        (" 1.png ", "1.png"),
        ("1.png#3", "1.png"),
        ("000123", "000123.jpg"),
        ("flickr30k-images/1.jpg", "1.jpg"),
        ("1.jpg", "images/a/1.jpg"),
    ],
)
def test_a_name_from_elsewhere_finds_its_picture(name, picture):
    assert found([picture, "other.png"], name) == picture


@pytest.mark.parametrize(
    "pictures, name, table",
    [
        (["a/1.png", "b/1.png"], "1.png", "annotations/captions.jsonl"),
        (["a/images/1.png", "b/images/1.png"], "images/1.png", "captions.jsonl"),
        (["1.JPG", "1.jpg"], "1.Jpg", "captions.jsonl"),
        (["1.png", "1.jpg"], "1", "captions.jsonl"),
        (["annotations/masks/1.png", "images/1.png"], "1.png", "annotations/captions.jsonl"),
    ],
)
def test_a_name_that_fits_two_pictures_is_refused(pictures, name, table):
    with pytest.raises(ValueError, match="fits several pictures, such as"):
        found(pictures, name, table)


def test_a_name_that_fits_in_full_wins_over_those_that_end_alike():
    pictures = ["1.png", "b/1.png", "c/b/1.png", "1.PNG"]
    assert found(pictures, "1.png") == "1.png"
    assert found(pictures, "b/1.png") == "b/1.png"
    assert found(["one/1.png", "two/1.png"], "1.png", "two/captions.csv") == "two/1.png"
    two_sets = ["one/images/1.png", "two/images/1.png"]
    assert found(two_sets, "images/1.png", "two/annotations/x.csv") == "two/images/1.png"


@pytest.mark.parametrize(
    "pictures, table",
    [
        (["images/1.png", "annotations/preview.png"], "annotations/captions.jsonl"),
        (["val/images/1.png", "val/captions/more/7.png", "1.png"], "val/captions/x.csv"),
        (["text-a/imgs/1.png", "text-b/imgs/1.png"], "text-a/captions.csv"),
        (["text-a/data/1.png", "text-b/data/1.png"], "text-a/captions.csv"),
    ],
)
def test_a_picture_among_the_captions_hides_no_other(pictures, table):
    """A preview in the folder of captions.jsonl made every row an "image not found"."""
    assert found(pictures, "1.png", table) == pictures[0]


@pytest.mark.parametrize(
    "name, table",
    [("val/1.png", "captions.csv"), ("1.png", "val/captions.csv"), ("2.png", "captions.csv")],
)
def test_a_picture_of_another_folder_is_not_taken_for_it(name, table):
    """Only train/ was downloaded. What is said of val/1.png is no caption of train/1.png."""
    assert found(["train/1.png"], name, table) != "train/1.png"


def test_a_mask_is_not_taken_for_a_picture_that_is_gone():
    assert found(["images/2.png", "masks/1.png"], "1.png", "images/captions.csv") == "images/1.png"


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../2.png", "/home/me/set/../../2.png", "C:/x/9.png", "a\0.png"]
)
def test_a_name_that_leads_out_of_the_source_is_refused(name):
    with pytest.raises(ValueError, match="lies outside"):
        found(["1.png", "2.png"], name)


def test_an_address_is_read_before_it_is_taken_as_it_stands():
    assert name_spellings("file:///a%20b.png") == ["/a b.png", "/a%20b.png"]
    assert name_spellings("a%20b.png") == ["a%20b.png", "a b.png"]
