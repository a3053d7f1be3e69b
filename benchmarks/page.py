"""How long a visitor of the page waits, and what many visitors do to it.

    python -m benchmarks.page                       # start, a click, best of 16
    python -m benchmarks.page --minutes 60          # and so long a mixed load from 16 clients
    python -m benchmarks.page --collection 100000   # only the tab Collection, without a page

Starts gradio_demo.py with a checkpoint on a free port and talks to it over HTTP as any program
would; what a browser adds is not in these figures. The load measures errors, waits and memory; with
--collection, what the tab's handlers take for so many rows. Ends with code 1 where a figure is
missed.
"""

# --help answers at once
if __name__ == "__main__":
    from benchmarks.settings import PageConfig
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
from dataclasses import dataclass, field
from pathlib import Path

from oneseed.console.command import UserError, run
from oneseed.dataset.collection import Collection, pair_of
from oneseed.dataset.curation import change_row, matching_rows
from oneseed.dataset.jsonl import write_jsonl
from oneseed.page.collection_handlers import rows_of
from oneseed.synthetic.engravings import attributes

ROOT = Path(__file__).resolve().parents[1]
# seconds from a seed to its pair, at the median
MAX_CLICK = 0.5
# seconds for the best of 16
MAX_BEST_OF = 3.0
# seconds from the command to the page, imports apart
MAX_START = 10.0
# MB that memory may grow by under load
MAX_GROWTH = 100
# prompt, style, guidance, temperature and candidates, as the page has them at first
DEFAULTS = ["", "", 2.5, 0, 1]
# a prompt that is one letter too long
LONG_PROMPT = "x" * 501
QUEUE_IS_FULL = re.compile("(?i)queue.*full|too many")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(port, name, *data):
    """One call of an endpoint, from the POST to its last event -> (event, what came with it).

    The event is "full" where the queue had no place.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    path = f"/gradio_api/call/{name}"
    try:
        body = json.dumps({"data": data})
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read().decode()
        if answer.status in (429, 503) or (answer.status != 200 and QUEUE_IS_FULL.search(text)):
            return "full", text
        if answer.status != 200:
            return f"status {answer.status}", text
        connection.request("GET", f"{path}/{json.loads(text)['event_id']}")
        stream = connection.getresponse().read().decode()
        events = re.findall(r"event: (\w+)\ndata: (.*)", stream)
        return events[-1] if events else ("nothing", "")
    finally:
        connection.close()


def memory(pid):
    """MB that the process holds now; None where the system does not say."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024
    except OSError:
        return None


def start(checkpoint, port):
    """-> the process of the page, and seconds until it answers."""
    begin = time.perf_counter()
    command = [sys.executable, str(ROOT / "gradio_demo.py")]
    command += ["--checkpoint", checkpoint, "--port", str(port)]
    page = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while page.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/")
            if connection.getresponse().status == 200:
                return page, time.perf_counter() - begin
        except OSError:
            time.sleep(0.05)
    raise UserError("the page did not start; see above", code=1)


def seconds_of_pair(port, seed, *, candidates=1):
    """Seconds from a seed to its pair, the best of so many. UserError where none comes."""
    begin = time.perf_counter()
    event, answer = ask(port, "generate", seed, *DEFAULTS[:-1], candidates)
    if event != "complete":
        raise UserError(f"the page answered {event}: {answer[:200]}", code=1)
    return time.perf_counter() - begin


def seconds_of_imports():
    """Seconds that the page's imports take in a process of their own."""
    begin = time.perf_counter()
    code = "import gradio_demo; from oneseed.page.events import import_gradio; import_gradio()"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    return time.perf_counter() - begin


# Load


@dataclass
class Load:
    """What came back under load."""

    # how many answers of each kind
    counts: Counter = field(default_factory=Counter)
    # seconds of each answered call
    waits: list[float] = field(default_factory=list)
    # MB that the page held, one after another
    held: list[float | None] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, kind, seconds=None):
        """Counts an answer. seconds: how long it took, where it was an answer."""
        with self.lock:
            self.counts[kind] += 1
            if seconds is not None:
                self.waits.append(seconds)


def random_call(generator):
    """-> (name of an endpoint, its data, whether the page should answer it)."""
    seed = generator.randrange(2**32)
    other = generator.randrange(2**32)
    return generator.choice(
        [
            ("generate", [seed, *DEFAULTS], True),
            ("generate", [seed, "two small ships", *DEFAULTS[1:]], True),
            ("generate", [seed, *DEFAULTS[:-1], 4], True),
            ("batch", [seed, 4, *DEFAULTS], True),
            ("morph", [seed, other, 4], True),
            ("generate", [float("nan"), *DEFAULTS], False),
            ("generate", [seed, LONG_PROMPT, *DEFAULTS[1:]], False),
        ]
    )


def kind_of_answer(name, event, *, is_good):
    """What an event means for a call that should, or should not, be answered."""
    if is_good and event == "complete":
        return "answered"
    if not is_good and event == "error":
        return "refused as it should be"
    return "queue full" if event == "full" else f"WRONG: {name} {event}"


