"""Captioners of transformers: none is asked twice, none runs code of its own, all families work."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from oneseed.captioning import huggingface
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import read_jsonl
from tests.captioning.families import tiny_florence, tiny_llava, tiny_qwen, tiny_smolvlm, words_with
from tests.captioning.prepared import prepared, run_main, sides

ROOT = Path(__file__).resolve().parents[2]


def test_a_captioner_writes_what_is_missing_and_keeps_the_rest(tmp_path, blip2):
    collection = prepared(tmp_path, 10, caption="", pictures=True)
    rows = collection.read_metadata()
    rows[0]["caption"] = "An engraving of my own words"
    collection.write_metadata(rows)
    run_main(tmp_path, captioner=blip2, batch_size=4, max_new_tokens=8)
    after = collection.read_metadata()
    assert after[0]["caption"] == "An engraving of my own words"
    assert "captioner" not in after[0]
    made = [row for row in after[1:] if row["caption"]]
    assert made
    assert all(
        row["captioner"] == blip2 and row["caption"].startswith("An engraving of ") for row in made
    )
    assert not any(row["caption"].lower().count("engraving of") > 1 for row in made), (
        "the prompt came back in the caption"
    )
    assert sides(collection).keys() == {row["id"] for row in after if row["caption"]}
    run_main(tmp_path, captioner=blip2, recaption=True, max_new_tokens=8)
    assert collection.read_metadata()[0]["caption"] != "An engraving of my own words"


def test_a_batch_gives_what_single_pictures_give(tmp_path, blip2):
    """Right padding changed two of three captions of a batch.

    Prompts of different length make padding show.
    """
    captioner = huggingface.load_captioner(blip2, "cpu")
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
    together = huggingface.caption_pictures(pictures, prompts, captioner, max_new_tokens=8)
    alone = [
        huggingface.caption_pictures([picture], [prompt], captioner, max_new_tokens=8)[0]
        for picture, prompt in zip(pictures, prompts)
    ]
    assert together == alone
    assert any(caption for caption, _ in together)
    assert not any(caption.startswith(prompt) for (caption, _), prompt in zip(together, prompts))


def test_a_resumed_run_captions_nothing_twice(tmp_path, blip2, monkeypatch):
    collection = prepared(tmp_path, 10, caption="", pictures=True)
    seen = []
    real = huggingface.caption_pictures

    def shown(pictures, *rest, **options):
        seen.extend(picture.tobytes() for picture in pictures)
        return real(pictures, *rest, **options)

    def interrupted(*pictures_and_rest, **options):
        if len(seen) == 6:
            raise KeyboardInterrupt
        return shown(*pictures_and_rest, **options)

    monkeypatch.setattr(huggingface, "caption_pictures", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_main(tmp_path, captioner=blip2, batch_size=3, max_new_tokens=8)
    log = tmp_path / "captions" / "engraving_generated.jsonl"
    assert len(read_jsonl(log)) == 6
    assert not collection.train.exists()
    with open(log, "a") as file:
        file.write('{"id": "torn by a k')
    monkeypatch.setattr(huggingface, "caption_pictures", shown)
    run_main(tmp_path, captioner=blip2, batch_size=3, max_new_tokens=8)
    run_main(tmp_path, captioner=blip2, batch_size=3, max_new_tokens=8)
    assert len(seen) == len(set(seen)) == 10
    assert len(read_jsonl(log)) == 10
    resumed = [row["caption"] for row in collection.read_metadata()]
    prepared(tmp_path / "uninterrupted", 10, caption="", pictures=True)
    run_main(tmp_path / "uninterrupted", captioner=blip2, batch_size=3, max_new_tokens=8)
    assert resumed == [
        row["caption"]
        for row in Collection("engraving", tmp_path / "uninterrupted").read_metadata()
    ]


def test_blip1_answers_lose_the_prompt_by_its_text_and_batches_hold_equal_prompts(tmp_path):
    """BLIP-1 repeats the prompt, one token off: slicing by its length would cut into the caption.

    Prompts of different length in one batch changed two of six captions, those of padded rows.
    """
    import torch
    from transformers import (
        BertTokenizerFast,
        BlipConfig,
        BlipForConditionalGeneration,
        BlipImageProcessor,
        BlipProcessor,
    )

    words = (
        "[PAD] [UNK] [CLS] [SEP] [MASK] [DEC] an engraving of a castle ship hill ic ##on picture"
    )
    (tmp_path / "vocab.txt").write_text("\n".join(words.split()))
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
    captions = []
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
        captions.append(
            {
                row["id"]: row["caption"]
                for row in read_jsonl(collection.train.with_name("all_generated.jsonl"))
            }
        )
    assert captions[0] == captions[1], captions
    assert len({*captions[0].values()}) > 3, captions
    assert not any(
        caption.startswith(("[DEC]", "an engraving of", "an icon of", "a picture of"))
        for caption in captions[0].values()
    ), captions


@pytest.mark.parametrize("build", [tiny_llava, tiny_qwen, tiny_smolvlm, tiny_florence])
def test_every_family_captions_in_a_batch_as_alone_and_without_its_prompt(
    build, tmp_path, monkeypatch
):
    """Chat templates, tasks, encoder and decoder: the checkpoint says what its family needs."""
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
    captioner = huggingface.load_captioner(str(tmp_path), "cpu")
    pictures = [
        Image.fromarray(np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8))
        for seed in range(4)
    ]
    prompts = ["an engraving of", "an icon of", "a picture of two", "an engraving of"]
    together = huggingface.caption_pictures(pictures, prompts, captioner, max_new_tokens=8)
    assert together == [
        huggingface.caption_pictures([picture], [prompt], captioner, max_new_tokens=8)[0]
        for picture, prompt in zip(pictures, prompts)
    ]
    assert all(
        caption and "Describe" not in caption and "assistant" not in caption
        for caption, _ in together
    ), together
    assert together[0] != together[3], (
        "another picture, the same prompt, the same words: nobody looked"
    )


@pytest.fixture(scope="module")
def thinker():
    """A processor whose model thinks, with marks that are tokens of its own."""
    tokenizer, _text = words_with("<think>", "</think>", "<|begin_of_box|>", "<|im_end|>")
    return SimpleNamespace(tokenizer=tokenizer)


def test_what_parts_thoughts_from_an_answer_is_decoded_and_other_special_tokens_are_not(thinker):
    """To leave out all special tokens made one caption of thoughts and answer."""
    text = "<s><think>a castle</think><|begin_of_box|>a castle on a hill<|im_end|></s><pad>"
    tokens = thinker.tokenizer(text, return_tensors="pt", add_special_tokens=False).input_ids
    assert huggingface.decode_answers(tokens, thinker) == [
        "<think>a castle</think><|begin_of_box|>a castle on a hill"
    ]


@pytest.mark.parametrize(
    "prompt, begins",
    [("assistant:<think>\n", True), ("assistant:", False), ("<think></think>assistant:", False)],
)
def test_thoughts_that_a_prompt_begins_are_known(prompt, begins, thinker):
    """Templates of thinking models write the first mark themselves; the answer has the last one."""
    tokens = thinker.tokenizer(prompt, return_tensors="pt", add_special_tokens=False).input_ids
    assert huggingface.begins_with_thoughts(tokens, thinker) == begins


def test_a_checkpoint_s_answers_are_cleaned_and_its_empty_ones_told(
    tmp_path, blip2, monkeypatch, capsys
):
    answers = iter(
        [
            ("<think>a castle? yes</think>**Caption:** a castle on a hill", False),
            ("<think>a castle, or", True),
            ("i'm sorry, i can't help with that", False),
            ("a ship at sea", True),
        ]
    )
    monkeypatch.setattr(
        huggingface, "caption_pictures", lambda pictures, *rest, **options: [next(answers)]
    )
    collection = prepared(tmp_path, 4, caption="", pictures=True)
    run_main(tmp_path, captioner=blip2, batch_size=1, max_new_tokens=8)
    said = capsys.readouterr().out
    assert {row["caption"] for row in collection.read_metadata()} == {
        "An engraving of a castle on a hill",
        "An engraving of a ship at sea",
        "",
    }
    assert "without a caption: 2 of 4 pictures" in said
    assert "the length limit ended its thoughts" in said
    assert "1: refused, such as" in said
    assert "captions cut off: 1 of 2" in said
    # It would answer the same again, unless it may write more.
    run_main(tmp_path, captioner=blip2, batch_size=1, max_new_tokens=8)
    said = capsys.readouterr().out
    assert "without a caption: 2 of 2 pictures; the same command would get the same" in said
    answers = iter([("<think>a castle, or</think>a tower by a river", False)])
    run_main(tmp_path, captioner=blip2, batch_size=1, max_new_tokens=80)
    assert sum(bool(row["caption"]) for row in collection.read_metadata()) == 3


def test_a_damaged_picture_costs_itself_alone(tmp_path, blip2, capsys):
    collection = prepared(tmp_path, 3, caption="", pictures=True)
    (collection.resized / collection.read_metadata()[1]["filename"]).write_bytes(b"no picture")
    run_main(tmp_path, captioner=blip2, max_new_tokens=16)
    assert "1: the picture cannot be read, such as" in capsys.readouterr().out
    assert sum(bool(row["caption"]) for row in collection.read_metadata()) == 2


def test_a_caption_that_met_the_length_limit_is_known(blip2):
    captioner = huggingface.load_captioner(blip2, "cpu")
    pictures = [Image.new("RGB", (32, 32), shade) for shade in ("red", "white")]
    prompts = ["an engraving of"] * 2
    assert [
        cut
        for _, cut in huggingface.caption_pictures(pictures, prompts, captioner, max_new_tokens=2)
    ] == [True, True]
    captioner.model.language_model.generation_config.suppress_tokens = [
        token for token in range(len(captioner.processor.tokenizer)) if token != 2
    ]
    assert [
        cut
        for _, cut in huggingface.caption_pictures(pictures, prompts, captioner, max_new_tokens=2)
    ] == [False, False], "only an end could be written"


def test_a_captioner_s_own_code_is_never_run(tmp_path, monkeypatch):
    """transformers would ask at the terminal whether to run it, and do it for a y."""
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


@pytest.mark.skipif(not os.environ.get("LONG"), reason="some minutes; LONG=1 runs it")
def test_a_captioner_killed_twenty_times_captions_each_picture_once(tmp_path, blip2):
    collection = prepared(tmp_path, 200, caption="", pictures=True)
    log = tmp_path / "captions" / "engraving_generated.jsonl"
    command = [
        sys.executable,
        str(ROOT / "caption_generation.py"),
        *f"--captioner {blip2} --max-new-tokens 20 --batch-size 3 --device cpu".split(),
        *f"--data {tmp_path}".split(),
    ]
    for kill in range(20):
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not log.exists() or log.read_bytes().count(b"\n") <= 8 * kill:
            assert running.poll() is None
            time.sleep(0.02)
        running.kill()
        assert running.wait() == -signal.SIGKILL
        assert not collection.train.exists()
    assert subprocess.run(command).returncode == 0
    rows = collection.read_metadata()
    assert sorted(row["id"] for row in read_jsonl(log)) == sorted(row["id"] for row in rows)
    uninterrupted = prepared(tmp_path / "uninterrupted", 200, caption="", pictures=True)
    run_main(
        tmp_path / "uninterrupted", captioner=blip2, max_new_tokens=20, batch_size=3, device="cpu"
    )
    assert rows == uninterrupted.read_metadata()


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
    assert error.startswith("error: ")
    assert "cannot be reached" in error
    assert "--captioner PATH" in error
    # there are no captions to be kept; these are the ways that work here
    assert "--captioner existing" not in error
    assert "--captions FILE" in error
    assert "--captioner none" in error


def test_a_gated_checkpoint_is_asked_for_with_the_login_of_this_machine(monkeypatch):
    """The request had no login, so that those who were logged in were told to log in."""
    asked = []

    def answer(request, timeout):
        asked.append(request)
        return contextlib.nullcontext()

    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr(huggingface.urllib.request, "urlopen", answer)
    assert not huggingface.is_here("owner/gated")
    (request,) = asked
    assert request.unredirected_hdrs["Authorization"] == "Bearer hf_secret"
    assert "Authorization" not in request.headers, "it would go to where the hub points"


@pytest.mark.parametrize("code, has_terms", [(401, True), (403, True), (404, False)])
def test_terms_that_nobody_has_accepted_are_named_with_their_page(monkeypatch, code, has_terms):
    """Whoever was logged in, and had not accepted the terms, was told to check the name."""

    def refuse(request, timeout):
        raise huggingface.urllib.error.HTTPError(request.full_url, code, "no", {}, None)

    monkeypatch.setattr(huggingface.urllib.request, "urlopen", refuse)
    with pytest.raises(UserError, match="hf auth login") as caught:
        huggingface.is_here("owner/gated")
    assert bool(re.search("accept its terms on .*/owner/gated where", str(caught.value))) == (
        has_terms
    )


def test_a_refusal_of_where_the_hub_points_is_left_to_the_download(monkeypatch):
    """The login is not sent on: there it would be missing whatever the hub has granted."""

    def refuse(request, timeout):
        raise huggingface.urllib.error.HTTPError("https://elsewhere/x", 401, "no", {}, None)

    monkeypatch.setattr(huggingface.urllib.request, "urlopen", refuse)
    assert not huggingface.is_here("owner/gated")


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
    assert "hours for 3 pictures" in said
    assert f"--captioner {huggingface.SMALLER}" in said
    assert "--max-samples" in said
