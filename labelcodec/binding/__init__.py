"""What binds labels to their images: names, pixels, and the order of the classes."""
