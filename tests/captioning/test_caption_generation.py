"""Promises of caption_generation.py: captions read in the style's words, none is made twice, the true pairs are dealt once."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import caption_generation
import dataset_preparation
from oneseed.captioning import huggingface
from oneseed.captioning.captions import in_share
from oneseed.config.captioning import CaptionConfig
from oneseed.config.preparation import PrepareConfig
from oneseed.console.command import UserError
from oneseed.console.flags import parse_configs
from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import read_jsonl
from oneseed.dataset.wording import worded
from oneseed.synthetic.engravings import attributes

ROOT = Path(__file__).resolve().parents[2]


def prepared(data, count, style="engraving", caption="An engraving of castle {}", pictures=False):
    """A collection as dataset_preparation.py leaves it."""
    collection = Collection(style, data)
    rows = []
    for number in range(count):
        id = f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}"
        rows.append(
            {
                "id": id,
                "filename": f"{id}.png",
                "width": 80,
                "height": 80,
                "sha256": id * 4,
                "style": style,
                "source": "test",
                "group": id,
                "given": "",
                "caption": caption.format(number),
            }
        )
        if pictures:
            collection.resized.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng(number).integers(0, 256, (32, 32), dtype=np.uint8)
            Image.fromarray(noise).save(collection.resized / f"{id}.png")
    collection.write_metadata(rows)
    return collection


def run_main(data, **flags):
    assert not caption_generation.main(CaptionConfig(**{"data": str(data), **flags}))


# Wording


@pytest.mark.parametrize(
    "caption, style, expected",
    [
        ("a castle on a hill", "engraving", "An engraving of a castle on a hill"),
        ("An engraving depicting a castle", "engraving", "An engraving depicting a castle"),
        ("an engraving of an engraving of a castle", "engraving", "An engraving of a castle"),
        (
            "An engraving of a black and white drawing of a castle",
            "engraving",
            "An engraving of a castle",
        ),
        (
            "a black and white drawing of a man with a hat",
            "engraving",
            "An engraving of a man with a hat",
        ),
        ("This is an old black-and-white photo of two men", "engraving", "An engraving of two men"),
        ("Engraving: the ship at sea", "engraving", "An engraving of the ship at sea"),
        ("A detailed wood engraving that shows ships", "engraving", "An engraving showing ships"),
        ("Two men in a boat", "engraving", "An engraving of two men in a boat"),
        (
            "The Wolves and the Sheep (wood engraving by Gustave Doré)",
            "engraving",
            "An engraving of The Wolves and the Sheep (wood engraving by Gustave Doré)",
        ),
        (
            "etching / wood engraving by George Cruikshank, from The Tower of London",
            "engraving",
            "An engraving of a work by George Cruikshank, from The Tower of London",
        ),
        (
            "woodcut, from Shakespeare and the Emblem Writers",
            "engraving",
            "An engraving of a work from Shakespeare and the Emblem Writers",
        ),
        ("This engraving depicts a castle.", "engraving", "An engraving depicting a castle."),
        (
            "An engraving of this engraving portrays a castle",
            "engraving",
            "An engraving depicting a castle",
        ),
        (
            "In this black and white image, a man walks.",
            "engraving",
            "An engraving of a man walks.",
        ),
        ("This image is a finely detailed print of a ship", "engraving", "An engraving of a ship"),
        (
            "an engraving of: The image features two men",
            "engraving",
            "An engraving showing two men",
        ),
        (
            "In the Forest, the Picture of a Picnic",
            "engraving",
            "An engraving of In the Forest, the Picture of a Picnic",
        ),
        ("  a\tcastle\n\x00on\u200b a hill ", "engraving", "An engraving of a castle on a hill"),
        ("a statue of a man", "engraving", "An engraving of a statue of a man"),
        ("a photo of a marble statue of a man", "sculpture", "A sculpture of a man"),
        ("a painting of a lady", "painting", "A painting of a lady"),
        ("a pencil sketch of a hand", "drawings", "A drawing of a hand"),
        ("an icon of Saint Nicholas", "iconography", "An icon of Saint Nicholas"),
        ("a tower", "builtin", "An engraving of a tower"),
        ("an engraving of a cat", "my_cats", "A picture of a cat"),
        ("Printing in the old days", "engraving", "An engraving of Printing in the old days"),
        ("an engraving", "engraving", ""),
        ("an engraving of", "engraving", ""),
        ("An engraving of an engraving", "engraving", ""),
        (" \n", "engraving", ""),
        ("...", "engraving", ""),
    ],
)
def test_captions_read_in_the_words_of_their_style(caption, style, expected):
    assert worded(caption, style) == expected
    assert worded(expected, style) == expected, "wording twice changes nothing"


def test_builtin_captions_stay_untouched():

    for level in range(1, 6):
        told = [
            attributes.tell(facts, seed, level)
            for seed, facts in enumerate(attributes.collection(100, level, 0))
        ]
        assert [worded(caption, "builtin") for caption in told] == told


# Existing captions


def test_existing_captions_are_dealt_exactly_and_written_back(tmp_path, capsys):
    collection = prepared(tmp_path, 848, caption="castle {}")
    run_main(tmp_path)
    train, val = collection.read_captions()
    assert (len(train), len(val)) == (763, 85)
    assert all(row.keys() == {"id", "filename", "caption", "style", "split"} for row in train + val)
    assert {row["split"] for row in train} == {"train"} and {row["split"] for row in val} == {"val"}
    assert {row["id"]: row["caption"] for row in collection.read_metadata()} == {
        row["id"]: row["caption"] for row in train + val
    }
    assert "848 pairs, 763 to train and 85 to validate" in capsys.readouterr().out


def test_pairs_of_all_styles_keep_their_own_and_read_in_its_words(tmp_path, blip2):
    """Captions that came along, and those a captioner writes for the last two."""
    collection = prepared(tmp_path, 12, style="all", pictures=True)
    styles = {
        "engraving": "An engraving of ",
        "drawings": "A drawing of ",
        "painting": "A painting of ",
        "sculpture": "A sculpture of ",
        "iconography": "An icon of ",
        "all": "A picture of ",
    }
    rows = [
        {**row, "style": style, "caption": f"castle {number}" if number < 10 else ""}
        for number, (row, style) in enumerate(zip(collection.read_metadata(), [*styles] * 2))
    ]
    collection.write_metadata(rows)
    run_main(tmp_path, style="all", captioner=blip2, max_new_tokens=8)
    train, val = collection.read_captions()
    assert collection.train.name == "all_train.jsonl" and {row["style"] for row in train + val} == {
        *styles
    }
    assert {row["id"]: row["style"] for row in train + val}.items() <= {
        row["id"]: row["style"] for row in rows
    }.items()
    assert (
        all(row["caption"].startswith(styles[row["style"]]) for row in train + val)
        and len(train + val) > 10
    )


def test_running_again_rewrites_nothing(tmp_path):
    collection = prepared(tmp_path, 20)
    run_main(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json*")}
    run_main(tmp_path)
    assert {
        path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json*")
    } == before and collection.val in before


def sides(collection):
    return {row["id"]: row["split"] for rows in collection.read_captions() for row in rows}


def test_split_does_not_move_when_pictures_are_added_or_left_out(tmp_path):
    collection = prepared(tmp_path, 100)
    run_main(tmp_path)
    first = sides(collection)
    old = {row["id"]: row for row in collection.read_metadata()}
    prepared(tmp_path, 150)
    collection.write_metadata([old.get(row["id"], row) for row in collection.read_metadata()])
    run_main(tmp_path)
    second = sides(collection)
    run_main(tmp_path, max_samples=30)
    assert len(sides(collection)) == 30
    run_main(tmp_path)
    assert len(second) == 150 and second.items() >= first.items() and sides(collection) == second


def test_the_stored_split_decides_even_if_moved_by_hand(tmp_path):
    collection = prepared(tmp_path, 20)
    run_main(tmp_path)
    train, val = collection.read_captions()
    collection.train.write_text("".join(json.dumps(row) + "\n" for row in train + val[:1]))
    collection.val.write_text("".join(json.dumps(row) + "\n" for row in val[1:]))
    run_main(tmp_path)
    assert sides(collection)[val[0]["id"]] == "train"


def test_pictures_without_a_caption_are_left_out_and_counted(tmp_path, capsys):
    collection = prepared(tmp_path, 10)
    rows = collection.read_metadata()
    rows[3]["caption"] = ""
    rows[4]["caption"] = "an engraving of "
    collection.write_metadata(rows)
    run_main(tmp_path, captioner="existing")
    assert (
        len(sides(collection)) == 8
        and not {rows[3]["id"], rows[4]["id"]} & sides(collection).keys()
    )
    assert (
        "left out for want of a caption: 2 of 10" in capsys.readouterr().out
        and len(collection.read_metadata()) == 10
    )


def test_no_captions_at_all_name_the_captioner(tmp_path):
    collection = prepared(tmp_path, 3, caption="")
    with pytest.raises(UserError, match="none of the 3 pictures.*--captioner") as caught:
        run_main(tmp_path, captioner="existing")
    assert caught.value.code == 2 and not collection.train.exists()


def test_a_missing_earlier_stage_is_named(tmp_path):
    with pytest.raises(UserError, match="python dataset_preparation.py"):
        run_main(tmp_path)


# A captioner


@pytest.fixture(scope="module")
def blip2(tiny_blip2, tmp_path_factory):
    return str(tiny_blip2(tmp_path_factory.mktemp("blip2")))


def test_a_captioner_writes_what_is_missing_and_keeps_the_rest(tmp_path, blip2):
    collection = prepared(tmp_path, 10, caption="", pictures=True)
    rows = collection.read_metadata()
    rows[0]["caption"] = "An engraving of my own words"
    collection.write_metadata(rows)
    run_main(tmp_path, captioner=blip2, batch_size=4, max_new_tokens=8)
    after = collection.read_metadata()
    assert after[0]["caption"] == "An engraving of my own words" and "captioner" not in after[0]
    made = [row for row in after[1:] if row["caption"]]
    assert made and all(
        row["captioner"] == blip2 and row["caption"].startswith("An engraving of ") for row in made
    )
    assert not any(row["caption"].lower().count("engraving of") > 1 for row in made), (
        "the prompt came back in the caption"
    )
    assert sides(collection).keys() == {row["id"] for row in after if row["caption"]}
    run_main(tmp_path, captioner=blip2, recaption=True, max_new_tokens=8)
    assert collection.read_metadata()[0]["caption"] != "An engraving of my own words"


def test_a_batch_gives_what_single_pictures_give(tmp_path, blip2):
    """Right padding changed two of three captions of a batch; prompts of different length make padding show."""
    processor, model = huggingface.load_captioner(blip2, "cpu")
    pictures = [
        Image.fromarray(np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8))
        for seed in range(5)
    ]
    prompts = [
        "an engraving of",
        "an icon of",
        "a drawing of",
        "a picture of two",
        "an engraving of",
    ]
    together = huggingface.caption_pictures(pictures, prompts, processor, model, 8)
    alone = [
        huggingface.caption_pictures([picture], [prompt], processor, model, 8)[0]
        for picture, prompt in zip(pictures, prompts)
    ]
    assert together == alone and any(caption for caption, _ in together)
    assert not any(caption.startswith(prompt) for (caption, _), prompt in zip(together, prompts))


def test_a_resumed_run_captions_nothing_twice(tmp_path, blip2, monkeypatch):
    collection = prepared(tmp_path, 10, caption="", pictures=True)
    seen = []
    real = huggingface.caption_pictures

    def watched(pictures, *rest):
        if len(seen) == 6:
            raise KeyboardInterrupt
        seen.extend(picture.tobytes() for picture in pictures)
        return real(pictures, *rest)

    monkeypatch.setattr(huggingface, "caption_pictures", watched)
    with pytest.raises(KeyboardInterrupt):
        run_main(tmp_path, captioner=blip2, batch_size=3, max_new_tokens=8)
    log = tmp_path / "captions" / "engraving_generated.jsonl"
    assert len(read_jsonl(log)) == 6 and not collection.train.exists()
    with open(log, "a") as file:
        file.write('{"id": "torn by a k')
    monkeypatch.setattr(
        huggingface,
        "caption_pictures",
        lambda pictures, *rest: (
            seen.extend(picture.tobytes() for picture in pictures) or real(pictures, *rest)
        ),
    )
    run_main(tmp_path, captioner=blip2, batch_size=3, max_new_tokens=8)
    run_main(tmp_path, captioner=blip2, batch_size=3, max_new_tokens=8)
    assert len(seen) == len(set(seen)) == 10 and len(read_jsonl(log)) == 10
    resumed = [row["caption"] for row in collection.read_metadata()]
    prepared(tmp_path / "whole", 10, caption="", pictures=True)
    run_main(tmp_path / "whole", captioner=blip2, batch_size=3, max_new_tokens=8)
    assert resumed == [
        row["caption"] for row in Collection("engraving", tmp_path / "whole").read_metadata()
    ]


def test_blip1_answers_lose_the_prompt_by_its_text_and_batches_hold_equal_prompts(tmp_path):
    """BLIP-1 repeats the prompt, one token off: slicing by its length would cut into the caption. Prompts of different length in one batch
    changed two of six captions, those of the padded rows."""
    import torch
    from transformers import (
        BertTokenizerFast,
        BlipConfig,
        BlipForConditionalGeneration,
        BlipImageProcessor,
        BlipProcessor,
    )

    (tmp_path / "vocab.txt").write_text(
        "[PAD] [UNK] [CLS] [SEP] [MASK] [DEC] an engraving of a castle ship hill ic ##on picture".replace(
            " ", "\n"
        )
    )
    processor = BlipProcessor(
        BlipImageProcessor(size={"height": 32, "width": 32}),
        BertTokenizerFast(str(tmp_path / "vocab.txt"), bos_token="[DEC]"),
    )
    shape = dict(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        initializer_range=0.5,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = BlipForConditionalGeneration(
            BlipConfig(
                vision_config=dict(**shape, image_size=32, patch_size=8),
                text_config=dict(
                    **shape,
                    vocab_size=16,
                    encoder_hidden_size=32,
                    bos_token_id=5,
                    sep_token_id=3,
                    eos_token_id=3,
                    pad_token_id=0,
                    max_position_embeddings=64,
                ),
            )
        )
    model.save_pretrained(tmp_path / "blip")
    processor.save_pretrained(tmp_path / "blip")
    told = []
    for batch_size in (1, 8):
        collection = prepared(
            tmp_path / str(batch_size), 12, style="all", caption="", pictures=True
        )
        collection.write_metadata(
            [
                {**row, "style": ("engraving", "iconography", "my_prints")[number % 3]}
                for number, row in enumerate(collection.read_metadata())
            ]
        )
        run_main(
            tmp_path / str(batch_size),
            style="all",
            captioner=str(tmp_path / "blip"),
            batch_size=batch_size,
            max_new_tokens=6,
        )
        told.append(
            {
                row["id"]: row["caption"]
                for row in read_jsonl(collection.train.with_name("all_generated.jsonl"))
            }
        )
    assert told[0] == told[1] and len({*told[0].values()}) > 3, told
    assert not any(
        caption.startswith(("[DEC]", "an engraving of", "an icon of", "a picture of"))
        for caption in told[0].values()
    ), told


CHAT = (
    "{% for message in messages %}{{ message.role }}: {% for part in message.content %}{% if part.type == 'image' %}PICTURE{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}\n{% endfor %}assistant:"
)


def words_with(*special, **named):
    """A small tokenizer with a model's own marks, and the text side's settings for it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.BPE(unk_token=None))
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    words.train_from_iterator(
        ["Describe it in one sentence that begins: an engraving of a castle on a hill"] * 4,
        trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=["<pad>", "<s>", "</s>", *special],
            show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        additional_special_tokens=list(special),
        extra_special_tokens=named,
    )
    return tokenizer, dict(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        initializer_range=0.5,
    )


