"""The `recipes` command: list the training recipes of the library."""

from __future__ import annotations

import click

from . import console, options


@click.command()
@options.as_json
def recipes(json_: bool) -> None:
    """List the training recipes.

    These are the names that `labelcodec train --recipe` takes; --json prints all settings.

    \b
    Example:
      labelcodec recipes
    """
    from labelcodec.pipeline.stage_recipe import recipe_names
    from labelcodec.pipeline.training_recipe import load_recipe

    by_name = {name: load_recipe(name) for name in recipe_names()}
    if json_:
        console.as_json({name: recipe.to_map() for name, recipe in by_name.items()})
        return
    rows = [
        [
            *(name, recipe.model, str(recipe.epochs), str(recipe.batch_size or "recorded")),
            *(recipe.optimizer, f"{recipe.learning_rate:g}", ", ".join(recipe.losses)),
            f"{recipe.temperature.kind} from {recipe.temperature.first:g}",
        ]
        for name, recipe in by_name.items()
    ]
    columns = ["recipe", "student", "epochs", "batch", "optimizer", "rate", "loss", "temperature"]
    console.table("Training recipes", columns, rows)
