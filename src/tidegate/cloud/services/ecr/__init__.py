"""ECR: repositories of container images; the registry plane keeps their content."""
