"""How the members of etcd come and go: what is decided, from which facts, and what is written down of it. Not how one
member does what it is told (`member`), nor how snapshots are taken and proven (`backup`).
"""
