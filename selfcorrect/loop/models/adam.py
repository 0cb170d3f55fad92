"""Adam and AdamW without PyTorch's compiler.

The update functions are PyTorch's own. Its classes around them are not used, because the first use of one imports the
compiler, which takes 1.6 s and 72 MB in each process that trains.
"""

from collections.abc import Iterable
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

from ...core.errors import SettingError


class Optimiser(Protocol):
    """The part of `torch.optim.Optimizer` that training needs."""

    param_groups: list[dict[str, Any]]
    """Groups with "params", a list of tensors, and "lr", the learning rate of the next step."""

    def zero_grad(self) -> None:
        """Drop the gradients."""

    def step(self) -> object:
        """Update the parameters from their gradients."""


class Adam:
    """Adam, or AdamW if there is weight decay (Kingma & Ba 2015, Loshchilov & Hutter 2019).

    Results agree with `torch.optim` to the byte.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        learning_rate: float,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
        fused: bool | None = None,
        gradient_norm: float | None = None,
    ) -> None:
        if gradient_norm is not None and not fused:
            raise SettingError("gradient_norm needs the fused step; pass fused=True")
        self.param_groups: list[dict[str, Any]] = [{"params": list(parameters), "lr": learning_rate}]
        self.state: dict[Tensor, dict[str, Tensor]] = {}
        """By parameter: "step" () float32, and the moments "exp_avg" and "exp_avg_sq" in the parameter's shape."""
        self.betas = betas
        self.weight_decay = weight_decay
        self.fused = fused
        self.gradient_norm = gradient_norm
        """Norm to which all gradients together are scaled down, within the fused step; None for no limit."""

    def zero_grad(self) -> None:
        for parameter in self.param_groups[0]["params"]:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        parameters = [parameter for parameter in self.param_groups[0]["params"] if parameter.grad is not None]
        states = [self._get_state(parameter) for parameter in parameters]
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        divisor = None
        if self.gradient_norm is not None and gradients:
            norm = nn.utils.get_total_norm(gradients)
            divisor = ((norm + 1e-6) / self.gradient_norm).clamp(min=1.0)
        adam(
            parameters,
            gradients,
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            fused=self.fused,
            grad_scale=divisor,
            decoupled_weight_decay=True,
            amsgrad=False,
            beta1=self.betas[0],
            beta2=self.betas[1],
            lr=self.param_groups[0]["lr"],
            weight_decay=self.weight_decay,
            eps=1e-8,
            maximize=False,
        )

    def _get_state(self, parameter: Tensor) -> dict[str, Tensor]:
        if parameter not in self.state:
            self.state[parameter] = {
                "step": torch.zeros((), device=parameter.device if self.fused else "cpu"),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }
        return self.state[parameter]
