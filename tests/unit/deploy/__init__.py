"""The local cluster, without its servers."""
