"""A judge of anybody's own: named on the command line, asked by one door, checked."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import evaluation
from evaluation import evaluate, main
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import write_jsonl
from oneseed.evaluation import picture_judges
from oneseed.evaluation.agreement import Reading, agreement_numbers, measure_spread
from oneseed.evaluation.attribute_judge import AttributeJudge
from oneseed.evaluation.judges import is_named_judge, named_judge, said_by, seen_by
from oneseed.evaluation.report import report_page, text_report
from oneseed.synthetic.engravings.collection import ENGRAVINGS
from tests.evaluation.fakes import config, value

# tells dark pictures from light ones
TONES = """
import numpy


class Tones:
    attributes = {"tone": ("dark", "light"), "word": ("ship", "sea")}

    def see(self, pictures):
        assert pictures.dtype == "uint8" and pictures.ndim == 4 and pictures.shape[3] == 3
        return [
            {"tone": "dark" if picture.mean() < 100 else "light", "word": "ship"}
            for picture in pictures
        ]

    def parse(self, captions):
        return [
            {"tone": next((t for t in ("dark", "light") if t in caption), None), "word": "ship"}
            for caption in captions
        ]


class Needy:
    def __init__(self, path):
        pass


class Blind(Tones):
    see = None


class Aimless(Tones):
    attributes = {}


class Absent(Tones):
    attributes = {"ship": ("present", "absent")}


class Scalars(Tones):
    attributes = {"size": (numpy.int64(1), numpy.int64(2))}


class Failing(Tones):
    def see(self, pictures):
        return 1 / 0


class Short(Tones):
    def see(self, pictures):
        return [{"tone": None, "word": None}]


class Numbers(Tones):
    def see(self, pictures):
        return pictures.mean((1, 2, 3))


class Partial(Tones):
    def see(self, pictures):
        return [{"tone": "dark"} for _ in pictures]


class Strange(Tones):
    def see(self, pictures):
        return [{"tone": "purple", "word": None} for _ in pictures]


class Arrays(Tones):
    def parse(self, captions):
        import numpy

        return [{"tone": numpy.zeros(3), "word": None} for _ in captions]


nothing = 5
"""


@pytest.fixture
def judges(tmp_path, monkeypatch):
    """A folder with somebody's judges, in which the command is run."""
    (tmp_path / "tone_judges.py").write_text(TONES)
    (tmp_path / "broken_judges.py").write_text("import nowhere_at_all\n")
    monkeypatch.chdir(tmp_path)
    path = list(sys.path)
    yield tmp_path
    sys.path[:] = path
    for name in ("tone_judges", "broken_judges"):
        sys.modules.pop(name, None)


class Lamps:
    """Pairs of a user's own folder: pictures that are dark or light, and captions that say so."""

    style = "lamps"
    fingerprint = "lamps"
    health = None
    caption_source = "decoder"
    finish = "plain"
    seed_notice = ""
    dimensions = 1024
    styles = ()

    def generate_batch(self, seeds, **conditions):
        pairs = []
        for seed in seeds:
            tone = ("dark", "light")[seed % 2]
            picture = np.full((16, 16, 3), 20 if tone == "dark" else 230, np.uint8)
            pairs.append((Image.fromarray(picture), f"A {tone} ship."))
        return pairs

    def reconstruct(self, images):
        return [image.convert("RGB") for image in images]


def prepared(data, count=40):
    """What preparing and captioning leave of such a folder."""
    collection = Collection("lamps", data)
    pairs = Lamps().generate_batch(range(count))
    rows = [
        {"id": f"{i:016x}", "filename": f"{i:016x}.png", "caption": caption, "style": "lamps"}
        for i, (_, caption) in enumerate(pairs)
    ]
    trained = count * 9 // 10
    write_jsonl(collection.train, ({**row, "split": "train"} for row in rows[:trained]))
    write_jsonl(collection.val, ({**row, "split": "val"} for row in rows[trained:]))
    collection.metadata.parent.mkdir(parents=True)
    more = {"width": 16, "height": 16, "sha256": "0" * 64, "source": "folder"}
    collection.metadata.write_text(json.dumps([{**row, **more} for row in rows]))
    collection.processed.mkdir(parents=True)
    collection.pixels_ids(16).write_text(json.dumps({"ids": [row["id"] for row in rows]}))
    np.save(collection.pixels(16), np.stack([np.asarray(image) for image, _ in pairs]))


@pytest.mark.parametrize(
    "text, is_name",
    [
        ("tone_judges:Tones", True),
        ("my.own.judges:Tones", True),
        ("checkpoints/judge.pt", False),
        ("judge.pt", False),
        (r"C:\\models\\judge.pt", False),
        ("C:/models/judge.pt", False),
    ],
)
def test_a_class_is_told_from_a_file(text, is_name):
    assert is_named_judge(text) == is_name


def test_a_judge_of_ones_own_measures_pairs_of_ones_own_folder(judges):
    prepared(judges / "data")
    settings = config(judges, 40, judge="tone_judges:Tones")
    report, examples, _ = evaluate(Lamps(), settings)
    joint = report["numbers"]["joint_strict"]
    assert joint["value"] == 1
    assert 0.3 < joint["floor"] < 0.7, "two tones: half agree by chance"
    assert joint["ceiling"] == {"reconstructions": 1, "real pairs": 1}
    assert joint["interval"] == (1, 1)
    assert value(report, "joint_tone") == 1
    assert value(report, "joint_unread") == 0
    assert value(report, "distinct_pictures") == 1
    assert value(report, "distance_captions_tone") < 0.1
    assert report["judge"]["class"] == "tone_judges:Tones"
    assert examples[0]["verdict"] == [("tone", "dark", "dark"), ("word", "ship", "ship")]
    for text in (text_report(report), report_page(report, examples)):
        assert "picture and caption agree, strict" in text
    json.dumps(report)


