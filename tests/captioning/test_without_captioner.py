"""A collection without captions becomes pairs without any captioner, each way by its flag."""

import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

import dataset_preparation
from oneseed.captioning import huggingface
from oneseed.config.captioning import CaptionConfig
from oneseed.config.preparation import PrepareConfig
from oneseed.console.command import UserError
from oneseed.dataset import caption_ways
from oneseed.dataset.collection import Collection
from tests.captioning.prepared import prepared, run_main


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    monkeypatch.setattr(caption_ways, "has_gpu", lambda: False)


def named(data, names, **more):
    """A collection without captions, whose originals have these names."""
    collection = prepared(data, len(names), caption="", pictures=True)
    rows = collection.read_metadata()
    for row, name in zip(rows, names):
        row.update(original=name, source="/home/anna/animals", **more)
    collection.write_metadata(rows)
    return collection


def captions(collection):
    """{name of the original: caption in the caption files}."""
    names = {row["id"]: row["original"] for row in collection.read_metadata()}
    train, val = collection.read_captions()
    return {names[pair["id"]]: pair["caption"] for pair in train + val}


def test_captions_from_file_names(tmp_path, capsys):
    collection = named(tmp_path, ["red_fox-01.jpg", "birds/GreyOwl.png", "IMG_1234.JPG"])
    run_main(tmp_path, captioner="names")
    assert captions(collection) == {
        "red_fox-01.jpg": "An engraving of red fox",
        "birds/GreyOwl.png": "An engraving of grey owl",
    }
    said = capsys.readouterr().out
    assert "file names that say nothing: 1 of 3, such as IMG_1234.JPG" in said
    assert "2 from file names" in said
    assert "left out for want of a caption: 1 of 3" in said
    assert "--captioner folders" in said


def test_captions_from_folders(tmp_path, capsys):
    collection = named(tmp_path, ["red_foxes/IMG_1.jpg", "owls/train/2.png", "3.png"])
    run_main(tmp_path, captioner="folders")
    assert captions(collection) == {
        "red_foxes/IMG_1.jpg": "An engraving of red foxes",
        "owls/train/2.png": "An engraving of owls",
        "3.png": "An engraving of animals",
    }
    assert "3 from folders' names" in capsys.readouterr().out


def test_captions_that_are_there_stay_unless_they_are_to_be_written_anew(tmp_path):
    collection = named(tmp_path, ["red_fox.jpg", "owl.jpg"])
    rows = collection.read_metadata()
    rows[0]["caption"] = "An engraving of my own words"
    collection.write_metadata(rows)
    run_main(tmp_path, captioner="names")
    assert captions(collection)["red_fox.jpg"] == "An engraving of my own words"
    run_main(tmp_path, captioner="names", recaption=True)
    assert captions(collection)["red_fox.jpg"] == "An engraving of red fox"


