"""Command-line interface: parses arguments, calls the library and prints the results."""
