"""Adam has the bytes of `torch.optim`."""

import pytest
import torch
from torch import nn

from selfcorrect.core.errors import SettingError
from selfcorrect.loop.models.adam import Adam
from selfcorrect.loop.models.training import update


@pytest.mark.parametrize(("decay", "fused"), [(0.0, None), (0.01, None), (0.01, True)])
def test_steps_match_pytorch_bytes(decay: float, fused: bool | None) -> None:
    networks = [nn.Sequential(nn.Linear(3, 5), nn.SiLU(), nn.Linear(5, 2), nn.Linear(1, 1)) for _ in range(2)]
    networks[1].load_state_dict(networks[0].state_dict())
    optimisers = (
        Adam(networks[0].parameters(), 0.1, (0.9, 0.95), decay, fused),
        torch.optim.AdamW(networks[1].parameters(), 0.1, (0.9, 0.95), weight_decay=decay, fused=fused),
    )
    inputs = torch.randn(6, 4, 3)
    for step, batch in enumerate(inputs):
        for network, optimiser in zip(networks, optimisers, strict=True):
            optimiser.param_groups[0]["lr"] = 0.1 / (step + 1)
            update(optimiser, network[:3](batch).square().mean(), gradient_norm=0.5)  # the last layer has no gradient
    assert all(map(torch.equal, networks[0].parameters(), networks[1].parameters()))


@pytest.mark.parametrize("gradient_norm", [0.01, 1e6])
def test_scaling_within_step_matches(gradient_norm: float) -> None:
    networks = [nn.Linear(3, 5) for _ in range(2)]
    networks[1].load_state_dict(networks[0].state_dict())
    within = Adam(networks[0].parameters(), 0.1, fused=True, gradient_norm=gradient_norm)
    before = Adam(networks[1].parameters(), 0.1, fused=True)
    for batch in torch.randn(4, 4, 3):
        update(within, networks[0](batch).square().mean())
        update(before, networks[1](batch).square().mean(), gradient_norm)
        for parameter, expected in zip(networks[0].parameters(), networks[1].parameters(), strict=True):
            torch.testing.assert_close(within.state[parameter]["exp_avg"], before.state[expected]["exp_avg"])
            torch.testing.assert_close(parameter, expected)


def test_scaling_needs_fused_step() -> None:
    with pytest.raises(SettingError, match="fused"):
        Adam(nn.Linear(1, 1).parameters(), 0.1, gradient_norm=1.0)