def visit(port, until, number, load):
    """Client `number` calls again and again; adds what comes back to the load."""
    generator = random.Random(number)
    while time.monotonic() < until:
        name, data, is_good = random_call(generator)
        begin = time.perf_counter()
        try:
            event, _ = ask(port, name, *data)
        except (OSError, http.client.HTTPException) as error:
            event = type(error).__name__
        seconds = time.perf_counter() - begin if event == "complete" else None
        load.add(kind_of_answer(name, event, is_good=is_good), seconds)
        time.sleep(generator.random())


def watch(pid, until, pause, load):
    """Notes every `pause` seconds what the page holds."""
    while time.monotonic() < until:
        load.held.append(memory(pid))
        time.sleep(pause)


def put_under_load(port, pid, minutes, clients):
    """So many clients at once for so many minutes -> Load."""
    until = time.monotonic() + 60 * minutes
    load = Load()
    work = [(watch, (pid, until, min(5, 6 * minutes), load))]
    work += [(visit, (port, until, number, load)) for number in range(clients)]
    threads = [threading.Thread(target=target, args=args, daemon=True) for target, args in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return load


def measure_load(config, page, port):
    """Prints what the load does -> the figures that were missed, in words."""
    load = put_under_load(port, page.pid, config.minutes, config.clients)
    counts = [f"{count:,} {what}" for what, count in load.counts.most_common()]
    print(
        f"{config.minutes:g} minutes, {config.clients} clients: {', '.join(counts)}; "
        f"waits {statistics.median(load.waits):.1f} s at the median, {max(load.waits):.1f} at most"
    )
    missed = []
    early = load.held[len(load.held) // 10]
    late = load.held[-1]
    if early is not None and late is not None:
        print(f"  memory {early:,.0f} MB after a tenth of the time, {late:,.0f} MB at the end")
        if late - early > MAX_GROWTH:
            missed.append(f"memory grew by {late - early:,.0f} MB")
    missed += [what for what in load.counts if what.startswith("WRONG")]
    if page.poll() is not None:
        missed.append("it has ended")
    return missed


# The tab Collection


def made_up_rows(count):
    """Rows of metadata as preparing and captioning leave them."""
    facts = attributes.collection(min(count, 6000))
    return [
        {
            "id": f"{number:016x}",
            "filename": f"{number:016x}.png",
            "width": 512,
            "height": 512,
            "sha256": f"{number:064x}",
            "style": "engraving",
            "source": "prints",
            "original": f"{number}.png",
            "group": f"{number:016x}",
            "grey": True,
            "caption": attributes.tell(facts[number % len(facts)], number),
            "split": "val" if number % 10 == 0 else "train",
            "captioner": "",
        }
        for number in range(count)
    ]


def measure_collection(count):
    """Prints what the tab's handlers take for a collection of so many rows."""
    with tempfile.TemporaryDirectory() as data:
        collection = Collection("prints", data)
        rows = made_up_rows(count)
        collection.metadata.parent.mkdir(parents=True)
        collection.train.parent.mkdir(parents=True)
        collection.write_metadata(rows)
        for split, path in (("train", collection.train), ("val", collection.val)):
            write_jsonl(path, (pair_of(row) for row in rows if row["split"] == split))
        middle = rows[count // 2]["id"]
        works = {
            "first look": lambda: rows_of(collection, data),
            "search": lambda: matching_rows(rows_of(collection, data), "ship night", "training"),
            "caption saved": lambda: change_row(collection, middle, caption="A ship at noon"),
        }
        for name, work in works.items():
            begin = time.perf_counter()
            work()
            seconds = time.perf_counter() - begin
            print(f"  {count:,} rows: {name:<14} {seconds:6.2f} s", flush=True)


# All of it


def measure_waits(config, port, seconds_of_start):
    """Prints how long one visitor waits -> the figures that were missed, in words."""
    # the first one loads what the others have
    ask(port, "generate", 0, *DEFAULTS)
    clicks = sorted(seconds_of_pair(port, seed) for seed in range(config.clicks))
    best = statistics.median(seconds_of_pair(port, seed, candidates=16) for seed in range(5))
    figures = [
        ("from the command to the page, imports apart", seconds_of_start, MAX_START),
        ("from a seed to picture and caption, median", statistics.median(clicks), MAX_CLICK),
        (f"… slowest of {len(clicks)}", clicks[-1], None),
        ("best of 16, median", best, MAX_BEST_OF),
    ]
    missed = []
    for title, found, wanted in figures:
        aim = f"   (wanted: {wanted:g})" if wanted else ""
        print(f"  {title:<46} {found:7.2f} s{aim}", flush=True)
        if wanted and found > wanted:
            missed.append(f"{title}: {found:.2f} s")
    return missed


def main(config):
    if config.collection:
        measure_collection(config.collection)
        return False
    # from the disk; the next ones find the files in memory
    seconds_of_imports()
    port = free_port()
    imports = seconds_of_imports()
    page, begun = start(config.checkpoint, port)
    try:
        print(f"imports {imports:.1f} s")
        missed = measure_waits(config, port, begun - imports)
        if config.minutes:
            missed += measure_load(config, page, port)
    finally:
        page.terminate()
        page.wait()
    if missed:
        print("missed: " + "; ".join(missed))
    return bool(missed)


if __name__ == "__main__":
    run(main, *CONFIGS)
