"""How long a visitor of the page waits, and what many visitors do to it.

    python -m benchmarks.page                                 # from the command to the page, from a click to the pair, best of 16
    python -m benchmarks.page --minutes 60                    # and so long a mixed load from 16 clients: errors, waits, memory
    python -m benchmarks.page --collection 100000             # only what the tab Collection does with so many rows, without a page

Starts gradio_demo.py with a checkpoint on a free port and talks to it over HTTP as any program would; what a browser adds is not in these figures. Ends with
code 1 where a figure is missed.
"""

from dataclasses import dataclass

from oneseed.console.command import UserError, run
from oneseed.console.flags import option
from oneseed.dataset.collection import Collection, pair_of
from oneseed.dataset.curation import change_row, matching_rows
from oneseed.dataset.jsonl import write_jsonl
from oneseed.page.collection_tab import rows_of
from oneseed.synthetic.engravings import attributes


@dataclass(frozen=True)
class PageConfig:
    checkpoint: str = option("checkpoints/best_model.pt", "the model")
    clicks: int = option(40, "pairs that are asked for one after another")
    minutes: float = option(0.0, "of mixed load from 16 clients")
    clients: int = option(16, "how many of them")
    collection: int = option(
        0,
        "rows of a made-up collection that are looked through, searched and mended, and nothing else",
    )


# --help answers at once
if __name__ == "__main__":
    from oneseed.console.flags import parse_configs

    CONFIGS = parse_configs(PageConfig, description=__doc__)

