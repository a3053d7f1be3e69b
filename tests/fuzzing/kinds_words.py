"""Trials of what is typed or answered: command lines, settings, tables, questions, servers."""

import json
import string
from collections.abc import Iterator

from oneseed.console.output import printable
from tests.fuzzing.harms import (
    CONTROL_TEXT,
    TEXTS,
    Rng,
    harm_bytes,
    harm_entry,
    harm_text,
    harm_value,
)
from tests.fuzzing.kinds_data import harm_any
from tests.fuzzing.kinds_run import LIGHT, USES, has_pictures
from tests.fuzzing.kinds_source import harm_table
from tests.fuzzing.material import (
    DEAL,
    EXPORTS,
    PREPARE,
    RUN,
    SOURCE,
    STYLE,
    TRAIN,
    Material,
    caption,
)
from tests.fuzzing.place import Place
from tests.fuzzing.server import GOOD
from tests.fuzzing.trials import Outcome, Trial, Words, ended

# flags whose large values are asked for, and take long
AMOUNTS = {
    *("seeds", "index", "count", "best-of", "interpolate", "num-epochs", "sampler-steps"),
    *("epoch-pictures", "batch-size", "first-seed", "max-samples", "pairs-per-file", "workers"),
}
# flags that would reach for the network, wait for input, or serve for ever
WITHOUT = {"share", "interactive", "captioner", "host", "port", "schema", "help", "source"}
VALUES = (
    *("", " ", "0", "-1", "nan", "inf", "-inf", "1e999", "0x10", "٣", "1_000", "1.5", "true"),
    *("--", "-", "--fresh", "a=b", "/", "/dev/zero", "/dev/null", ".", "..", "~", "*", "%s%n"),
    *(CONTROL_TEXT, "caf\udce9", "\udcff\udcfe", "x" * 5000, "ü" * 200, "\n", "a\nb", "日本", "🚢"),
    *("../../guard/precious.txt", "data", "source", "outputs/000000.png", "checkpoints/last.pt"),
)
# what settings may ask for, in MiB
SETTINGS_MIB = 4000
LARGE = ("2147483648", "99999999999999999999", "1000000", "65536", "1e30")
SETTINGS = "".join(
    f"{name}: {value}\n"
    for name, value in (
        *(("image_size", 32), ("channels", 1), ("latent_dim", 16), ("patch", 2), ("width", 8)),
        *(("max_width", 16), ("vocab_size", 0), ("text_width", 16)),
        *(("text_heads", 2), ("flow_dims", 4), ("learning_rate", "1e-3"), ("fresh", "false")),
    )
)
YAML = (
    "a: &a [x, x, x, x, x, x, x, x]\n"
    + "".join(
        f"{two}: &{two} [*{one}, *{one}, *{one}, *{one}, *{one}, *{one}, *{one}, *{one}]\n"
        for one, two in zip(string.ascii_lowercase, string.ascii_lowercase[1:12])
    ),
    '!!python/object/apply:os.system ["touch pwned"]\n',
    'width: !!python/object/apply:os.system ["touch pwned"]\n',
    "width: " + "[" * 20_000,
    "{" * 100_000,
    "width: {a: 1}\n",
    "? [1, 2]\n: 3\n",
    "width: 8\nwidth: 16\n",
    "<<: {width: 8}\n",
    "width: 99999999999999999999999999\n",
    "width: .nan\n",
    "learning_rate: .inf\n",
    "--- \nwidth: 8\n---\nwidth: 8\n",
    "%YAML 9.9\n---\nwidth: 8\n",
    "widht: 8\n",
    "\twidth: 8\n",
    'width: "8\x1b[31m"\n',
    "width: &w\n",
    "width: *w\n",
    "width: 2021-01-01\n",
    "null: 1\n",
    "- width\n",
    "width\n",
    "style: \x07\n",
    'style: "\\e[31m\\u009b5m"\n',
    '"\\e[31m": 5\n',
)


def words_settings(material: Material, rng: Rng) -> Trial:
    """The file of --config."""
    place = material.place
    place.restore(("data",))
    path = place.work / "model.yaml"
    if rng.random() < 0.4:
        path.write_text(rng.choice(YAML), "utf-8")
        done = repr(path.read_text("utf-8")[:60])
    elif rng.random() < 0.4:
        lines = SETTINGS.splitlines()
        number = rng.randrange(len(lines))
        value = rng.choice((*VALUES, *LARGE, *TEXTS[:2])).encode("utf-8", "replace").decode()
        lines[number] = f"{lines[number].partition(':')[0]}: {value}"
        path.write_text("\n".join(lines) + "\n", "utf-8")
        done = lines[number][:60]
    else:
        path.write_text(SETTINGS, "utf-8")
        done = rng.choice((harm_bytes, harm_text))(rng, path)
        if rng.random() < 0.1:
            done += ", " + harm_entry(rng, path, str(place.root))
    kept = [path] if path.is_file() and not path.is_symlink() else []
    words: Words = ("model_architecture.py", "--preset", "small", "--config", "model.yaml")
    if rng.random() < 0.4:
        words = (*("training_loop.py", "--style", STYLE, "--preset", "small"), *words[-2:])
        words = (*words, "--estimate")
    return Trial(f"model.yaml: {done}", [words], kept=kept, growth_mib=SETTINGS_MIB)


