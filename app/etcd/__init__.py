"""etcd as this system uses it: how its members are reached, and which keys the count is kept under. What is done with
them belongs to those who do it.
"""
