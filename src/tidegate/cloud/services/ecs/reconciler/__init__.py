"""Makes tasks and services real: containers, target registrations, deployments."""