def words_captions(material: Material, rng: Rng) -> Trial:
    """The table of --captions, which a person wrote."""
    place = material.place
    place.restore(SOURCE)
    suffix = rng.choice((".csv", ".tsv", ".jsonl", ".json", ".txt"))
    path = place.work / f"captions{suffix}"
    rows = [(f"red_ship_{kind}.{kind}", caption(n)) for n, kind in enumerate(("jpg", "png", "gif"))]
    if suffix in (".csv", ".tsv", ".txt"):
        cut = "," if suffix == ".csv" else "\t"
        lines = [f"image{cut}caption", *(f'{name}{cut}"{text}"' for name, text in rows)]
        path.write_text("\n".join(lines) + "\n", "utf-8")
    else:
        table = [{"image": name, "caption": text} for name, text in rows]
        text = "\n".join(map(json.dumps, table)) if suffix == ".jsonl" else json.dumps(table)
        path.write_text(text, "utf-8")
    done = harm_table(rng, path, place)
    if rng.random() < 0.1:
        done += ", " + harm_entry(rng, path, str(place.root))
    kept = [path] if path.is_file() and not path.is_symlink() else []
    words = ("caption_generation.py", "--style", STYLE, "--captions", path.name)
    if rng.random() < 0.3:
        words = (*words, "--recaption")
    return Trial(done, [words], kept=kept)


def words_find(material: Material, rng: Rng) -> Trial:
    """What --find and --image name: files of captions, folders, pictures; and prompts."""
    place = material.place
    place.restore((*RUN, "source"))
    done = "as it is"
    if rng.random() < 0.5:
        path = place.work / f"list{rng.choice(('.txt', '.jsonl', '.json', '.csv'))}"
        path.write_text('{"image": "a.png", "caption": "a ship"}\n', "utf-8")
        if path.suffix in (".json", ".jsonl"):
            done = harm_any(rng, path, place)
        else:
            done = rng.choice((harm_bytes, harm_text))(rng, path)
        words: Words = ("--find", path.name, "--image", "outputs/000000.png")
    elif rng.random() < 0.5:
        path = rng.choice(sorted((place.work / "source/loose").glob("red*")))
        done = harm_bytes(rng, path)
        words = rng.choice(
            (
                ("--find", "source", "--prompt", "a ship"),
                ("--find", "source/loose", "--image", "outputs/000000.png"),
                ("--image", str(path.relative_to(place.work))),
                ("--image", str(path.relative_to(place.work)), "--strength", ".5"),
            )
        )
    else:
        prompt = rng.choice((*VALUES, *TEXTS[2:], "x" * 501, "ship " * 90))
        words = rng.choice((("--prompt", prompt), ("--find", "seeds", "--prompt", prompt)))
        if prompt.startswith("-"):
            words = (*words[:-2], f"--prompt={prompt}")
        done = f"prompt {prompt[:40]!r}"
        words = (*words, "--seeds", "0")
    words = ("inference.py", *words, "--out", "outputs/new")
    return Trial(
        done,
        [words.replace("\0", "") if isinstance(words, str) else without_nul(words)],
        check=has_pictures("outputs/new"),
    )


def without_nul(words: Words) -> Words:
    """No system lets a NUL into a command line."""
    return tuple(word.replace("\0", "") for word in words)


def words_server(material: Material, rng: Rng) -> Trial:
    """A captioning server that answers nonsense: nothing of it reaches a caption or the screen."""
    place = material.place
    place.restore(SOURCE)
    path = place.work / f"data/metadata/{STYLE}_metadata.json"
    rows = json.loads(path.read_text("utf-8"))
    for number, row in enumerate(rows):
        if row.pop("captioner", None) and number % 2:
            row["caption"] = ""
    path.write_text(json.dumps(rows), "utf-8")
    for log in (place.work / "data/captions").glob("*_generated.jsonl"):
        log.unlink()
    status = rng.choice((200, 200, 200, 200, 400, 401, 403, 404, 500, 503, 302, 204, 418, -200))
    body = json.dumps(GOOD).encode()
    done = "the good body"
    way = rng.random()
    if way < 0.5:
        value, done = harm_value(rng, json.loads(body), str(place.root))
        body = json.dumps(value).encode()
    elif way < 0.8:
        answer = rng.choice((*TEXTS, *ANSWERS))
        told = json.loads(body)
        told["choices"][0]["message"]["content"] = answer
        body = json.dumps(told).encode()
        done = f"says {answer[:50]!r}"
    elif way < 0.95:
        file = place.root / "body"
        file.write_bytes(body)
        done = harm_bytes(rng, file)
        body = file.read_bytes()
    headers = rng.choice(({}, {}, {"Retry-After": "0"}, {"Location": "http://127.0.0.1:9/"}))
    if status in (500, 503) and rng.random() < 0.8:
        headers = {"Retry-After": "0"}
    material.server.say(status, body, headers)

    def check(place: Place, outcome: Outcome) -> Iterator[str]:
        material.server.say_good()
        if path.is_file():
            for row in json.loads(path.read_text("utf-8")):
                text = row.get("caption") or ""
                if text != printable(text) or len(text) > 5000:
                    yield f"a caption {text[:60]!r} of {len(text)} letters"

    return Trial(
        f"status {status}, {done}", [material.captioner], check=check, before=shorten_pauses
    )


