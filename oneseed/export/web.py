"""Writes a web page that draws pairs in the browser, for any host of plain files.

Reads   outputs/export/   what `python -m oneseed.export onnx` wrote
Writes  outputs/web/      index.html and what it needs; the page asks no other host

    python -m oneseed.export web
    python -m oneseed.export web --runtime node_modules/onnxruntime-web
    python -m http.server --directory outputs/web 8000      # http://localhost:8000

The runtime, onnxruntime-web, is downloaded from the npm registry once, where --runtime names no
folder of it. A browser loads no page of this kind from a file:// address.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from oneseed.config.export import EXPORT_FOLDER, WebConfig
from oneseed.console.command import UserError, run
from oneseed.console.flags import parse_configs
from oneseed.dataset.commands import flag, python_name
from oneseed.export.folders import takes_export
from oneseed.export.web_runtime import runtime_files
from oneseed.files import whole_folder
from oneseed.hub_models import CONFIG_FILE, TOKENIZER_FILE

# what the page consists of, beside model and runtime
SITE = Path(__file__).parent / "site"
SITE_FILES = ("index.html", "page.css", "page.js", "oneseed.js", "icon.svg")
# numbers of a seed that the page can compute
MIN_LATENT = 16


def main(argv: Sequence[str]) -> None:
    """The words of the command line; ends the process."""
    (config,) = parse_configs(WebConfig, description=__doc__ or "", argv=argv)
    run(write_web, config)


def write_web(config: WebConfig) -> int:
    """Writes the folder of the page -> exit status. UserError where something is missing."""
    model = Path(config.model)
    names = model_file_names(model)
    out = Path(config.out)
    require_own_folder(out)
    runtime = runtime_files(config.runtime)
    with whole_folder(out) as partial:
        for name in SITE_FILES:
            shutil.copyfile(SITE / name, partial / name)
        for name, content in runtime.items():
            (partial / name).write_bytes(content)
        (partial / "model").mkdir()
        for name in names:
            shutil.copyfile(model / name, partial / "model" / name)
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    print(
        f"{config.out}: {size / 1e6:.1f} MB; to look at it: "
        f"{python_name()} -m http.server {flag('directory', out)} 8000"
    )
    return 0


def model_file_names(model: Path) -> list[str]:
    """The files of an export that the page loads. UserError where it is none, or not whole."""
    export = export_command(model)
    try:
        facts = json.loads((model / CONFIG_FILE).read_text("utf-8"))
        names = [CONFIG_FILE, TOKENIZER_FILE, *(one["small"] for one in facts["files"].values())]
        latent_dim = facts["latent_dim"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{model} holds no exported model; make it with: {export}") from error
    missing = [name for name in names if not (model / name).is_file()]
    if missing:
        raise UserError(f"{model} lacks {', '.join(missing)}; make it with: {export}")
    if latent_dim < MIN_LATENT:
        raise UserError(f"the page needs a latent of {MIN_LATENT} numbers or more; train another")
    return names


def export_command(model: Path) -> str:
    """What makes the missing files of an export: in their folder, unless it is somebody else's."""
    command = f"{python_name()} -m oneseed.export onnx"
    if takes_export(model):
        return f"{command} {flag('out', model, EXPORT_FOLDER)}".rstrip()
    return f"{command} --out FOLDER, and name that folder with --model"


def require_own_folder(out: Path) -> None:
    """UserError where a folder holds something else than an earlier page."""
    if not out.exists():
        return
    is_page = out.is_dir() and (out / "oneseed.js").is_file()
    if not is_page and not (out.is_dir() and not any(out.iterdir())):
        raise UserError(f"{out} is there and no page of this kind; name another folder with --out")
