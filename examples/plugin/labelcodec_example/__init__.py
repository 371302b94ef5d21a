"""A codec (`x-dense8`) and a layout (`x-jsonl`) for labelcodec."""
