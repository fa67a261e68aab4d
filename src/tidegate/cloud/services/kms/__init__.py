"""KMS: symmetric keys, their policies, and what is encrypted with them."""
