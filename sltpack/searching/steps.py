"""One step of a search or of weight training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from ..errors import RequestError
from .checks import require_gradients
from .distributed.team import is_of_others, parted
from .methods.method import Method
from .settings import TrainingSettings

Memory = Mapping[str, list[torch.Tensor]]
"""What an optimiser remembers between steps, by its own names: one tensor for each parameter; empty at first."""
SECOND_BETA = 0.999
"""Of AdamW: the share of the mean squared gradient that stays with each step (Kingma & Ba 2015, section 2)."""
REMEMBERED = {"sgd": ("momentum_buffer",), "adamw": ("exp_avg", "exp_avg_sq")}
"""The names in it."""


@dataclass
class Stepper:
    """What takes steps, and makes sure at the first of them that they reach every layer.

    Attributes:
        settings: of the run.
        network: from images to class scores: the model itself, or around it what compiles it or joins processes.
        method: what is moved.
        optimizer: what moves it.
    """

    settings: TrainingSettings
    network: nn.Module
    method: Method
    optimizer: torch.optim.Optimizer
    _has_stepped: bool = field(default=False, init=False)

    def memory(self) -> Memory:
        """Return what the optimiser remembers."""
        states = [self.optimizer.state[parameter] for parameter in self.method.parameters]
        return {  # before the first step nothing, and where there is no momentum none
            name: [state[name] for state in states]
            for name in REMEMBERED[self.settings.optimizer]
            if all(state.get(name) is not None for state in states)
        }

    def step(self, batch: Any, labels: torch.Tensor, done: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Take one step.

        Args:
            batch: what the network takes, such as normalised images, float32 [B, C, H, W].
            labels: int64 [B].
            done: the share of all steps that are done, 0..1.

        Returns:
            The class scores [B, classes] and the loss [] before the step.

        Raises:
            RequestError: the model cannot be trained on so many, or the first step does not reach a layer.
            SltpackError: another process is gone.
        """
        self.method.begin_step(done)
        scores, loss = self._gradients(batch, labels)
        if not self.method.learns:
            return scores, loss
        self.method.take_gradient()
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.rate(done)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.method.apply()
        return scores.detach(), loss.detach()

    def _gradients(self, batch: Any, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        half = torch.autocast(labels.device.type, torch.bfloat16, enabled=self.settings.precision == "bfloat16")
        try:
            with torch.set_grad_enabled(self.method.learns):
                with half:
                    scores = self.network(batch)  # (B, classes)
                loss = functional.cross_entropy(scores.float(), labels)
            if self.method.learns and (loss.requires_grad or self._has_stepped):
                loss.backward()  # type: ignore[no-untyped-call]
        except (RuntimeError, ValueError) as error:  # too little memory, or BatchNorm over a single value
            if is_of_others(error):
                raise parted(error) from error
            first_line = str(error).strip().partition("\n")[0]  # torch may add pages of advice
            raise RequestError(
                f"a step with {len(labels)} images or nodes",
                expected="a model that can be trained on them",
                found=f"{type(error).__name__}: {first_line}",
                remedy="leave --compile out, or install a C++ compiler"
                if self.settings.compiled
                else "choose another --batch-size or model",
            ) from error
        if self.method.learns and not self._has_stepped:
            require_gradients(_unwrapped(self.network))
            self._has_stepped = True
        return scores, loss


def _unwrapped(network: nn.Module) -> nn.Module:
    """Return the model itself, without what compiles it or joins processes."""
    network = getattr(network, "_orig_mod", network)
    return network.module if isinstance(network, nn.parallel.DistributedDataParallel) else network


def make_stepper(
    network: nn.Module, method: Method, settings: TrainingSettings, memory: Memory | None = None, steps: int = 0
) -> Stepper:
    """Set up steps of stochastic gradient descent, or of AdamW (Loshchilov & Hutter 2019).

    Args:
        network: from images to class scores.
        method: what is moved.
        settings: of the run, its precision settled.
        memory: what the optimiser remembers.
        steps: how many it has taken.

    Returns:
        What takes the steps.
    """
    parameters = method.parameters
    common: dict[str, Any] = {
        "lr": settings.learning_rate,
        "weight_decay": settings.weight_decay,
        "fused": parameters[0].device.type in ("cpu", "cuda"),
    }
    optimizer: torch.optim.Optimizer
    if settings.optimizer == "adamw":
        optimizer = torch.optim.AdamW(parameters, betas=(settings.momentum, SECOND_BETA), **common)
    else:
        optimizer = torch.optim.SGD(parameters, momentum=settings.momentum, **common)
    for name, tensors in (memory or {}).items():
        for parameter, tensor in zip(parameters, tensors, strict=True):
            optimizer.state[parameter][name] = tensor
            if settings.optimizer == "adamw":
                optimizer.state[parameter]["step"] = torch.tensor(float(steps), device=parameter.device)
    return Stepper(settings, network, method, optimizer)
