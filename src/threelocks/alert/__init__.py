"""A verdict and its cause, as people read it."""
