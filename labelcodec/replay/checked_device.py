"""A torch device by its name."""

from __future__ import annotations

import torch

from labelcodec.errors import ConfigError


def checked_device(name: torch.device | str) -> torch.device:
    """The device of this name, such as 'cpu' or 'cuda:1'; it has been tried.

    Raises:
        ConfigError: there is no such device.
    """
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"device {str(name)!r}: {str(error).splitlines()[0]}") from None
    if device.type == "meta":
        raise ConfigError("device 'meta': has no values to compute with")
    return device