def table(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    return str(path)


def test_captions_from_a_table_that_lies_elsewhere(tmp_path, capsys):
    collection = named(tmp_path, ["a/1.jpg", "b/1.jpg", "2.jpg"])
    rows = ["image,caption", "animals/a/1.jpg,a fox", "b/1,an owl", "nobody.jpg,a thing"]
    path = table(tmp_path / "elsewhere" / "my captions.csv", rows)
    run_main(tmp_path, captions=path)
    assert captions(collection) == {
        "a/1.jpg": "An engraving of a fox",
        "b/1.jpg": "An engraving of an owl",
    }
    said = capsys.readouterr().out
    assert "captions of 2 of 3 pictures" in said
    assert "lines that name no picture here: 1, such as nobody.jpg" in said


def test_a_name_in_a_table_that_fits_two_pictures_is_told_and_not_guessed(tmp_path, capsys):
    collection = named(tmp_path, ["a/1.jpg", "b/1.jpg", "2.jpg"])
    lines = [{"image": "1.jpg", "text": "a fox"}, {"image": "2.jpg", "text": "an owl"}]
    run_main(tmp_path, captions=table(tmp_path / "t.jsonl", map(json.dumps, lines)))
    assert captions(collection) == {"2.jpg": "An engraving of an owl"}
    assert "lines that could not be used: 1, such as line 1" in capsys.readouterr().out


def test_what_a_table_lacks_another_way_has(tmp_path):
    collection = named(tmp_path, ["red_fox.jpg", "owl.jpg"])
    path = table(tmp_path / "t.csv", ["image,caption", "owl.jpg,an owl at night"])
    run_main(tmp_path, captions=path, captioner="names", recaption=True)
    assert captions(collection) == {
        "red_fox.jpg": "An engraving of red fox",
        "owl.jpg": "An engraving of an owl at night",
    }


def test_a_line_that_says_nothing_leaves_its_picture_to_another_way(tmp_path, capsys):
    """A caption such as "?" counted as used, so that the picture got none from --captioner."""
    collection = named(tmp_path, ["red_fox.jpg", "grey_owl.jpg", "wolf.jpg"])
    lines = ["image,caption", "red_fox.jpg,?", "grey_owl.jpg,engraving", "wolf.jpg,a grey wolf"]
    run_main(tmp_path, captions=table(tmp_path / "t.csv", lines), captioner="names")
    assert captions(collection) == {
        "red_fox.jpg": "An engraving of red fox",
        "grey_owl.jpg": "An engraving of grey owl",
        "wolf.jpg": "An engraving of a grey wolf",
    }
    said = capsys.readouterr().out
    assert "captions of 1 of 3 pictures" in said
    assert "could not be used: 2, such as red_fox.jpg (its caption says nothing)" in said


def test_a_table_replaces_captions_only_where_it_is_told_to(tmp_path, capsys):
    collection = named(tmp_path, ["owl.jpg", "fox.jpg"])
    run_main(tmp_path, captioner="names")
    path = table(tmp_path / "t.csv", ["image,caption", "owl.jpg,an owl at night"])
    run_main(tmp_path, captions=path)
    assert captions(collection)["owl.jpg"] == "An engraving of owl"
    assert "there already and stay: 1; --recaption replaces" in capsys.readouterr().out
    run_main(tmp_path, captions=path, recaption=True)
    assert captions(collection)["owl.jpg"] == "An engraving of an owl at night"


@pytest.mark.parametrize(
    "name, rows, sentence",
    [
        ("t.csv", None, "is missing"),
        ("t.docx", ["x"], "is no table"),
        ("t.csv", ["image,caption", "x.png,a thing"], "for any of the 1 pictures.*owl.jpg"),
    ],
)
def test_a_table_that_is_of_no_use_ends_in_one_sentence(name, rows, sentence, tmp_path):
    named(tmp_path, ["owl.jpg"])
    path = tmp_path / "tables" / name
    if rows:
        table(path, rows)
    with pytest.raises(UserError, match=sentence):
        run_main(tmp_path, captions=str(path))


def test_pictures_alone_are_dealt_without_words(tmp_path, capsys):
    collection = named(tmp_path, [f"IMG_{number}.jpg" for number in range(20)])
    run_main(tmp_path, captioner="none")
    train, val = collection.read_captions()
    assert (len(train), len(val)) == (18, 2)
    assert {pair["caption"] for pair in train + val} == {""}
    assert collection.is_wordless()
    said = capsys.readouterr().out
    assert "20 pictures without captions, 18 to train and 2 to validate" in said
    assert "next: " in said


def test_pictures_alone_keep_captions_for_later(tmp_path, capsys):
    """Whoever tries training without words must not lose the captions that there are."""
    collection = named(tmp_path, ["owl.jpg", "fox.jpg", "IMG_1.jpg"])
    run_main(tmp_path, captioner="names")
    before = captions(collection)
    run_main(tmp_path, captioner="none")
    assert set(captions(collection).values()) == {""}
    assert "captions that are kept, but not used: 2" in capsys.readouterr().out
    run_main(tmp_path, captioner="existing")
    assert captions(collection) == before
    assert not collection.is_wordless()


def test_a_picture_keeps_its_side_with_words_and_without(tmp_path):
    collection = named(tmp_path, [f"fox_{number}.jpg" for number in range(20)])
    run_main(tmp_path, captioner="none")
    sides = [[pair["id"] for pair in pairs] for pairs in collection.read_captions()]
    run_main(tmp_path, captioner="names")
    assert [[pair["id"] for pair in pairs] for pairs in collection.read_captions()] == sides


@pytest.mark.parametrize("captioner", ["existing", "names", "folders"])
def test_no_way_ends_in_a_circle(captioner, tmp_path):
    """The default said: keep those there are. That said: let a model write. Which failed again."""
    named(tmp_path, ["IMG_1.jpg", "IMG_2.jpg"])
    rows = Collection("engraving", tmp_path).read_metadata()
    for row in rows:
        row["source"] = "/data/images"
    Collection("engraving", tmp_path).write_metadata(rows)
    with pytest.raises(UserError) as found:
        run_main(tmp_path, captioner=captioner)
    for way in ("--captions FILE", "--captioner none", "tab Collection"):
        assert way in str(found.value)
    for way in ("existing", "names", "folders"):
        assert f"--captioner {way}" not in str(found.value)
    run_main(tmp_path, captioner="none")


def test_a_captioner_that_is_not_to_be_had_names_the_ways_that_are(tmp_path, monkeypatch):
    named(tmp_path, ["red_fox.jpg"])

    def unreachable(*arguments):
        raise huggingface.NoCaptionerError("the captioner is not on this machine")

    monkeypatch.setattr(huggingface, "load_captioner", unreachable)
    monkeypatch.setattr(huggingface, "print_estimate", lambda *arguments, **options: None)
    with pytest.raises(UserError) as found:
        run_main(tmp_path)
    said = str(found.value)
    assert said.startswith("the captioner is not on this machine")
    assert '--captioner names (file names, such as "red fox")' in said
    assert "--captioner existing" not in said
    assert "--captioner Salesforce" not in said


@pytest.mark.parametrize(
    "flags, sentence",
    [
        (dict(captioner="none", captions="t.csv"), "leave one out"),
        (dict(captioner="none", review="sheet.html"), "leave one out"),
        (dict(captioner="existing", recaption=True), "leave --recaption out"),
    ],
)
def test_flags_that_contradict_each_other_are_refused(flags, sentence):
    with pytest.raises(ValueError, match=sentence):
        CaptionConfig(**flags)


def test_a_share_is_for_captioners_alone(tmp_path):
    named(tmp_path, ["red_fox.jpg"])
    for flags in (dict(captioner="names"), dict(captioner="none"), dict(captions="t.csv")):
        with pytest.raises(UserError, match="work for a captioner alone"):
            run_main(tmp_path, shard="1/2", **flags)


def test_too_few_pairs_are_not_sent_to_training(tmp_path, capsys):
    """The printed command would be refused: two pictures to train on are the least."""
    named(tmp_path, ["red_fox.jpg", "IMG_1.jpg"])
    run_main(tmp_path, captioner="names")
    said = capsys.readouterr().out
    assert "training_loop.py" not in said
    assert "next: prepare more pictures, python dataset_preparation.py" in said


def test_captions_that_changed_are_trained_on_anew(tmp_path, monkeypatch, capsys):
    """The printed command found the finished run on the captions before, and trained nothing."""
    monkeypatch.chdir(tmp_path)
    named(tmp_path, [f"red_fox_{number}.jpg" for number in range(20)])
    for _ in range(2):
        run_main(tmp_path, captioner="names")
        assert "--fresh" not in capsys.readouterr().out
    path = table(tmp_path / "t.csv", ["image,caption", "red_fox_3.jpg,a fox asleep"])
    run_main(tmp_path, captions=path, recaption=True)
    (command,) = [line for line in capsys.readouterr().out.splitlines() if "next: " in line]
    assert " --fresh" in command


@pytest.fixture
def zipped(tmp_path):
    """Pictures in a .zip, prepared: on the disk they are 000000_1.png and so on."""
    source = tmp_path / "animals.zip"
    with zipfile.ZipFile(source, "w") as archive:
        for number, name in enumerate(("red_foxes/1.png", "grey_owls/1.png", "grey_owls/2.png")):
            noise = np.random.default_rng(number).integers(0, 256, (64, 64), dtype=np.uint8)
            picture = io.BytesIO()
            Image.fromarray(noise).save(picture, "PNG")
            archive.writestr(name, picture.getvalue())
    data = str(tmp_path / "data")
    flags = {"source": str(source), "style": "animals", "preset": "small", "data": data}
    assert not dataset_preparation.main(PrepareConfig(**flags))
    return Collection("animals", data)


def captions_by_member(collection):
    """{the archive's name of a picture: its caption in the caption files}."""
    names = {row["id"]: row["member"] for row in collection.read_metadata()}
    train, val = collection.read_captions()
    return {names[pair["id"]]: pair["caption"] for pair in train + val}


def test_the_folders_of_an_archive_say_what_its_pictures_show(tmp_path, zipped):
    """Pictures of a .zip lie in one folder when it is unpacked, and had lost what they lay in."""
    run_main(tmp_path / "data", style="animals", captioner="folders")
    said = captions_by_member(zipped)
    assert {name: caption.split()[-1] for name, caption in said.items()} == {
        "red_foxes/1.png": "foxes",
        "grey_owls/1.png": "owls",
        "grey_owls/2.png": "owls",
    }


def test_a_table_names_the_pictures_of_an_archive_as_the_archive_does(tmp_path, zipped):
    table = tmp_path / "captions.csv"
    table.write_text("file_name,caption\nred_foxes/1.png,a fox asleep\ngrey_owls/1.png,an owl\n")
    run_main(tmp_path / "data", style="animals", captions=str(table))
    said = captions_by_member(zipped)
    assert said.keys() == {"red_foxes/1.png", "grey_owls/1.png"}
    assert said["red_foxes/1.png"].endswith("a fox asleep")
    assert said["grey_owls/1.png"].endswith("an owl")
