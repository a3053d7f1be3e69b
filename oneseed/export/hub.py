"""A model as a folder for other people, with its card; --push sends it to the Hugging Face Hub.

Reads   checkpoints/best_model.pt       --checkpoint base: the model that comes with the program
        outputs/report/report.json      whose figures the card shows, where it is of this model
Writes  outputs/hub/    config.json, tokenizer.json, model.safetensors; README.md, the card;
                        samples/, the pairs on it

    python -m oneseed.export hub                                        # looks, sends nothing
    python -m oneseed.export hub --checkpoint base --out outputs/base
    python -m oneseed.export hub --license cc-by-4.0 --pictures "848 engravings of our archive"
    python -m oneseed.export hub --push anna/engravings --private       # after hf auth login
    python -m oneseed.export hub --push bert/engravings --create-pr

The model is the same to the last bit, and reading it finds out where it is not:

    from inference import MultimodalGenerator
    generator = MultimodalGenerator.from_pretrained("anna/engravings")
    image, caption = generator(7)

In Python, of a generator: push_to_hub(generator, "anna/engravings").
"""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from oneseed.config.base_model import checkpoint_name
from oneseed.config.hub import HubConfig
from oneseed.config.options import parse_seeds
from oneseed.console.command import run
from oneseed.console.flags import parse_configs
from oneseed.dataset.commands import DEFAULT_DATA, flag, script_command
from oneseed.dataset.next_run import require_checkpoint
from oneseed.export.folders import require_model_folder
from oneseed.export.repository import CARD_FILE, Repository, send, write_card
from oneseed.hub_models import HUB_PREFIX, MODEL_FILES, WEIGHTS_FILE

if TYPE_CHECKING:
    from oneseed.generation.generator import MultimodalGenerator


def main(argv: Sequence[str]) -> NoReturn:
    """The command. argv: its flags."""
    (config,) = parse_configs(HubConfig, description=__doc__, argv=argv)
    run(export_model, config)


def export_model(config: HubConfig) -> None:
    """Writes the folder, and sends it where --push says so."""
    require_checkpoint(config.checkpoint, DEFAULT_DATA)
    # torch comes with it
    from oneseed.generation.generator import MultimodalGenerator

    generator = MultimodalGenerator(config.checkpoint, "cpu")
    folder = Path(config.out)
    files = write_model(generator, folder, config)
    size = sum((folder / name).stat().st_size for name in files)
    print(f"{folder.as_posix()}/: {len(files)} files, {size / 1e6:.1f} MB; the card is {CARD_FILE}")
    if generator.can_choose_finish:
        count = len(generator.model.own_picture_book().ids)
        print(f"note: {count:,} training pictures are part of the model, and go where it goes")
    if config.push:
        place = Repository(config.push, private=config.private, create_pr=config.create_pr)
        print(f"sent: {send(folder, files, place)}")
    else:
        print(
            f"next: {script_command('inference.py', flag('checkpoint', folder))}, "
            "or send it with --push owner/name"
        )


def push_to_hub(
    generator: "MultimodalGenerator",
    repo_id: str,
    *,
    private: bool = False,
    create_pr: bool = False,
    token: str | None = None,
    **card: Any,
) -> str:
    """Sends a model with its card to "owner/name" on the Hub -> the address.

    card: license, pictures, report and seeds, as of the command. UserError where it is refused.
    """
    card.setdefault("checkpoint", checkpoint_name(generator.checkpoint))
    config = HubConfig(push=repo_id, private=private, create_pr=create_pr, **card)
    with tempfile.TemporaryDirectory() as folder:
        files = write_model(generator, Path(folder), config)
        place = Repository(repo_id, private=private, create_pr=create_pr)
        return send(Path(folder), files, place, token)


def write_model(generator: "MultimodalGenerator", folder: Path, config: HubConfig) -> list[str]:
    """Writes model, pairs and card -> the names of the files in the folder."""
    from oneseed.config.inference import InferenceConfig
    from oneseed.export.model_card import SAMPLES, model_card, sample_files
    from oneseed.generation.rendering import save_pair
    from oneseed.generation.requests import pairs_of_seeds, with_facts

    require_model_folder(folder)
    report = own_report(generator, config)
    generator.save_pretrained(folder)
    drawn = pairs_of_seeds(generator, InferenceConfig(), parse_seeds(config.seeds))
    # on a card for other people no path of this machine is of use
    name = f"{HUB_PREFIX}{config.push}" if config.push else WEIGHTS_FILE
    named = [replace(pair, facts={**pair.facts, "checkpoint": name}) for pair in drawn]
    pairs = with_facts(generator, named)
    samples = []
    for pair in pairs:
        row = save_pair(folder / SAMPLES, pair.name, pair.image, pair.facts, grey=generator.grey)
        samples += [*sample_files(row), f"{SAMPLES}/{pair.name}.json"]
    write_card(folder, model_card(generator, pairs, config, report))
    return [*MODEL_FILES, CARD_FILE, *samples]


def own_report(generator: "MultimodalGenerator", config: HubConfig) -> dict[str, Any] | None:
    """The report of --report where it is of this model; None, and a line that says so, else."""
    from oneseed.evaluation.report import read_report
    from oneseed.export.model_card import report_command

    path = Path(config.report)
    command = report_command(config)
    if not path.exists():
        print(f"the card has no figures: there is no {path.as_posix()}; it comes with {command}")
        return None
    report = read_report(path, "--report")
    if report is None or report.get("fingerprint") != generator.fingerprint:
        print(f"the card has no figures: {path.as_posix()} is of another model; first {command}")
        return None
    return report
