"""Options shared by several commands."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from labelcodec.remote import RemoteFile

PATH = click.Path(path_type=Path)


class LabelsName(click.ParamType["Path | RemoteFile"]):
    """A path or the URL of labels; a path keeps no double slash, so that a URL must be none."""

    name = "labels"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path | RemoteFile:
        """A path, or a file elsewhere."""
        from labelcodec.remote import RemoteFile, as_location

        location = as_location(value)
        return location if isinstance(location, RemoteFile) else PATH.convert(value, param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Files that start with `incomplete`."""
        return [CompletionItem(incomplete, type="file")]


LABELS = LabelsName()
OF_FACTS = (
    *("class_map", "image_size", "normalisation", "interpolation", "teacher", "license", "note"),
)
OF_DUMPS = (
    *("layout", "images", "image_order", "loader_seed", "label_type", "classes", "epochs_range"),
    *("shift", "columns"),
)


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
    type=click.IntRange(min=0),
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
    type=click.IntRange(min=1),
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
class_map = click.option(
    "--class-map",
    type=PATH,
    help="The teacher's class names in order, one per line, or as JSON, if they are not the sorted "
    "class folders.",
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
interpolation = click.Choice(("bilinear", "bicubic"))


class LayoutName(click.ParamType[str]):
    """The name of a registered layout; the registry is only imported when a name is given."""

    name = "layout"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """The placeholder shown by --help."""
        return "LAYOUT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check that the layout is registered."""
        from labelcodec.formats.registry import LAYOUTS

        if value not in LAYOUTS.names():
            self.fail(f"{value!r} is not one of {', '.join(LAYOUTS.names())}.", param, ctx)
        return str(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Layout names that start with `incomplete`."""
        from labelcodec.formats.registry import LAYOUTS

        return [CompletionItem(name) for name in LAYOUTS.names() if name.startswith(incomplete)]


class Span(click.ParamType[tuple[int, int]]):
    """A:B, the numbers from A up to but not including B."""

    name = "A:B"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Two numbers, of which the second is larger."""
        first, _, stop = str(value).partition(":")
        digits = all(
            part.isascii() and part.isdecimal() and len(part) < 10 for part in (first, stop)
        )
        if not digits or int(first) >= int(stop):
            self.fail(f"{value!r} is not A:B with A below B, such as 0:10.", param, ctx)
        return int(first), int(stop)


class Share(click.ParamType[tuple[int, int]]):
    """I/N, the I-th of N shares."""

    name = "I/N"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Two numbers, of which the first is in 1..N."""
        first, _, count = str(value).partition("/")
        digits = all(
            part.isascii() and part.isdecimal() and len(part) < 10 for part in (first, count)
        )
        if not digits or not 1 <= int(first) <= int(count):
            self.fail(f"{value!r} is not I/N with I from 1 to N, such as 1/4.", param, ctx)
        return int(first), int(count)


layout = click.option(
    "--layout",
    type=LayoutName(),
    help="Layout of the dump: sre2l, lpld, lpqld, hald, fkd, tinyvit, arrays, parquet, vllm, "
    "megatron, distillkit, verl or one of a plug-in; detected by default.",
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
        type=click.IntRange(min=1),
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
        except tomllib.TOMLDecodeError:
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


def _named_columns(
    context: click.Context, option: click.Parameter, texts: tuple[str, ...]
) -> dict[str, str] | None:
    """Column by name; None if there are none."""
    columns = {}
    for text in texts:
        name, equals, column = text.partition("=")
        if not equals or not column or name in columns:
            raise click.BadParameter(f"{text}: expected NAME=COLUMN, each name once")
        columns[name] = column
    return columns or None


_DUMP = (
    click.option(
        "--images", type=PATH, help="Images the labels were made from: a folder or another source."
    ),
    click.option(
        "--image-order",
        type=PATH,
        help="File with the image indices, JSON or .pt, as one list per epoch or per batch; "
        "overrides the order recorded in the dump.",
    ),
    click.option(
        "--loader-seed",
        type=int,
        help="Seed of the data loader, to derive an image order that is not recorded (SRe2L: 42); "
        "overrides a list in the dump.",
    ),
    click.option(
        "--label-type",
        type=click.Choice(("hard", "smoothing", "MS", "MR", "logits", "probabilities")),
        help="What the labels are. FKD: required to distinguish MS from MR. Others: logits or "
        "probabilities, detected by default, or MS or MR for the largest probabilities.",
    ),
    click.option(
        "--classes",
        type=click.IntRange(min=1),
        help="Number of classes, if the labels do not determine it.",
    ),
    click.option(
        "--epochs-range",
        type=Span(),
        help="Read only the epochs from A to B - 1, as the dump numbers them.",
    ),
    click.option(
        "--shift",
        type=click.IntRange(0, 1),
        help="For labels of tokens: 1 if the label of a position is of the token behind it, 0 if "
        "of its own; by default as the layout has it.",
    ),
    click.option(
        "--columns",
        metavar="NAME=COLUMN",
        multiple=True,
        callback=_named_columns,
        help="For tables of labels of tokens: the column that holds index, value, tokens, mask or "
        "tail, if it has no usual name; repeatable.",
    ),
)


def dump(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for facts about a dump that its files do not record."""
    for option in reversed((layout, *_DUMP)):
        command = option(command)
    return command


def _three(name: str, above: float, help_text: str) -> Callable[..., Any]:
    def check(context: click.Context, option: click.Parameter, values: Any) -> Any:
        if values is not None and not all(above < value < math.inf for value in values):
            text = " ".join(map(str, values))
            expected = "numbers above 0" if above == 0 else "numbers"
            raise click.BadParameter(f"{text}: these have to be {expected}")
        return values

    return click.option(
        name,
        metavar="R G B",
        type=(float, float, float),
        callback=check,
        help=help_text,
    )


def normalisation(default: str = "") -> Callable[..., Any]:
    """Add --mean and --std, the normalisation of network inputs; the text says their default."""
    first = _three("--mean", -math.inf, f"Mean per channel of inputs in 0..1{default}.")
    second = _three("--std", 0, f"Standard deviation per channel of inputs in 0..1{default}.")
    return lambda command: first(second(command))


def image_floats(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --images-mean and --images-std; with them the command's `images` are a listing."""
    beside = (
        "by which the floats of a tensor file of images were normalised, where it does not say."
    )

    @wraps(command)
    def listing_images(
        *args: Any,
        images_mean: tuple[float, ...] | None,
        images_std: tuple[float, ...] | None,
        **more: Any,
    ) -> Any:
        stated = normalised(images_mean, images_std, "--images-mean and --images-std")
        if stated is not None:
            from labelcodec.images import list_images

            if more["images"] is None:
                raise click.UsageError("--images-mean and --images-std go with --images")
            more["images"] = list_images(more["images"], image_normalisation=stated)
        return command(*args, **more)

    first = _three("--images-mean", -math.inf, f"Mean per channel, of inputs in 0..1, {beside}")
    second = _three("--images-std", 0, f"Standard deviation per channel {beside}")
    with_both: Callable[..., Any] = first(second(listing_images))
    return with_both


def facts(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for how the teacher saw the images, and for who may use the labels."""
    added = (
        class_map,
        click.option(
            "--image-size",
            metavar="PIXELS",
            type=click.IntRange(min=1),
            help="Height and width of the teacher's input.",
        ),
        normalisation(),
        click.option("--interpolation", type=interpolation, help="Interpolation of resized crops."),
        click.option("--teacher-name", "teacher", help="Name of the teacher."),
        click.option("--license", help="Terms under which the labels may be used."),
        click.option("--note", help="Free text."),
    )
    for option in reversed(added):
        command = option(command)
    return command


def normalised(
    mean: Any, std: Any, named: str = "--mean and --std"
) -> dict[str, list[float]] | None:
    """The values of --mean and --std in the form the library takes."""
    if (mean is None) != (std is None):
        raise click.UsageError(f"{named} go together")
    return None if mean is None else {"mean": list(mean), "std": list(std)}
