"""--constrained: code that is always valid, said on cards and told apart in reports."""

import json

import pytest
import torch

from inference import main
from oneseed.config.inference import InferenceConfig
from oneseed.console.command import UserError
from oneseed.evaluation.exact import Exam
from oneseed.evaluation.exact_texts import measure_texts
from oneseed.generation import cards
from oneseed.generation.generator import MultimodalGenerator
from oneseed.model import checkpoint
from oneseed.model.multimodal import MultimodalModel
from oneseed.model.tokenizer import Tokenizer
from oneseed.synthetic.drawn import ABSENT
from oneseed.synthetic.screens.collection import SCREENS
from tests.conftest import tiny_config


@pytest.fixture(scope="module")
def run_of_screens(tmp_path_factory):
    """best_model.pt of an untrained model that says it has learnt screens."""
    texts = [SCREENS.tell(facts, 0, 5) for facts in SCREENS.collection(60)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = tiny_config(vocab_size=400, max_caption_length=60)
        model = MultimodalModel(config, Tokenizer.train(texts, 400)).eval()
        torch.nn.init.normal_(model.text_decoder.condition.weight, std=0.5)
    model.meta.update(style="screens", caption_source="decoder", caption_kind="code")
    path = tmp_path_factory.mktemp("screens") / "best_model.pt"
    checkpoint.save(path, model.state_dict())
    return path


def draw(path, out, **flags):
    main(InferenceConfig(checkpoint=str(path), out=str(out), device="cpu", **flags))


def test_seeds_are_free_unless_asked_and_then_valid_and_their_cards_true(run_of_screens, tmp_path):
    draw(run_of_screens, tmp_path / "free", seeds="0-2")
    draw(run_of_screens, tmp_path / "held", seeds="0-2", constrained=True)
    free = json.loads((tmp_path / "free" / "pairs.json").read_text("utf-8"))
    held = json.loads((tmp_path / "held" / "pairs.json").read_text("utf-8"))
    assert all(SCREENS.check(row["caption"]).reason for row in free)
    assert [SCREENS.check(row["caption"]).reason for row in held] == [""] * 3
    assert [row.get("constrained") for row in free + held] == [None] * 3 + [1] * 3
    generator = MultimodalGenerator(run_of_screens, device="cpu")
    assert not cards.differences(generator, tmp_path / "held" / "000001.png")
    assert not cards.differences(generator, tmp_path / "free" / "000001.png")


def test_a_picture_is_answered_with_valid_code(run_of_screens, tmp_path):
    facts = SCREENS.collection(1, seed=4)[0]
    SCREENS.draw(facts, 1, 128).save(tmp_path / "mockup.png")
    draw(run_of_screens, tmp_path / "out", image=str(tmp_path / "mockup.png"), constrained=True)
    row = json.loads((tmp_path / "out" / "mockup_drawn.json").read_text("utf-8"))
    assert not SCREENS.check(row["caption"]).reason
    assert row["code"].endswith((".py", ".sql", ".html"))


def test_a_model_without_a_grammar_says_so(tiny_model, tmp_path):
    checkpoint.save(tmp_path / "best_model.pt", tiny_model.state_dict())
    with pytest.raises(UserError, match="style 'engraving' has none; leave it out"):
        draw(tmp_path / "best_model.pt", tmp_path, constrained=True)
    tiny_model.meta.update(style="screens", caption_source="none")
    checkpoint.save(tmp_path / "best_model.pt", tiny_model.state_dict())
    with pytest.raises(UserError, match="does not write its own; leave it out"):
        draw(tmp_path / "best_model.pt", tmp_path, constrained=True)
    with pytest.raises(ValueError, match="not with --find"):
        InferenceConfig(find="seeds", prompt="a form", constrained=True)


def test_a_report_tells_free_and_constrained_texts_apart(run_of_screens):
    class ParsesAlone:
        """A judge of whom nothing but the parser is asked."""

        def __init__(self):
            self.attributes = {name: (*of, ABSENT) for name, of in SCREENS.attributes.items()}

        def parse(self, captions):
            return [SCREENS.parse(caption) for caption in captions]

    generator = MultimodalGenerator(run_of_screens, device="cpu")
    facts = SCREENS.collection(6)
    exam = Exam(generator, ParsesAlone(), SCREENS, 5, facts, 128)
    pairs = generator.generate_batch([0, 1, 2])
    seen = SCREENS.collection(3, seed=7)
    numbers = measure_texts(exam, pairs, seen, [0, 1, 2], 2).numbers
    assert numbers["texts_valid"].value < 1
    assert numbers["texts_known"].value == 0
    assert numbers["texts_valid_constrained"].value == 1
    assert numbers["texts_known_constrained"].value == 1
    assert "joint_strict_constrained" in numbers
    for kind in ("seen", "unseen"):
        assert numbers[f"read_valid_{kind}"].value < 1
        assert numbers[f"read_valid_{kind}_constrained"].value == 1
        assert "grammar" in numbers[f"read_letters_{kind}_constrained"].title
        assert "grammar" not in numbers[f"read_letters_{kind}"].title
