"""Makes stacks real: phases of an operation, one resource at a time each, and change sets."""
