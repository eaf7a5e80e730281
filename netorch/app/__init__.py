"""Use cases: what the commands do, composed from the core, the plugins and the world."""
