"""Pure: what a manifest and its templates mean before anything is made: cost, deploy time, changes, faults."""
