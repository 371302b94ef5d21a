"""Options shared by several commands."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import click

from .value_types import PATH, SIDE


def _set_threads(context: click.Context, option: click.Parameter, threads: int | None) -> None:
    """Keep --threads in the environment, where the library and child processes look for it."""
    if threads is None:
        return
    from labelcodec.threads import VARIABLE

    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(threads)
    context.find_root().call_on_close(  # also where the rest of the call is a mistake
        lambda: (
            os.environ.pop(VARIABLE) if before is None else os.environ.update({VARIABLE: before})
        )
    )


as_json = click.option("--json", "json_", is_flag=True, help="Print JSON.")
force = click.option("--force", is_flag=True, help="Replace existing output.")
workers = click.option(
    "--workers",
    metavar="N",
    type=click.IntRange(0, 1024),
    default=0,
    help="Number of processes that load images; 0 loads them in the main process.",
)
weights_key = click.option(
    "--weights-key",
    metavar="KEY",
    help="Key of the teacher's weights in their file, such as state_dict_ema; by default plain "
    "weights under the usual keys.",
)
teacher_with_norms = click.option(
    "--teacher",
    required=True,
    help="Teacher model with BatchNorm layers: convnet, resnet20, resnet56, torchvision/NAME, "
    "timm/NAME or module:callable.",
)
teacher_classes = click.option(
    "--classes",
    type=click.IntRange(min=1),
    help="Number of classes of the teacher; by default that of the folder.",
)
logits_output = click.option(
    "--output",
    metavar="KEY|INDEX",
    help="Which of a teacher's several outputs are its logits; by default `logits` or the first.",
)
crop_scale = click.option(
    "--scale",
    metavar="MIN MAX",
    type=(float, float),
    default=(0.08, 1.0),
    show_default=True,
    help="Smallest and largest area of a crop, as a fraction of the image's.",
)
flip = click.option(
    "--flip", type=float, default=0.5, show_default=True, help="Probability of a horizontal flip."
)
autocast = click.option(
    "--autocast",
    type=click.Choice(("float16", "bfloat16")),
    help="Run the teacher under torch.autocast with this dtype; float32 by default.",
)
skip_bad = click.option(
    "--skip-bad", is_flag=True, help="Leave images out that cannot be read, and say which."
)
weights = click.option("--weights", type=PATH, help="File of the teacher's weights.")
resume = click.option("--resume", is_flag=True, help="Continue an interrupted run.")
threads = click.option(
    "--threads",
    metavar="N",
    type=click.IntRange(1, 4096),
    expose_value=False,
    callback=_set_threads,
    help="Number of threads or processes; by default LABELCODEC_THREADS, or the number of CPUs "
    "that this process may use.",
)
device = click.option(
    "--device", help="Device, such as cpu or cuda; a GPU by default if there is one."
)
no_resize = click.option(
    "--no-resize",
    is_flag=True,
    help="Scale evaluation images straight to the input size, without a centre crop.",
)
allow_changed_images = click.option(
    "--allow-changed-images",
    is_flag=True,
    help="Accept images that were saved again with a loss, and say how much they differ.",
)
encoder = click.option(
    "--encoder",
    metavar="MODEL",
    help="For labels of codec projector: the encoder they were made with, such as "
    "torchvision/resnet18 or module:callable.",
)
encoder_weights = click.option(
    "--encoder-weights", type=PATH, help="File of the encoder's weights."
)
encoder_autocast = click.option(
    "--encoder-autocast",
    type=click.Choice(("float16", "bfloat16")),
    help="Run the encoder under torch.autocast with this dtype; float32 by default.",
)


def recipe(stage: str) -> Callable[..., Any]:
    """The --recipe option of a stage before training; its settings are defaults of the others."""

    def take(context: click.Context, option: click.Parameter, name: str | None) -> None:
        if name is None:
            return
        from labelcodec.errors import ConfigError
        from labelcodec.pipeline.stage_recipe import stage_table

        settings = stage_table(name, stage)
        known = {param.name for param in context.command.params if param is not option}
        if unknown := sorted(settings.keys() - known):
            raise ConfigError(f"recipe {name}: [{stage}] has an unknown setting {unknown[0]!r}")
        context.default_map = settings

    return click.option(
        "--recipe",
        metavar="NAME",
        is_eager=True,
        expose_value=False,
        callback=take,
        help=f"Take settings from the table [{stage}] of a recipe, see `labelcodec recipes`, or of "
        "a .toml file; other options override them.",
    )


def image_size(default: str) -> Callable[..., Any]:
    """The --image-size option; the text says its default."""
    return click.option(
        "--image-size",
        metavar="PIXELS",
        type=SIDE,
        help=f"Height and width of the teacher's input; by default {default}.",
    )


def batch_size(default: int, what: str = "Images per batch.") -> Callable[..., Any]:
    """The --batch-size option with the given default and help text."""
    return click.option(
        "--batch-size",
        type=click.IntRange(min=1),
        default=default,
        show_default=True,
        help=what,
    )


def no_crop(what: str) -> Callable[..., Any]:
    """The --no-crop option; the text says what happens instead."""
    return click.option("--no-crop", is_flag=True, help=what)


def _parsed_settings(
    context: click.Context, option: click.Parameter, texts: tuple[str, ...]
) -> Any:
    return [setting(text) for text in texts]


def setting(text: str) -> dict[str, Any]:
    """Parse KEY=VALUE as TOML; a value that is not valid TOML is taken as a string."""
    import json
    import tomllib

    key, equals, value = text.partition("=")
    for literal in (value, json.dumps(value)) if equals else ():
        try:
            return tomllib.loads(f"{key} = {literal}")
        except (ValueError, RecursionError):  # a number of 5000 digits, a list in lists
            pass
    raise click.BadParameter(f"{text!r} is not KEY=VALUE")


def changes(what: str) -> Callable[..., Any]:
    """The --set option with the given help text; a list of tables with a setting each."""
    return click.option(
        "--set",
        "changes",
        metavar="KEY=VALUE",
        multiple=True,
        callback=_parsed_settings,
        help=what,
    )


def seed(what: str) -> Callable[..., Any]:
    """The --seed option with the given help text."""
    return click.option(
        "--seed", type=click.IntRange(min=0), default=0, show_default=True, help=what
    )
