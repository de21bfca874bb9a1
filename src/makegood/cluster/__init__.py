"""The same shop as separate processes, on RocketMQ, ZooKeeper, MySQL and Triple."""
