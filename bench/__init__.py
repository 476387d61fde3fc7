"""Measurements: `make bench` runs them all, in one run on one machine, and prints ratios."""