def shorten_pauses() -> None:
    """In the process of a captioning: a server that is asked again is asked at once."""
    from oneseed.captioning import connection

    connection.RETRY_PAUSE = 0.01


ANSWERS = (
    "<think>secret thought</think>",
    "<|im_start|>assistant\nA ship<|im_end|>",
    '```json\n{"caption": "a ship"}\n```',
    "I'm sorry, I can't help with that.",
    "{" * 5000,
    "[" * 5000,
    "Caption: " * 1000,
    "<" * 20_000,
    "*" * 20_000,
    "(((((" * 4000,
    "\\" * 20_000,
    "A ship. " * 5000,
)


def words_line(material: Material, rng: Rng) -> Trial:
    """Command lines with one or two words that nobody expects."""
    place = material.place
    place.restore((*LIGHT, "source"))
    base = rng.choice((PREPARE, DEAL, (*TRAIN, "--estimate"), *USES, rng.choice(EXPORTS), MODEL))
    words = list(base)
    done = []
    for _ in range(rng.choice((1, 1, 2))):
        flag = rng.choice(flags_of(base[0]))
        name = flag.removeprefix("--").removeprefix("no-")
        value = rng.choice(VALUES if name in AMOUNTS else (*VALUES, *LARGE))
        what = rng.random()
        if what < 0.7:
            words.append(f"{flag}={value}")
        elif what < 0.85:
            words += [flag, value]
        else:
            words.insert(rng.randint(1, len(words)), value)
        done.append(f"{flag} {value[:30]!r}")
    before = None
    return Trial(
        ", ".join(done),
        [without_nul(words)],
        before=before,
        cpu_seconds=15,
        growth_mib=SETTINGS_MIB,
    )


def words_kinds(material: Material, rng: Rng) -> Trial:
    """Kinds of a drawn collection, as somebody types them."""
    place = material.place
    place.restore(())
    known = ("form", "table", "query", "chart", "flow", "code")
    chosen = [rng.choice((*known, *VALUES, *TEXTS)) for _ in range(rng.randrange(1, 4))]
    kinds = rng.choice((",", ", ", ",,", " ")).join(chosen)
    words = without_nul((*SCREENS, f"--kinds={kinds}"))

    def check(place: Place, outcome: Outcome) -> Iterator[str]:
        """Where it ends well, the pictures are of these kinds alone."""
        path = place.work / "data" / "metadata" / "screens_metadata.json"
        if outcome.code or not path.exists():
            return
        from oneseed.synthetic.screens.collection import SCREENS as DRAWN

        asked = {name.strip() for name in kinds.split(",")}
        for row in json.loads(path.read_text("utf-8")):
            kind = DRAWN.parse(row["caption"])["kind"]
            if asked & {*known} and kind not in asked:
                yield f"a picture of the kind {kind}, and asked was {kinds[:40]!r}"

    return Trial(f"--kinds {kinds[:40]!r}", [words], check=check)


SCREENS = (
    *("dataset_preparation.py", "--source", "screens", "--preset", "small", "--image-size", "32"),
    *("--smallest", "16", "--workers", "1", "--max-samples", "4"),
)
MODEL = ("model_architecture.py", "--preset", "small")


def flags_of(script: str) -> list[str]:
    """The flags of a script, by its configurations."""
    from oneseed.config.captioning import CaptionConfig
    from oneseed.config.inference import InferenceConfig
    from oneseed.config.model import ModelConfig, SpecsConfig
    from oneseed.config.preparation import PrepareConfig
    from oneseed.config.training import TrainConfig
    from oneseed.console.flags import flag_of, option_fields

    kinds = {
        "dataset_preparation.py": [PrepareConfig],
        "caption_generation.py": [CaptionConfig],
        "model_architecture.py": [ModelConfig, SpecsConfig],
        "training_loop.py": [ModelConfig, TrainConfig],
        "inference.py": [InferenceConfig],
    }[script]
    names = [flag_of(name) for name in option_fields(kinds)]
    return [name for name in names if name.removeprefix("--") not in (*WITHOUT, "write-specs")]


def words_page(material: Material, rng: Rng) -> Trial:
    """The page's flags, which are read and then not served."""
    from oneseed.config.demo import DemoConfig
    from oneseed.console.flags import flag_of, option_fields, parse_configs

    place = material.place
    place.restore(())
    flag = rng.choice([flag_of(name) for name in option_fields([DemoConfig])])
    words = without_nul(("gradio_demo.py", f"{flag}={rng.choice((*VALUES, *LARGE))}"))

    def read() -> int:
        import sys

        sys.argv = list(words)
        return ended(lambda: parse_configs(DemoConfig, description="A page.") and None)

    return Trial(words[1][:60], [words], before=read)
