"""The only place that touches the world: SSH, netlink, files, the clock."""