VISION = dict(
    hidden_size=32,
    intermediate_size=64,
    num_attention_heads=4,
    image_size=32,
    patch_size=8,
    initializer_range=0.5,
)


def tiny_llava():
    from transformers import (
        CLIPImageProcessor,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    tokenizer, text = words_with("<image>")
    processor = LlavaProcessor(
        CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}),
        tokenizer,
        patch_size=8,
        num_additional_image_tokens=1,
        vision_feature_select_strategy="default",
        chat_template=CHAT.replace("PICTURE", "<image>"),
    )
    return processor, LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=dict(
                model_type="clip_vision_model", **VISION, num_hidden_layers=3, projection_dim=32
            ),
            text_config=dict(model_type="llama", **text),
            image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
            vision_feature_select_strategy="default",
        )
    )


def tiny_qwen():
    from transformers import (
        Qwen2VLConfig,
        Qwen2VLForConditionalGeneration,
        Qwen2VLImageProcessor,
        Qwen2VLProcessor,
        Qwen2VLVideoProcessor,
    )

    marks = [
        "<|im_start|>",
        "<|im_end|>",
        "<|vision_start|>",
        "<|vision_end|>",
        "<|image_pad|>",
        "<|video_pad|>",
    ]
    tokenizer, text = words_with(*marks)
    _, _, start, end, image, video = tokenizer.convert_tokens_to_ids(marks)
    processor = Qwen2VLProcessor(
        Qwen2VLImageProcessor(size={"shortest_edge": 56 * 56, "longest_edge": 112 * 112}),
        tokenizer,
        Qwen2VLVideoProcessor(),
        chat_template=CHAT.replace("PICTURE", "<|vision_start|><|image_pad|><|vision_end|>"),
    )
    return processor, Qwen2VLForConditionalGeneration(
        Qwen2VLConfig(
            vision_config=dict(
                depth=2,
                embed_dim=32,
                hidden_size=32,
                num_heads=4,
                mlp_ratio=2,
                patch_size=14,
                spatial_merge_size=2,
                temporal_patch_size=2,
                initializer_range=0.5,
            ),
            text_config=dict(
                **text,
                rope_parameters={
                    "rope_type": "default",
                    "mrope_section": [1, 1, 2],
                    "rope_theta": 1e4,
                },
            ),
            image_token_id=image,
            video_token_id=video,
            vision_start_token_id=start,
            vision_end_token_id=end,
        )
    )


