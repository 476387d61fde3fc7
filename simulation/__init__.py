"""Simulated accounts for the demo and the tests; never part of the package that is deployed.

moto keeps what AWS keeps (buckets, keys, roles, queues, topics, tables, stacks). What it leaves out, and what this
product lives by, is here: EventBridge delivery between accounts and regions (`bus`), the CloudTrail record of each
change (`trail`), and Lambda polling its queues (`functions`, `poller`). Nothing leaves the process.
"""
