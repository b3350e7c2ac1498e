"""Edge: bundles of packages, channels that follow what is live, releases to a share of the devices, the fleet."""
