"""What last.pt and last_fit.pt hold, checked by kind before any of it is taken over.

    facts = require_run(saved)          # is it a run of this program? -> the facts of its model
    require_progress(saved, state)      # does the rest fit the run that goes on with it?

UserErrors are parts of a sentence: whoever opened the file names it, and the way on.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from oneseed.console.command import UserError
from oneseed.model.checkpoint_facts import (
    MAX_NAME,
    CheckpointFacts,
    are_plain_texts,
    is_count,
    is_number,
    is_plain_text,
    read_facts,
)
from oneseed.model.multimodal import require_own_weights
from oneseed.model.prior import Prior
from oneseed.model.weights import Weight, require_finite_tensor, require_weights, weights_of
from oneseed.training.state import TrainState

# what an optimiser keeps of each weight, beside the number of its steps
KEPT_TENSORS = {"AdamW": {"exp_avg", "exp_avg_sq"}, "Muon": {"momentum"}}
COUNTED_STEPS = {"AdamW": {"step"}, "Muon": set[str]()}
# of an epoch's row
ROW_VALUES = (int, float, bool, str, type(None))


def require_run(saved: Mapping[str, Any]) -> CheckpointFacts:
    """The facts of the model in a saved run. UserError where it is no run of this program."""
    for name in ("style", "samples", "model", "optimizers", "flow_optimizer", "metrics"):
        if name not in saved:
            raise UserError(f'it lacks "{name}"')
    if not is_plain_text(saved["style"], MAX_NAME):
        raise UserError('its "style" is no name')
    if not is_count(saved["samples"]):
        raise UserError('its "samples" is no number of pictures')
    return model_facts(saved)


def model_facts(saved: Mapping[str, Any]) -> CheckpointFacts:
    """The facts of the model in a saved run. UserError where it holds none."""
    model = saved.get("model")
    if not isinstance(model, Mapping):
        raise UserError("it holds no model")
    return read_facts(model.get("_extra_state"))


def require_progress(saved: Mapping[str, Any], facts: CheckpointFacts, state: TrainState) -> None:
    """UserError where a saved run cannot go on in this state, which has the same configuration.

    facts: of its model.
    """
    require_own_weights(facts, saved["model"])
    optimizers = saved["optimizers"]
    if not isinstance(optimizers, list) or len(optimizers) != len(state.optimizers):
        raise UserError("it has other optimisers")
    for one, own in zip(optimizers, state.optimizers):
        require_optimizer(one, own)
    require_optimizer(saved["flow_optimizer"], state.prior_optimizer)
    require_coordinates(saved.get("coordinates"), state.model.sampler)
    require_metrics(saved["metrics"])
    require_cooldown(saved.get("cooldown"))
    require_epoch(saved.get("within"), state)
    if saved.get("fitting") is not None:
        require_fit(saved["fitting"], saved.get("coordinates"), state.model.sampler)
    if "random" in saved:
        require_generator(saved["random"])


def require_last_fit(saved: Mapping[str, Any], state: TrainState) -> None:
    """UserError where this is no last_fit.pt for the prior of this run."""
    if not isinstance(saved.get("of"), list):
        raise UserError("it does not say which fit it is of")
    prior = state.model.sampler
    require_weights(weights_of(prior), saved.get("sampler"), Prior.MINUS_INFINITE)
    require_optimizer(saved.get("flow_optimizer"), state.prior_optimizer)
    require_coordinates(saved.get("coordinates"), prior)
    require_fit(saved.get("fitting"), saved.get("coordinates"), prior)


# ---- parts ---------------------------------------------------------------------------------------


def require_tensor(value: Any, weight: Weight, place: str) -> None:
    """UserError where a value is no tensor of this kind, or holds NaN or infinities."""
    if not isinstance(value, Tensor) or Weight(tuple(value.shape), value.dtype) != weight:
        raise UserError(f"{place} is not of {weight.dtype} and the shape {weight.shape}")
    require_finite_tensor(value, place)


def require_optimizer(saved: Any, own: torch.optim.Optimizer) -> None:
    """UserError where this is not what an optimiser of these weights keeps."""
    kind = type(own).__name__
    place = f"the state of its {kind}"
    if not isinstance(saved, Mapping) or not isinstance(saved.get("state"), Mapping):
        raise UserError(f"{place} is missing")
    groups = saved.get("param_groups")
    if not isinstance(groups, list) or len(groups) != len(own.param_groups):
        raise UserError(f"{place} is of other weights")
    for group, own_group in zip(groups, own.state_dict()["param_groups"]):
        if not isinstance(group, Mapping) or group.get("params") != own_group["params"]:
            raise UserError(f"{place} is of other weights")
        if not all(is_number(group.get(name)) for name in ("lr", "weight_decay")):
            raise UserError(f"{place} has settings that are no numbers")
    weights = [weight for group in own.param_groups for weight in group["params"]]
    for number, kept in saved["state"].items():
        is_weight = type(number) is int and 0 <= number < len(weights)
        names = KEPT_TENSORS[kind] | COUNTED_STEPS[kind]
        if not is_weight or not isinstance(kept, Mapping) or kept.keys() != names:
            raise UserError(f"{place} is not what it keeps")
        weight = Weight(tuple(weights[number].shape), weights[number].dtype)
        for name in KEPT_TENSORS[kind]:
            require_tensor(kept[name], weight, f"{place}, {name} of weight {number},")
        for name in COUNTED_STEPS[kind]:
            require_tensor(kept[name], Weight((), torch.float32), f"{place}, {name},")


def require_coordinates(saved: Any, prior: Prior) -> None:
    """UserError where these are no coordinates (N, k + m) that a prior was fitted to, nor None."""
    if saved is None:
        return
    count = len(saved) if isinstance(saved, Tensor) and saved.dim() else 0
    shape = (max(1, count), prior.dims + prior.following)
    require_tensor(saved, Weight(shape, torch.float32), "its coordinates")


def require_metrics(rows: Any) -> None:
    """UserError where these are no rows of epochs, from the first on."""
    if not isinstance(rows, list):
        raise UserError('its "metrics" are no list')
    for number, row in enumerate(rows, 1):
        if not is_epoch_row(row) or row["epoch"] != number:
            raise UserError(f'row {number} of its "metrics" is none of an epoch')


def is_epoch_row(row: Any) -> bool:
    """Whether a value is a row of metrics.json, of this or of an older version."""
    if not isinstance(row, dict) or not row.keys() >= {"epoch", "best", "train_loss"}:
        return False
    score = row.get("pair_score", 0.0)
    return (
        is_count(row["epoch"])
        and type(row["best"]) is bool
        and is_number(row["train_loss"])
        and is_number(score)
        and all(type(value) in ROW_VALUES or are_plain_texts(value) for value in row.values())
    )


def require_cooldown(saved: Any) -> None:
    """UserError where this is no cool-down of a run, nor None."""
    if saved is None:
        return
    names = {"after", "epochs", "planned"}
    if not isinstance(saved, Mapping) or saved.keys() != names:
        raise UserError('its "cooldown" is none')
    if not all(is_count(value) for value in saved.values()) or not saved["epochs"]:
        raise UserError('its "cooldown" has no numbers of epochs')


def require_epoch(saved: Any, state: TrainState) -> None:
    """UserError where this is not what an epoch of this run has summed up, nor None."""
    if saved is None:
        return
    if not isinstance(saved, Mapping) or not is_count(saved.get("seen")):
        raise UserError('its "within" is no part of an epoch')
    if not all(is_number(saved.get(name)) for name in ("seconds", "norms")):
        raise UserError('its "within" has sums that are no numbers')
    if saved["seconds"] < 0 or (saved["seen"] and not saved["seconds"]):
        raise UserError('its "within" has taken no time')
    sums = saved.get("sums")
    if not isinstance(sums, Mapping) or not all(map(is_number, sums.values())):
        raise UserError('its "within" has losses that are no numbers')
    if sums.keys() != {"total", *state.parts}:
        raise UserError('its "within" has other parts of the loss')
    kept = state.kept + 1
    shape = (kept, state.model.config.latent_dim)
    require_tensor(saved.get("codes"), Weight(shape, torch.float32), "its codes of an epoch")
    require_tensor(saved.get("met"), Weight((kept,), torch.bool), "its list of met pictures")


def require_fit(saved: Any, coordinates: Any, prior: Prior) -> None:
    """UserError where this is no fit of such a prior that has begun, to these coordinates."""
    if not isinstance(saved, Mapping) or not is_count(saved.get("step")):
        raise UserError('its "fitting" is no fit of the sampler')
    if coordinates is None:
        raise UserError('its "fitting" has no coordinates')
    if type(saved.get("best")) is not float or saved["best"] != saved["best"]:
        raise UserError('its "fitting" has no best loss')
    # also those that no state dict holds
    buffers = {name: weight_of(buffer) for name, buffer in prior.named_buffers()}
    require_weights(buffers, saved.get("buffers"), Prior.MINUS_INFINITE)
    if saved.get("kept") is not None:
        require_weights(parameter_kinds(prior), saved["kept"])
    for name in ("generator", "random"):
        require_generator(saved.get(name))


def parameter_kinds(network: nn.Module) -> dict[str, Weight]:
    """What the parameters of a network are like, by name."""
    return {name: weight_of(weight) for name, weight in network.named_parameters()}


def weight_of(tensor: Tensor) -> Weight:
    """What a tensor is like."""
    return Weight(tuple(tensor.shape), tensor.dtype)


def require_generator(saved: Any) -> None:
    """UserError where this is no state of a generator of random numbers on the CPU."""
    try:
        torch.Generator().set_state(saved)
    except (RuntimeError, TypeError) as error:
        raise UserError("its random numbers have no state") from error
