"""Which weights see, lead over and write: a name decides, and other names are refused."""

import pytest
from torch import nn

from oneseed.config.finetuning import (
    CONNECTOR,
    LANGUAGE,
    VISION,
    FinetuningConfig,
    parse_train_parts,
)
from oneseed.console.command import UserError
from oneseed.finetuning.parts import (
    PartSize,
    linear_modules,
    part_of,
    require_known_parts,
    table_lines,
    topmost_modules,
)


@pytest.mark.parametrize(
    "name, part",
    [
        # the connector of Qwen's captioners lies within the vision
        ("model.visual.merger.mlp.0.weight", CONNECTOR),
        ("model.visual.deepstack_merger_list.1.norm.weight", CONNECTOR),
        ("model.visual.blocks.0.attn.qkv.weight", VISION),
        ("model.connector.modality_projection.proj.weight", CONNECTOR),
        ("model.multi_modal_projector.linear_1.weight", CONNECTOR),
        ("qformer.encoder.layer.0.attention.attention.query.weight", CONNECTOR),
        ("query_tokens", CONNECTOR),
        ("language_projection.weight", CONNECTOR),
        ("model.vision_tower.vision_model.encoder.layers.0.mlp.fc1.weight", VISION),
        # "projection" alone is a layer of BLIP-2's vision
        ("vision_model.encoder.layers.0.self_attn.projection.weight", VISION),
        ("model.language_model.layers.0.self_attn.q_proj.weight", LANGUAGE),
        ("model.text_model.embed_tokens.weight", LANGUAGE),
        ("lm_head.weight", LANGUAGE),
        ("transformer.h.0.attn.weight", ""),
    ],
)
def test_a_name_tells_the_part(name, part):
    assert part_of(name) == part


class OneName(nn.Module):
    """A model whose only weight has this path."""

    def __init__(self, *names):
        super().__init__()
        for name in names:
            self.add_module(name, nn.Linear(2, 2))

    def get_output_embeddings(self):
        return None


def test_a_captioner_of_unknown_names_is_refused_in_one_sentence():
    with pytest.raises(UserError, match=r"mine is a captioner .* \(eye\.weight belongs to none\)"):
        require_known_parts(OneName("eye", "language_model"), "mine")
    with pytest.raises(UserError, match="it has no connector"):
        require_known_parts(OneName("visual", "language_model"), "mine")
    require_known_parts(OneName("visual", "connector", "language_model"), "mine")


def test_a_list_of_connectors_counts_by_its_items():
    """peft takes no list: it would have to call one."""
    model = OneName("visual", "language_model")
    model.visual.merger_list = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
    assert topmost_modules(model, CONNECTOR) == ["visual.merger_list.0", "visual.merger_list.1"]
    assert linear_modules(model, VISION) == ["visual"]


def test_the_table_has_every_part_with_its_shares():
    lines = table_lines([PartSize(VISION, 600, 0), PartSize(LANGUAGE, 400, 100)])
    assert lines[1].split() == ["vision", "600", "60.0%", "0", "0.00%"]
    assert lines[2].split() == ["language", "400", "40.0%", "100", "25.00%"]
    assert lines[3].split() == ["all", "1,000", "100.0%", "100", "10.00%"]


def test_parts_are_read_in_any_order_and_others_are_refused():
    assert parse_train_parts("language, vision") == (VISION, LANGUAGE)
    for wrong in ("", "words", "language,eyes"):
        with pytest.raises(ValueError, match="--train names parts"):
            FinetuningConfig(train=wrong)
    with pytest.raises(ValueError, match="name it in --train"):
        FinetuningConfig(train="language", connector="whole")
