"""Application Auto Scaling: keeps the desired count of ECS services where their load wants it."""