def tiny_smolvlm():
    from transformers import (
        SmolVLMConfig,
        SmolVLMForConditionalGeneration,
        SmolVLMImageProcessor,
        SmolVLMProcessor,
        SmolVLMVideoProcessor,
    )

    tokenizer, text = words_with(
        image_token="<image>",
        fake_image_token="<fake_token_around_image>",
        global_image_token="<global-img>",
        end_of_utterance_token="<end_of_utterance>",
    )
    side = {"longest_edge": 32}
    processor = SmolVLMProcessor(
        SmolVLMImageProcessor(size=side, max_image_size=side, do_image_splitting=False),
        tokenizer,
        SmolVLMVideoProcessor(size=side, video_sampling=dict(fps=1, max_frames=4, video_size=side)),
        image_seq_len=4,
        chat_template=CHAT.replace("PICTURE", "<image>"),
    )
    text["vocab_size"] = len(tokenizer)
    return processor, SmolVLMForConditionalGeneration(
        SmolVLMConfig(
            vision_config=dict(**VISION, num_hidden_layers=2),
            text_config=dict(model_type="llama", **text),
            image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
            scale_factor=2,
        )
    )


def tiny_florence():
    from transformers import (
        CLIPImageProcessor,
        Florence2Config,
        Florence2ForConditionalGeneration,
        Florence2Processor,
    )

    tokenizer, _text = words_with(image_token="<image>")
    # 2 x 2 and one: 64 pixels, halved five times
    pictures = CLIPImageProcessor(
        size={"height": 64, "width": 64}, do_center_crop=False, image_seq_length=5
    )
    processor = Florence2Processor(pictures, tokenizer, num_additional_image_tokens=0)
    halved = dict(
        num_heads=(2,) * 4,
        num_groups=(2,) * 4,
        window_size=4,
        patch_size=(7, 3, 3, 3),
        patch_stride=(4, 2, 2, 2),
        patch_padding=(3, 1, 1, 1),
    )
    return processor, Florence2ForConditionalGeneration(
        Florence2Config(
            text_config=dict(
                model_type="bart",
                vocab_size=len(tokenizer),
                d_model=32,
                encoder_layers=2,
                decoder_layers=2,
                encoder_attention_heads=4,
                decoder_attention_heads=4,
                encoder_ffn_dim=64,
                decoder_ffn_dim=64,
                max_position_embeddings=256,
                pad_token_id=0,
                bos_token_id=1,
                eos_token_id=2,
                decoder_start_token_id=2,
                forced_eos_token_id=None,
                init_std=0.5,
            ),
            vision_config=dict(
                depths=(1,) * 4,
                embed_dim=(8, 8, 16, 32),
                patch_prenorm=(False, True, True, True),
                projection_dim=32,
                **halved,
            ),
            image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        )
    )


