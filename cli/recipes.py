"""The `recipes` command: list the training recipes of the library."""

from __future__ import annotations

import click

from . import console, options


@click.command()
@options.as_json
def recipes(json_: bool) -> None:
    """List the recipes.

    These are the names that `labelcodec train --recipe` takes, and the commands before it for
    which a recipe has a table; --json prints all settings.

    \b
    Example:
      labelcodec recipes
    """
    from labelcodec.pipeline.stage_recipe import STAGES, recipe_names, recipe_tables
    from labelcodec.pipeline.training_recipe import load_recipe

    by_name = {name: load_recipe(name) for name in recipe_names()}
    tables = {
        name: {stage: table for stage, table in recipe_tables(name).items() if stage in STAGES}
        for name in by_name
    }
    if json_:
        console.as_json({name: by_name[name].to_map() | tables[name] for name in by_name})
        return
    rows = [
        [
            *(name, recipe.model, str(recipe.epochs), str(recipe.batch_size or "recorded")),
            *(recipe.optimizer, f"{recipe.learning_rate:g}", ", ".join(recipe.losses)),
            f"{recipe.temperature.kind} from {recipe.temperature.first:g}",
            ", ".join(tables[name]) or "-",
        ]
        for name, recipe in by_name.items()
    ]
    columns = ["recipe", "student", "epochs", "batch", "optimizer", "rate", "loss", "temperature"]
    columns.append("tables for")
    console.table("Training recipes", columns, rows)
