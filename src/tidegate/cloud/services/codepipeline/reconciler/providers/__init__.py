"""What actions do, one file a provider."""
