"""Certificate Manager: certificates that the authority of this machine signs, and imported ones."""
