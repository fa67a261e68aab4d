"""Templates: read, checked, and evaluated. Pure: nothing here calls a service."""