def test_it_needs_no_collection_on_this_machine(judges):
    report, _, _ = evaluate(Lamps(), config(judges, 10, judge="tone_judges:Tones"))
    assert value(report, "joint_strict") == 1
    assert report["numbers"]["joint_strict"]["ceiling"] is None
    assert any("Variety was not measured" in note for note in report["notes"])


def test_captions_of_other_pairs_are_found_out(judges):
    class Swapped(Lamps):
        def generate_batch(self, seeds, **conditions):
            right = super().generate_batch(seeds)
            others = right[1:] + right[:1]
            return [(image, caption) for (image, _), (_, caption) in zip(right, others)]

    report, _, _ = evaluate(Swapped(), config(judges, 20, judge="tone_judges:Tones"))
    assert value(report, "joint_tone") == 0
    assert value(report, "joint_word") == 1
    assert value(report, "joint_strict") == 0


def test_a_drawn_collection_may_have_another_judge_too(judges, monkeypatch):
    class Drawn(Lamps):
        style = "builtin"

    def fail(path, drawn):
        pytest.fail("its own judge was asked for")

    monkeypatch.setattr(picture_judges, "load_judge", fail)
    report, _, _ = evaluate(Drawn(), config(judges, 10, judge="tone_judges:Tones"))
    assert value(report, "joint_strict") == 1
    assert "caption_to_picture_seen" not in report["numbers"]


def test_the_command_line_takes_it(judges, monkeypatch, capsys):
    monkeypatch.setattr(evaluation, "require_checkpoint", lambda path, data: None)
    monkeypatch.setattr(evaluation, "MultimodalGenerator", lambda *_, **__: Lamps())
    assert not main(config(judges, 10, judge="tone_judges:Tones"))
    assert "picture and caption agree, strict" in capsys.readouterr().out
    report = json.loads(Path("report/report.json").read_text("utf-8"))
    assert report["judge"]["attributes"] == {"tone": ["dark", "light"], "word": ["ship", "sea"]}


@pytest.mark.parametrize(
    "name, sentence",
    [
        ("nowhere_judges:Tones", "module nowhere_judges cannot be imported.*ModuleNotFoundError"),
        ("broken_judges:Tones", "cannot be imported.*nowhere_at_all.*broken_judges.py line 1"),
        ("tone_judges:Missing", "tone_judges has no class Missing"),
        ("tone_judges:nothing", "tone_judges has no class nothing"),
        ("tone_judges:Needy", r"Needy\(\) failed.*made without arguments"),
        ("tone_judges:Blind", "lacks the method see"),
        ("tone_judges:Aimless", "lacks attributes"),
        ("tone_judges:Absent", 'the value "absent" of ship'),
        ("tone_judges:Scalars", "is no text or number"),
    ],
)
def test_a_name_that_is_no_judge_is_one_sentence(judges, name, sentence):
    with pytest.raises(UserError, match=sentence) as error:
        named_judge(name)
    assert "\n" not in str(error.value)
    assert name in str(error.value)


@pytest.mark.parametrize(
    "name, sentence",
    [
        ("Failing", r"Failing\.see\(\) failed \(ZeroDivisionError.*tone_judges.py line \d+"),
        ("Short", "a dict for each of 3 items"),
        ("Numbers", "a dict for each of 3 items"),
        ("Partial", "dicts with the keys tone, word"),
        ("Strange", "returned 'purple' for tone, which its attributes do not have"),
        ("Arrays", r"Arrays\.parse\(\) returned array"),
    ],
)
def test_answers_that_are_none_are_one_sentence(judges, name, sentence):
    judge = named_judge(f"tone_judges:{name}")
    images = [image for image, _ in Lamps().generate_batch(range(3))]
    with pytest.raises(UserError, match=sentence) as error:
        seen_by(judge, images)
        said_by(judge, ["a dark ship"] * 3)
    assert "\n" not in str(error.value)


def test_the_built_in_judge_goes_through_the_same_door():
    judge = AttributeJudge(ENGRAVINGS, 8)
    facts = ENGRAVINGS.collection(3)
    images = [ENGRAVINGS.draw(one, i, 128) for i, one in enumerate(facts)]
    seen = seen_by(judge, images)
    assert seen == judge.see(np.stack([np.asarray(image) for image in images]))
    assert said_by(judge, [ENGRAVINGS.tell(one, 1, 5) for one in facts]) == facts
    assert said_by(judge, []) == []


def test_pictures_that_cannot_be_read_are_wrong_and_told_as_their_own_share():
    """A ghost in half of the pictures: neither agreement nor a crash in the variety."""
    facts = ENGRAVINGS.collection(40)
    names = tuple(ENGRAVINGS.attributes)
    seen = [{**one, "subject": None} if i % 2 else one for i, one in enumerate(facts)]
    numbers = agreement_numbers(Reading(seen, facts), names, {"real pairs": Reading(facts, facts)})
    assert numbers["joint_strict"].value == 0.5
    assert numbers["joint_subject"].value == 0.5
    assert numbers["joint_sky"].value == 1
    assert numbers["joint_unread"].value == 0.5
    assert numbers["joint_unread"].ceiling == {"real pairs": 0}
    assert re.search("cannot be read", numbers["joint_unread"].title)
    spread = measure_spread(Reading(seen, facts), facts, facts, names)
    assert spread.numbers["distinct_pictures"].value == pytest.approx(0.5, abs=0.05)
    assert spread.numbers["distance_pictures_subject"].value == pytest.approx(0.5)
    assert "most often unread" in " ".join(spread.warnings)
