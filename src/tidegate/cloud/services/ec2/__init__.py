"""EC2, the networking half: VPCs and what belongs to them."""
