"""Trials of captioners and other strangers' checkpoints, and of pictures written into rows."""

import base64
import json
from pathlib import Path

from tests.fuzzing.harms import NAMES, TEXTS, Rng, harm_bytes, harm_json
from tests.fuzzing.kinds_data import harm_any
from tests.fuzzing.kinds_source import SET, files_below, is_whole
from tests.fuzzing.material import ENCODER, LANGUAGE, STYLE, Material, caption, encoded, open_tower
from tests.fuzzing.place import Place
from tests.fuzzing.trials import Trial, ended

CAPTION = (
    *("caption_generation.py", "--style", STYLE, "--captioner", "taught", "--recaption"),
    *("--device", "cpu"),
)
NOTES = {
    "format": 1,
    "question": "What is shown?",
    "caption_kind": "words",
    "max_new_tokens": 9,
    "style": STYLE,
    "base": "anna/base",
    "reads_words": False,
}
FIGURES = {"exact": 0.5, "valid": 1.0, "similarity": 0.75}
LOOK = {"step": 0, "epoch": 0.0, "train_loss": None, "val_loss": 2.5, "is_best": False, **FIGURES}
METRICS = {
    "settings": {
        "objective": "captions",
        "model": "anna/base",
        "style": STYLE,
        "question": "",
        "rank": 8,
        "dora": True,
        "samples": [18, 2],
    },
    "looks": [LOOK, LOOK | {"step": 4, "is_best": True}],
    "after": {
        "figures": FIGURES | {"asked": 2, "kinds": {"form": FIGURES | {"asked": 2}}},
        "floor": FIGURES | {"asked": 2},
        "equal_texts": 2,
    },
}
# code that lies beside weights, and a file of weights that is a program
OWN_CODE = "open('pwned', 'w')\nclass Own: pass\n"
PICKLED = b"cposix\nsystem\n(S'touch pwned'\ntR."


def captioner_notes(material: Material, rng: Rng) -> Trial:
    """captioner.json beside a checkpoint that may bring code of its own."""
    place = material.place
    place.restore(("data",))
    folder = place.work / "taught"
    folder.mkdir()
    path = folder / "captioner.json"
    path.write_text(json.dumps(NOTES), "utf-8")
    (folder / "config.json").write_text('{"model_type": "qwen2_vl"}', "utf-8")
    done = harm_any(rng, path, place)
    if rng.random() < 0.5:
        done += " and " + bring_code(rng, folder)
    kept = [*files_below(folder), *files_below(place.work / "data")]
    return Trial(done, [CAPTION], kept=kept, allowed=(2,))


def captioner_figures(material: Material, rng: Rng) -> Trial:
    """metrics.json of a run, of which a card is made before anything is sent."""
    place = material.place
    place.restore(())
    folder = place.work / "run"
    folder.mkdir()
    (folder / "captioner.json").write_text(json.dumps(NOTES), "utf-8")
    path = folder / "metrics.json"
    path.write_text(json.dumps(METRICS), "utf-8")
    done = harm_any(rng, path if rng.random() < 0.8 else folder / "captioner.json", place)
    return Trial(done, [("card.py",)], before=lambda: ended(write_card))


def write_card() -> None:
    """What --push does before it asks the Hub for anything."""
    from oneseed.config.finetuning import FinetuningConfig
    from oneseed.export.captioner import base_on_hub, card_of, read_run
    from oneseed.files import write_text

    config = FinetuningConfig(push="anna/x", checkpoints="run")
    metrics = read_run(Path("run"))
    base = base_on_hub(metrics["settings"]["model"])
    write_text(Path("run/README.md"), card_of(config, metrics, base, ""))


def captioner_rows(material: Material, rng: Rng) -> Trial:
    """Rows with pictures written into them as data: URLs, some of which are none."""
    place = material.place
    place.restore(())
    folder = place.work / "set"
    folder.mkdir()
    rows = [{"image": data_url(number), "text": caption(number)} for number in range(4)]
    url, done = odd_url(rng, place)
    rows[0] = rng.choice(
        (
            {"image": url, "text": caption(5)},
            {"images": [rows[1]["image"], url], "messages": conversation(rng)},
            {"messages": conversation(rng, url)},
            {"image_url": {"url": url}, "text": caption(5)},
        )
    )
    path = folder / rng.choice(("rows.jsonl", "rows.json"))
    is_lines = path.suffix == ".jsonl"
    text = "\n".join(map(json.dumps, rows)) if is_lines else json.dumps(rows)
    path.write_text(text, "utf-8")
    if rng.random() < 0.3:
        done += " and " + harm_json(rng, path, str(place.root))
    words = tuple(f"set/{path.name}" if word == "set" else word for word in SET)
    checking = ("caption_finetuning.py", "--check", f"set/{path.name}")
    commands = [checking, words] if rng.random() < 0.5 else [words]
    return Trial(done, commands, kept=files_below(folder), check=is_whole(1))


