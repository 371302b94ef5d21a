"""Studies: a grid of settings through the whole pipeline, each shared step computed once."""
