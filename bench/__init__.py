"""How fast the counter is: measured beside others on a local cluster, told as ratios."""
