"""SNS: topics and who subscribed to them; what is published is counted, and delivered to nobody outside."""
