"""One file a command; the only place that prints, prompts or exits. Heavy imports wait until a command runs."""