@pytest.mark.parametrize("build", [tiny_llava, tiny_qwen, tiny_smolvlm, tiny_florence])
def test_every_family_captions_in_a_batch_as_alone_and_without_its_prompt(
    build, tmp_path, monkeypatch
):
    """Chat templates, tasks, encoder and decoder: what a family needs is found in its checkpoint, not in a list of names."""
    import torch
    from transformers.models.smolvlm import processing_smolvlm

    # an own package of SmolVLM's, for videos alone
    monkeypatch.setattr(processing_smolvlm, "num2words", str)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        processor, model = build()
    model.generation_config.pad_token_id = 0
    model.generation_config.eos_token_id = 2
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    processor, model = huggingface.load_captioner(str(tmp_path), "cpu")
    pictures = [
        Image.fromarray(np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8))
        for seed in range(4)
    ]
    prompts = ["an engraving of", "an icon of", "a picture of two", "an engraving of"]
    together = huggingface.caption_pictures(pictures, prompts, processor, model, 8)
    assert together == [
        huggingface.caption_pictures([picture], [prompt], processor, model, 8)[0]
        for picture, prompt in zip(pictures, prompts)
    ]
    assert all(
        caption and "Describe" not in caption and "assistant" not in caption
        for caption, _ in together
    ), together
    assert together[0] != together[3], (
        "another picture, the same prompt, the same words: nobody looked"
    )


