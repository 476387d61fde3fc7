"""`make second-opinion`: the same random cases decided by `authorize` and by somebody else's evaluator."""
