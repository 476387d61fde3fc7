"""The IAM policy language: parse it, decide one request, or search all requests for one that escapes.

Knows nothing of shares, contracts or findings.
"""
