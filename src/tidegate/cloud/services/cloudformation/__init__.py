"""CloudFormation: templates made real, in dependency order, and taken back when they cannot be."""
