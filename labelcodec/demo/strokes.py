"""Handwriting that nobody wrote: characters of three strokes, and how each writer draws them.

Characters come in families that share two of their strokes, so that some are easily mistaken for
each other. Random numbers are those of `random.Random.random`, which Python promises not to change,
and all arithmetic is +, -, *, / and square roots: the images are the same everywhere.
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
POINTS = 33  # by which a stroke is drawn
REACH = (0.12, 0.88)  # of strokes, in sides of the image
HAND = 0.045  # how far a writer's control points stray, in sides
SLANT, SHIFT = 0.18, 0.05  # of a whole character
WIDTH = (0.035, 0.06)  # of a pen, from the middle of a line to its edge


def character(number: int) -> NDArray[np.float64]:
    """(3, 3, 2) control points x, y of three quadratic Bézier curves, in sides of the image."""
    shared, own = Random(f"family {number // FAMILY}"), Random(f"character {number}")
    strokes = np.stack([_stroke(shared) for _ in range(STROKES)])
    strokes[-1] = _stroke(own)
    return strokes


def draw(number: int, writer: int) -> NDArray[np.uint8]:
    """(36, 36) grey levels of a character in somebody's hand, bright on black."""
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
    """Draw an image folder: a sub-folder a character, an image a writer.

    Args:
        root: the folder, made here.
        characters: how many of them, from the first.
        writers: whose hands.
        progress: called after every character.
    """
    hands = list(writers)
    for number in range(characters):
        folder = root / f"{number:03}"
        folder.mkdir(parents=True)
        for writer in hands:
            Image.fromarray(draw(number, writer)).save(folder / f"{writer:03}.png")
        if progress is not None:
            progress()


def _stroke(draws: Random) -> NDArray[np.float64]:
    """(3, 2) a start, a bend, and an end that is not too near."""
    low, high = REACH
    while True:
        points = np.array([[low + (high - low) * draws.random() for _ in "xy"] for _ in range(3)])
        if np.abs(points[0] - points[2]).max() > 0.3:
            return points


def _spread(draws: Random, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Numbers about 0 with a deviation of 1: sums of four uniform ones."""
    count = int(np.prod(shape))
    sums = [sum(draws.random() for _ in range(4)) - 2 for _ in range(count)]
    spread: NDArray[np.float64] = np.sqrt(3.0) * np.array(sums).reshape(shape)
    return spread


def _curves(control: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3 * POINTS,) one coordinate along all curves, given (3, 3) of their control points."""
    t = np.linspace(0, 1, POINTS)[:, None]
    start, bend, end = control.T
    along: NDArray[Any] = (1 - t) * (1 - t) * start + 2 * t * (1 - t) * bend + t * t * end
    return along.ravel()


def _ink(x: NDArray[np.float64], y: NDArray[np.float64], width: float) -> NDArray[np.uint8]:
    """Grey levels by the distance of each pixel to the nearest point of a line."""
    centre = (np.arange(SIDE) + 0.5) / SIDE
    across, down = centre[None, :, None] - x, centre[:, None, None] - y
    distance = np.sqrt((across * across + down * down).min(axis=2))
    cover = np.clip((width - distance) * SIDE + 0.5, 0, 1)
    levels: NDArray[np.uint8] = np.rint(255 * cover).astype(np.uint8)
    return levels
