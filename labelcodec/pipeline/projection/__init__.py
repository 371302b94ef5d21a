"""Labels as a function of the images: an adapted encoder and a head, see codec `projector`."""
