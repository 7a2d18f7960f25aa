#!/bin/sh
# Prints what the testbed would, so that tests need not build it. The second mesh misses a goal.
[ "$*" = "convergence --json --nodes 50 --nodes 200" ] || exit 9
cat <<'JSON'
[
  {
    "nodes": 50, "links": 100, "diameter": 5,
    "change_known_by_half_ms": 60.0, "change_known_by_all_ms": 100.0, "change_in_diameters": 1.0,
    "change_frames": 100, "change_bytes": 50000, "idle_bytes_per_link_per_s": 199.0, "start_known_by_all_ms": 900.0
  },
  {
    "nodes": 200, "links": 400, "diameter": 6,
    "change_known_by_half_ms": 80.0, "change_known_by_all_ms": 240.0, "change_in_diameters": 2.0,
    "change_frames": 420, "change_bytes": 210000, "idle_bytes_per_link_per_s": 300.0, "start_known_by_all_ms": 1900.0
  }
]
JSON