def test_a_caption_that_met_the_length_limit_is_known(blip2):
    processor, model = huggingface.load_captioner(blip2, "cpu")
    pictures = [Image.new("RGB", (32, 32), shade) for shade in ("red", "white")]
    prompts = ["an engraving of"] * 2
    assert [
        cut for _, cut in huggingface.caption_pictures(pictures, prompts, processor, model, 2)
    ] == [True, True]
    model.language_model.generation_config.suppress_tokens = [
        token for token in range(len(processor.tokenizer)) if token != 2
    ]
    assert [
        cut for _, cut in huggingface.caption_pictures(pictures, prompts, processor, model, 2)
    ] == [False, False], "only an end could be written"


def test_a_captioner_s_own_code_is_never_run(tmp_path, monkeypatch):
    """transformers would ask at the terminal whether to run what lies beside the weights, and do it for a y."""
    prepared(tmp_path, 2, caption="", pictures=True)
    folder = tmp_path / "captioner"
    folder.mkdir()
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Own: pass\n")
    own = {
        "AutoConfig": "own.Own",
        "AutoProcessor": "own.Own",
        "AutoModelForImageTextToText": "own.Own",
    }
    (folder / "config.json").write_text(json.dumps({"model_type": "own", "auto_map": own}))
    (folder / "processor_config.json").write_text(
        json.dumps({"processor_class": "Own", "auto_map": own})
    )
    monkeypatch.setattr("builtins.input", lambda *words: "y")
    with pytest.raises(UserError, match="cannot be loaded"):
        run_main(tmp_path, captioner=str(folder))
    assert not (tmp_path / "ran").exists()


