"""The environment in which simulated AWS runs. Imports nothing that looks at the environment when it is imported."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

_OWN = {
    "AWS_ACCESS_KEY_ID": "simulated",
    "AWS_SECRET_ACCESS_KEY": "simulated",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


@contextmanager
def environment_of_its_own() -> Iterator[None]:
    """While the block runs, credentials, profiles, endpoints and switches of the developer's own count for nothing.

    moto makes sessions when it is imported, and fails on a profile that is not there: whoever imports it first must
    do so inside.
    """
    with patch.dict(os.environ, _OWN):
        for name in [name for name in os.environ if name.startswith(("AWS_", "MOTO_")) and name not in _OWN]:
            del os.environ[name]
        yield
