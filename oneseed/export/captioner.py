"""A taught captioner for other people: caption_finetuning.py --push owner/name.

    python caption_finetuning.py --push anna/prints-captioner
    python caption_finetuning.py --push anna/prints-adapter --adapter --license apache-2.0

What is sent is what the run in --checkpoints has made, with a card of the run's own figures: the
merged checkpoint, or the adapter alone. No picture and no row of the collection is part of it.
"""

import json
from pathlib import Path
from typing import Any

from oneseed.captioning.adapters import ADAPTER_WEIGHTS
from oneseed.captioning.taught import NOTES_FILE, read_notes
from oneseed.config.finetuning import FinetuningConfig
from oneseed.console.command import UserError
from oneseed.dataset.commands import flag
from oneseed.dataset.jsonl import Row, json_of
from oneseed.export.captioner_card import captioner_card
from oneseed.export.repository import CARD_FILE, Repository, send, write_card
from oneseed.files import expanded
from oneseed.hub_models import HUB_NAME

MESSAGE = "A captioner, taught on pictures of one's own"
ADAPTER_FILES = ("adapter_config.json", ADAPTER_WEIGHTS)
# what transformers writes beside weights; other files of the folder are the run's, or somebody's
CHECKPOINT_FILES = (
    *("config.json", "generation_config.json", "model.safetensors.index.json", NOTES_FILE),
    *("processor_config.json", "preprocessor_config.json", "video_preprocessor_config.json"),
    *("chat_template.jinja", "tokenizer.json", "tokenizer_config.json", "tokenizer.model"),
    *("special_tokens_map.json", "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt"),
    *("spiece.model", "sentencepiece.bpe.model"),
)
CHECKPOINT_WEIGHTS = "model*.safetensors"


def push_captioner(config: FinetuningConfig) -> int:
    """Writes the card into the folder and sends both -> exit status.

    UserError where there is nothing to send, where it is not what was taught, or where the Hub
    refuses it.
    """
    run = Path(config.checkpoints)
    metrics = read_run(run)
    model = metrics["settings"]["model"]
    base = base_on_hub(model)
    if config.adapter and not base:
        raise UserError(
            f"the adapter lies on {model}, a folder of this machine that nobody else has: push the "
            "merged checkpoint instead, with the same command without --adapter"
        )
    license_name = config.license or base_license(model)
    card = card_of(config, metrics, base, license_name)
    folder = run / "adapter" if config.adapter else run
    files = files_to_send(folder, adapter=config.adapter)
    write_card(folder, card)
    size = sum((folder / name).stat().st_size for name in files)
    print(f"{folder.as_posix()}/: {len(files)} files, {size / 1e6:.1f} MB; the card is {CARD_FILE}")
    if not license_name:
        print("note: the card states no licence; say it with --license")
    place = Repository(config.push, private=config.private, create_pr=config.create_pr)
    print(f"sent: {send(folder, [CARD_FILE, *files], place, message=MESSAGE)}", flush=True)
    return 0


def read_run(run: Path) -> Row:
    """metrics.json of a run that has ended and made what it taught. UserError where it did not."""
    path = run / "metrics.json"
    again = "run the command that taught it again, or name its folder with --checkpoints DIR"
    if not path.is_file():
        raise UserError(f"{run.as_posix()} holds no captioner that was taught here: {again}")
    try:
        metrics = json_of(path)
        after = metrics["after"]
        is_true = after is None or after.get("equal_texts") == after.get("figures", {}).get("asked")
        is_named = isinstance(metrics["settings"]["model"], str)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise damaged_run(path, error) from error
    if after is None or not is_named:
        raise UserError(f"the run in {run.as_posix()} has not ended: {again}")
    if not is_true:
        raise UserError(
            f"the merged checkpoint in {run.as_posix()} answers other texts than its adapter, so "
            "its card would not be true: teach it again with --fresh"
        )
    return metrics


def damaged_run(path: Path, error: Exception) -> UserError:
    """The sentence for a metrics.json that somebody else wrote."""
    return UserError(
        f"{path} does not tell of a run of this script ({type(error).__name__}): run the command "
        "that taught it again, which writes it anew"
    )


def card_of(config: FinetuningConfig, metrics: Row, base: str, license_name: str) -> str:
    """The card of a run. UserError where its figures are not those that a run writes."""
    run = Path(config.checkpoints)
    notes = read_notes(run)
    try:
        command = teaching_command(metrics["settings"])
        return captioner_card(config, metrics, notes, base, license_name, command)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise damaged_run(run / "metrics.json", error) from error


def files_to_send(folder: Path, *, adapter: bool) -> list[str]:
    """Names of the files of a checkpoint, or of an adapter. UserError where one is missing."""
    wanted = (*ADAPTER_FILES, NOTES_FILE) if adapter else CHECKPOINT_FILES
    found = [folder / name for name in wanted]
    found += [] if adapter else sorted(folder.glob(CHECKPOINT_WEIGHTS))
    # behind a link may be what is nobody's business
    names = [path.name for path in found if path.is_file() and not path.is_symlink()]
    is_whole = set(ADAPTER_FILES) <= set(names) if adapter else "config.json" in names
    if not is_whole or not any(name.endswith(".safetensors") for name in names):
        what = "adapter" if adapter else "merged checkpoint"
        raise UserError(
            f"{folder.as_posix()} holds no {what}: run the command that taught it again, which "
            "writes it anew"
        )
    return names


def base_on_hub(model: str) -> str:
    """The name of the base on the Hub; "" of one that lies in a folder."""
    is_name = HUB_NAME.fullmatch(model) is not None
    return model if is_name and not expanded(model).exists() else ""


def base_license(model: str) -> str:
    """The licence that the base itself states on this machine; "" where it states none here."""
    from huggingface_hub import metadata_load, try_to_load_from_cache
    from yaml import YAMLError

    path: Any = expanded(model) / CARD_FILE
    if base_on_hub(model):
        path = try_to_load_from_cache(model, CARD_FILE)
    if not isinstance(path, str | Path) or not Path(path).is_file():
        return ""
    try:
        stated = (metadata_load(path) or {}).get("license")
    except (OSError, ValueError, RecursionError, YAMLError):
        # a stranger's file
        return ""
    return stated if isinstance(stated, str) else ""


def teaching_command(settings: Row) -> str:
    """The command of the run, with what is not usual.

    Of a base in a folder it has the last name: no path of this machine is of use on a card.
    """
    words = []
    for name, value in settings.items():
        if value == getattr(FinetuningConfig, name, value):
            continue
        shown = "--" + name.replace("_", "-")
        if name == "model":
            value = base_on_hub(value) or Path(value).name
        words.append(shown if value is True else flag(shown.removeprefix("--"), json_text(value)))
    return " ".join(["python caption_finetuning.py", *words])


def json_text(value: Any) -> str:
    """A setting as it is typed."""
    return value if isinstance(value, str) else json.dumps(value)
