"""Watches one S3 bucket shared across AWS accounts, lock by lock."""
