"""Size of a teacher's class-wise BatchNorm statistics, from its architecture alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_FLOAT32, _INT64 = 4, 8


@dataclass(frozen=True)
class NormalizedConvolution:
    """A convolution without bias and the BatchNorm layer behind it.

    Attributes:
        inputs: channels of the input.
        channels: channels of the output, which BatchNorm normalizes.
        kernel: height and width of the kernel.
    """

    inputs: int
    channels: int
    kernel: int

    @property
    def parameters(self) -> int:
        """Number of weights, with scale and shift of the BatchNorm layer."""
        return self.channels * (self.inputs * self.kernel**2 + 2)


def resnet18() -> tuple[NormalizedConvolution, ...]:
    """The 20 convolutions of ResNet-18 for ImageNet (He et al. 2016, Table 1; shortcuts B)."""
    layers = [NormalizedConvolution(3, 64, 7)]
    inputs = 64
    for width in (64, 128, 256, 512):
        layers.append(NormalizedConvolution(inputs, width, 3))
        layers += [NormalizedConvolution(width, width, 3)] * 3
        if inputs != width:
            layers.append(NormalizedConvolution(inputs, width, 1))
        inputs = width
    return tuple(layers)


def statistics_bytes(layers: Sequence[NormalizedConvolution], classes: int) -> int:
    """Bytes of the float32 mean and variance of every class and channel.

    The paper's class-wise model adds them to the weights. The file of `squeeze` holds them beside
    the number of images of each class, 8 bytes, and a header of a few kB.

    Args:
        layers: the BatchNorm layers.
        classes: number of classes C.
    """
    return 2 * _FLOAT32 * classes * sum(layer.channels for layer in layers)


def weights_bytes(layers: Sequence[NormalizedConvolution], classes: int) -> int:
    """Bytes of a network's float32 parameters and BatchNorm buffers.

    Args:
        layers: all layers but the linear one, whose inputs are the last one's channels.
        classes: number of classes C.
    """
    parameters = sum(layer.parameters for layer in layers) + (layers[-1].channels + 1) * classes
    running = 2 * sum(layer.channels for layer in layers)
    return _FLOAT32 * (parameters + running) + _INT64 * len(layers)
