"""Drives AWS with boto3: sessions, change sets, the first image, waits, diagnosis, teardown."""
