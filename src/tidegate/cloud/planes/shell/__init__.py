"""Commands of a build, run as processes of their own. Knows nothing of AWS."""
