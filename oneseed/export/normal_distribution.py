"""The normal distribution function and its inverse, in operations that ONNX files know.

ONNX has neither, and runtimes have no error function in float64. Both are a polynomial here, after
a change of variable that makes them smooth, so that its coefficients can be had from torch's own
functions by interpolation in Chebyshev points.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

# of the polynomials; above it rounding is larger than what a further power would give
DEGREE = 30
# -2 log of the least probability whose quantile is asked for, and of one half
MAX_SQUARE = -2 * math.log(1e-13)
MIN_SQUARE = 2 * math.log(2)


class Polynomial(nn.Module):
    """A smooth function on an interval, in float64."""

    powers: torch.Tensor  # (DEGREE + 1,)
    coefficients: torch.Tensor  # (DEGREE + 1,)

    def __init__(
        self, function: Callable[[torch.Tensor], torch.Tensor], low: float, high: float
    ) -> None:
        """function: of float64, finite within the interval."""
        super().__init__()
        self.middle = (low + high) / 2
        self.radius = (high - low) / 2

        def scaled(u: np.ndarray) -> np.ndarray:
            """The function with its interval moved to [-1, 1]."""
            return function(torch.from_numpy(self.middle + self.radius * u)).numpy()

        series = np.polynomial.Chebyshev.interpolate(scaled, DEGREE)
        powers = series.convert(kind=np.polynomial.Polynomial).coef
        coefficients = torch.from_numpy(powers)
        self.register_buffer("coefficients", coefficients)
        self.register_buffer("powers", torch.arange(DEGREE + 1, dtype=torch.float64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B,) -> (B,)."""
        u = (x - self.middle) / self.radius
        return (u[:, None] ** self.powers * self.coefficients).sum(-1)


class NormalDistribution(nn.Module):
    """`ndtr` and `ndtri` as torch.special has them, of float64 (B,)."""

    def __init__(self) -> None:
        super().__init__()
        self.log_tail = Polynomial(log_scaled_tail, 0.0, 1.0)
        self.quantile = Polynomial(
            lambda root: torch.special.ndtri(torch.exp(-root.square() / 2)),
            math.sqrt(MIN_SQUARE),
            math.sqrt(MAX_SQUARE),
        )

    def ndtr(self, x: torch.Tensor) -> torch.Tensor:
        """Numbers -> how probable a smaller one is."""
        size = x.abs() / math.sqrt(2)
        t = 2 / (2 + size)
        tail = t * torch.exp(self.log_tail(t) - size.square()) / 2
        return torch.where(x < 0, tail, 1 - tail)

    def ndtri(self, p: torch.Tensor) -> torch.Tensor:
        """Probabilities, 1e-13 to 1 - 1e-13 -> numbers, the inverse of ndtr."""
        nearer = torch.minimum(p, 1 - p)
        below = self.quantile(torch.sqrt(-2 * torch.log(nearer)))
        return torch.where(p < 0.5, below, -below)


def log_scaled_tail(t: torch.Tensor) -> torch.Tensor:
    """t = 2 / (2 + x) in [0, 1] -> log(erfc(x) exp(x x) / t), which is smooth up to x infinite."""
    x = 2 / t.clamp(min=1e-300) - 2
    scaled = torch.special.erfcx(x) / t.clamp(min=1e-300)
    return torch.where(t < 1e-9, -math.log(2 * math.sqrt(math.pi)), scaled.log())
