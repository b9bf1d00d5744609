"""`duly demo`: the main job on a real input, one process killed half-way, and a verdict."""
