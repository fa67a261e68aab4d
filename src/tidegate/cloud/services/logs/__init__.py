"""CloudWatch Logs: groups, streams, events, and finding them."""
