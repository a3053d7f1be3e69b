"""A model as a folder of three files, which may lie on the Hugging Face Hub.

    folder = fetch_model("owner/name")      # in the cache of the Hub's library
    hub_name(folder)                        # "hub:owner/name", as --checkpoint takes it

What the cache has is not fetched again. The library is imported when something is fetched, and
never else.
"""

import functools
import os
import re
from pathlib import Path

from oneseed.console.command import UserError

# of the folder; the first one is what the Hub counts downloads by
CONFIG_FILE = "config.json"
TOKENIZER_FILE = "tokenizer.json"
WEIGHTS_FILE = "model.safetensors"
MODEL_FILES = (CONFIG_FILE, TOKENIZER_FILE, WEIGHTS_FILE)
# before a name, where a file or a folder could be meant as well
HUB_PREFIX = "hub:"
# owner/name, or owner/name@revision
HUB_NAME = re.compile(r"(?P<model>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?", re.ASCII)
# where the cache keeps a model; no name on the Hub holds two hyphens in a row
CACHED_MODEL = re.compile(
    r"(?P<storage>(?:.*/)?models--(?P<owner>[^/]+?)--(?P<name>[^/]+))"
    r"/snapshots/(?P<revision>[0-9a-f]{40})(?:/[^/]+)?"
)


def is_on_hub(checkpoint: str | Path) -> bool:
    """Whether a checkpoint is named as one on the Hub: "hub:owner/name"."""
    return isinstance(checkpoint, str) and checkpoint.startswith(HUB_PREFIX)


def is_model_folder(folder: Path) -> bool:
    """Whether a folder has the files that save_pretrained writes, or some of them."""
    # False, too, of a folder that may not be looked into
    return any(os.path.isfile(folder / name) for name in (CONFIG_FILE, WEIGHTS_FILE))


@functools.cache
def named_folder(checkpoint: str) -> Path:
    """ "hub:owner/name", also with "@revision" -> the folder of its files, fetched once."""
    found = HUB_NAME.fullmatch(checkpoint.removeprefix(HUB_PREFIX))
    if not found:
        raise UserError(
            f"{checkpoint!r} names no model; write hub:owner/name or hub:owner/name@revision"
        )
    return fetch_model(found["model"], found["revision"])


def fetch_model(
    name: str,
    revision: str | None = None,
    *,
    token: str | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
) -> Path:
    """ "owner/name" -> the folder in the cache that holds its three files.

    revision: a branch, a tag or a commit; None: main. token: None: that of `hf auth login`.
    cache_dir: None: the usual one. local_files_only: ask nobody.
    UserError where they cannot be had.
    """
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(
            name,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            allow_patterns=list(MODEL_FILES),
        )
    except Exception as error:
        # of the library, its HTTP client and the system, without a common class
        raise fetching_error(error, name, revision) from error
    for file in MODEL_FILES:
        if not (Path(folder) / file).exists():
            raise UserError(
                f"{name} on the Hub is no model of this program, or not all of it is here: it "
                f"lacks {file}"
            )
    return Path(folder)


def fetching_error(error: Exception, name: str, revision: str | None) -> UserError:
    """Whatever fetching a model raised -> the sentence for the user."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "HFValidationError" in kinds:
        return UserError(f"{name!r} is no folder, and no name on the Hub, such as owner/name")
    if "GatedRepoError" in kinds:
        return UserError(
            f"{name} wants to be asked: accept its terms on https://huggingface.co/{name}, log in "
            "with hf auth login, and run the same command again"
        )
    if "RevisionNotFoundError" in kinds:
        return UserError(
            f"{name} has no revision {revision}: https://huggingface.co/{name}/tree/main lists them"
        )
    if "RepositoryNotFoundError" in kinds:
        return UserError(
            f"there is no folder {name}, and on the Hub no such model, or not for everyone: look "
            "for it on https://huggingface.co/models, or log in with hf auth login"
        )
    if kinds & {"LocalEntryNotFoundError", "OfflineModeIsEnabled"}:
        return UserError(
            f"there is no folder {name}, and the model is not in the cache of the Hub, which "
            "cannot be asked: run the same command again with a network and without HF_HUB_OFFLINE"
        )
    return UserError(
        f"{name} cannot be fetched from the Hub ({type(error).__name__}): run the same command "
        "again with a network; what has arrived is kept"
    )


def hub_name(path: Path) -> str | None:
    """A model's folder or file in the cache -> its name for --checkpoint; None for another path.

    The name has the revision where the branch main, as it was last seen, is not this one.
    """
    found = CACHED_MODEL.fullmatch(path.as_posix())
    if not found:
        return None
    name = f"{HUB_PREFIX}{found['owner']}/{found['name']}"
    main = Path(found["storage"]) / "refs" / "main"
    is_main = main.is_file() and main.read_text("ascii").strip() == found["revision"]
    return name if is_main else f"{name}@{found['revision']}"
