"""Pure: a manifest in, CloudFormation out; one file per stack, and one per noun that several need."""
