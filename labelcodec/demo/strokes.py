"""Synthetic handwriting: characters of three strokes, drawn by writers with different hands.

Characters come in families that share two of their three strokes, so that some are easily confused.
The images are the same on every machine: all random numbers come from `random.Random.random`, whose
sequence Python keeps stable, and all arithmetic is +, -, *, / and square roots.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 36  # pixels
FAMILY = 5  # characters that share strokes
STROKES = 3
POINTS = 33  # points per stroke
REACH = (0.12, 0.88)  # range of stroke coordinates, as a share of the side
HAND = 0.045  # standard deviation of a writer's control points, as a share of the side
SLANT, SHIFT = 0.18, 0.05  # standard deviations for a whole character
WIDTH = (0.035, 0.06)  # range of half the pen's width, as a share of the side


def character(number: int) -> NDArray[np.float64]:
    """(3, 3, 2) control points x, y in 0..1 of a character's three quadratic Bézier curves."""
    shared, own = Random(f"family {number // FAMILY}"), Random(f"character {number}")
    strokes = np.stack([_stroke(shared) for _ in range(STROKES)])
    strokes[-1] = _stroke(own)
    return strokes


def draw(number: int, writer: int) -> NDArray[np.uint8]:
    """(36, 36) uint8 image of a character as a writer draws it, bright on black."""
    hand = Random(f"character {number} writer {writer}")
    points = character(number) + HAND * _spread(hand, (STROKES, 3, 2))
    (a, b), (c, d) = SLANT * _spread(hand, (2, 2))
    x, y = points[..., 0] - 0.5, points[..., 1] - 0.5
    shift = 0.5 + SHIFT * _spread(hand, (2,))
    x, y = x + a * x + b * y + shift[0], y + c * x + d * y + shift[1]
    low, high = WIDTH
    return _ink(_curves(x), _curves(y), low + (high - low) * hand.random())


def write_folder(
    root: Path,
    characters: int,
    writers: Iterable[int],
    progress: Callable[[], None] | None = None,
) -> None:
    """Draw an image folder: one sub-folder per character, one PNG per writer.

    Args:
        root: the folder to create.
        characters: number of characters, starting with character 0.
        writers: numbers of the writers.
        progress: called after every character.
    """
    writer_numbers = list(writers)
    for number in range(characters):
        folder = root / f"{number:03}"
        folder.mkdir(parents=True)
        for writer in writer_numbers:
            Image.fromarray(draw(number, writer)).save(folder / f"{writer:03}.png")
        if progress is not None:
            progress()


def _stroke(rng: Random) -> NDArray[np.float64]:
    """(3, 2) control points: a start, a bend, and an end that is far enough from the start."""
    low, high = REACH
    while True:
        points = np.array([[low + (high - low) * rng.random() for _ in "xy"] for _ in range(3)])
        if np.abs(points[0] - points[2]).max() > 0.3:
            return points


def _spread(rng: Random, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Random numbers of mean 0 and standard deviation 1: sums of four uniform ones."""
    count = int(np.prod(shape))
    sums = [sum(rng.random() for _ in range(4)) - 2 for _ in range(count)]
    spread: NDArray[np.float64] = np.sqrt(3.0) * np.array(sums).reshape(shape)
    return spread


def _curves(control: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3 * POINTS,) one coordinate along all curves, from that of their (3, 3) control points."""
    t = np.linspace(0, 1, POINTS)[:, None]
    start, bend, end = control.T
    coordinates: NDArray[Any] = (1 - t) * (1 - t) * start + 2 * t * (1 - t) * bend + t * t * end
    return coordinates.ravel()


def _ink(x: NDArray[np.float64], y: NDArray[np.float64], width: float) -> NDArray[np.uint8]:
    """(36, 36) uint8 grey levels, from each pixel's distance to the nearest point of a stroke."""
    centre = (np.arange(SIDE) + 0.5) / SIDE
    across, down = centre[None, :, None] - x, centre[:, None, None] - y
    distance = np.sqrt((across * across + down * down).min(axis=2))
    cover = np.clip((width - distance) * SIDE + 0.5, 0, 1)
    levels: NDArray[np.uint8] = np.rint(255 * cover).astype(np.uint8)
    return levels
