"""Systems Manager, of which there is the Parameter Store."""
