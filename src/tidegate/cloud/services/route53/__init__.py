"""Route 53: hosted zones and records. Private zones resolve in the tasks of their VPCs; public ones are kept."""
