"""S3's request payment setting, which moto does not know: it would answer with a listing of the bucket.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketRequestPayment.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from moto.s3.responses import S3Response

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


@contextmanager
def payer_is_known() -> Iterator[None]:
    """While the block runs, buckets have a payer, at first their owner."""
    get, put = S3Response._bucket_response_get, S3Response._bucket_response_put

    def get_or_payer(handler: S3Response, bucket_name: str, querystring: dict[str, Any]) -> Any:
        if "requestPayment" not in querystring:
            return get(handler, bucket_name, querystring)
        payer = getattr(handler.backend.get_bucket(bucket_name), "payer", "BucketOwner")
        configuration = f'<RequestPaymentConfiguration xmlns="{_NAMESPACE}"><Payer>{payer}</Payer>'
        return 200, {}, f"{configuration}</RequestPaymentConfiguration>"

    def put_or_payer(handler: S3Response, request: Any, bucket_name: str, querystring: dict[str, Any]) -> Any:
        if "requestPayment" not in querystring:
            return put(handler, request, bucket_name, querystring)
        wanted = re.search(r"<Payer>(BucketOwner|Requester)</Payer>", handler.body.decode())
        if wanted is None:
            return 400, {}, "<Error><Code>MalformedXML</Code></Error>"
        handler.backend.get_bucket(bucket_name).payer = wanted[1]
        return 200, {}, ""

    with (
        patch.object(S3Response, "_bucket_response_get", get_or_payer),
        patch.object(S3Response, "_bucket_response_put", put_or_payer),
    ):
        yield
