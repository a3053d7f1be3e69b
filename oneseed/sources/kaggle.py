"""The Kaggle collection.

The default collection, fetched from Kaggle by whichever of its two clients can; where neither can, the ways on.
"""

import contextlib
import errno
import io
import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path

from oneseed.console.command import UserError
from oneseed.sources.resolve import Source, source_of

KAGGLE = "thedownhill/art-images-drawings-painting-sculpture-engraving"


def reraise_if_ours(error):
    """A full or forbidden disk is no matter of Kaggle's."""
    if isinstance(error, OSError) and error.errno in (
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EROFS,
        errno.EACCES,
        errno.EPERM,
    ):
        raise error


def is_cut(error):
    """True where a download broke off or stalled: asked again, the server goes on where it stopped."""
    import requests

    return isinstance(error, requests.exceptions.ChunkedEncodingError) or (
        isinstance(error, requests.RequestException) and "Read timed out" in str(error)
    )


def trouble_at_kaggle(error):
    """-> (what went wrong, in words; whether Kaggle's other client may have more luck)."""
    import requests
    from kagglehub.exceptions import DataCorruptionError

    answer = getattr(error, "response", None)
    if answer is not None:
        meaning = {
            401: "Kaggle refuses it",
            403: "Kaggle refuses it",
            404: "Kaggle does not know it",
        }.get(answer.status_code, "Kaggle is in trouble")
        return f"{meaning}, {answer.status_code}", True
    if is_cut(error):
        return "the connection was cut again and again; what has arrived is kept", False
    if isinstance(error, (requests.ConnectionError, requests.Timeout)):
        return "no network", False
    if isinstance(error, (DataCorruptionError, zipfile.BadZipFile)):
        return "the archive arrived damaged and was thrown away", False
    return f"{type(error).__name__}: {error}".partition("\n")[0], True


def from_kagglehub():
    """-> folder in kagglehub's cache; needs no account as long as the data set is public. A broken download is taken up where it stopped."""
    import kagglehub

    # with a version the cache answers without network
    handle = f"{KAGGLE}/versions/2"
    for attempt in range(3):
        try:
            return Path(kagglehub.dataset_download(handle))
        except Exception as error:
            if attempt < 2 and is_cut(error):
                continue
            damaged = isinstance(
                error, (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError)
            ) or "archive type" in str(error)
            if not damaged:
                raise
            from kagglehub.cache import get_cached_archive_path
            from kagglehub.handle import parse_dataset_handle

            # kept, it would be taken for the whole by every later run
            Path(get_cached_archive_path(parse_dataset_handle(handle))).unlink(missing_ok=True)
            raise zipfile.BadZipFile(str(error)) from error
    return None


def from_kaggle(folder):
    """-> the archive in folder, fetched by Kaggle's older client, which needs credentials and ends the process where it finds none."""
    archive = folder / f"{KAGGLE.partition('/')[2]}.zip"
    if not archive.exists():
        # a page of help
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            from kaggle.api.kaggle_api_extended import KaggleApi

            api = KaggleApi()
            api.authenticate()
        partial = folder.with_name(folder.name + ".partial")
        api.dataset_download_files(KAGGLE, path=str(partial), quiet=False)
        if not zipfile.is_zipfile(partial / archive.name):
            shutil.rmtree(partial)
            raise zipfile.BadZipFile("no archive")
        partial.rename(folder)
    return archive


def fetch_kaggle(config):
    """-> Source. UserError with the ways on where Kaggle cannot be had."""
    name = f"kaggle {KAGGLE}"
    print(f"fetching {KAGGLE} from Kaggle (583 MB, once)", flush=True)
    try:
        return Source(from_kagglehub().resolve(), name)
    except Exception as error:
        # requests', kagglehub's and zipfile's own, without a common class
        reraise_if_ours(error)
        trouble, other = trouble_at_kaggle(error)
    try:
        # read member by member; the client itself would unpack wherever the names lead
        if other:
            return source_of(
                from_kaggle(Path(config.data) / "raw" / "kaggle").resolve(), config
            )._replace(name=name)
    except SystemExit:
        trouble += ", and no credentials"
    except Exception as error:
        reraise_if_ours(error)
        trouble += f"; then: {trouble_at_kaggle(error)[0]}"
    raise UserError(
        f"the Kaggle collection could not be fetched ({trouble}): either set KAGGLE_API_TOKEN, or put kaggle.json into ~/.kaggle (both "
        "from kaggle.com/settings), and run the same command again with a network, or go on without Kaggle: "
        "python dataset_preparation.py --source PATH (a folder of pictures) or --source builtin"
    )
