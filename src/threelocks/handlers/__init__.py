"""One thin file per Lambda function."""