# Shares


def test_every_picture_is_in_one_share_and_stays_there():
    ids = [row * 4 for row in map("{:04x}".format, range(2000))]
    shares = [{id for id in ids if in_share(id, i, 4)} for i in range(1, 5)]
    assert (
        set.union(*shares) == set(ids)
        and sum(map(len, shares)) == 2000
        and all(400 < len(share) < 600 for share in shares)
    )
    assert in_share("0", 1, 1)


@pytest.fixture
def counted(monkeypatch):
    """-> list that grows by every picture a captioner is shown."""
    seen = []
    real = huggingface.caption_pictures
    monkeypatch.setattr(
        huggingface,
        "caption_pictures",
        lambda pictures, *rest: (
            seen.extend(picture.tobytes() for picture in pictures) or real(pictures, *rest)
        ),
    )
    return seen


@pytest.mark.parametrize("recaption", [False, True])
def test_shards_and_a_gathering_run_write_what_one_run_writes(recaption, tmp_path, blip2, counted):
    flags = dict(captioner=blip2, max_new_tokens=6, recaption=recaption)
    caption = "An engraving of castle {}" if recaption else ""
    collection = prepared(tmp_path, 12, caption=caption, pictures=True)
    before = collection.metadata.read_bytes()
    for shard in ("3/3", "1/3", "2/3"):
        run_main(tmp_path, shard=shard, **flags)
        assert collection.metadata.read_bytes() == before and not collection.train.exists(), (
            "a shard writes no pairs and no metadata"
        )
    logs = sorted(path.name for path in (tmp_path / "captions").iterdir())
    assert (
        logs == [f"engraving_generated_{i}of3.jsonl" for i in (1, 2, 3)]
        and len(counted) == len(set(counted)) == 12
    )
    run_main(tmp_path, **flags)
    assert len(counted) == 12, "the gathering run captions nothing again"
    other = prepared(tmp_path / "one", 12, caption=caption, pictures=True)
    run_main(tmp_path / "one", **flags)
    assert (
        collection.read_metadata() == other.read_metadata()
        and collection.read_captions() == other.read_captions()
    )
    assert any(row.get("captioner") == blip2 for row in collection.read_metadata())


