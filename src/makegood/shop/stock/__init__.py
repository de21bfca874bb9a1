"""Stock: never sells more than there is."""
