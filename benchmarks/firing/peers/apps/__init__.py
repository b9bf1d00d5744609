"""What runs inside of the peers' own processes; the rig itself imports none of it."""
