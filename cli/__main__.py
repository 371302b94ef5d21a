"""`python -m labelcodec_cli`, where the console script is not on the path."""

from .main import main

main()
