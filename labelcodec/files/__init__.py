"""Files that appear only when they are complete, and locks: what every writer uses."""
