"""CloudWatch: metrics, put, listed, and read as statistics."""
