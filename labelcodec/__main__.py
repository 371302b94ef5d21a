"""`python -m labelcodec`: the program, where the console script is not on the path."""

from labelcodec_cli.main import main

main()