import http.client
import json
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# seconds at the median; seconds; seconds after imports; MB
CLICK = 0.5
BEST_OF = 3.0
START = 10.0
GROWTH = 100
USUAL = ["", "", 2.5, 0, 1]
FULL = re.compile("(?i)queue.*full|too many")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(port, name, *data):
    """One call of an endpoint, from the POST to its last event -> (event, what came with it). "full" where the queue had no place."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request(
            "POST",
            f"/gradio_api/call/{name}",
            json.dumps({"data": data}),
            {"Content-Type": "application/json"},
        )
        answer = connection.getresponse()
        body = answer.read().decode()
        if answer.status != 200:
            return "full" if FULL.search(body) or answer.status in (
                429,
                503,
            ) else f"status {answer.status}", body
        connection.request("GET", f"/gradio_api/call/{name}/{json.loads(body)['event_id']}")
        events = re.findall(r"event: (\w+)\ndata: (.*)", connection.getresponse().read().decode())
        return events[-1] if events else ("nothing", "")
    finally:
        connection.close()


def memory(pid):
    """MB that the process holds now; None where the system does not say."""
    try:
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024
    except OSError:
        return None


def start(checkpoint, port):
    """-> the process, and seconds until the page answers."""
    begin = time.perf_counter()
    page = subprocess.Popen(
        [
            sys.executable,
            str(ROOT / "gradio_demo.py"),
            "--checkpoint",
            checkpoint,
            "--port",
            str(port),
        ],
        stdout=subprocess.DEVNULL,
    )
    while page.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/")
            if connection.getresponse().status == 200:
                return page, time.perf_counter() - begin
        except OSError:
            time.sleep(0.05)
    raise UserError("the page did not start; see above", code=1)


def seconds(work):
    begin = time.perf_counter()
    event, answer = work()
    if event != "complete":
        raise UserError(f"the page answered {event}: {answer[:200]}", code=1)
    return time.perf_counter() - begin


def load(port, pid, minutes, clients):
    """-> (counts of what came back, seconds of each answered call, MB after a tenth of the time and at the end)."""
    until = time.monotonic() + 60 * minutes
    counts = Counter()
    waits = []
    lock = threading.Lock()
    held = []

    def client(number):
        dice = random.Random(number)
        while time.monotonic() < until:
            seed = dice.randrange(2**32)
            name, *data = dice.choice(
                [
                    ("generate", seed, *USUAL),
                    ("generate", seed, "two small ships", *USUAL[1:]),
                    ("generate", seed, *USUAL[:-1], 4),
                    ("batch", seed, 4, *USUAL),
                    ("morph", seed, dice.randrange(2**32), 4),
                    ("generate", float("nan"), *USUAL),
                    ("generate", seed, "x" * 501, *USUAL[1:]),
                ]
            )
            good = data[0] == data[0] and "x" * 501 not in data
            begin = time.perf_counter()
            try:
                event, _ = ask(port, name, *data)
            except (OSError, http.client.HTTPException) as error:
                event = type(error).__name__
            with lock:
                counts[
                    "answered"
                    if good and event == "complete"
                    else "refused as it should be"
                    if not good and event == "error"
                    else "queue full"
                    if event == "full"
                    else f"WRONG: {name} {event}"
                ] += 1
                if event == "complete":
                    waits.append(time.perf_counter() - begin)
            time.sleep(dice.random())

    def watch():
        while time.monotonic() < until:
            held.append(memory(pid))
            time.sleep(min(5, 6 * minutes))

    threads = [threading.Thread(target=watch, daemon=True)] + [
        threading.Thread(target=client, args=(number,), daemon=True) for number in range(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return counts, waits, held[len(held) // 10], held[-1]


def looked_through(count):
    """Prints what the tab's handlers take for a collection of so many rows."""
    with tempfile.TemporaryDirectory() as data:
        collection = Collection("prints", data)
        facts = attributes.collection(min(count, 6000))
        rows = [
            dict(
                id=f"{number:016x}",
                filename=f"{number:016x}.png",
                width=512,
                height=512,
                sha256=f"{number:064x}",
                style="engraving",
                source="prints",
                original=f"{number}.png",
                group=f"{number:016x}",
                grey=True,
                caption=attributes.tell(facts[number % len(facts)], number),
                split="val" if number % 10 == 0 else "train",
                captioner="",
            )
            for number in range(count)
        ]
        collection.metadata.parent.mkdir(parents=True)
        collection.train.parent.mkdir(parents=True)
        collection.write_metadata(rows)
        for split, path in (("train", collection.train), ("val", collection.val)):
            write_jsonl(path, (pair_of(row) for row in rows if row["split"] == split))
        works = {
            "first look": lambda: rows_of(collection, data),
            "search": lambda: matching_rows(rows_of(collection, data), "ship night", "training"),
            "caption saved": lambda: change_row(
                collection, rows[count // 2]["id"], caption="A ship at noon"
            ),
        }
        for name, work in works.items():
            begin = time.perf_counter()
            work()
            print(f"  {count:,} rows: {name:<14} {time.perf_counter() - begin:6.2f} s", flush=True)


def main(config):
    if config.collection:
        return looked_through(config.collection)
    # from the disk; the next ones find the files in memory
    seconds_of_imports()
    port = free_port()
    missed = []
    imports = seconds_of_imports()
    page, begun = start(config.checkpoint, port)
    try:
        # the first one loads what the others have
        ask(port, "generate", 0, *USUAL)
        clicks = sorted(
            seconds(lambda: ask(port, "generate", seed, *USUAL)) for seed in range(config.clicks)
        )
        best = statistics.median(
            seconds(lambda: ask(port, "generate", seed, *USUAL[:-1], 16)) for seed in range(5)
        )
        rows = [
            ("from the command to the page, imports apart", begun - imports, START),
            ("from a seed to picture and caption, median", statistics.median(clicks), CLICK),
            ("… slowest of " + str(len(clicks)), clicks[-1], None),
            ("best of 16, median", best, BEST_OF),
        ]
        print(f"imports {imports:.1f} s")
        for title, found, wanted in rows:
            print(
                f"  {title:<46} {found:7.2f} s" + (f"   (wanted: {wanted:g})" if wanted else ""),
                flush=True,
            )
            if wanted and found > wanted:
                missed.append(f"{title}: {found:.2f} s")
        if config.minutes:
            counts, waits, early, late = load(port, page.pid, config.minutes, config.clients)
            print(
                f"{config.minutes:g} minutes, {config.clients} clients: "
                + ", ".join(f"{count:,} {what}" for what, count in counts.most_common())
                + f"; waits {statistics.median(waits):.1f} s at the median, {max(waits):.1f} at most"
            )
            if early is not None:
                print(
                    f"  memory {early:,.0f} MB after a tenth of the time, {late:,.0f} MB at the end"
                )
                missed += [f"memory grew by {late - early:,.0f} MB"] * (late - early > GROWTH)
            missed += [what for what in counts if what.startswith("WRONG")] + ["it has ended"] * (
                page.poll() is not None
            )
    finally:
        page.terminate()
        page.wait()
    if missed:
        print("missed: " + "; ".join(missed))
    return bool(missed)


def seconds_of_imports():
    begin = time.perf_counter()
    subprocess.run(
        [
            sys.executable,
            "-c",
            "import gradio_demo; from oneseed.page.inputs import import_gradio; import_gradio()",
        ],
        cwd=ROOT,
        check=True,
    )
    return time.perf_counter() - begin


if __name__ == "__main__":
    run(main, *CONFIGS)
