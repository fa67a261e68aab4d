"""From HTTP to an operation call and back: everything here follows from botocore's service models."""
