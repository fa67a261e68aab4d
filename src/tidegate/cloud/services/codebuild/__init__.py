"""CodeBuild: projects, and builds that run a buildspec."""
