"""Entry point of `python -m labelcodec_cli`, same as `python -m labelcodec`."""

from .main import main

main()
