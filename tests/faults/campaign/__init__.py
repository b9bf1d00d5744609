"""A campaign: load, faults drawn by a seed, and a judge that reads two logs.

`workload` schedules and notes what was acknowledged, `handlers` note what they did,
`injections` break things, `judge` compares the two logs, `run` directs.
"""
