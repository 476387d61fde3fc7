"""boto3 behind the ports."""
