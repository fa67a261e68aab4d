"""Route 53: hosted zones and records, kept as they are told; nothing asks this machine for names."""
