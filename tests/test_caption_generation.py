"""Promises of caption_generation.py: captions read in the style's words, none is made twice, the true pairs are dealt once."""
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import caption_generation
from caption_generation import worded
from cli import UserError
from records import Collection, read_jsonl
from settings import CaptionConfig

ROOT = Path(__file__).resolve().parents[1]


def prepared(data, count, style="engraving", caption="An engraving of castle {}", pictures=False):
    """A collection as dataset_preparation.py leaves it."""
    collection, rows = Collection(style, data), []
    for number in range(count):
        id = f"{number * 0x9E3779B97F4A7C15 % 2 ** 64:016x}"
        rows.append({"id": id, "filename": f"{id}.png", "width": 80, "height": 80, "sha256": id * 4, "style": style, "source": "test", "group": id,
                     "given": "", "caption": caption.format(number)})
        if pictures:
            collection.resized.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng(number).integers(0, 256, (32, 32), dtype=np.uint8)
            Image.fromarray(noise).save(collection.resized / f"{id}.png")
    collection.write_metadata(rows)
    return collection


def run_main(data, **flags):
    assert not caption_generation.main(CaptionConfig(**{"data": str(data), **flags}))


# Wording

@pytest.mark.parametrize("caption, style, expected", [
    ("a castle on a hill", "engraving", "An engraving of a castle on a hill"),
    ("An engraving depicting a castle", "engraving", "An engraving depicting a castle"),
    ("an engraving of an engraving of a castle", "engraving", "An engraving of a castle"),
    ("An engraving of a black and white drawing of a castle", "engraving", "An engraving of a castle"),
    ("a black and white drawing of a man with a hat", "engraving", "An engraving of a man with a hat"),
    ("This is an old black-and-white photo of two men", "engraving", "An engraving of two men"),
    ("Engraving: the ship at sea", "engraving", "An engraving of the ship at sea"),
    ("A detailed wood engraving that shows ships", "engraving", "An engraving showing ships"),
    ("Two men in a boat", "engraving", "An engraving of two men in a boat"),
    ("The Wolves and the Sheep (wood engraving by Gustave Doré)", "engraving", "An engraving of The Wolves and the Sheep (wood engraving by Gustave Doré)"),
    ("etching / wood engraving by George Cruikshank, from The Tower of London", "engraving", "An engraving of a work by George Cruikshank, from The Tower of London"),
    ("woodcut, from Shakespeare and the Emblem Writers", "engraving", "An engraving of a work from Shakespeare and the Emblem Writers"),
    ("  a\tcastle\n\x00on\u200b a hill ", "engraving", "An engraving of a castle on a hill"),
    ("a statue of a man", "engraving", "An engraving of a statue of a man"),
    ("a photo of a marble statue of a man", "sculpture", "A sculpture of a man"),
    ("a painting of a lady", "painting", "A painting of a lady"),
    ("a pencil sketch of a hand", "drawings", "A drawing of a hand"),
    ("an icon of Saint Nicholas", "iconography", "An icon of Saint Nicholas"),
    ("a tower", "builtin", "An engraving of a tower"),
    ("an engraving of a cat", "my_cats", "A picture of a cat"),
    ("Printing in the old days", "engraving", "An engraving of Printing in the old days"),
    ("an engraving", "engraving", ""), ("an engraving of", "engraving", ""), ("An engraving of an engraving", "engraving", ""), (" \n", "engraving", ""), ("...", "engraving", ""),
])
def test_captions_read_in_the_words_of_their_style(caption, style, expected):
    assert worded(caption, style) == expected
    assert worded(expected, style) == expected, "wording twice changes nothing"


def test_builtin_captions_stay_untouched():
    import scenes
    for level in range(1, 6):
        told = [scenes.tell(facts, seed, level) for seed, facts in enumerate(scenes.collection(100, level, 0))]
        assert [worded(caption, "builtin") for caption in told] == told


# Existing captions