def test_what_a_lost_shard_left_undone_the_gathering_run_does(tmp_path, blip2, counted):
    collection = prepared(tmp_path, 12, caption="", pictures=True)
    run_main(tmp_path, shard="1/3", captioner=blip2, max_new_tokens=6)
    first = len(counted)
    run_main(tmp_path, captioner=blip2, max_new_tokens=6)
    assert 0 < first < 12 and len(counted) == len(set(counted)) == 12 and len(sides(collection)) > 8


def test_another_number_of_shards_captions_nothing_twice(tmp_path, blip2, counted):
    prepared(tmp_path, 12, caption="", pictures=True)
    for shard in ("1/2", "1/3", "2/3", "3/3", "2/2"):
        run_main(tmp_path, shard=shard, captioner=blip2, max_new_tokens=6)
    assert len(counted) == len(set(counted)) == 12


def test_a_log_that_another_shard_is_writing_is_read_and_left_alone(tmp_path, blip2, counted):
    """Cutting its unfinished last line off would tear the line that the other process is just writing."""
    collection = prepared(tmp_path, 8, caption="", pictures=True)
    run_main(tmp_path, shard="2/2", captioner=blip2, max_new_tokens=6)
    log = tmp_path / "captions" / "engraving_generated_2of2.jsonl"
    done = len(counted)
    log.write_bytes(log.read_bytes() + '{"id": "half a lin…'.encode()[:-1])
    before = log.read_bytes()
    run_main(tmp_path, shard="1/2", captioner=blip2, max_new_tokens=6)
    run_main(tmp_path, captioner=blip2, max_new_tokens=6)
    assert (
        0 < done < 8
        and len(counted) == 8
        and log.read_bytes() == before
        and collection.train.exists()
    )


def test_ranks_of_torchrun_are_shards_and_name_the_command_that_gathers(
    tmp_path, blip2, counted, monkeypatch, capsys
):
    collection = prepared(tmp_path, 8, caption="", pictures=True)
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in "10":
        monkeypatch.setenv("RANK", rank)
        run_main(tmp_path, captioner=blip2, max_new_tokens=6, device="cpu")
        assert (tmp_path / "captions" / f"engraving_generated_{int(rank) + 1}of2.jsonl").exists()
    with pytest.raises(UserError, match="leave --shard out"):
        run_main(tmp_path, captioner=blip2, shard="1/2")
    for flags in (dict(captioner="existing"), dict(captioner=blip2, review="sheet.html")):
        with pytest.raises(UserError, match="without --shard and torchrun"):
            run_main(tmp_path, **flags)
    monkeypatch.delenv("WORLD_SIZE")
    said = [line for line in capsys.readouterr().out.splitlines() if "this gathers them" in line]
    command = shlex.split(said[0].partition("gathers them: ")[2])
    assert (
        len(said) == 2 and len(counted) == 8 and command[:2] == ["python", "caption_generation.py"]
    )
    (config,) = parse_configs(CaptionConfig, description="", argv=command[2:])
    assert not caption_generation.main(config) and len(counted) == 8 and len(sides(collection)) > 6


def test_each_rank_has_a_gpu_of_its_own(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert (
        huggingface.pick_caption_device("auto") == "cuda"
        and huggingface.pick_caption_device("cpu") == "cpu"
    )
    for rank, device in (("0", "cuda:0"), ("1", "cuda:1"), ("2", "cuda:0")):
        monkeypatch.setenv("LOCAL_RANK", rank)
        assert (
            huggingface.pick_caption_device("auto")
            == huggingface.pick_caption_device("cuda")
            == device
            and huggingface.pick_caption_device("cpu") == "cpu"
        )


@pytest.mark.skipif(not os.environ.get("LONG"), reason="a minute; LONG=1 runs it")
def test_torchrun_captions_with_two_processes(tmp_path, blip2):
    collection = prepared(tmp_path, 12, caption="", pictures=True)
    flags = [
        "--captioner",
        blip2,
        "--max-new-tokens",
        "6",
        "--device",
        "cpu",
        "--data",
        str(tmp_path),
    ]
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--nproc-per-node",
            "2",
            str(ROOT / "caption_generation.py"),
            *flags,
        ],
        text=True,
        capture_output=True,
    )
    assert (
        ran.returncode == 0
        and ran.stdout.count("this gathers them: python caption_generation.py --style engraving")
        == 2
    ), ran
    logs = [read_jsonl(tmp_path / "captions" / f"engraving_generated_{i}of2.jsonl") for i in (1, 2)]
    assert all(logs) and sorted(row["id"] for log in logs for row in log) == sorted(
        row["id"] for row in collection.read_metadata()
    )


