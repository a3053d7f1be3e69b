"""The image `one-seed`, run as a careful host runs it: uid 1000, no network, a read-only root.

    python -m tests.image                      # by docker run
    python -m tests.image --engine podman
    python -m tests.image --engine buildah     # as root, where no daemon may start containers

Looks at three things. Seed 7 of the base model is drawn in the image, and this machine's own
environment makes the same pair: picture within 1/255, caption letter by letter. Nothing but /tmp
can be written. The page starts and its HEALTHCHECK succeeds.

Exit code: 0 all is well, 1 something is not; then the container's own words stand above.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
IMAGE = "one-seed"
SEED = 7
# until the page answers
SECONDS = 120

# buildah's chroot isolation neither closes the root nor takes the network away, so the files of the
# image are entered with plain tools. $1: the files, $2: what becomes /tmp; then the command.
ENTER = """
set -e
root=$1; scratch=$2; shift 2
mount --bind "$root" "$root"
mount --bind "$scratch" "$root/tmp"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -o remount,bind,ro "$root"
ip link set lo up
cd /
exec setpriv --no-new-privs chroot --userspec=1000:1000 "$root" "$@"
"""
NAMESPACES = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"]

# Runs in the image. argv: the page's command and the health check, as JSON; seconds to wait.
WATCH = """
import json, os, subprocess, sys, time
command, check, seconds = json.loads(sys.argv[1]), json.loads(sys.argv[2]), float(sys.argv[3])
assert os.getuid() == 1000, f"uid {os.getuid()}, not 1000"
try:
    open("/app/written", "w")
except OSError:
    pass
else:
    sys.exit("/app can be written")
began = time.monotonic()
page = subprocess.Popen(command)
while subprocess.run(check, stderr=subprocess.DEVNULL).returncode:
    if page.poll() is not None:
        sys.exit(f"the page ended with {page.returncode}")
    if time.monotonic() - began > seconds:
        sys.exit(f"the page is not healthy after {seconds:.0f} s")
    time.sleep(0.5)
print(f"healthy after {time.monotonic() - began:.1f} s")
page.terminate()
sys.exit(page.wait(60) not in (0, 143))
"""

# (arguments of Python in the image, the host's folder that is its /tmp) -> the finished process
Run = Callable[[list[str], Path], "subprocess.CompletedProcess[str]"]


def output(command: list[str]) -> str:
    """What a command prints; CalledProcessError where it fails."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def run_by_daemon(engine: str) -> Run:
    """Runs by `docker run` or `podman run`."""

    def run(arguments: list[str], scratch: Path) -> "subprocess.CompletedProcess[str]":
        closed = ["--read-only", "--network", "none", "--cap-drop", "ALL"]
        closed += ["--security-opt", "no-new-privileges", "--volume", f"{scratch}:/tmp"]
        return subprocess.run([engine, "run", "--rm", *closed, IMAGE, *arguments], text=True)

    return run


@contextlib.contextmanager
def run_in_files() -> Generator[Run]:
    """Runs in the image's files, by namespaces; for root, without a daemon."""
    container = output(["buildah", "from", "--pull-never", IMAGE])
    try:
        root = output(["buildah", "mount", container])
        inspected = json.loads(output(["buildah", "inspect", container]))
        settings = inspected["OCIv1"]["config"]
        assert settings["User"] == "1000", f"user {settings['User']}"
        start = ["env", "--ignore-environment", f"--chdir={settings['WorkingDir']}"]
        start += [*settings["Env"], *settings["Entrypoint"]]

        def run(arguments: list[str], scratch: Path) -> "subprocess.CompletedProcess[str]":
            enter = [*NAMESPACES, "sh", "-c", ENTER, "sh", root, str(scratch)]
            return subprocess.run([*enter, *start, *arguments], text=True)

        yield run
    finally:
        output(["buildah", "rm", container])


def instruction(name: str) -> list[str]:
    """The last instruction of this name in the Dockerfile, as its list of words."""
    joined = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in joined.splitlines() if line.startswith(f"{name} ")]
    return json.loads(lines[-1][lines[-1].index("[") :])


def draws_the_same_pair(run: Run, scratch: Path) -> bool:
    """Draws the seed in the image, and makes its card again here."""
    drawn = run(
        ["inference.py", "--checkpoint", "base", "--seeds", str(SEED), "--out", "/tmp/pairs"],
        scratch,
    )
    if drawn.returncode:
        return False
    card = scratch / "pairs" / f"{SEED:06}.png"
    again = [sys.executable, "inference.py", "--checkpoint", "base", "--verify", str(card)]
    return not subprocess.run(again, cwd=ROOT).returncode


def page_is_healthy(run: Run, scratch: Path) -> bool:
    """Starts the page in the image and asks its health check, until it succeeds."""
    page = json.dumps(["python", *instruction("CMD")])
    check = json.dumps(instruction("HEALTHCHECK"))
    return not run(["-c", WATCH, page, check, str(SECONDS)], scratch).returncode


def main() -> int:
    """Looks at all of it -> exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engine", default="docker", choices=["docker", "podman", "buildah"])
    engine = parser.parse_args().engine
    if engine == "buildah" and os.geteuid():
        parser.error("buildah's way is for root; take --engine docker or podman")
    if engine == "buildah":
        running = run_in_files()
    else:
        running = contextlib.nullcontext(run_by_daemon(engine))
    began = time.monotonic()
    # What uid 1000 has written is not everybody's to delete.
    temporary = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    with running as run, temporary as folder:
        scratch = Path(folder)
        # for uid 1000
        scratch.chmod(0o777)
        is_well = draws_the_same_pair(run, scratch) and page_is_healthy(run, scratch)
    print(f"image {IMAGE}: {'well' if is_well else 'NOT well'}, {time.monotonic() - began:.0f} s")
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