def test_existing_captions_are_dealt_exactly_and_written_back(tmp_path, capsys):
    collection = prepared(tmp_path, 848, caption="castle {}")
    run_main(tmp_path)
    train, val = collection.read_captions()
    assert (len(train), len(val)) == (763, 85)
    assert all(row.keys() == {"id", "filename", "caption", "style", "split"} for row in train + val)
    assert {row["split"] for row in train} == {"train"} and {row["split"] for row in val} == {"val"}
    assert {row["id"]: row["caption"] for row in collection.read_metadata()} == {row["id"]: row["caption"] for row in train + val}
    assert "848 pairs, 763 to train and 85 to validate" in capsys.readouterr().out


def test_pairs_of_all_styles_keep_their_own_and_read_in_its_words(tmp_path, blip2):
    """Captions that came along, and those a captioner writes for the last two."""
    collection = prepared(tmp_path, 12, style="all", pictures=True)
    styles = {"engraving": "An engraving of ", "drawings": "A drawing of ", "painting": "A painting of ", "sculpture": "A sculpture of ",
              "iconography": "An icon of ", "all": "A picture of "}
    rows = [{**row, "style": style, "caption": f"castle {number}" if number < 10 else ""}
            for number, (row, style) in enumerate(zip(collection.read_metadata(), [*styles] * 2))]
    collection.write_metadata(rows)
    run_main(tmp_path, style="all", captioner=blip2, max_new_tokens=8)
    train, val = collection.read_captions()
    assert collection.train.name == "all_train.jsonl" and {row["style"] for row in train + val} == {*styles}
    assert {row["id"]: row["style"] for row in train + val}.items() <= {row["id"]: row["style"] for row in rows}.items()
    assert all(row["caption"].startswith(styles[row["style"]]) for row in train + val) and len(train + val) > 10


def test_running_again_rewrites_nothing(tmp_path):
    collection = prepared(tmp_path, 20)
    run_main(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json*")}
    run_main(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json*")} == before and collection.val in before


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
    rows[3]["caption"], rows[4]["caption"] = "", "an engraving of "
    collection.write_metadata(rows)
    run_main(tmp_path, captioner="existing")
    assert len(sides(collection)) == 8 and not {rows[3]["id"], rows[4]["id"]} & sides(collection).keys()
    assert "left out for want of a caption: 2 of 10" in capsys.readouterr().out and len(collection.read_metadata()) == 10


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
    assert made and all(row["captioner"] == blip2 and row["caption"].startswith("An engraving of ") for row in made)
    assert not any(row["caption"].lower().count("engraving of") > 1 for row in made), "the prompt came back in the caption"
    assert sides(collection).keys() == {row["id"] for row in after if row["caption"]}
    run_main(tmp_path, captioner=blip2, recaption=True, max_new_tokens=8)
    assert collection.read_metadata()[0]["caption"] != "An engraving of my own words"


def test_a_batch_gives_what_single_pictures_give(tmp_path, blip2):
    """Right padding changed two of three captions of a batch; prompts of different length make padding show."""
    processor, model = caption_generation.load_captioner(blip2, "cpu")
    pictures = [Image.fromarray(np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)) for seed in range(5)]
    prompts = ["an engraving of", "an icon of", "a drawing of", "a picture of two", "an engraving of"]
    together = caption_generation.caption_pictures(pictures, prompts, processor, model, 8)
    alone = [caption_generation.caption_pictures([picture], [prompt], processor, model, 8)[0] for picture, prompt in zip(pictures, prompts)]
    assert together == alone and any(together)
    assert not any(caption.startswith(prompt) for caption, prompt in zip(together, prompts))


def test_a_resumed_run_captions_nothing_twice(tmp_path, blip2, monkeypatch):
    collection = prepared(tmp_path, 10, caption="", pictures=True)
    seen, real = [], caption_generation.caption_pictures

    def watched(pictures, *rest):
        if len(seen) == 6:
            raise KeyboardInterrupt
        seen.extend(picture.tobytes() for picture in pictures)
        return real(pictures, *rest)

    monkeypatch.setattr(caption_generation, "caption_pictures", watched)
    with pytest.raises(KeyboardInterrupt):
        run_main(tmp_path, captioner=blip2, batch_size=3, max_new_tokens=8)
    log = tmp_path / "captions" / "engraving_generated.jsonl"
    assert len(read_jsonl(log)) == 6 and not collection.train.exists()
    with open(log, "a") as file:
        file.write('{"id": "torn by a k')
    monkeypatch.setattr(caption_generation, "caption_pictures", lambda pictures, *rest: seen.extend(picture.tobytes() for picture in pictures) or real(pictures, *rest))
    run_main(tmp_path, captioner=blip2, batch_size=3, max_new_tokens=8)
    run_main(tmp_path, captioner=blip2, batch_size=3, max_new_tokens=8)
    assert len(seen) == len(set(seen)) == 10 and len(read_jsonl(log)) == 10
    resumed = [row["caption"] for row in collection.read_metadata()]
    prepared(tmp_path / "whole", 10, caption="", pictures=True)
    run_main(tmp_path / "whole", captioner=blip2, batch_size=3, max_new_tokens=8)
    assert resumed == [row["caption"] for row in Collection("engraving", tmp_path / "whole").read_metadata()]


def test_blip1_answers_lose_the_prompt_by_its_text(tmp_path):
    """BLIP-1 repeats the prompt, one token off: slicing by its length would cut into the caption."""
    from transformers import BertTokenizerFast, BlipConfig, BlipForConditionalGeneration, BlipImageProcessor, BlipProcessor
    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "an", "engraving", "of", "a", "castle", "ship", "hill"]))
    processor = BlipProcessor(BlipImageProcessor(size={"height": 32, "width": 32}), BertTokenizerFast(str(tmp_path / "vocab.txt")))
    shape = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4)
    model = BlipForConditionalGeneration(BlipConfig(
        vision_config=dict(**shape, image_size=32, patch_size=8),
        text_config=dict(**shape, vocab_size=13, encoder_hidden_size=32, bos_token_id=5, sep_token_id=3, eos_token_id=3, pad_token_id=0, max_position_embeddings=64)))
    model.save_pretrained(tmp_path / "blip")
    processor.save_pretrained(tmp_path / "blip")
    processor, model = caption_generation.load_captioner(str(tmp_path / "blip"), "cpu")
    pictures = [Image.fromarray(np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)) for seed in range(3)]
    captions = caption_generation.caption_pictures(pictures, ["an engraving of"] * 3, processor, model, 6)
    assert all(captions) and not any(caption.startswith("an engraving of") for caption in captions), captions


