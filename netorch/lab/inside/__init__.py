"""Programs that run inside the lab's nodes, with the node's own python3 and the standard library alone."""
