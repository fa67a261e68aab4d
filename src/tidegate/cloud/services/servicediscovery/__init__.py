"""Cloud Map: namespaces, services and the instances that are found by them, by name or by a call."""
