"""How many pairs the HTTP API makes in a second, alone and for many clients at once.

    python -m benchmarks.server --checkpoint base --finish plain
    python -m benchmarks.server --minutes 60

Starts python -m oneseed.api on a free port and asks it for cards over HTTP. What the machine itself
gains by decoding 32 pairs together, without a server, is measured in the same run: no server can
gain more. Then: 300 requests at once, memory while 8 clients ask on, an idle server, and SIGTERM
with 40 requests in hand. Ends with code 1 where a figure is missed.
"""

# --help answers at once
if __name__ == "__main__":
    from benchmarks.settings import ServerConfig
    from oneseed.console.flags import parse_configs

    CONFIGS = parse_configs(ServerConfig, description=__doc__)

import asyncio
import itertools
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from benchmarks.page import free_port, memory
from oneseed.config.inference import InferenceConfig
from oneseed.console.command import UserError, run
from oneseed.generation.cards import signed_card
from oneseed.generation.generator import MultimodalGenerator
from oneseed.generation.requests import pairs_of_seeds, with_facts

ROOT = Path(__file__).resolve().parents[1]
CLIENTS = (1, 8, 32)
# requests in hand when the server is told to end
LAST_REQUESTS = 40
# seconds from the command to a server with its model
MAX_START = 10.0
# what 32 clients gain over one, as a share of what the machine gains
MIN_SHARE_OF_GAIN = 0.6
# MB that memory may grow by
MAX_GROWTH = 50
# share of a core that an idle server takes
MAX_IDLE = 0.005
IDLE_SECONDS = 20
# how long anybody waits for anything
TIME_OUT = 120.0
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Answers:
    """What came back."""

    seconds: float = 0.0
    statuses: Counter = field(default_factory=Counter)
    # seconds of each pair
    waits: list[float] = field(default_factory=list)

    def told(self):
        """The 50th and 99th percentile of the waits, in words."""
        waits = sorted(self.waits) or [0.0]
        middle = waits[len(waits) // 2]
        late = waits[int(0.99 * (len(waits) - 1))]
        return f"{1000 * middle:6.0f} ms at the median, {1000 * late:6.0f} at the 99th of a hundred"


class Server:
    """The API in a process of its own."""

    def __init__(self, config):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.seeds = itertools.count()
        self.query = {"finish": config.finish} if config.finish else {}
        begin = time.perf_counter()
        command = [sys.executable, "-m", "oneseed.api", "--checkpoint", config.checkpoint]
        command += ["--port", str(self.port)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        while not self.is_ready():
            if self.process.poll() is not None:
                raise UserError("the server did not start; see above", code=1)
            time.sleep(0.05)
        self.start = time.perf_counter() - begin

    def is_ready(self):
        try:
            return httpx.get(f"{self.url}/readyz", timeout=TIME_OUT).status_code == 200
        except httpx.TransportError:
            return False

    def processor(self):
        """Seconds of processor time that the server has taken."""
        facts = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(facts[11]) + int(facts[12])) / TICKS

    def client(self):
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        return httpx.AsyncClient(base_url=self.url, timeout=TIME_OUT, limits=limits)

    async def ask(self, client, answers):
        """One card, counted."""
        begin = time.perf_counter()
        try:
            answer = await client.get(f"/v1/pairs/{next(self.seeds)}.png", params=self.query)
        except httpx.TransportError as error:
            answers.statuses[type(error).__name__] += 1
            return
        answers.statuses[answer.status_code] += 1
        if answer.status_code == 200:
            answers.waits.append(time.perf_counter() - begin)

    async def in_hand(self, client):
        """Requests that are being answered, this one not counted."""
        text = (await client.get("/metrics")).text
        return int(re.search(r"^oneseed_requests_in_hand (\d+)", text, re.MULTILINE)[1]) - 1


async def by_clients(server, count, seconds=None, requests=None):
    """So many clients, each asking again as soon as it is answered -> Answers."""
    answers = Answers()
    left = itertools.count(requests, -1) if requests else itertools.repeat(1)
    begin = time.perf_counter()

    async def one_client(client):
        while time.perf_counter() - begin < (seconds or TIME_OUT * 10) and next(left) > 0:
            await server.ask(client, answers)

    async with server.client() as client:
        await asyncio.gather(*[one_client(client) for _ in range(count)])
    answers.seconds = time.perf_counter() - begin
    return answers


async def at_once(server, count):
    """So many requests in the same moment -> Answers."""
    answers = Answers()
    async with server.client() as client:
        await asyncio.gather(*[server.ask(client, answers) for _ in range(count)])
    return answers


async def terminated(server):
    """SIGTERM with requests in hand -> (how many were in hand, Answers)."""
    answers = Answers()
    async with server.client() as client:
        tasks = [asyncio.create_task(server.ask(client, answers)) for _ in range(LAST_REQUESTS)]
        held = 0
        while held < LAST_REQUESTS and not answers.waits:
            held = await server.in_hand(client)
        server.process.send_signal(signal.SIGTERM)
        await asyncio.gather(*tasks)
    return held, answers


def own_gain(config):
    """Pairs a second of the machine, one after another and 32 together, without a server."""
    generator = MultimodalGenerator(config.checkpoint, "auto", finish=config.finish)
    settings = InferenceConfig()

    def rate(together, seconds=5.0):
        made = 0
        begin = time.perf_counter()
        while time.perf_counter() - begin < seconds:
            pairs = pairs_of_seeds(generator, settings, range(made, made + together))
            for pair in with_facts(generator, pairs):
                signed_card(pair.image, pair.facts, grey=generator.grey)
            made += together
        return made / (time.perf_counter() - begin)

    rate(32, seconds=1.0)
    return rate(1), rate(32)


def measure_clients(server, config):
    """Prints the table of clients -> pairs a second, by clients."""
    rates = {}
    for count in CLIENTS:
        before = server.processor()
        answers = asyncio.run(by_clients(server, count, seconds=config.seconds))
        pairs = len(answers.waits)
        rates[count] = pairs / answers.seconds
        processor = 1000 * (server.processor() - before) / max(1, pairs)
        print(
            f"  {count:3} clients  {rates[count]:6.1f} pairs/s  {answers.told()}; "
            f"{processor:5.1f} ms of processor time a pair",
            flush=True,
        )
        if set(answers.statuses) != {200}:
            raise UserError(f"{count} clients were answered {dict(answers.statuses)}", code=1)
    return rates


def memory_growth(server, minutes):
    """MB by which the server grows while 8 clients ask on; prints them ten times on the way."""
    sizes = [memory(server.process.pid)]
    statuses = Counter()
    for tenth in range(1, 11):
        statuses += asyncio.run(by_clients(server, 8, seconds=60 * minutes / 10)).statuses
        sizes.append(memory(server.process.pid))
        print(
            f"  {minutes * tenth / 10:5.1f} min  {sizes[-1]:7,.0f} MB  {dict(statuses)}",
            flush=True,
        )
    print(f"memory {sizes[0]:,.0f} MB, then {min(sizes[1:]):,.0f} to {max(sizes[1:]):,.0f} MB")
    if set(statuses) != {200}:
        raise UserError(f"8 clients were answered {dict(statuses)}", code=1)
    return sizes[-1] - sizes[0]


def measure_rest(server, config):
    """Prints what a crowd, time and an end do -> the figures that were missed, in words."""
    missed = []
    crowd = asyncio.run(at_once(server, config.crowd))
    statuses = ", ".join(f"{count} x {status}" for status, count in crowd.statuses.items())
    print(f"{config.crowd} at once: {statuses}; {crowd.told()}", flush=True)
    if not set(crowd.statuses) <= {200, 429}:
        missed.append("a crowd met another error than 429")

    growth = memory_growth(server, config.minutes)
    if growth > MAX_GROWTH:
        missed.append(f"memory grew by {growth:,.0f} MB")

    before = server.processor()
    time.sleep(IDLE_SECONDS)
    idle = (server.processor() - before) / IDLE_SECONDS
    print(f"idle: {100 * idle:.2f} % of a core", flush=True)
    if idle > MAX_IDLE:
        missed.append("an idle server works")

    held, last = asyncio.run(terminated(server))
    code = server.process.wait(TIME_OUT)
    print(f"SIGTERM with {held} in hand: {dict(last.statuses)}, exit code {code}")
    if last.statuses[200] < held or code:
        missed.append("SIGTERM lost an answer")
    return missed


def main(config):
    one, together = own_gain(config)
    gain = together / one
    print(
        f"the machine itself: {one:.1f} pairs/s one after another, {together:.1f} by 32, "
        f"{gain:.1f} times as many",
        flush=True,
    )
    server = Server(config)
    try:
        print(f"ready after {server.start:.1f} s")
        asyncio.run(by_clients(server, 8, requests=64))
        rates = measure_clients(server, config)
        missed = measure_rest(server, config)
    finally:
        server.process.kill()
        server.process.wait()
    reached = rates[CLIENTS[-1]] / rates[1]
    print(f"32 clients against one: {reached:.1f} times as many pairs, the machine {gain:.1f}")
    if reached < MIN_SHARE_OF_GAIN * gain:
        missed.append("clients gain too little by coming together")
    if server.start > MAX_START:
        missed.append("it was ready late")
    print("".join(f"missed: {what}\n" for what in missed) or "every figure is reached")
    return 1 if missed else 0


if __name__ == "__main__":
    run(main, *CONFIGS)
