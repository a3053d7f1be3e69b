"""Trials of what an evaluation reads: the judges of pictures, and reports to compare with."""

import json
from pathlib import Path

from tests.fuzzing.harms import OTHER_KINDS, Rng, harm_bytes, harm_entry, harm_value
from tests.fuzzing.kinds_data import harm_any
from tests.fuzzing.kinds_run import harm_tensor, in_fork, other_checkpoint
from tests.fuzzing.material import Material
from tests.fuzzing.trials import Trial, ended


def judges_files(material: Material, rng: Rng) -> Trial:
    """The judges of pictures, and a report to compare with."""
    place = material.place
    place.restore(("data", "checkpoints"))
    name = rng.choice(("judge.pt", "realism.pt"))
    path = place.work / "checkpoints" / name
    if rng.random() < 0.5:
        done = in_fork(material, lambda: harm_judge(rng, path, str(place.root)))
    elif rng.random() < 0.25:
        done = harm_entry(rng, path, str(place.root))
    else:
        done = harm_bytes(rng, path, other_checkpoint(rng, material))
    return Trial(done, [(name,)], before=lambda: ended(lambda: open_judge(name)))


def open_judge(name: str) -> None:
    """Opens a judge, and has it look at two pictures, as an evaluation does."""
    import numpy as np

    from oneseed.evaluation.attribute_judge import read_judge, require_pass
    from oneseed.evaluation.pair_judge import read_pair_judge
    from oneseed.synthetic.engravings.collection import ENGRAVINGS

    pixels = np.zeros((2, 128, 128), np.uint8)
    if name == "judge.pt":
        judge = read_judge(f"checkpoints/{name}", ENGRAVINGS)
        if judge is not None:
            require_pass(judge)
            judge.see(pixels)
    else:
        judges = read_pair_judge(f"checkpoints/{name}")
        if judges is not None:
            judges.features(pixels)
            judges.style_of(pixels)
            judges.bags(["a ship"])


def harm_judge(rng: Rng, path: Path, root: str) -> str:
    """Loads a judge's file, harms what it says or a tensor, and saves it."""
    import torch

    state = torch.load(path, map_location="cpu", weights_only=True)
    if rng.random() < 0.5:
        about, done = harm_value(rng, json.loads(state["about"]), root)
        state["about"] = json.dumps(about)
    elif rng.random() < 0.5:
        state["weights"] = dict(state["weights"])
        done = harm_tensor(rng, state["weights"])
    else:
        key = rng.choice(sorted(state))
        state[key] = rng.choice(OTHER_KINDS)
        done = f"{key} another kind"
    torch.save(state, path)
    return f"{path.name}: {done}"


def judges_reports(material: Material, rng: Rng) -> Trial:
    """The report of --compare, and the table of samplers beside it."""
    place = material.place
    place.restore(())
    number = {"title": "a number", "value": 0.5, "floor": 0.1, "ceiling": 1.0, "note": ""}
    report = {"numbers": {"a": number}, "checkpoint": "x", "seeds": 2}
    row = {"sampler": "flow", "strict": 0.5, "mean": 0.1, "distinct": 3, "auc": None}
    samplers = {"seeds": 2, "steps": 3, "rows": [row | {"seconds": 1.0, "checkpoint": "x"}]}
    for name, value in (("old.json", report), ("samplers.json", samplers)):
        (place.work / name).write_text(json.dumps(value), "utf-8")
    path = place.work / rng.choice(("old.json", "samplers.json"))
    done = harm_any(rng, path, place)

    def compare() -> int:
        return ended(lambda: tell_changes(report))

    kept = [path] if path.is_file() and not path.is_symlink() else []
    return Trial(done, [("evaluation.py", "--compare", "old.json")], kept=kept, before=compare)


def tell_changes(report: dict[str, object]) -> None:
    """What an evaluation does with both files, without the evaluation."""
    from oneseed.evaluation.report import ablation, moved, read_report

    old = read_report("old.json")
    changes = moved(report, old) if old else []
    print(*changes, *ablation(Path("samplers.json")), sep="\n")
