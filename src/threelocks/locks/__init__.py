"""The locks, one file each: `identity_policy`, `bucket_policy`, `key_policy`, and `ceiling` for what stands above them.

Each asks the two questions of `ask`. What must pass comes from `terms`, what may pass from `agreed`; answers become
findings in `findings` (open) and `narrow`.
"""
