"""What can be asked of the latent: prompts, styles, variations and walks.

    code = apply_conditions(prior, z, captions=model.features_of(["a ship"]))
    code = restyle(prior, code, model.style_numbers(["line"]))
    code = vary(prior, code, noise, 0.3)
    code = walk(prior, prior.to_code(z), 8)
    code = mix(prior, prior.to_code(z), torch.tensor([[0.5, 0.3, 0.2]]))
    images, captions = model.decode_code(code)

All codes and z are (B, D). A solve of the flow costs more than all else here, so each function says
how many it makes. Operations after which a code may lie outside of what the decoders know end with
`pull_back`.
"""

import math

import torch
import torch.nn.functional as F

from oneseed.config.inference import GUIDANCE
from oneseed.model.prior import Prior

# what a prompt asks for may be rarer than what is drawn: its seed may be so much longer
PROMPT_LEEWAY = 1.0


@torch.no_grad()
def apply_conditions(
    prior: Prior,
    z: torch.Tensor,
    *,
    captions: torch.Tensor | None = None,
    guidance: float = GUIDANCE,
    styles: torch.Tensor | None = None,
    strength: float = 1.0,
) -> torch.Tensor:
    """Seeds z -> the codes that they give when captions or styles are wanted.

    captions: features (B, D) as MultimodalModel.caption_features makes them, or None. guidance:
    above 0, the larger the more literal and the less varied. styles, strength: see restyle. One
    solve; with captions one guided solve and those of pull_back.
    """
    if captions is None:
        code = prior.to_code(z)
    else:
        code = prior.draw(z, captions, guidance)
        code = pull_back(prior, code, prior.dims**0.5 + PROMPT_LEEWAY)
    return code if styles is None else restyle(prior, code, styles, strength)


@torch.no_grad()
def restyle(
    prior: Prior, code: torch.Tensor, styles: torch.Tensor, strength: float = 1.0
) -> torch.Tensor:
    """Codes moved from the mean of their own style towards that of another; no solve.

    styles: int (B,); strength: 0 changes nothing, 1 goes all the way.
    """
    means = prior.style_means.cpu()
    y = prior.to_frame(code)
    move = strength * (means[styles] - prior.style_chances(code) @ means)  # (B, k)
    return prior.from_frame(torch.cat([y[:, : prior.dims] + move.to(y), y[:, prior.dims :]], -1))


@torch.no_grad()
def vary(prior: Prior, code: torch.Tensor, noise: torch.Tensor, strength: float) -> torch.Tensor:
    """Code (1, D) or (B, D) -> codes (B, D) of neighbours, towards standard normal noise (B, D).

    strength: 0 (the same) to 1 (another seed). Two solves of the given code, one of its neighbours
    and pull_back.
    """
    angle = math.pi / 2 * strength
    w = prior.to_smooth(code)
    near = prior.from_smooth(math.cos(angle) * w + math.sin(angle) * noise.to(w))
    given = prior.to_latent(code)
    return pull_back(prior, near, given[:, : prior.dims].norm(dim=1, keepdim=True))


@torch.no_grad()
def walk(prior: Prior, ends: torch.Tensor, steps: int) -> torch.Tensor:
    """Two codes (2, D) -> `steps` codes (steps, D), of which they are the first and the last.

    They lie on the great circle between the ends in the smooth coordinates. One solve of the ends,
    one of what lies between and those of pull_back.
    """
    first, last = prior.to_smooth(ends).double()
    cosine = F.normalize(first, dim=0) @ F.normalize(last, dim=0)
    angle = torch.acos(cosine.clamp(-1, 1)).clamp(min=1e-6)
    t = torch.linspace(0, 1, steps, dtype=torch.float64, device=first.device)[1:-1, None]
    w = (((1 - t) * angle).sin() * first + (t * angle).sin() * last) / angle.sin()
    between = pull_back(prior, prior.from_smooth(w.float()), 0.0)
    return torch.cat([ends[:1], between, ends[1:]])


@torch.no_grad()
def mix(prior: Prior, codes: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Codes (K, D) mixed by the weights (B, K) of each row -> codes (B, D).

    weights: 0 or more, some of each row above 0; their sum does not matter. A row with one weight
    alone gives that code itself. The others lie in the smooth coordinates where the weights say,
    as far out as the mixed codes do on average. One solve of the codes, one of what lies between
    and those of pull_back.
    """
    assert weights.shape[1] == len(codes), f"{tuple(weights.shape)} weights of {len(codes)} codes"
    w = prior.to_smooth(codes).double()  # (K, D)
    shares = F.normalize(weights.to(w), p=1, dim=1)  # (B, K)
    mixed = F.normalize(shares @ w, dim=1) * (shares @ w.norm(dim=1, keepdim=True))  # (B, D)
    found = pull_back(prior, prior.from_smooth(mixed.float()), 0.0)
    is_corner = (shares > 0).sum(1) == 1
    found[is_corner] = codes[shares[is_corner].argmax(1)]
    return found


@torch.no_grad()
def pull_back(prior: Prior, code: torch.Tensor, max_norm: float | torch.Tensor) -> torch.Tensor:
    """Give codes whose seeds Prior.clip_norm shortens the code of the shortened seed.

    The others stay. One solve, to know the seeds, and one of those rows that are too long.
    """
    z = prior.to_latent(code)
    clipped = prior.clip_norm(z, max_norm)
    is_long = (clipped != z).any(1)
    if is_long.any():
        code = code.clone()
        code[is_long] = prior.to_code(clipped[is_long])
    return code
