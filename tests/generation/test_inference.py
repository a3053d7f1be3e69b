"""A seed is a promise: the same pair, everywhere, always."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import inference
from oneseed.config.inference import InferenceConfig
from oneseed.console import output
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.generation import answers_typed, cards
from oneseed.generation.generator import MultimodalGenerator, candidate_seeds, get_random_seed
from oneseed.generation.pictures import open_picture
from oneseed.generation.prompts import PromptWarning
from oneseed.generation.rendering import contact_sheet, save_visualization
from oneseed.generation.requests import interpolations
from oneseed.model.caption_source import SOURCE_WORDS
from oneseed.model.multimodal import MultimodalModel
from oneseed.seeds import latents

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def generator(tiny_run):
    return MultimodalGenerator(tiny_run / "best_model.pt", device="cpu")


def difference(one, other):
    return np.abs(np.asarray(one, dtype=int) - np.asarray(other, dtype=int)).max()


@pytest.mark.parametrize("passes", [1, 2, 5])
def test_same_seed_same_pair_alone_or_in_a_batch(generator, passes):
    same = generator.in_passes(passes)
    seeds = [0, 7, 42, 2**32 - 1, 3, 5, 9]
    for seed, (image, caption) in zip(seeds, same.generate_batch(seeds)):
        alone, words = same(seed)
        assert difference(image, alone) <= 1
        assert caption == words


def test_pictures_are_drawn_in_as_many_passes_as_the_generator_has(generator, tiny_run):
    """And the caption, which is written beside the picture, stays."""
    (one, caption), (two, words), (four, told), (five, said) = (
        generator.in_passes(passes)(7) for passes in (1, 2, 4, 5)
    )
    assert caption == words == told == said
    assert difference(one, two) > 3
    assert difference(two, five) > 3
    assert generator(7)[0].tobytes() == four.tobytes(), "of the default; in_passes changed a copy"
    five_by_default = MultimodalGenerator(tiny_run / "best_model.pt", device="cpu", passes=5)
    assert five_by_default(7)[0].tobytes() == five.tobytes()
    assert difference(five_by_default.decode(latents([7], 32))[0][0], five) <= 1


def test_pair_ignores_the_global_generator(generator):
    torch.manual_seed(1)
    image, caption = generator(7)
    torch.manual_seed(2)
    torch.rand(7)
    again, words = generator.generate(7)
    assert difference(image, again) == 0
    assert caption == words


def test_different_seeds_differ(generator):
    pictures = [
        np.asarray(image).tobytes() for image, _ in generator.generate_batch(list(range(20)))
    ]
    assert len(set(pictures)) == 20


def test_checkpoint_alone_restores_the_pair_in_a_fresh_process(generator, tiny_run, tmp_path):
    moved = tmp_path / "elsewhere.pt"
    moved.write_bytes((tiny_run / "best_model.pt").read_bytes())
    done = subprocess.run(
        [
            sys.executable,
            str(ROOT / "inference.py"),
            "--checkpoint",
            str(moved),
            "--seeds",
            "7",
            "--out",
            str(tmp_path / "out"),
            "--device",
            "cpu",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-800:]
    image, caption = generator(7)
    assert json.loads((tmp_path / "out" / "000007.json").read_text("utf-8"))["caption"] == caption
    assert difference(Image.open(tmp_path / "out" / "000007.png").convert("RGB"), image) <= 1


def test_files_hold_seed_and_caption_inside_and_beside(tiny_run, tmp_path, capsys):
    inference.main(
        InferenceConfig(
            seeds="0-2,9",
            checkpoint=str(tiny_run / "best_model.pt"),
            out=str(tmp_path),
            device="cpu",
            batch_size=3,
        )
    )
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{seed:06d}.{kind}" for seed in (0, 1, 2, 9) for kind in ("png", "json")
    } | {"sheet.png", "pairs.json"}
    rows = json.loads((tmp_path / "pairs.json").read_text("utf-8"))
    assert [row["seed"] for row in rows] == [0, 1, 2, 9]
    for row in rows:
        inside = Image.open(tmp_path / row["picture"]).text
        assert inside["seed"] == str(row["seed"])
        assert inside["caption"] == row["caption"]


def test_the_shell_snippet_of_the_documentation_runs_verbatim(generator, tmp_path, monkeypatch):
    """At the full preset, with an untrained checkpoint of it."""
    (tmp_path / "checkpoints").mkdir()
    torch.save(MultimodalModel().state_dict(), tmp_path / "checkpoints" / "best_model.pt")
    monkeypatch.chdir(tmp_path)
    source = (ROOT / "README.md").read_text("utf-8")
    snippet = next(
        block for block in source.split("```python\n")[1:] if "for seed_idx in range(10)" in block
    ).split("```")[0]
    exec(compile(snippet.replace("range(10)", "range(1)"), "README.md", "exec"), {})
    assert Image.open(tmp_path / "output_0.png").width == 512


def test_metadata_names_everything_a_pair_is_made_of(generator):
    pair = generator.generate_with_metadata(11)
    assert pair.keys() == {"seed", "image", "caption", "caption_source", "style", "checkpoint"}
    assert pair["seed"] == 11
    assert pair["style"] == "builtin"


def test_random_seeds_are_seeds(generator):
    seeds = [get_random_seed() for _ in range(100)]
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert len(set(seeds)) > 90


def test_empty_caption_stays_empty(generator, monkeypatch):
    """A caption shown in its place would hide how many are empty."""
    monkeypatch.setitem(generator.model.meta, "caption_source", "decoder")
    monkeypatch.setattr(generator.model, "decode_tokens", lambda *args, **options: [[1, 2]])
    assert generator(7)[1] == ""


def test_sampled_captions_repeat_with_their_seed(tiny_run):
    warm = MultimodalGenerator(tiny_run / "best_model.pt", device="cpu", temperature=1.0)
    # so short a training borrows captions, which no temperature changes
    warm.model.meta["caption_source"] = "decoder"
    captions = [caption for _, caption in warm.generate_batch([1, 2, 3])]
    assert captions == [warm(seed)[1] for seed in (1, 2, 3)]
    assert len(set(captions)) > 1


def test_a_missing_checkpoint_names_the_script_that_makes_it(tmp_path, monkeypatch):
    # where nothing is prepared
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="make demo, or python dataset_preparation.py"):
        MultimodalGenerator(tmp_path / "best_model.pt")


def test_pictures_come_back_through_the_latent(generator):
    image = Image.new("L", (50, 30), 128)
    assert generator.encode([image]).shape == (1, 32)
    assert generator.reconstruct([image])[0].size == (32, 32)
    assert isinstance(generator.caption([image])[0], str)


def test_sheets_and_visualisations_take_any_caption(generator, tmp_path):
    hostile = "<script>\u202e\x00 = cmd " + "word " * 200
    save_visualization(torch.zeros(1, 3, 32, 32), [hostile], tmp_path / "one.png")
    blank = Image.new("RGB", (32, 32))
    assert contact_sheet([(blank, hostile), (blank, "")], [1, 2]).width > 256
    assert Image.open(tmp_path / "one.png").width == 256


@pytest.mark.parametrize("width", [64, 256])
def test_what_holds_for_all_pairs_stands_below_the_sheet(width):
    """A narrow sheet has as many lines as it takes; without a note nothing changes."""
    pair = (Image.new("RGB", (32, 32), "grey"), "The beach.")
    plain = contact_sheet([pair], [1], width=width)
    noted = contact_sheet([pair], [1], width=width, note="captions: of the nearest pictures")
    assert noted.width == plain.width
    above, below = (
        noted.crop(box)
        for box in (
            (0, 0, plain.width, plain.height),
            (0, plain.height, noted.width, noted.height),
        )
    )
    assert difference(above, plain) == 0
    dark = np.asarray(below.convert("L")) < 128
    assert dark.any()
    assert not dark[:, -8:].any(), "the note ends before the paper does"
    assert not dark[-8:].any(), "the note ends before the paper does"


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("decoder", ""),
        ("nearest", "The model has not learnt to write captions, so each pair borrows"),
        ("none", "The model was trained on pictures alone, so its pairs have no captions"),
    ],
)
def test_the_terminal_and_the_sheet_say_who_wrote_the_captions(
    run_with_source, source, sentence, tmp_path, capsys
):
    run_folder = run_with_source(source)
    notes = []
    draw_sheet = inference.save_sheet
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            inference,
            "save_sheet",
            lambda *args, note, **more: notes.append(note) or draw_sheet(*args, note=note, **more),
        )
        inference.main(
            InferenceConfig(
                checkpoint=str(run_folder / "best_model.pt"),
                out=str(tmp_path / "out"),
                device="cpu",
                seeds="0-1",
            )
        )
    told = capsys.readouterr().out
    assert sentence in told
    assert ("captions" in told) == bool(sentence)
    assert notes == [SOURCE_WORDS[source].sheet]


def test_it_is_said_that_seeds_are_nearer_to_typical_codes(generator, monkeypatch):
    """Figures of truncated seeds stood in reports that did not say so."""
    monkeypatch.delitem(generator.model.meta, "truncation", raising=False)
    assert generator.seed_notice == ""
    monkeypatch.setitem(generator.model.meta, "truncation", 0.7)
    assert "truncated to 0.7" in generator.seed_notice
    assert "moved 0.3 of the way" in generator.seed_notice


def test_a_prompt_changes_the_pair_and_its_seed_still_counts(generator):
    plain = generator(7)
    ship = generator.generate(7, prompt="a ship by the sea")
    again = generator.generate(7, prompt="a ship by the sea")
    castle = generator.generate(7, prompt="a castle")
    assert difference(ship[0], again[0]) == 0
    assert difference(ship[0], castle[0]) > 0
    assert difference(ship[0], plain[0]) > 0
    assert difference(ship[0], generator.generate(8, prompt="a ship by the sea")[0]) > 0
    batch = generator.generate_batch([5, 7, 9], prompt="a ship by the sea")
    assert difference(batch[1][0], ship[0]) <= 1
    assert batch[1][1] == ship[1]


@pytest.mark.parametrize(
    "prompt, sentence",
    [("", "no words"), (" … !", "no words"), ("ship " * 2000, "10,000 characters")],
)
def test_a_prompt_that_says_nothing_or_too_much_is_refused(generator, prompt, sentence):
    with pytest.raises(UserError, match=sentence):
        generator.generate(7, prompt=prompt)


def test_words_never_seen_are_named(generator, tiny_run, tmp_path, capsys):
    assert generator.unknown_words("Two Zeppelins and a ship") == ["zeppelins"]
    inference.main(
        InferenceConfig(
            seeds="3",
            prompt="a xylophone",
            checkpoint=str(tiny_run / "best_model.pt"),
            out=str(tmp_path),
            device="cpu",
        )
    )
    assert "WARNING: no training caption has 'xylophone'" in capsys.readouterr().out
    assert json.loads((tmp_path / "000003.json").read_text("utf-8"))["prompt"] == "a xylophone"


def test_a_prompt_is_read_in_one_way_by_all_who_take_one(generator, monkeypatch):
    """Page, command line, search and best-of encode what read_prompt gives, and say it."""
    seen = []
    features_of = generator.model.features_of

    def spy(texts):
        seen.extend(texts)
        return features_of(texts)

    monkeypatch.setattr(generator.model, "features_of", spy)
    read = generator.read_prompt("TWO huge ships!")
    assert read.text.startswith("An engraving of two")
    with pytest.warns(PromptWarning, match="no training caption has 'huge'"):
        generator.generate(7, prompt="TWO huge ships!")
    assert seen == [read.text]
    generator.best_of(7, 2, "TWO huge ships!")
    assert set(seen) >= {read.text}
    assert not any("TWO" in text or "huge" in text for text in seen)


def test_the_terminal_says_how_a_prompt_is_read(generator, capsys):
    inference.say_of_prompt(generator, "a Castel by the sea", None)
    printed = capsys.readouterr().out
    assert "note: no training caption has 'Castel': read as 'castle'" in printed
    assert "the prompt is read as: An engraving of a castle by the sea" in printed
    inference.say_of_prompt(generator, "a castle", None)
    assert capsys.readouterr().out == ""


def test_an_unknown_style_lists_the_known_ones(generator):
    with pytest.raises(
        UserError, match="'oil' is no style of this model; it knows cross-hatching, line, stipple"
    ):
        generator.generate(7, style="oil")
    assert generator.generate(7, style="stipple")[0].size == (32, 32)


def test_a_walk_begins_and_ends_at_its_seeds_and_moves_between(generator):
    pairs = generator.interpolate(3, 9, 5)
    assert len(pairs) == 5
    for (image, caption), seed in ((pairs[0], 3), (pairs[-1], 9)):
        alone, words = generator(seed)
        assert difference(image, alone) <= 1
        assert caption == words
    assert len({image.tobytes() for image, _ in pairs}) == 5


def test_variations_leave_the_picture_as_slowly_as_asked(generator):
    image = generator(5)[0]
    rebuilt = np.asarray(generator.reconstruct([image])[0], dtype=float)
    far = [
        np.abs(np.asarray(generator.vary(image, [1], strength)[0][0], dtype=float) - rebuilt).mean()
        for strength in (0, 0.3, 1.0)
    ]
    assert far[0] <= 1
    assert far[0] < far[1] < far[2]
    in_a_batch = generator.vary(image, [1, 2], 0.5)[1][0]
    alone = generator.vary(image, [2], 0.5)[0][0]
    assert difference(in_a_batch, alone) <= 1


@pytest.mark.parametrize("passes", [1, 2, 5])
def test_another_style_at_strength_0_is_the_reconstruction(generator, passes):
    image = generator(5)[0]
    same = generator.in_passes(passes)
    ((restyled, _),) = same.restyle([image], "stipple", 0.0)
    assert difference(restyled, same.reconstruct([image])[0]) <= 1


def test_every_picture_file_is_one_or_an_error_says_so(tmp_path):
    (tmp_path / "not.png").write_text("no picture")
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    for name, sentence in (
        ("not.png", "cannot be read as a picture"),
        ("none.png", "there is no file"),
    ):
        with pytest.raises(UserError, match=sentence):
            open_picture(tmp_path / name)
    assert open_picture(tmp_path / "clear.png").getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize(
    "flags, names",
    [
        (dict(image="a.png"), {"a_drawn"}),
        (dict(image="a.png", style="line"), {"a_line"}),
        (dict(image="a.png", strength=0.4, seeds="1,2"), {"a_000001", "a_000002"}),
        (
            dict(interpolate=3, seeds="4,6"),
            {"000004_000006_00", "000004_000006_01", "000004_000006_02"},
        ),
        (dict(style="line", seeds="4"), {"000004"}),
    ],
)
def test_every_way_to_ask_writes_pairs(tiny_run, tmp_path, monkeypatch, flags, names):
    monkeypatch.chdir(tmp_path)
    Image.new("L", (40, 30), 99).save("a.png")
    inference.main(
        InferenceConfig(
            checkpoint=str(tiny_run / "best_model.pt"), out="out", device="cpu", **flags
        )
    )
    assert {path.stem for path in Path("out").glob("*.png")} == names | {"sheet"}
    assert all(
        json.loads(path.read_text("utf-8"))["caption"] is not None
        for path in Path("out").glob("0*.json")
    )


def test_the_best_of_a_folder_and_of_a_list_are_found(tiny_run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    generator = MultimodalGenerator(tiny_run / "best_model.pt", device="cpu")
    for seed, (image, _) in enumerate(generator.generate_batch(range(4))):
        image.save(f"{seed}.png")
    Path("captions.jsonl").write_text(
        "".join(
            json.dumps({"caption": f"An engraving of {number} ships."}) + "\n"
            for number in ("two", "three")
        )
    )
    inference.main(
        InferenceConfig(
            find=".",
            prompt="a ship",
            checkpoint=str(tiny_run / "best_model.pt"),
            out="out",
            device="cpu",
        )
    )
    inference.main(
        InferenceConfig(
            find="captions.jsonl",
            image="1.png",
            checkpoint=str(tiny_run / "best_model.pt"),
            device="cpu",
        )
    )
    printed = capsys.readouterr().out
    assert all(f"{seed}.png" in printed for seed in range(4))
    assert "An engraving of two ships." in printed
    assert Path("out/found.png").exists()
    with pytest.raises(UserError, match="is no folder"):
        inference.main(
            InferenceConfig(
                find="out/none",
                prompt="a ship",
                checkpoint=str(tiny_run / "best_model.pt"),
                device="cpu",
            )
        )


def test_a_match_score_is_the_share_of_held_out_real_pairs_that_fit_no_better(
    generator, builtin_data
):
    collection = Collection("builtin", builtin_data)
    rows = collection.read_captions()[1]
    scores = generator.match(
        [(Image.open(collection.resized / row["filename"]), row["caption"]) for row in rows]
    )
    ranks = np.argsort(np.argsort([score["cosine"] for score in scores]))
    for score, rank in zip(scores, ranks):
        assert abs(score["match"] - 100 * rank / (len(rows) - 1)) <= 1
    assert generator.percentile(-1) == 0
    assert generator.percentile(1) == 100


def test_before_training_has_ended_there_is_a_cosine_and_no_percentile(tiny_run, tmp_path, capsys):
    early = MultimodalGenerator(tiny_run / "checkpoint_epoch_001.pt", device="cpu")
    (score,) = early.match([early(7)])
    assert score["match"] is None
    assert -1 <= score["cosine"] <= 1
    inference.main(
        InferenceConfig(
            seeds="7", checkpoint=str(early.checkpoint), out=str(tmp_path), device="cpu"
        )
    )
    assert "match" not in json.loads((tmp_path / "000007.json").read_text("utf-8"))


def test_the_best_of_some_candidates_is_kept_and_its_own_seed_gives_it_again(generator):
    seeds = candidate_seeds(7, 40)
    assert seeds[0] == 7
    assert len(set(seeds)) == 40
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert seeds[:5] == candidate_seeds(7, 5)
    cosines = [score["cosine"] for score in generator.match(generator.generate_batch(seeds))]
    # more than one batch
    seed, (image, caption) = generator.best_of(7, 40)
    assert cosines[seeds.index(seed)] >= max(cosines) - 2e-4
    again, words = generator(seed)
    assert difference(image, again) <= 1
    assert caption == words
    assert generator.best_of(7, 1)[0] == 7


def test_the_best_of_a_prompt_also_fits_the_prompt(generator, monkeypatch):
    """The pair that agrees best with itself may show something else than was asked for."""
    castle, ship = torch.eye(2)
    features = {
        "castle": castle,
        generator.read_prompt("ship").text: ship,
        "ship": ship,
        "nearly a ship": torch.tensor([0.6, 0.8]),
    }
    monkeypatch.setattr(
        generator,
        "generate_batch",
        lambda seeds, *rest, **conditions: [("castle", "castle"), ("ship", "nearly a ship")],
    )
    for name in ("picture_features", "caption_features"):
        monkeypatch.setattr(
            generator, name, lambda things: torch.stack([features[thing] for thing in things])
        )
    assert generator.best_of(3, 2) == (3, ("castle", "castle"))
    assert generator.best_of(3, 2, "ship") == (
        candidate_seeds(3, 2)[1],
        ("ship", "nearly a ship"),
    )


def test_the_command_tells_the_seed_of_the_best_candidate(generator, tiny_run, tmp_path, capsys):
    inference.main(
        InferenceConfig(
            seeds="5",
            best_of=6,
            checkpoint=str(tiny_run / "best_model.pt"),
            out=str(tmp_path),
            device="cpu",
        )
    )
    (row,) = json.loads((tmp_path / "pairs.json").read_text("utf-8"))
    assert row["seed"] == generator.best_of(5, 6)[0]
    assert (row["best_of"], row["first_seed"]) == (6, 5)
    assert f"{row['seed']}  {row['match']:3d}%" in capsys.readouterr().out


@pytest.mark.parametrize(
    "lines, names, sentences",
    [
        (
            [
                "7",
                "",
                "7th",
                "-1",
                "4294967296",
                "99999999999999999999",
                "1-3",
                "8",
                "a ship!",
                "9",
                "...",
                "random",
                "",
                "",
            ],
            {"000007", "000008_a_ship"},
            ["is an integer", "no words"],
        ),
        (["7", "", "quit"], {"000007"}, []),
        (["7", "quit"], set(), []),
        (["7", ""], {"000007"}, []),
        ([""], set(), []),
    ],
)
def test_an_interactive_session_answers_until_told_to_end(
    tiny_run, tmp_path, monkeypatch, capsys, lines, names, sentences
):
    """Wrong input is a sentence and the next question; the lines may run out, as with Ctrl+D."""
    said = iter(lines)

    def answer(question):
        try:
            return next(said)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr("builtins.input", answer)
    monkeypatch.setattr(answers_typed, "get_random_seed", lambda: 7)
    inference.main(
        InferenceConfig(
            interactive=True,
            checkpoint=str(tiny_run / "best_model.pt"),
            out=str(tmp_path),
            device="cpu",
        )
    )
    printed = capsys.readouterr().out
    assert {path.stem for path in tmp_path.glob("*.png")} == names
    assert list(said) == []
    assert all(sentence in printed for sentence in sentences)
    assert printed.count("a seed is an integer") == (5 if sentences else 0)
    for name in names:
        row = json.loads((tmp_path / f"{name}.json").read_text("utf-8"))
        assert output.printable(row["caption"]) in printed


@pytest.mark.parametrize(
    "wrong",
    [
        dict(verify="a", prompt="b"),
        dict(verify="a", find="seeds", prompt="b"),
        dict(find="training", prompt="a"),
        dict(index=-1),
        dict(index=2, count=2),
        dict(interactive=True, image="a"),
        dict(best_of=0),
        dict(best_of=4, image="a"),
        dict(best_of=4, find="x", prompt="a"),
        dict(shard="1/2"),
        dict(count=4, shard="3/2"),
        dict(count=4, seeds="1,5"),
        dict(count=2, seeds="4294967295"),
        dict(count=4, pairs_per_file=0),
        dict(prompt=" "),
        dict(prompt="x" * 10_000),
        dict(guidance=9.0),
        dict(strength=0.5),
        dict(image="a", strength=2.0),
        dict(interpolate=1, seeds="1,2"),
        dict(interpolate=4, seeds="1"),
        dict(image="a", prompt="b"),
        dict(find="here"),
    ],
)
def test_flags_that_contradict_are_refused(wrong):
    with pytest.raises(ValueError, match="--"):
        InferenceConfig(**wrong)


def test_prompts_in_any_letters_have_files_of_their_own():
    """A prompt in Chinese left nothing of itself: the next one wrote over its pair."""
    chinese = ("\u5c71\u4e0a\u7684\u57ce\u5821", "\u6d77\u8fb9\u7684\u8239")
    prompts = (*chinese, "two ships", "a" * 80 + " b", "a" * 80 + " c")
    names = [answers_typed.suffix_of_prompt(prompt) for prompt in prompts]
    assert len(set(names)) == len(prompts)
    assert names[2] == "_two_ships"
    assert answers_typed.suffix_of_prompt("") == ""


@pytest.mark.parametrize(
    "wrong, said",
    [
        (dict(index=100, temperature=0.7), "--index holds seeds as they are drawn"),
        (dict(index=100, passes=1), "--index holds seeds as they are drawn"),
        (dict(interpolate=8, seeds="3,9", style="stipple"), "--style does not change"),
        (dict(find="training", image="a.png", style="stipple"), "--style does not change"),
    ],
)
def test_a_flag_that_would_change_nothing_is_refused(wrong, said):
    """An index mixed seeds of two temperatures; a style between two seeds was passed over."""
    with pytest.raises(ValueError, match=said):
        InferenceConfig(**wrong)


def test_a_picture_a_thousand_times_as_long_as_high_is_read(tiny_run):
    """Fitted into 32 pixels it had no height left, which ended in a traceback."""
    generator = MultimodalGenerator(tiny_run / "best_model.pt", "cpu")
    for size in ((1000, 2), (2, 1000), (600, 1)):
        assert len(generator.caption([Image.new("L", size, 90)])) == 1


def test_a_long_walk_is_drawn_in_batches(tiny_run, monkeypatch):
    """A walk of 500 steps was one batch, whatever --batch-size said, and filled the memory."""
    generator = MultimodalGenerator(tiny_run / "best_model.pt", "cpu")
    whole = generator.interpolate(3, 9, 7)
    sizes = []
    decode = generator.decode_code

    def counted(codes, *more, **kept):
        sizes.append(len(codes))
        return decode(codes, *more, **kept)

    monkeypatch.setattr(generator, "decode_code", counted)
    settings = InferenceConfig(interpolate=7, seeds="3,9", batch_size=3)
    batches = list(interpolations(generator, settings, [3, 9]))
    assert sizes == [3, 3, 1]
    assert [len(batch) for batch in batches] == sizes
    drawn = [pair for batch in batches for pair in batch]
    assert [pair.caption for pair in drawn] == [caption for _, caption in whole]
    assert [pair.facts["step"] for pair in drawn] == list(range(7))
    sizes.clear()
    facts = {"from": 3, "to": 9, "step": 5, "steps": 7}
    assert cards.make_again(generator, drawn[5].facts | facts)[1] == whole[5][1]
    assert sizes == [1], "a card needs its own step alone"


def test_pictures_of_different_heights_do_not_cover_each_other():
    """The second row of found.png lay over the foot of tall pictures in the first."""
    wide, tall = Image.new("L", (40, 10), 0), Image.new("L", (20, 60), 0)
    pairs = [(wide, "a"), (tall, "b"), (tall, "c")]
    sheet = contact_sheet(pairs, ["1", "2", "3"], columns=2, width=40)
    alone = contact_sheet([(tall, "b")], ["2"], width=40)
    assert sheet.height > 1.9 * alone.height
