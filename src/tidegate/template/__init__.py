"""Pure: a manifest in, CloudFormation out; one file per stack."""
