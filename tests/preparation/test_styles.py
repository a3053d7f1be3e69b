"""Styles of any name: what a sentence advises can be typed as it stands."""

import json
import shlex

import pytest

import dataset_preparation
from oneseed.config.preparation import PrepareConfig
from oneseed.console.command import UserError
from oneseed.console.flags import parse_configs
from oneseed.dataset.collection import Collection
from oneseed.file_names import MAX_NAME_BYTES, safe_name
from oneseed.sources.resolve import style_name
from tests.preparation.test_checking import check
from tests.preparation.test_dataset_preparation import picture, run_main

STYLES = [
    "Art Nouveau",
    "Art  Deco ",
    "18th c. prints",
    "Jugendstil (Österreich)",
    "L'Art brut",
    'the "Nabis"',
    "Black & White; $HOME",
    "Sàn/Mài: lacquer?",
    "浮世絵",
    "نیم‌فاصله",
    "v1.5",
    "..",
    "a" * 300,
]


def styled(folder, style):
    """Three pictures that are all of one style."""
    folder.mkdir()
    rows = []
    for number in range(3):
        picture(number).save(folder / f"{number}.png")
        rows.append({"file_name": f"{number}.png", "text": f"castle {number}", "style": style})
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.mark.parametrize("look", [run_main, check], ids=["preparing", "looking"])
@pytest.mark.parametrize("style", STYLES)
def test_the_advised_command_prepares_the_pictures(tmp_path, style, look):
    """Of the style "Art Nouveau" the advice was --style art nouveau, which no shell reads so."""
    folder = styled(tmp_path / "my set", style)
    with pytest.raises(UserError, match="none of the 3 pictures") as caught:
        look(folder, tmp_path, style="drawings")
    assert caught.value.code == (1 if look is check else 2)
    command = str(caught.value).split("choose one of these, ")[1].split(", or take every style")[0]
    script, *argv = shlex.split(command)[1:]
    assert script == "dataset_preparation.py"
    assert ("--check" in argv) is (look is check)
    (config,) = parse_configs(
        PrepareConfig,
        description="x\n\ny",
        argv=[*(word for word in argv if word != "--check"), "--workers", "1"],
    )
    assert config.image_size == 32
    dataset_preparation.main(config)
    rows = Collection(config.style, config.data).read_metadata()
    assert len(rows) == 3
    assert {row["style"] for row in rows} == {style_name(style)}
    written = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*")}
    assert written == {"my set", "data"}, "no name led elsewhere"


@pytest.mark.parametrize("style", ["builtin", "all"])
def test_a_style_that_names_a_collection_of_ours_is_not_advised(tmp_path, style):
    folder = styled(tmp_path / "set", style)
    with pytest.raises(UserError, match="--style all"):
        run_main(folder, tmp_path, style="drawings")


def test_a_style_is_the_same_in_any_spelling():
    for text in ("Art Nouveau", "art nouveau", " ART  NOUVEAU\n", "art\tnouveau"):
        assert style_name(text) == "art nouveau"
    assert style_name("Art De\u0301co") == style_name("Art D\xe9co") == "art d\xe9co"
    assert style_name("Engravings") == "engraving"


def test_names_that_every_system_takes_stay_as_they_are():
    for name in ("engraving", "Art Nouveau", "18th c", "浮世絵", "L'Art", "builtin_2-a"):
        assert safe_name(name) == name


def test_other_names_become_safe_and_stay_apart():
    names = ["a/b", "a\\b", "a:b", "a?b", "..", ".", "../../etc", "-a", ".a", "a.", " a", "x" * 300]
    safe = [safe_name(name) for name in names]
    assert len({*safe, "a_b", "_a", "a_"}) == len(names) + 3
    for name in safe:
        assert len(name.encode()) <= MAX_NAME_BYTES
        assert not set(name) & set('/\\:*?"<>|')
        assert name[0] not in ".- "
        assert safe_name(name) == name, "what the page finds on the disk names the same collection"


@pytest.mark.parametrize("style", ["", "  ", "a\nb", "a\0"])
def test_a_style_of_nothing_or_of_two_lines_is_refused(style):
    with pytest.raises(ValueError, match="--style is a name of one line"):
        PrepareConfig(style=style)