@pytest.mark.skipif(not os.environ.get("LONG"), reason="some minutes; LONG=1 runs it")
def test_a_captioner_killed_twenty_times_captions_each_picture_once(tmp_path, blip2):
    collection = prepared(tmp_path, 200, caption="", pictures=True)
    log = tmp_path / "captions" / "engraving_generated.jsonl"
    command = [
        sys.executable,
        str(ROOT / "caption_generation.py"),
        *f"--captioner {blip2} --max-new-tokens 20 --batch-size 3 --device cpu --data {tmp_path}".split(),
    ]
    for kill in range(20):
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not log.exists() or log.read_bytes().count(b"\n") <= 8 * kill:
            assert running.poll() is None
            time.sleep(0.02)
        running.kill()
        assert running.wait() == -signal.SIGKILL and not collection.train.exists()
    assert subprocess.run(command).returncode == 0
    rows = collection.read_metadata()
    assert sorted(row["id"] for row in read_jsonl(log)) == sorted(row["id"] for row in rows)
    whole = prepared(tmp_path / "whole", 200, caption="", pictures=True)
    run_main(tmp_path / "whole", captioner=blip2, max_new_tokens=20, batch_size=3, device="cpu")
    assert rows == whole.read_metadata()


def test_a_captioner_that_cannot_be_had_ends_in_one_sentence(tmp_path):
    prepared(tmp_path, 3, caption="", pictures=True)
    result = subprocess.run(
        [
            sys.executable,
            str(ROOT / "caption_generation.py"),
            "--captioner",
            "nobody/nothing",
            "--data",
            str(tmp_path),
        ],
        text=True,
        capture_output=True,
        timeout=60,
        env=os.environ | {"HF_ENDPOINT": "http://localhost:9", "HF_HOME": str(tmp_path / "hf")},
    )
    assert result.returncode == 2, result
    (error,) = [line for line in result.stderr.splitlines() if line]
    assert (
        error.startswith("error: ")
        and "cannot be reached" in error
        and "--captioner PATH" in error
        and "--captioner existing" in error
    )


def test_a_broken_captioner_folder_is_named(tmp_path):
    prepared(tmp_path, 3, caption="", pictures=True)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UserError, match="broken cannot be loaded") as caught:
        run_main(tmp_path, captioner=str(tmp_path / "broken"))
    assert caught.value.code == 2


def test_without_a_gpu_the_time_and_a_smaller_command_come_first(tmp_path, monkeypatch, capsys):
    prepared(tmp_path, 3, caption="", pictures=True)

    def stop(*arguments):
        raise UserError("stopped before loading")

    monkeypatch.setattr(huggingface, "load_captioner", stop)
    monkeypatch.setattr(huggingface, "PARAMETERS", {huggingface.BLIP2: 3.74e15})
    with pytest.raises(UserError, match="stopped"):
        run_main(tmp_path, device="cpu")
    said = capsys.readouterr().out
    assert (
        "hours for 3 pictures" in said
        and f"--captioner {huggingface.SMALLER}" in said
        and "--max-samples" in said
    )


@pytest.mark.skipif(
    "ENGRAVINGS" not in os.environ, reason="set ENGRAVINGS to the folder of real pictures"
)
def test_real_engravings_are_dealt_763_and_85(tmp_path):

    dataset_preparation.main(
        PrepareConfig(source=os.environ["ENGRAVINGS"], image_size=32, workers=2, data=str(tmp_path))
    )
    run_main(tmp_path)
    train, val = Collection("engraving", tmp_path).read_captions()
    assert (len(train), len(val)) == (763, 85)
    assert all(row["caption"].startswith("An engraving ") for row in train + val)
