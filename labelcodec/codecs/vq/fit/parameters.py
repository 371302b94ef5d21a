"""Sizes and trained parameters of an autoencoder, in floating point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True)
class NetworkShape:
    """The sizes of an autoencoder.

    Attributes:
        classes: C.
        codes: n, codes per label.
        codewords: K, entries of the codebook.
        width: entries of a codeword.
        hidden: h, width of both hidden layers.
    """

    classes: int
    codes: int
    codewords: int
    width: int
    hidden: int


@dataclass(frozen=True, eq=False)
class Parameters:
    """Trained parameters, all float32.

    Attributes:
        encode: weights and biases of the encoder's two layers, of shapes (C, h), (h,),
            (h, n width), (n width,). Its input is a label less its own mean.
        codebook: (K, width) codewords.
        decode: weights and biases of the decoder's two layers, of shapes (n width, h), (h,),
            (h, C), (C,).
        activity: (h,) root mean square of the decoder's hidden layer.
    """

    encode: tuple[Array, Array, Array, Array]
    codebook: Array
    decode: tuple[Array, Array, Array, Array]
    activity: Array