def test_a_captioner_that_cannot_be_had_ends_in_one_sentence(tmp_path):
    prepared(tmp_path, 3, caption="", pictures=True)
    result = subprocess.run([sys.executable, str(ROOT / "caption_generation.py"), "--captioner", "nobody/nothing", "--data", str(tmp_path)], text=True, capture_output=True,
                            timeout=60, env=os.environ | {"HF_ENDPOINT": "http://localhost:9", "HF_HOME": str(tmp_path / "hf")})
    assert result.returncode == 2, result
    (error,) = [line for line in result.stderr.splitlines() if line]
    assert error.startswith("error: ") and "cannot be reached" in error and "--captioner PATH" in error and "--captioner existing" in error


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

    monkeypatch.setattr(caption_generation, "load_captioner", stop)
    monkeypatch.setattr(caption_generation, "PARAMETERS", {caption_generation.BLIP2: 3.74e15})
    with pytest.raises(UserError, match="stopped"):
        run_main(tmp_path, device="cpu")
    said = capsys.readouterr().out
    assert "hours for 3 pictures" in said and f"--captioner {caption_generation.SMALLER}" in said and "--max-samples" in said


@pytest.mark.skipif("ENGRAVINGS" not in os.environ, reason="set ENGRAVINGS to the folder of real pictures")
def test_real_engravings_are_dealt_763_and_85(tmp_path):
    import dataset_preparation
    from settings import PrepareConfig
    dataset_preparation.main(PrepareConfig(source=os.environ["ENGRAVINGS"], image_size=32, workers=2, data=str(tmp_path)))
    run_main(tmp_path)
    train, val = Collection("engraving", tmp_path).read_captions()
    assert (len(train), len(val)) == (763, 85)
    assert all(row["caption"].startswith("An engraving ") for row in train + val)
