"""Options of the commands that replay labels over their images."""

from __future__ import annotations

import click

from . import image_options, value_types

image_size = click.option(
    "--image-size",
    metavar="PIXELS",
    type=value_types.SIDE,
    help="Height and width of the network input, if the labels do not record it.",
)
interpolation = click.option(
    "--interpolation",
    type=image_options.interpolation,
    help="Interpolation of resized crops, if the labels do not record it; bilinear by default.",
)
