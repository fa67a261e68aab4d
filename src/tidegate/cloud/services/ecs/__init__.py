"""ECS on Fargate: clusters, task definitions, tasks that are containers, services that keep them running."""