def data_url(number: int, kind: str = "image/png") -> str:
    """A picture as a row holds it."""
    return f"data:{kind};base64,{base64.b64encode(encoded(number)).decode()}"


def conversation(rng: Rng, url: str = "") -> list[dict[str, object]]:
    """A question of one or two pictures, and its answer."""
    parts: list[dict[str, object]] = [{"type": "text", "text": rng.choice(("What?", "<image>"))}]
    if url:
        parts.insert(0, {"type": "image_url", "image_url": {"url": url}})
    return [{"role": "user", "content": parts}, {"role": "assistant", "content": "SELECT 1"}]


def odd_url(rng: Rng, place: Place) -> tuple[str, str]:
    """A URL that stands where a picture is written into a row, and what is odd about it."""
    good = data_url(9)
    head, _, coded = good.partition(",")
    outside = rng.choice(NAMES).replace("{root}", str(place.root))
    svg = "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'><image href='file:///etc/x'/>"
    ways = {
        "cut": good[: rng.randrange(len(good))],
        "another letter": head + "," + coded[:40] + rng.choice("!*é\x00\ud800\n") + coded[40:],
        "no base64": f"data:image/png,{coded}",
        "percent": f"{head},{coded[:60]}%2B%00%zz{coded[60:]}",
        "no picture": f"{head},{base64.b64encode(rng.randbytes(80)).decode()}",
        "empty": f"{head},",
        "a page": f"data:text/html;base64,{base64.b64encode(b'<script>alert(1)').decode()}",
        "an SVG": f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}",
        "a program": f"{head},{base64.b64encode(PICKLED).decode()}",
        "many parameters": "data:" + ";a=b" * 20_000 + f";base64,{coded}",
        "many letters": head + "," + "A" * 3_000_000,
        "within itself": f"{head},{base64.b64encode(good.encode()).decode()}",
        "a file's name": f"file://{outside}",
        "data: and a name": f"data:{outside}",
        "capitals": good.replace("data:image/png;base64", "DATA:IMAGE/PNG;BASE64"),
        "a text": rng.choice(TEXTS),
    }
    what = rng.choice(sorted(ways))
    return ways[what], f"a picture in a row: {what}"


def captioner_towers(material: Material, rng: Rng) -> Trial:
    """A folder that --encoder or --text-decoder names."""
    place = material.place
    place.restore(("towers",))
    name = rng.choice((ENCODER, LANGUAGE))
    folder = place.work / name
    files = files_below(folder)
    if rng.random() < 0.25:
        done = bring_code(rng, folder)
    else:
        path = rng.choice(files)
        if path.suffix == ".json":
            done = harm_any(rng, path, place)
        else:
            done = harm_bytes(rng, path, rng.choice(files).read_bytes())
    kept = files_below(folder)
    return Trial(
        f"{name}/{done}", [("tower.py",)], kept=kept, before=lambda: ended(lambda: open_tower(name))
    )


def bring_code(rng: Rng, folder: Path) -> str:
    """Puts code beside a checkpoint, and names it where loaders look -> what was done."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "own.py").write_text(OWN_CODE, "utf-8")
    names = ("AutoConfig", "AutoModel", "AutoModelForCausalLM", "AutoModelForImageTextToText")
    way = rng.choice(("auto_map", "tokenizer", "model_type", "pickle", "processor"))
    if way == "pickle":
        for path in folder.glob("*.safetensors"):
            path.unlink()
        (folder / "pytorch_model.bin").write_bytes(PICKLED)
    elif way in ("tokenizer", "processor"):
        named = {"auto_map": {"AutoTokenizer": ["own.Own", "own.Own"], "AutoProcessor": "own.Own"}}
        (folder / f"{way}_config.json").write_text(json.dumps(named), "utf-8")
    else:
        config["auto_map"] = dict.fromkeys(names, "own.Own")
        if way == "model_type":
            config["model_type"] = "own"
            config["architectures"] = ["Own"]
        (folder / "config.json").write_text(json.dumps(config), "utf-8")
    return f"code of its own: {way}"
