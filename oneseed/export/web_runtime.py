"""The three files of onnxruntime-web that a page needs, from a folder or the npm registry."""

import base64
import hashlib
import http.client
import io
import os
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

from oneseed.console.command import UserError
from oneseed.console.output import progress
from oneseed.files import whole_file

RUNTIME_VERSION = "1.30.0"
# of the package's file, as the registry states it
RUNTIME_SHA512 = (
    "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
)
RUNTIME_FILES = (
    "ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
)
REGISTRY = "https://registry.npmjs.org"
PACKAGE = f"onnxruntime-web-{RUNTIME_VERSION}.tgz"
# bytes; the package has 33 million
MAX_PACKAGE = 100_000_000
# seconds without an answer
REGISTRY_PATIENCE = 60


def runtime_files(folder: str | None) -> dict[str, bytes]:
    """Name -> content. folder: of an unpacked package; None: downloaded once, and kept.

    UserError where a file is missing, or the package cannot be had.
    """
    if folder is not None:
        return files_of_folder(Path(folder))
    cache = cache_folder() / f"onnxruntime-web-{RUNTIME_VERSION}"
    # written last
    if not (cache / RUNTIME_FILES[-1]).is_file():
        unpack_runtime(downloaded_package(), cache)
    return files_of_folder(cache)


def files_of_folder(folder: Path) -> dict[str, bytes]:
    """The files in a folder, or in dist/ or package/dist/ below it."""
    for place in (folder, folder / "dist", folder / "package" / "dist"):
        if all((place / name).is_file() for name in RUNTIME_FILES):
            return {name: (place / name).read_bytes() for name in RUNTIME_FILES}
    raise UserError(
        f"{folder} holds no onnxruntime-web ({', '.join(RUNTIME_FILES)}); "
        f"get it with: {pack_command()}"
    )


def pack_command() -> str:
    """What gets the package by npm, and unpacks it into ./package."""
    return f"npm pack onnxruntime-web@{RUNTIME_VERSION} && tar xf {PACKAGE}"


def cache_folder() -> Path:
    """Where downloads are kept."""
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "one-seed"


def downloaded_package() -> bytes:
    """The package from the registry that npm's environment names, or the public one, checked."""
    registry = os.environ.get("npm_config_registry", REGISTRY)  # noqa: SIM112 - npm's own name
    registry = registry.rstrip("/")
    address = f"{registry}/onnxruntime-web/-/{PACKAGE}"
    content = bytearray()
    try:
        with urllib.request.urlopen(address, timeout=REGISTRY_PATIENCE) as answer:
            total = int(answer.headers.get("Content-Length") or 0) or None
            with progress(label="onnxruntime-web", total=total, unit="byte") as bar:
                while part := answer.read(1 << 20):
                    content += part
                    bar.update(len(part))
                    if len(content) > MAX_PACKAGE:
                        raise UserError("the npm registry sends more than the package; try again")
    except (OSError, ValueError, urllib.error.URLError, http.client.HTTPException) as error:
        raise UserError(
            f"onnxruntime-web cannot be downloaded ({error}); get it elsewhere with: "
            f"{pack_command()}, and name the folder: --runtime package"
        ) from error
    require_same_package(bytes(content))
    return bytes(content)


def require_same_package(content: bytes) -> None:
    """UserError where a package is not the one whose hash is known."""
    digest = base64.b64encode(hashlib.sha512(content).digest()).decode()
    if digest != RUNTIME_SHA512:
        raise UserError(
            "what came as onnxruntime-web is another file than the one that is known; try again"
        )


def unpack_runtime(content: bytes, folder: Path) -> None:
    """The three files of a package -> a folder. Only they are read of it."""
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as package:
        for name in RUNTIME_FILES:
            member = package.extractfile(f"package/dist/{name}")
            assert member is not None, f"the package has {name}"
            with whole_file(folder / name) as partial:
                partial.write_bytes(member.read())
