"""Makes private zones resolve."""
