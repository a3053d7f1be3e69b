"""The Kaggle collection, which is the default: fetched by whichever of Kaggle's two clients can.

Where neither can, a sentence names the ways on.
"""

import contextlib
import errno
import io
import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path

from oneseed.config.preparation import PrepareConfig
from oneseed.console.command import UserError
from oneseed.dataset.commands import prepare_command
from oneseed.locks import InUseError, locked
from oneseed.sources.resolve import Source, source_at

KAGGLE = "thedownhill/art-images-drawings-painting-sculpture-engraving"
# how often kagglehub is asked, where the connection is cut
MAX_ATTEMPTS = 3
# what a second run may do, as the end of a sentence
RUN_AGAIN = "run this command again when that one has fetched it"
MEANING_OF_STATUS = {
    401: "Kaggle refuses it",
    403: "Kaggle refuses it",
    404: "Kaggle does not know it",
}


def fetch_kaggle(config: PrepareConfig) -> Source:
    """The collection as kagglehub's cache has it, else as data/raw/kaggle/ has it.

    UserError with the ways on where Kaggle cannot be had.
    """
    name = f"kaggle {KAGGLE}"
    print(f"fetching {KAGGLE} from Kaggle (583 MB, once)", flush=True)
    try:
        return Source(from_kagglehub().resolve(), name)
    except Exception as error:
        # requests', kagglehub's and zipfile's own, without a common class
        reraise_disk_error(error)
        cause, may_help = explain_failure(error)
    try:
        if may_help:
            archive = from_kaggle(Path(config.data) / "raw" / "kaggle")
            # read member by member; the client itself would unpack wherever the names lead
            return source_at(archive.resolve(), config)._replace(name=name)
    except InUseError:
        raise
    except SystemExit:
        cause += ", and no credentials"
    except Exception as error:
        reraise_disk_error(error)
        cause += f"; then: {explain_failure(error)[0]}"
    raise UserError(
        f"the Kaggle collection could not be fetched ({cause}): either set KAGGLE_API_TOKEN, "
        "or put kaggle.json into ~/.kaggle (both from kaggle.com/settings), "
        "and run the same command again with a network, or go on without Kaggle: "
        f"{prepare_command()} (a folder of pictures) or --source builtin"
    )


def from_kagglehub() -> Path:
    """The folder in kagglehub's cache; it needs no account as long as the data set is public.

    A broken download goes on where it stopped. Any error of the client where it cannot be had.
    """
    import kagglehub

    # with a version the cache answers without network
    handle = f"{KAGGLE}/versions/2"
    for attempt in range(1, MAX_ATTEMPTS + 1):
        try:
            return Path(kagglehub.dataset_download(handle))
        except Exception as error:
            if attempt < MAX_ATTEMPTS and is_cut(error):
                continue
            if not is_damage(error):
                raise
            # kept, the archive would be taken for complete by every later run
            remove_cached_archive(handle)
            raise zipfile.BadZipFile(str(error)) from error
    raise AssertionError("the last attempt returns or raises")


def is_cut(error: Exception) -> bool:
    """True where a download broke off or stalled: asked again, the server goes on there."""
    import requests

    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return True
    return isinstance(error, requests.RequestException) and "Read timed out" in str(error)


def is_damage(error: Exception) -> bool:
    """True where an archive arrived that cannot be unpacked."""
    kinds = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError)
    return isinstance(error, kinds) or "archive type" in str(error)


def remove_cached_archive(handle: str) -> None:
    """Removes what kagglehub downloaded and could not unpack."""
    from kagglehub.cache import get_cached_archive_path
    from kagglehub.handle import parse_dataset_handle

    Path(get_cached_archive_path(parse_dataset_handle(handle))).unlink(missing_ok=True)


def from_kaggle(folder: Path) -> Path:
    """The archive in folder, fetched by Kaggle's older client unless it is there.

    The client needs credentials: SystemExit where it finds none.
    """
    archive = folder / f"{KAGGLE.partition('/')[2]}.zip"
    if not archive.exists():
        # without credentials the client prints a page of help
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            from kaggle.api.kaggle_api_extended import KaggleApi

            api = KaggleApi()
            api.authenticate()
        with locked(folder.parent, folder.name, what=f"the download of {KAGGLE}", remedy=RUN_AGAIN):
            # Another run may have fetched it meanwhile.
            if archive.exists():
                return archive
            # A broken download goes on where it stopped, so this folder stays.
            partial = folder.with_name(folder.name + ".partial")
            api.dataset_download_files(KAGGLE, path=str(partial), quiet=False)
            if not zipfile.is_zipfile(partial / archive.name):
                shutil.rmtree(partial)
                raise zipfile.BadZipFile("no archive")
            partial.rename(folder)
    return archive


def reraise_disk_error(error: Exception) -> None:
    """Raises an error of a full or forbidden disk, which is no matter of Kaggle's."""
    if isinstance(error, OSError) and error.errno in (
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EROFS,
        errno.EACCES,
        errno.EPERM,
    ):
        raise error


def explain_failure(error: Exception) -> tuple[str, bool]:
    """What went wrong, in words, and whether Kaggle's other client may have more luck."""
    import requests
    from kagglehub.exceptions import DataCorruptionError

    answer = getattr(error, "response", None)
    if answer is not None:
        meaning = MEANING_OF_STATUS.get(answer.status_code, "Kaggle is in trouble")
        return f"{meaning}, {answer.status_code}", True
    if is_cut(error):
        return "the connection was cut again and again; what has arrived is kept", False
    if isinstance(error, (requests.ConnectionError, requests.Timeout)):
        return "no network", False
    if isinstance(error, (DataCorruptionError, zipfile.BadZipFile)):
        return "the archive arrived damaged and was thrown away", False
    return f"{type(error).__name__}: {error}".partition("\n")[0], True
