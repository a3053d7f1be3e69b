"""How long a captioner will take, before it begins.

torch is imported inside the functions: collections that have captions need none.
"""

import time

from oneseed.config.captioning import SMALLER
from oneseed.dataset.commands import script_command

# continuations that a plain captioner tries at the same time
BEAMS = 5
# tokens that a captioner reads before it writes: the picture and the prompt
INPUT_TOKENS = 300
# rows and columns of the matrices that measure a processor
MATRIX_SIDE = 1024
MATRIX_ROUNDS = 4
# seconds above which a smaller captioner is named
LONG_WAIT = 600


def matmul_speed() -> float:
    """Measures floating-point operations per second of float32 matrix products on the CPU."""
    import torch

    matrix = torch.randn(MATRIX_SIDE, MATRIX_SIDE)
    # The first product is slower.
    matrix @ matrix
    start = time.perf_counter()
    for _ in range(MATRIX_ROUNDS):
        matrix @ matrix
    return MATRIX_ROUNDS * 2 * MATRIX_SIDE**3 / (time.perf_counter() - start)


def print_estimate(captioner: str, parameters: float, count: int, *, tokens: int) -> None:
    """Prints what to expect without a GPU: time, memory and a smaller command.

    count: pictures; tokens: of a caption. Two operations per parameter and token, for what the
    captioner reads and for each of the BEAMS continuations.
    """
    operations = count * 2 * parameters * (INPUT_TOKENS + BEAMS * tokens)
    seconds = operations / matmul_speed()
    print(
        f"no GPU: {captioner} ({parameters / 1e9:.2g} billion parameters, "
        f"{4 * parameters / 1e9:.2g} GB of memory) will take very roughly "
        f"{rough_duration(seconds)} for {count:,} pictures here",
        flush=True,
    )
    if seconds > LONG_WAIT:
        smaller = [] if captioner == SMALLER else [f"--captioner {SMALLER}"]
        options = " or ".join([*smaller, "--max-samples 50"])
        command = script_command("caption_generation.py", options)
        print(f"  smaller: {command}; Ctrl+C keeps what is done", flush=True)


def rough_duration(seconds: float) -> str:
    """A time in the unit that suits it: "3 minutes"."""
    if seconds > 5400:
        return f"{seconds / 3600:,.1f} hours"
    if seconds > 90:
        return f"{seconds / 60:,.0f} minutes"
    return f"{seconds:.0f} seconds"
