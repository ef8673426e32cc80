import pytest
from torch import nn

from equiform.probes import require_frozen


def test_an_encoder_with_one_part_in_train_mode_is_not_frozen() -> None:
    encoder = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).eval()
    require_frozen(encoder)
    encoder[1].train()
    with pytest.raises(RuntimeError, match=r"1 is in train mode; call encoder\.eval\(\)"):
        require_frozen(encoder)
    for bad in (None, nn.Linear, lambda z: z):
        with pytest.raises(TypeError, match="encoder must be a module, got"):
            require_frozen(bad)  # pyright: ignore[reportArgumentType]
